//! Latencies and outcomes of the calls of a trial.

use std::time::{Duration, Instant};

use calculator::conformance::Numbers;
use calculator::{CallError, Value};
use hdrhistogram::Histogram;

use super::counts::Counts;
use super::expectation::Expectation;
use super::outcome::CallOutcome;
use crate::stats::{growing_histogram, new_histogram, record_duration};

/// How long one call took.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// In a closed loop, from the start of the call to its end; in an open loop, from its scheduled send time to its end.
    pub latency: Duration,
    /// Open loop only: from the start of the call to its end.
    pub service: Option<Duration>,
    /// Open loop only: how much later than scheduled the generator started the call, although it could have started it.
    pub schedule_lag: Option<Duration>,
}

impl Timing {
    /// The timing of a call in a closed loop.
    #[must_use]
    pub fn closed(latency: Duration) -> Self {
        Timing { latency, service: None, schedule_lag: None }
    }
}

/// The calls of one operation of a mix.
#[derive(Clone, Debug)]
pub struct PartObservation {
    /// Counts by outcome. Scheduled calls that were not sent belong to no operation.
    pub counts: Counts,
    /// Latencies of the calls with a correct answer, in nanoseconds.
    pub latency: Histogram<u64>,
}

impl Default for PartObservation {
    fn default() -> Self {
        PartObservation { counts: Counts::default(), latency: growing_histogram() }
    }
}

/// A call of an open loop that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedCall {
    /// Its scheduled send time.
    pub slot: Instant,
    /// The time from then to its end.
    pub response: Duration,
    /// How much later than scheduled the load generator started it, although it could have started it.
    pub lag: Duration,
    /// How it ended.
    pub outcome: CallOutcome,
}

/// The calls of a trial, or those of one of its callers.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Counts by outcome.
    pub counts: Counts,
    /// Latencies of the calls with a correct answer, in nanoseconds. Percentiles count all other calls as infinitely slow,
    /// see [`crate::stats::quantile_with_missing`].
    pub latency: Histogram<u64>,
    /// Open loop only: service times of the calls with a correct answer, in nanoseconds, measured from the actual start.
    pub service: Histogram<u64>,
    /// Open loop only: schedule lags of all calls, in nanoseconds, regardless of their outcome.
    pub schedule_lag: Histogram<u64>,
    /// Whether latencies had settled when the measured window opened.
    pub settled: bool,
    /// The rate of a closed loop that was made before an open loop, if one was.
    pub generator_limit: Option<f64>,
    /// When the first call was made, including calls of the warm-up.
    pub first_call_at: Option<Instant>,
    /// When the last measured call started, and when the last measured call ended.
    pub last_call: Option<(Instant, Instant)>,
    /// Number of callers that stopped early, after too many transport errors in a row.
    pub callers_gave_up: u32,
    /// Each call of an open loop, in the order in which they ended, where the load generator was asked to keep them. Those of
    /// several threads follow each other.
    pub calls: Vec<EndedCall>,
    /// The scheduled send times of all of these calls, and of those that were not sent, in order.
    pub slots: Vec<Instant>,
    /// The calls of each operation of a mix, in its order; empty for one operation.
    pub parts: Vec<PartObservation>,
}

impl Default for Observation {
    fn default() -> Self {
        Observation {
            counts: Counts::default(),
            latency: new_histogram(),
            service: growing_histogram(),
            schedule_lag: growing_histogram(),
            settled: true,
            generator_limit: None,
            first_call_at: None,
            last_call: None,
            callers_gave_up: 0,
            calls: vec![],
            slots: vec![],
            parts: vec![],
        }
    }
}

impl Observation {
    /// Records one call: its `timing`, its `result`, and what is `expected` of that, with which `numbers` compares it. Returns
    /// how it ended.
    pub fn record(
        &mut self,
        timing: Timing,
        result: &Result<Value, CallError>,
        expected: &Expectation,
        numbers: Numbers,
    ) -> CallOutcome {
        let outcome = CallOutcome::of(result, expected, numbers);
        self.counts.add(outcome);
        if let Some(schedule_lag) = timing.schedule_lag {
            record_duration(&mut self.schedule_lag, schedule_lag);
        }
        if outcome == CallOutcome::Right {
            record_duration(&mut self.latency, timing.latency);
            if let Some(service) = timing.service {
                record_duration(&mut self.service, service);
            }
        }
        outcome
    }

