//! A caller makes calls over one client, one at a time, and records them. Closed and open loops share it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use calculator::conformance::Numbers;
use calculator::{Client, Deadline};

use super::calls::Calls;
use super::time::Time;
use super::window::Phases;
use crate::observe::{EndedCall, Live, Observation, Timing};

/// The number of calls in flight: updated by the callers, sampled by another thread.
#[derive(Debug, Default)]
pub struct InFlight(AtomicU32);

impl InFlight {
    /// The current number.
    #[must_use]
    pub fn now(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// State that all callers of a trial share.
pub(super) struct Shared<T> {
    pub(super) time: T,
    pub(super) phases: Phases,
    pub(super) numbers: Numbers,
    /// Whether the outcome of each call with a scheduled send time is kept.
    pub(super) keeps_calls: bool,
    pub(super) in_flight: Arc<InFlight>,
    /// Where calls are published as they end; `None` without a view.
    pub(super) live: Option<Arc<Live>>,
}

/// Makes calls over one client, one at a time.
pub(super) struct Caller<T> {
    pub(super) shared: Arc<Shared<T>>,
    pub(super) client: Arc<dyn Client>,
    /// The calls to make, in turn and repeatedly.
    calls: Calls,
    pub(super) deadline: Option<Deadline>,
    pub(super) observation: Arc<Mutex<Observation>>,
    /// When the last call ended.
    free_since: Option<Instant>,
}

impl<T: Time> Caller<T> {
    pub(super) fn new(
        shared: &Arc<Shared<T>>,
        client: &Arc<dyn Client>,
        calls: Calls,
        observation: &Arc<Mutex<Observation>>,
        deadline: Option<Deadline>,
    ) -> Self {
        Caller {
            shared: Arc::clone(shared),
            client: Arc::clone(client),
            calls,
            deadline,
            observation: Arc::clone(observation),
            free_since: None,
        }
    }

    /// Makes the next call, which starts at `started`. In an open loop, `slot` is its scheduled send time, from which its
    /// latency is measured.
    ///
    /// The call is recorded if its slot, or without a slot its start, lies in the window. A call that ended with a
    /// transport error is also recorded if `record_lost` returns true. Returns whether it ended with a transport error, or there is
    /// nothing to call.
    pub(super) async fn call(
        &mut self,
        started: Instant,
        slot: Option<Instant>,
        record_lost: impl FnOnce() -> bool,
    ) -> bool {
        let Shared { time, phases, numbers, keeps_calls, in_flight, live } = &*self.shared;
        let Some((prepared, part)) = self.calls.current() else { return true };
        in_flight.0.fetch_add(1, Ordering::Relaxed);
        let call = self.client.call(&prepared.call);
        let result = match &mut self.deadline {
            Some(deadline) => deadline.within(started, call).await,
            None => call.await,
        };
        let ended = time.now();
        in_flight.0.fetch_sub(1, Ordering::Relaxed);
        let service = ended.saturating_duration_since(started);
        let timing = match slot {
            None => Timing::closed(service),
            Some(slot) => Timing {
                latency: ended.saturating_duration_since(slot),
                service: Some(service),
                // While the caller was busy, the generator could not have started the call.
                schedule_lag: Some(
                    started.saturating_duration_since(self.free_since.map_or(slot, |f| f.max(slot))),
                ),
            },
        };
        self.free_since = Some(ended);
        phases.call_ended(ended, service);
        let lost = result.as_ref().is_err_and(|error| error.kind.is_transport());
        if phases.is_measured(slot.unwrap_or(started)) || (lost && record_lost()) {
            // Never contended with the Tokio driver: all callers share one thread.
            let mut observation = self.observation.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = observation.record(timing, &result, &prepared.expected, *numbers);
            if let Some(slot) = slot.filter(|_| *keeps_calls) {
                let (response, lag) = (timing.latency, timing.schedule_lag.unwrap_or_default());
                observation.calls.push(EndedCall { slot, response, lag, outcome });
            }
            if let Some(part) = part {
                observation.record_part(part, timing.latency, outcome);
            }
            observation.last_call = Some((started, ended));
            if let Some(live) = live {
                live.record(timing.latency, outcome);
            }
        }
        self.calls.advance();
        lost
    }
}

/// Takes the observation, leaving an empty one.
pub(super) fn take(observation: &Mutex<Observation>) -> Observation {
    std::mem::take(&mut *observation.lock().unwrap_or_else(PoisonError::into_inner))
}
