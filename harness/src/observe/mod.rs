//! What is seen of the calls of a trial: how long they took and what became of them.

pub mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use calculator::{CallError, ErrorKind, Value};
use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest latency a histogram tells apart; anything longer is recorded as this.
const LONGEST: Duration = Duration::from_secs(120);
/// Significant decimal digits that a histogram keeps of a latency.
const SIGNIFICANT_DIGITS: u8 = 3;

/// What became of the calls of a trial. Nothing is dropped:
/// started = right + wrong + failed + timed out + unfinished.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Calls begun inside the measured window.
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
    /// Whether every started call is accounted for.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        self.started == self.right + self.wrong + self.errors() + self.timed_out + self.unfinished
    }

    /// Calls that ended as an error other than a timeout.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Calls that did not end with the right answer.
    #[must_use]
    pub fn not_right(&self) -> u64 {
        self.started - self.right.min(self.started)
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Counts) {
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

/// The calls of a trial, or of one caller of it.
#[derive(Clone, Debug)]
pub struct Observation {
    /// What became of them.
    pub counts: Counts,
    /// Latency of the calls with the right answer, in nanoseconds. The others stand in the counts; percentiles count
    /// them as infinitely late, see [`crate::stats::quantile_with_missing`].
    pub latency: Histogram<u64>,
    /// Callers that stopped calling because call after call went unanswered.
    pub gave_up: u32,
}

impl Default for Observation {
    fn default() -> Self {
        Observation { counts: Counts::default(), latency: new_histogram(), gave_up: 0 }
    }
}

/// A histogram from 1 ns to two minutes with three significant digits.
#[must_use]
pub fn new_histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the bounds are constants that the library accepts")]
    Histogram::new_with_bounds(1, nanos(LONGEST), SIGNIFICANT_DIGITS).expect("valid bounds")
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Observation {
    /// Records one call: how long it `took`, its `result`, and the right `answer`.
    pub fn record(
        &mut self,
        took: Duration,
        result: &Result<Value, CallError>,
        answer: &Result<Value, CallError>,
    ) {
        self.counts.started += 1;
        match (result, answer) {
            (Ok(value), Ok(answer)) if value == answer => {
                self.counts.right += 1;
                self.latency.saturating_record(nanos(took).max(1));
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
        // Both have the same bounds, so no value of one is out of range for the other.
        let _ = self.latency.add(&other.latency);
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
        seen.record(Duration::from_micros(7), &Ok(Value::Int(5)), &five);
        seen.record(Duration::from_micros(7), &Ok(Value::Float(5.0)), &five);
        seen.record(Duration::from_micros(7), &error(ErrorKind::Timeout), &five);
        seen.record(Duration::from_micros(7), &error(ErrorKind::Overflow), &five);
        seen.record(Duration::from_secs(9_999), &Ok(Value::Int(5)), &five);
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
            all.record(took, &Ok(Value::Null), &Ok(Value::Null));
            parts[usize::from(i % 2 == 0)].record(took, &Ok(Value::Null), &Ok(Value::Null));
        }
        let [mut a, b] = parts;
        a.merge(&b);
        assert_eq!(a.latency, all.latency);
        assert_eq!(a.counts, all.counts);
    }
}
