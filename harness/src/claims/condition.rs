//! Judging one condition of a claim.

use schemars::JsonSchema;
use serde::Serialize;

use super::codec::of_codec;
use super::figure::{Values, find};
use crate::record::Record;
use crate::scenario::{Condition, Subject, Threshold};
use crate::stats::{ByBlock, Interval, interval_of_median, median, range, ratio};

/// Whether a condition is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The figure keeps the threshold, and so does its whole interval.
    True,
    /// The figure misses the threshold, and so does its whole interval.
    False,
    /// The interval contains the threshold, or there is none.
    Undecided,
}

/// The figure of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Estimate {
    /// It was counted, and needs no interval.
    Counted(f64),
    /// It was measured: the median of the blocks with its interval. For a timeline or a topology, that is the smallest and the
    /// largest block.
    Measured(Interval),
    /// There are too few blocks for an interval: only the median is known.
    TooFewBlocks(f64),
}

impl Estimate {
    /// The number.
    #[must_use]
    pub fn value(self) -> f64 {
        match self {
            Estimate::Counted(value) | Estimate::TooFewBlocks(value) => value,
            Estimate::Measured(interval) => interval.median,
        }
    }

    /// The lower and upper bound of the figure; a number that was counted is both.
    #[must_use]
    pub fn bounds(self) -> Option<(f64, f64)> {
        match self {
            Estimate::Counted(value) => Some((value, value)),
            Estimate::Measured(interval) => Some((interval.low, interval.high)),
            Estimate::TooFewBlocks(_) => None,
        }
    }
}

impl Outcome {
    /// The outcome for a figure with these bounds.
    #[must_use]
    pub fn of(bounds: Option<(f64, f64)>, threshold: Threshold) -> Self {
        match (bounds, threshold) {
            (Some((low, _)), Threshold::AtLeast(limit)) if low >= limit => Outcome::True,
            (Some((_, high)), Threshold::AtLeast(limit)) if high < limit => Outcome::False,
            (Some((_, high)), Threshold::AtMost(limit)) if high <= limit => Outcome::True,
            (Some((low, _)), Threshold::AtMost(limit)) if low > limit => Outcome::False,
            _ => Outcome::Undecided,
        }
    }

    /// The outcome as a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::True => "true",
            Outcome::False => "false",
            Outcome::Undecided => "undecided",
        }
    }
}

/// A condition, and what the record says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedCondition {
    /// The condition.
    pub condition: Condition,
    /// The figure, or why there is none.
    pub estimate: Result<Estimate, String>,
    /// Whether the condition is true.
    pub outcome: Outcome,
}

impl JudgedCondition {
    /// Judges `condition` by `record`. An interval is wrong with a probability of at most `error`.
    pub(super) fn new(record: &Record, condition: &Condition, error: f64) -> Self {
        let estimate = estimate(record, condition, error);
        let bounds = estimate.as_ref().ok().and_then(|estimate| estimate.bounds());
        let outcome = condition.threshold().map_or(Outcome::Undecided, |limit| Outcome::of(bounds, limit));
        JudgedCondition { condition: condition.clone(), estimate, outcome }
    }
}

/// The figure of `condition` in `record`, or why there is none.
fn estimate(record: &Record, condition: &Condition, error: f64) -> Result<Estimate, String> {
    let find = |measurement: &str, subject: Subject<'_>| match subject {
        Subject::Stack(stack) => find(record, measurement, stack, condition.figure),
        Subject::Format(format) => of_codec(record, measurement, format, condition.figure),
    };
    let subject =
        condition.subject().ok_or("the condition does not say which stack or format it is about")?;
    let own = find(&condition.measurement, subject)?;
    let other = condition.compared_with().map(|(measurement, other)| find(measurement, other)).transpose()?;
    match (own, other) {
        (Values::Counted(own), None) => Ok(Estimate::Counted(own)),
        (Values::Counted(own), Some(Values::Counted(other))) => Ok(Estimate::Counted(own / other)),
        (Values::Measured(own), None) => {
            let values: Vec<f64> = own.into_values().collect();
            measured(interval_of_median(&values, error), &values)
        }
        (Values::Measured(own), Some(Values::Measured(other))) => {
            measured(ratio(&own, &other, error), &ratios(&own, &other))
        }
        (Values::OfTimeline(blocks), None) => Ok(Estimate::Measured(blocks)),
        (Values::OfTopology(own), None) => of_blocks(condition, &own.into_values().collect::<Vec<_>>()),
        (Values::OfTopology(own), Some(Values::OfTopology(other))) => {
            of_blocks(condition, &ratios(&own, &other))
        }
        // Both sides are the same figure, and one of a timeline has no other side.
        (
            Values::Counted(_) | Values::Measured(_) | Values::OfTimeline(_) | Values::OfTopology(_),
            Some(_),
        ) => Err("these figures have no ratio".to_owned()),
    }
}

/// The ratio in each block that both sides have.
fn ratios(own: &ByBlock, other: &ByBlock) -> Vec<f64> {
    own.iter().filter_map(|(block, own)| Some(own / other.get(block)?)).collect()
}

/// The estimate from the smallest and the largest of `values`, those of `condition` in the blocks of a topology.
fn of_blocks(condition: &Condition, values: &[f64]) -> Result<Estimate, String> {
    let (median, (low, high)) =
        median(values).zip(range(values)).ok_or_else(|| "no block counts on both sides".to_owned())?;
    let is_counted = condition.figure.min_blocks() == 1;
    Ok(match (is_counted && low >= high, values.len() < condition.figure.min_blocks()) {
        (true, _) => Estimate::Counted(median),
        (false, true) => Estimate::TooFewBlocks(median),
        (false, false) => Estimate::Measured(Interval { low, median, high }),
    })
}

/// The estimate from the interval of `values`, where there is one.
fn measured(interval: Option<Interval>, values: &[f64]) -> Result<Estimate, String> {
    if values.iter().any(|value| value.is_nan()) {
        return Err("both sides fall among calls without an answer in the same block".to_owned());
    }
    match (interval, median(values)) {
        (Some(interval), _) => Ok(Estimate::Measured(interval)),
        (None, Some(median)) => Ok(Estimate::TooFewBlocks(median)),
        (None, None) => Err("no block has valid trials of both sides".to_owned()),
    }
}
