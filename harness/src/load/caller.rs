//! What closed and open loops have in common: making one call, and recording it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use calculator::{Client, Deadline};

use super::Prepared;
use super::time::Time;
use super::window::Stage;
use crate::observe::{Observation, Timing};

/// How many calls are in flight. Callers count; somebody else, who knows nothing of their clocks, looks.
#[derive(Debug, Default)]
pub struct InFlight(AtomicU32);

impl InFlight {
    /// The number at this moment.
    #[must_use]
    pub fn now(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What all callers of a trial share.
pub(super) struct Shared<T> {
    pub(super) time: T,
    pub(super) stage: Stage,
    pub(super) in_flight: Arc<InFlight>,
}

/// Makes calls over one client, one at a time.
pub(super) struct Caller<T> {
    pub(super) shared: Arc<Shared<T>>,
    pub(super) client: Arc<dyn Client>,
    /// Made in turn, again and again.
    pub(super) calls: Arc<[Prepared]>,
    /// Which of them comes next.
    pub(super) next: usize,
    pub(super) deadline: Option<Deadline>,
    pub(super) seen: Arc<Mutex<Observation>>,
    /// When its last call ended.
    free_since: Option<Instant>,
}

impl<T: Time> Caller<T> {
    pub(super) fn new(
        shared: &Arc<Shared<T>>,
        client: &Arc<dyn Client>,
        calls: &Arc<[Prepared]>,
        seen: &Arc<Mutex<Observation>>,
        deadline: Option<Deadline>,
    ) -> Self {
        Caller {
            shared: Arc::clone(shared),
            client: Arc::clone(client),
            calls: Arc::clone(calls),
            next: 0,
            deadline,
            seen: Arc::clone(seen),
            free_since: None,
        }
    }

    /// Makes the next call at `started`. In an open loop it belongs to a `slot`, from which its clock runs; whether it
    /// counts goes by that, and by the start otherwise. A call that was lost counts also where `even_if_lost` says so:
    /// one that failed on the way, and not by what the server answered. Returns whether it was.
    pub(super) async fn call(
        &mut self,
        started: Instant,
        slot: Option<Instant>,
        even_if_lost: impl FnOnce() -> bool,
    ) -> bool {
        let Shared { time, stage, in_flight } = &*self.shared;
        let prepared = &self.calls[self.next];
        self.next = (self.next + 1) % self.calls.len();
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
                // While the caller was busy, it was not the generator that kept the slot waiting.
                schedule_lag: Some(
                    started.saturating_duration_since(self.free_since.map_or(slot, |f| f.max(slot))),
                ),
            },
        };
        self.free_since = Some(ended);
        stage.ended(ended, service);
        let lost = result.as_ref().is_err_and(|error| error.kind.is_transport());
        if stage.counts(slot.unwrap_or(started)) || (lost && even_if_lost()) {
            // All callers of a Tokio driver share one thread, so nobody is ever waited for.
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.record(timing, &result, &prepared.answer);
            seen.last_call = Some((started, ended));
        }
        lost
    }
}

/// Takes out what was seen.
pub(super) fn taken(seen: &Mutex<Observation>) -> Observation {
    std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner))
}