    /// Records the `outcome` of a call that was recorded, and its `latency`, for operation number `part` of a mix.
    pub fn record_part(&mut self, part: usize, latency: Duration, outcome: CallOutcome) {
        if self.parts.len() <= part {
            self.parts.resize_with(part + 1, PartObservation::default);
        }
        let part = &mut self.parts[part];
        part.counts.add(outcome);
        if outcome == CallOutcome::Right {
            record_duration(&mut part.latency, latency);
        }
    }

    /// Adds the calls of `other`.
    pub fn merge(&mut self, other: &Observation) {
        self.counts.merge(&other.counts);
        self.callers_gave_up += other.callers_gave_up;
        self.calls.extend_from_slice(&other.calls);
        self.slots.extend_from_slice(&other.slots);
        self.settled &= other.settled;
        self.first_call_at = self.first_call_at.into_iter().chain(other.first_call_at).min();
        self.last_call = match (self.last_call, other.last_call) {
            (Some(a), Some(b)) => Some((a.0.max(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        // Cannot fail: both sides have the same bounds, or grow as needed.
        let _ = self.latency.add(&other.latency);
        let _ = self.service.add(&other.service);
        let _ = self.schedule_lag.add(&other.schedule_lag);
        if self.parts.len() < other.parts.len() {
            self.parts.resize_with(other.parts.len(), PartObservation::default);
        }
        for (part, other) in self.parts.iter_mut().zip(&other.parts) {
            part.counts.merge(&other.counts);
            let _ = part.latency.add(&other.latency);
        }
    }
}

#[cfg(test)]
mod tests {
    use calculator::ErrorKind;

    use super::*;

    #[test]
    fn each_outcome_increments_one_count() {
        let mut observation = Observation::default();
        let five = Expectation::Value(Value::Int(5));
        let mut record =
            |took, result| observation.record(Timing::closed(took), &result, &five, Numbers::Exact);
        let took = Duration::from_micros(7);
        record(took, Ok(Value::Int(5)));
        record(took, Ok(Value::Float(5.0)));
        record(took, Err(CallError::new(ErrorKind::Timeout, "")));
        record(took, Err(CallError::new(ErrorKind::Overflow, "")));
        record(Duration::from_secs(9_999), Ok(Value::Int(5)));
        assert!(observation.counts.is_conserved());
        assert_eq!(
            (
                observation.counts.right,
                observation.counts.wrong,
                observation.counts.timed_out,
                observation.counts.errors()
            ),
            (2, 1, 1, 1)
        );
        assert_eq!(observation.counts.not_right(), 3);
        assert_eq!(observation.latency.len(), 2);
    }

    #[test]
    fn merged_parts_equal_the_whole() {
        let mut all = Observation::default();
        let mut parts = [Observation::default(), Observation::default()];
        for i in 1..1_000_u64 {
            let took = Duration::from_nanos(i * i);
            all.record(Timing::closed(took), &Ok(Value::Null), &Expectation::AnyResult, Numbers::Exact);
            parts[usize::from(i % 2 == 0)].record(
                Timing::closed(took),
                &Ok(Value::Null),
                &Expectation::AnyResult,
                Numbers::Exact,
            );
        }
        let [mut a, b] = parts;
        a.merge(&b);
        assert_eq!(a.latency, all.latency);
        assert_eq!(a.counts, all.counts);
    }

    #[test]
    fn the_operations_of_a_mix_are_counted_separately_and_merge() {
        let took = Duration::from_micros(9);
        let mut one = Observation::default();
        one.record_part(1, took, CallOutcome::Right);
        one.record_part(1, took, CallOutcome::Wrong);
        let mut other = Observation::default();
        other.record_part(0, took, CallOutcome::TimedOut);
        other.record_part(2, took, CallOutcome::Right);
        one.merge(&other);
        let started: Vec<_> =
            one.parts.iter().map(|part| (part.counts.started, part.latency.len())).collect();
        assert_eq!(started, [(1, 0), (2, 1), (1, 1)]);
        assert!(one.parts.iter().all(|part| part.counts.is_conserved()));
    }
}
