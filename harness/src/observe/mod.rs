//! What is seen of the calls of a trial: how long they took and what became of them.

pub mod control;
mod meter;
mod samples;
pub mod wire;

pub use meter::Meter;
pub use samples::{InFlightMean, Samples};

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use calculator::{CallError, ErrorKind, Value};
use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest latency a histogram tells apart; anything longer is recorded as this.
const LONGEST: Duration = Duration::from_secs(120);
/// Significant decimal digits that a histogram keeps of a latency.
const SIGNIFICANT_DIGITS: u8 = 3;

/// What became of the calls of a trial. Nothing is dropped:
/// started = right + wrong + failed + timed out + unfinished, and in an open loop slots = started + not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Slots of an open loop's schedule inside the measured window; 0 in a closed loop, which has none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub slots: u64,
    /// Slots for which no call was made, because too many were in flight.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_sent: u64,
    /// Calls begun inside the measured window; in an open loop, those whose slot lies in it.
    pub started: u64,
    /// Calls answered with the right value.
    pub right: u64,
    /// Calls answered with any other value.
    pub wrong: u64,
    /// Calls that ended as an error, by its kind; timeouts are counted apart.
    #[schemars(with = "BTreeMap<String, u64>")]
    pub failed: BTreeMap<ErrorKind, u64>,
    /// Calls without an answer at their deadline.
    pub timed_out: u64,
    /// Calls abandoned because the trial ended.
    pub unfinished: u64,
}

impl Counts {
    /// Whether every started call and every slot is accounted for.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        let slots = self.slots == 0 || self.slots == self.started + self.not_sent;
        slots && self.started == self.right + self.wrong + self.errors() + self.timed_out + self.unfinished
    }

    /// Calls that ended as an error other than a timeout.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Calls that did not end with the right answer, and slots for which none was made.
    #[must_use]
    pub fn not_right(&self) -> u64 {
        self.started - self.right.min(self.started) + self.not_sent
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Counts) {
        self.slots += other.slots;
        self.not_sent += other.not_sent;
        self.started += other.started;
        self.right += other.right;
        self.wrong += other.wrong;
        self.timed_out += other.timed_out;
        self.unfinished += other.unfinished;
        for (kind, count) in &other.failed {
            *self.failed.entry(*kind).or_default() += count;
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How long a call took, in each of the ways that are told apart.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// From the moment at which the call was due: in a closed loop that of its start, in an open loop its slot.
    pub latency: Duration,
    /// In an open loop, from its start.
    pub service: Option<Duration>,
    /// In an open loop, how much later than its slot the generator made it, though it could have.
    pub lateness: Option<Duration>,
}

impl Timing {
    /// A call of a closed loop.
    #[must_use]
    pub fn closed(took: Duration) -> Self {
        Timing { latency: took, service: None, lateness: None }
    }
}

/// The calls of a trial, or of one caller of it.
#[derive(Clone, Debug)]
pub struct Observation {
    /// What became of them.
    pub counts: Counts,
    /// Latency of the calls with the right answer, in nanoseconds. The others stand in the counts; percentiles count
    /// them as infinitely late, see [`crate::stats::quantile_with_missing`].
    pub latency: Histogram<u64>,
    /// Service time of the calls with the right answer in an open loop, in nanoseconds: from the send, not from the slot.
    pub service: Histogram<u64>,
    /// How late the generator made the calls of an open loop, in nanoseconds, whatever became of them.
    pub lateness: Histogram<u64>,
    /// Whether latencies had settled before calls counted.
    pub settled: bool,
    /// When the first call was made, whether it counts or not.
    pub began: Option<Instant>,
    /// When the last call that counts began, and when the last of them ended.
    pub last: Option<(Instant, Instant)>,
    /// Callers that stopped calling because call after call went unanswered.
    pub gave_up: u32,
}

impl Default for Observation {
    fn default() -> Self {
        Observation {
            counts: Counts::default(),
            latency: new_histogram(),
            service: growing_histogram(),
            lateness: growing_histogram(),
            settled: true,
            began: None,
            last: None,
            gave_up: 0,
        }
    }
}

/// As [`new_histogram`], but with memory only for what was recorded: most trials record nothing in it.
pub(crate) fn growing_histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the number of digits is a constant that the library accepts")]
    let mut histogram = Histogram::new(SIGNIFICANT_DIGITS).expect("valid digits");
    histogram.auto(true);
    histogram
}

