//! The calls of a trial under way, for a view of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::outcome::CallOutcome;

/// Buckets for each doubling of a response time: a quantile is off by a sixteenth at most.
const BUCKETS_PER_DOUBLING: u64 = 8;
/// The binary logarithm of [`BUCKETS_PER_DOUBLING`].
const SUB_BITS: u32 = 3;
/// Buckets for all numbers of nanoseconds of 64 bits.
const BUCKETS: usize = 512;

/// The calls that have ended since they were last read.
///
/// A caller adds to it after it has taken the time at which its call ended, so that no response time includes this. Where there is
/// no view, there is no `Live`, and a caller does nothing. With one, a call takes one addition to a counter that no other thread
/// writes but once a second, in relaxed order: a few nanoseconds of the caller's core, without a lock, an allocation or a system
/// call. It is only used in windows of seconds: the short trials of comparisons publish nothing while they are measured.
#[derive(Debug)]
pub struct Live {
    /// Correct answers by response time.
    right: [AtomicU64; BUCKETS],
    /// Calls that ended otherwise.
    not_right: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The trial that is under way.
    trial: Option<LiveTrial>,
    is_closed: bool,
}

/// The trial that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveTrial {
    /// Its name for people.
    pub name: String,
    /// The cores that are measured; empty where the system chooses them.
    pub cores: Vec<usize>,
}

/// What a view shows next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveEvent {
    /// The time has passed, and the same trial is under way.
    Tick,
    /// Another trial is under way, or none.
    Changed(Option<LiveTrial>),
    /// No further trial follows.
    Closed,
}

/// The calls that ended in an interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveCalls {
    right: Vec<u64>,
    /// Calls without a correct answer.
    pub not_right: u64,
}

/// Ends the trial of a [`Live`] when it is dropped.
#[derive(Debug)]
pub struct LiveGuard<'a>(&'a Live);

impl Default for Live {
    fn default() -> Self {
        Live {
            right: [const { AtomicU64::new(0) }; BUCKETS],
            not_right: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }
}

impl Live {
    /// Begins a trial, which ends when the guard is dropped.
    #[must_use]
    pub fn begin(&self, trial: LiveTrial) -> LiveGuard<'_> {
        self.set(Some(trial));
        LiveGuard(self)
    }

