//! What a gate has found.

use serde::{Deserialize, Serialize};

use super::decision::{Judgement, Verdict};
use super::settings::{GateSettings, Metric};
use super::side::{CountedEnd, ExchangedEnd};
use crate::compare::CallBytes;
use crate::record::CallCounts;

/// The result of a gate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// What the base was, in a few words.
    pub base: String,
    /// What the new side was.
    pub new: String,
    /// The end that differed.
    pub side: ExchangedEnd,
    /// The settings.
    pub settings: GateSettings,
    /// The seed of the links, the order and the environments.
    pub seed: u64,
    /// The verdict on the whole change: slower if a metric is, or if a call takes more bytes, instructions or allocations.
    pub verdict: Verdict,
    /// What is known about each metric of each stack.
    pub judgements: Vec<Judgement>,
    /// The bytes of a call of each stack.
    pub bytes: Vec<BytesOfStack>,
    /// The instructions and allocations of a call at the server of each stack; empty where they were not counted.
    pub counts: Vec<CountsOfStack>,
    /// Whether the sides differ and one of them has the same link in every round: the thresholds then allow for what links
    /// differ by, but a greater difference of the links counts as one of the sides.
    pub single_link: bool,
    /// What a reader must know, a sentence each.
    pub notes: Vec<String>,
    /// How long the stacks were called, in seconds.
    pub measured_seconds: f64,
    /// How long the gate took after the build, in seconds.
    pub seconds: f64,
    /// The rounds, in order.
    pub rounds: Vec<RoundRecord>,
}

/// The bytes of a call of a stack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BytesOfStack {
    /// The name of the stack.
    pub stack: String,
    /// The bytes, base and new; absent where they cannot be counted exactly.
    pub bytes: [Option<CallBytes>; 2],
}

impl BytesOfStack {
    /// How many bytes more a call takes on the new side; negative if fewer. `None` where they cannot be counted.
    #[must_use]
    pub fn difference(&self) -> Option<i128> {
        let [base, new] = self.bytes.each_ref().map(|bytes| bytes.as_ref().map(CallBytes::total));
        Some(new? - base?)
    }
}

/// The instructions and allocations of a call of a stack at one end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CountsOfStack {
    /// The name of the stack.
    pub stack: String,
    /// The end.
    pub end: CountedEnd,
    /// The counts, base and new.
    pub counts: [CallCounts; 2],
}

impl CountsOfStack {
    /// The stack and the end, in words.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}, {}", self.stack, self.end.name())
    }

    /// Whether a call takes more of either on the new side.
    #[must_use]
    pub fn has_more(&self) -> bool {
        let [base, new] = &self.counts;
        new.is_more_than(base)
    }
}

/// The verdict on a change whose times have the verdict `times`: a call that takes more bytes, instructions or allocations is as
/// good as slower.
pub(super) fn overall(bytes: &[BytesOfStack], counts: &[CountsOfStack], times: Verdict) -> Verdict {
    let has_more_bytes = bytes.iter().any(|bytes| bytes.difference().is_some_and(|more| more > 0));
    if has_more_bytes || counts.iter().any(CountsOfStack::has_more) { Verdict::Slower } else { times }
}

/// A stack in a round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundRecord {
    /// The number of the round, from 0.
    pub round: u32,
    /// The name of the stack.
    pub stack: String,
    /// The seeds of the section padding of base and new; absent for programs that were not linked here.
    pub links: [Option<u32>; 2],
    /// Its metrics, those that could be measured.
    pub metrics: Vec<MetricOfRound>,
}

/// A metric of a stack in a round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricOfRound {
    /// The metric.
    pub metric: Metric,
    /// The median of the base over the slices, in nanoseconds a call.
    pub base_ns: f64,
    /// The median over the pairs of slices of ln(new ÷ base).
    pub ratio: f64,
}

impl RoundRecord {
    /// The median over the pairs of slices of ln(new ÷ base).
    #[must_use]
    pub fn ratio(&self, metric: Metric) -> Option<f64> {
        self.metrics.iter().find(|other| other.metric == metric).map(|found| found.ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(down: Option<u64>) -> Option<CallBytes> {
        Some(CallBytes { up: 100, down: down?, packets: 2.0, hops: vec![] })
    }

    #[test]
    fn a_single_byte_more_is_found_whatever_the_times() {
        for (base, new, times, expected) in [
            (Some(50), Some(51), Verdict::NotSlower, Verdict::Slower),
            (Some(50), Some(51), Verdict::Undecided, Verdict::Slower),
            (Some(50), Some(50), Verdict::NotSlower, Verdict::NotSlower),
            (Some(50), Some(49), Verdict::Undecided, Verdict::Undecided),
            (Some(50), None, Verdict::NotSlower, Verdict::NotSlower),
            (None, Some(50), Verdict::Slower, Verdict::Slower),
        ] {
            let row = BytesOfStack { stack: "rest".to_owned(), bytes: [bytes(base), bytes(new)] };
            assert_eq!(overall(&[row], &[], times), expected, "{base:?} {new:?}");
        }
    }

    #[test]
    fn an_instruction_in_a_hundred_more_is_found_whatever_the_times() {
        let counts = |instructions| CallCounts {
            stack: "rest".to_owned(),
            operation: crate::load::Operation::ADD,
            instructions,
            allocations: 12.0,
        };
        for (new, times, expected) in [
            (20_200.0, Verdict::NotSlower, Verdict::Slower),
            (20_010.0, Verdict::NotSlower, Verdict::NotSlower),
            (19_000.0, Verdict::Undecided, Verdict::Undecided),
        ] {
            let end = CountedEnd::Server;
            let row =
                CountsOfStack { stack: "rest".to_owned(), end, counts: [counts(20_000.0), counts(new)] };
            assert_eq!(overall(&[], &[row], times), expected, "{new}");
        }
    }
}