/// A histogram from 1 ns to two minutes with three significant digits.
#[must_use]
pub fn new_histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the bounds are constants that the library accepts")]
    Histogram::new_with_bounds(1, nanos(LONGEST), SIGNIFICANT_DIGITS).expect("valid bounds")
}

fn put(histogram: &mut Histogram<u64>, duration: Duration) {
    // In range of one that is bounded, and of one that grows (which `saturating_record` would keep from growing).
    let _ = histogram.record(nanos(duration.min(LONGEST)).max(1));
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Observation {
    /// Records one call: its `timing`, its `result`, and the right `answer`.
    pub fn record(
        &mut self,
        timing: Timing,
        result: &Result<Value, CallError>,
        answer: &Result<Value, CallError>,
    ) {
        self.counts.started += 1;
        if let Some(lateness) = timing.lateness {
            put(&mut self.lateness, lateness);
        }
        match (result, answer) {
            (Ok(value), Ok(answer)) if value == answer => {
                self.counts.right += 1;
                put(&mut self.latency, timing.latency);
                if let Some(service) = timing.service {
                    put(&mut self.service, service);
                }
            }
            (Ok(_), _) => self.counts.wrong += 1,
            (Err(error), _) if error.kind == ErrorKind::Timeout => self.counts.timed_out += 1,
            (Err(error), _) => *self.counts.failed.entry(error.kind).or_default() += 1,
        }
    }

    /// Adds what `other` saw.
    pub fn merge(&mut self, other: &Observation) {
        self.counts.merge(&other.counts);
        self.gave_up += other.gave_up;
        self.settled &= other.settled;
        self.began = self.began.into_iter().chain(other.began).min();
        self.last = match (self.last, other.last) {
            (Some(a), Some(b)) => Some((a.0.max(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        // Both have the same bounds, or grow as they must, so no value of one is out of range for the other.
        let _ = self.latency.add(&other.latency);
        let _ = self.service.add(&other.service);
        let _ = self.lateness.add(&other.lateness);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_count_of_its_own() {
        let mut seen = Observation::default();
        let five = Ok(Value::Int(5));
        let error = |kind| Err(CallError::new(kind, ""));
        seen.record(Timing::closed(Duration::from_micros(7)), &Ok(Value::Int(5)), &five);
        seen.record(Timing::closed(Duration::from_micros(7)), &Ok(Value::Float(5.0)), &five);
        seen.record(Timing::closed(Duration::from_micros(7)), &error(ErrorKind::Timeout), &five);
        seen.record(Timing::closed(Duration::from_micros(7)), &error(ErrorKind::Overflow), &five);
        seen.record(Timing::closed(Duration::from_secs(9_999)), &Ok(Value::Int(5)), &five);
        assert!(seen.counts.is_conserved());
        assert_eq!(
            (seen.counts.right, seen.counts.wrong, seen.counts.timed_out, seen.counts.errors()),
            (2, 1, 1, 1)
        );
        assert_eq!(seen.counts.not_right(), 3);
        assert_eq!(seen.latency.len(), 2);
        assert_eq!(seen.latency.min(), 7_000 / 4 * 4);
        assert!(seen.latency.max() >= nanos(LONGEST));
    }

    #[test]
    fn merging_loses_nothing() {
        let mut all = Observation::default();
        let mut parts = [Observation::default(), Observation::default()];
        for i in 1..1_000_u64 {
            let took = Duration::from_nanos(i * i);
            all.record(Timing::closed(took), &Ok(Value::Null), &Ok(Value::Null));
            parts[usize::from(i % 2 == 0)].record(Timing::closed(took), &Ok(Value::Null), &Ok(Value::Null));
        }
        let [mut a, b] = parts;
        a.merge(&b);
        assert_eq!(a.latency, all.latency);
        assert_eq!(a.counts, all.counts);
    }
}