    /// Ends [`Self::next`] for good.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Waits until another trial than `known` is under way, or `tick` has passed. Without `tick` the waiting thread is not woken
    /// up meanwhile, so that it disturbs nothing.
    #[must_use]
    pub fn next(&self, known: Option<&LiveTrial>, tick: Option<Duration>) -> LiveEvent {
        let is_same = |state: &mut State| !state.is_closed && state.trial.as_ref() == known;
        let state = self.lock();
        let state = match tick {
            None => self.changed.wait_while(state, is_same).unwrap_or_else(PoisonError::into_inner),
            Some(tick) => {
                let waited = self.changed.wait_timeout_while(state, tick, is_same);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        if state.is_closed {
            LiveEvent::Closed
        } else if state.trial.as_ref() == known {
            LiveEvent::Tick
        } else {
            LiveEvent::Changed(state.trial.clone())
        }
    }

    /// Adds a call that has ended.
    pub fn record(&self, response: Duration, outcome: CallOutcome) {
        let counter = match outcome {
            CallOutcome::Right => &self.right[bucket(response)],
            CallOutcome::Wrong | CallOutcome::TimedOut | CallOutcome::Failed(_) => &self.not_right,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the calls that have ended since the last time.
    #[must_use]
    pub fn take(&self) -> LiveCalls {
        LiveCalls {
            right: self.right.iter().map(|bucket| bucket.swap(0, Ordering::Relaxed)).collect(),
            not_right: self.not_right.swap(0, Ordering::Relaxed),
        }
    }

    fn set(&self, trial: Option<LiveTrial>) {
        self.lock().trial = trial;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LiveGuard<'_> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

impl LiveCalls {
    /// The number of correct answers.
    #[must_use]
    pub fn right(&self) -> u64 {
        self.right.iter().sum()
    }

    /// The `q`-quantile (0 to 1) of the response times, to a sixteenth, where calls without a correct answer count as infinitely
    /// slow. `None` if it falls among those, or no call has ended.
    #[must_use]
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let all = self.right() + self.not_right;
        let rank = ((q * all as f64).ceil() as u64).clamp(1, all.max(1));
        let mut counted = 0;
        let found = self.right.iter().position(|calls| {
            counted += calls;
            counted >= rank
        });
        found.map(|index| Duration::from_nanos(middle(index as u64)))
    }
}

/// The index of the bucket of `response`.
fn bucket(response: Duration) -> usize {
    let nanos = u64::try_from(response.as_nanos()).unwrap_or(u64::MAX);
    if nanos < BUCKETS_PER_DOUBLING {
        return usize::try_from(nanos).unwrap_or(0);
    }
    let doublings = nanos.ilog2() - SUB_BITS;
    // The leading bit is left out: it is always 1.
    let within = (nanos >> doublings) & (BUCKETS_PER_DOUBLING - 1);
    let index = (u64::from(doublings) + 1) * BUCKETS_PER_DOUBLING + within;
    usize::try_from(index).unwrap_or(BUCKETS - 1).min(BUCKETS - 1)
}

/// The middle of the bucket `index`, in nanoseconds.
fn middle(index: u64) -> u64 {
    let (doublings, within) = (index / BUCKETS_PER_DOUBLING, index % BUCKETS_PER_DOUBLING);
    match doublings.checked_sub(1) {
        None => within,
        Some(shift) => {
            let lower = (BUCKETS_PER_DOUBLING + within) << shift;
            lower + (1 << shift) / 2
        }
    }
}

#[cfg(test)]
mod tests {
    use calculator::ErrorKind;

    use super::*;

    #[test]
    fn a_response_time_is_in_a_bucket_whose_middle_is_near_it() {
        for nanos in [0, 1, 7, 8, 9, 15, 16, 1_000, 123_456, 5_000_000_000, u64::MAX / 3, u64::MAX] {
            let index = bucket(Duration::from_nanos(nanos));
            assert!(index < BUCKETS, "{nanos}");
            let found = middle(index as u64);
            assert!(found.abs_diff(nanos) <= nanos / 16 + 1, "{nanos}: {found}");
        }
    }

    #[test]
    fn calls_are_taken_once_and_those_without_a_right_answer_are_slowest() {
        let live = Live::default();
        for micros in 1..=90 {
            live.record(Duration::from_micros(micros), CallOutcome::Right);
        }
        for outcome in [CallOutcome::Wrong, CallOutcome::TimedOut, CallOutcome::Failed(ErrorKind::Internal)] {
            live.record(Duration::ZERO, outcome);
        }
        let calls = live.take();
        assert_eq!((calls.right(), calls.not_right), (90, 3));
        let p50 = calls.quantile(0.5).unwrap().as_nanos();
        assert!((44_000..=50_000).contains(&p50), "{p50}");
        assert_eq!(calls.quantile(0.99), None);
        let again = live.take();
        assert_eq!((again.right(), again.not_right, again.quantile(0.5)), (0, 0, None));
    }

    #[test]
    fn a_trial_is_under_way_until_its_guard_is_dropped() {
        let live = Live::default();
        let trial = LiveTrial { name: "rest ramp".to_owned(), cores: vec![1] };
        let guard = live.begin(trial.clone());
        assert_eq!(live.next(None, None), LiveEvent::Changed(Some(trial.clone())));
        assert_eq!(live.next(Some(&trial), Some(Duration::ZERO)), LiveEvent::Tick);
        drop(guard);
        assert_eq!(live.next(Some(&trial), None), LiveEvent::Changed(None));
        live.close();
        assert_eq!(live.next(None, None), LiveEvent::Closed);
    }
}
