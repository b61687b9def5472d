//! The summary of a record: for each measurement the figures of every stack, and the conclusions that they support.

use std::cmp::Ordering;

use super::describe;
use super::headroom::Headroom;
use super::stack::StackKind;
use super::stack_summary::{Floors, RankingFigure, SliceLevels, StackSummary};
use super::variants::Variant;
use super::verdict::{Ranking, speeds};
use super::warnings::warnings;
use crate::claims::{JudgedClaim, JudgedSlo, judge, judge_slos};
use crate::load::{Load, Operation};
use crate::record::{HistogramError, Record, StackFacts, Trial, by_block};
use crate::scenario::Measurement;
use crate::scenario::floor_for;
use crate::stacks::{NETWORK_FLOOR, Stack, at_the_place_of, base_name};
use crate::stats::simulation::Noise;
use crate::stats::{ByBlock, Interval, error_each, ratio, ratios};

/// The summary of a record.
#[derive(Debug)]
pub struct Summary {
    /// The measurements of the scenario that have a trial.
    pub measurements: Vec<MeasurementSummary>,
    /// The service level objectives of the scenario, judged.
    pub slos: Vec<JudgedSlo>,
    /// The claims of the scenario, judged.
    pub claims: Vec<JudgedClaim>,
    /// What a reader must know before reading any figure.
    pub warnings: Vec<String>,
}

/// One measurement.
#[derive(Debug)]
pub struct MeasurementSummary {
    /// What was measured.
    pub measurement: Measurement,
    /// The stacks: floors first, then the best of what is measured first.
    pub stacks: Vec<StackSummary>,
    /// The stacks without a trial.
    pub not_measured: Vec<NotMeasured>,
    /// Which of the stacks differ, as far as the blocks tell.
    pub ranking: Ranking,
    /// The stack that the others' latencies are compared with.
    pub floor: &'static str,
    /// The headroom of the generator; only in an open loop whose floor was measured.
    pub(super) headroom: Option<Headroom>,
    /// The A/A pairs: stacks that were measured twice, against themselves.
    pub pairs: Vec<SelfComparison>,
    /// Stacks whose server was reached by two routes.
    pub variants: Vec<Variant>,
}

/// A stack compared with itself (an A/A pair): any difference is noise.
#[derive(Clone, Debug, PartialEq)]
pub struct SelfComparison {
    /// The stack.
    pub stack: String,
    /// The ratio of the two halves of the pair in each block.
    pub by_block: ByBlock,
    /// The same over all blocks; `None` where there are too few of them.
    pub ratio: Option<Interval>,
}

/// A stack without a trial in a measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotMeasured {
    /// The stack.
    pub stack: String,
    /// Why it was not measured.
    pub reason: String,
}

impl Summary {
    /// Sums up `record`.
    ///
    /// # Errors
    /// When a histogram in it cannot be read.
    pub fn new(record: &Record) -> Result<Self, HistogramError> {
        let measurements = &record.scenario.measurements;
        let all = measurements.iter().map(|measurement| MeasurementSummary::new(record, measurement));
        let measurements: Vec<_> = all.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        let differing_pairs = measurements.iter().flat_map(MeasurementSummary::differing_pairs);
        let too_few = measurements.iter().filter_map(MeasurementSummary::too_few_blocks);
        let close_to_limit = measurements.iter().filter_map(|summary| {
            let headroom = summary.headroom?;
            headroom.warning(&summary.measurement.name)
        });
        let warnings = differing_pairs.chain(too_few).chain(close_to_limit).chain(warnings(record)).collect();
        Ok(Summary { measurements, slos: judge_slos(record)?, claims: judge(record), warnings })
    }
}

impl MeasurementSummary {
    /// Sums up `measurement`; `None` where it has no trial.
    fn new(record: &Record, measurement: &Measurement) -> Result<Option<Self>, HistogramError> {
        let all: Vec<_> =
            record.trials.iter().filter(|trial| trial.measurement == measurement.name).collect();
        let levels = SliceLevels::new(&record.stacks, &all);
        let (twins, trials): (Vec<_>, Vec<_>) = all.into_iter().partition(|trial| trial.twin);
        let floor = network_floor(measurement, &trials);
        let mut stacks = Vec::new();
        for facts in &record.stacks {
            let trials_of_stack = trials_of(&trials, &facts.name);
            let wire = trials_of_stack.first().and_then(|trial| {
                let wire = record.wire_of(trial)?;
                Some(if trial.connection.is_kept() { wire.clone() } else { wire.on_a_new_connection() })
            });
            let operation = trials_of_stack.first().map(|trial| trial.operation);
            let floors = floors_of(facts, operation, &trials, &levels, floor);
            stacks.extend(StackSummary::new(facts, &trials_of_stack, &floors, &levels, wire)?);
        }
        if stacks.is_empty() {
            return Ok(None);
        }
        stacks.sort_by(|a, b| order(measurement, a, b));
        let pairs = pairs(&twins, &stacks, measurement.load, &levels);
        let same: Vec<_> = pairs.iter().filter_map(|pair| pair.ratio).collect();
        Ok(Some(MeasurementSummary {
            measurement: measurement.clone(),
            not_measured: not_measured(record, measurement, &stacks),
            ranking: Ranking::new(&stacks, measurement.load, &same),
            pairs,
            variants: Variant::all(&stacks),
            floor,
            headroom: Headroom::of(measurement, floor, &trials),
            stacks,
        }))
    }

    /// The figure that is compared, in words.
    pub(super) fn compared_quantity(&self) -> &'static str {
        if self.compares_seen_rates() { "calls per second" } else { describe::quantity(&self.measurement) }
    }

    /// Whether all stacks are services of one's own, which are compared with each other.
    pub(super) fn is_of_own_services(&self) -> bool {
        self.stacks.iter().all(StackSummary::is_own_service)
    }

    /// Whether all stacks are services of one's own with several callers, of which only the rate that was seen is known.
    pub(super) fn compares_seen_rates(&self) -> bool {
        self.stacks.iter().all(|stack| stack.seen_rate.is_some())
    }

    /// The noise of the ranked stacks and of the A/A pairs, in the blocks in which all of them have a valid trial.
    #[must_use]
    pub fn noise(&self) -> Option<Noise> {
        let load = self.measurement.load;
        let stacks = self.stacks.iter().filter(|stack| self.ranking.stacks.contains(&stack.stack));
        let speeds: Vec<_> = stacks.map(|stack| speeds(&stack.ranking_figure, load)).collect();
        let same: Vec<_> = self.pairs.iter().map(|pair| pair.by_block.clone()).collect();
        Noise::of(&speeds, &same)
    }

    /// The floor of the measurement, where it was called with the same operation.
    pub(super) fn floor_row(&self) -> Option<&StackSummary> {
        let is_floor = |stack: &&StackSummary| {
            stack.stack == self.floor && stack.operation == self.measurement.operation
        };
        self.stacks.iter().find(is_floor)
    }

    /// A warning if there are too few blocks for any statement about two stacks.
    fn too_few_blocks(&self) -> Option<String> {
        let comparisons = &self.ranking.comparisons;
        let is_undecided = comparisons.pairs.iter().all(|pair| pair.ratio.is_none());
        (is_undecided && !comparisons.pairs.is_empty()).then(|| {
            format!(
                "{}: too few blocks to say which stacks differ; that takes at least {} for {} pairs of stacks",
                self.measurement.name,
                comparisons.blocks_needed,
                comparisons.pairs.len()
            )
        })
    }

    /// A warning for each A/A pair whose halves differ.
    fn differing_pairs(&self) -> impl Iterator<Item = String> {
        let differing =
            self.pairs.iter().filter(|pair| pair.ratio.is_some_and(|ratio| !ratio.contains_one()));
        differing.map(|pair| {
            format!(
                "{}: {} is distinguishable from itself: something other than the stacks made a difference in this run, \
                 and its verdicts cannot be trusted",
                self.measurement.name, pair.stack
            )
        })
    }
}

fn trials_of<'a>(trials: &[&'a Trial], stack: &str) -> Vec<&'a Trial> {
    trials.iter().copied().filter(|trial| trial.stack == stack).collect()
}

/// The floor with which latencies of `measurement` are compared: that for its number of connections, or else
/// [`NETWORK_FLOOR`] if that one was measured by a route by which the other was not.
pub(crate) fn network_floor(measurement: &Measurement, trials: &[&Trial]) -> &'static str {
    let was_measured = |stack: &str| trials.iter().any(|trial| trial.stack == stack);
    let floor = floor_for(measurement.max_connections());
    let of_route = |trial: &&&Trial| base_name(&trial.stack) == NETWORK_FLOOR;
    let mut routes = trials.iter().filter(of_route).map(|trial| at_the_place_of(floor, &trial.stack));
    if was_measured(floor) && routes.all(|floor| was_measured(&floor)) { floor } else { NETWORK_FLOOR }
}

/// The floors with which the stack of `facts` is compared. A server that is reached by another route is compared with
/// floors that are reached by that route. A floor of another operation has another payload, and is no floor of this one.
fn floors_of(
    facts: &StackFacts,
    operation: Option<Operation>,
    trials: &[&Trial],
    levels: &SliceLevels,
    floor: &str,
) -> Floors {
    let of_floor = |floor: &str| {
        let mut of_floor = trials_of(trials, &at_the_place_of(floor, &facts.name));
        of_floor.retain(|trial| Some(trial.operation) == operation);
        by_block(&of_floor, |trial| levels.median_latency(trial))
    };
    let own = StackKind::of(facts).own_floor().filter(|floor| *floor != base_name(&facts.name));
    Floors { network: of_floor(floor), own: own.map(of_floor) }
}

/// The stacks that were skipped, and those that an interrupted run did not reach.
fn not_measured(record: &Record, measurement: &Measurement, stacks: &[StackSummary]) -> Vec<NotMeasured> {
    let skipped = record
        .skipped
        .iter()
        .map(|skipped| NotMeasured { stack: skipped.stack.clone(), reason: skipped.reason.clone() });
    let not_reached = record.stacks.iter().filter(|facts| {
        let stack = Stack::named(&facts.name);
        let is_expected = stack.is_ok_and(|stack| record.scenario.measures(stack, measurement));
        record.interrupted && is_expected && stacks.iter().all(|stack| stack.stack != facts.name)
    });
    let reason = "the run was interrupted earlier";
    skipped
        .chain(not_reached.map(|facts| NotMeasured { stack: facts.name.clone(), reason: reason.to_owned() }))
        .collect()
}

/// Floors first; then fewer nanoseconds first for one caller, and for several the larger capacity of the server first.
fn order(measurement: &Measurement, a: &StackSummary, b: &StackSummary) -> Ordering {
    let floors = b.kind.is_floor().cmp(&a.kind.is_floor());
    let p50 = |stack: &StackSummary| stack.p50.map_or(f64::INFINITY, |p50| p50.median);
    let capacity =
        |stack: &StackSummary| stack.capacity.and_then(|it| it.per_core).map_or(0.0, |it| it.median);
    let throughput = |stack: &StackSummary| stack.throughput.map_or(0.0, |throughput| throughput.median);
    floors.then_with(|| {
        if measurement.load.is_for_latency() {
            p50(a).total_cmp(&p50(b))
        } else {
            capacity(b).total_cmp(&capacity(a)).then_with(|| throughput(b).total_cmp(&throughput(a)))
        }
    })
}

fn pairs(twins: &[&Trial], stacks: &[StackSummary], load: Load, levels: &SliceLevels) -> Vec<SelfComparison> {
    let with_twin = stacks.iter().filter_map(|stack| {
        let twin = trials_of(twins, &stack.stack);
        let figure = RankingFigure::new(load, stack.is_own_service());
        (!twin.is_empty()).then(|| (stack, figure.by_block(&twin, stack.kind, levels)))
    });
    let with_twin: Vec<_> = with_twin.collect();
    let error = error_each(with_twin.len());
    let compare = |(stack, twin): &(&StackSummary, ByBlock)| SelfComparison {
        stack: stack.stack.clone(),
        by_block: ratios(&stack.ranking_figure, twin),
        ratio: ratio(&stack.ranking_figure, twin, error),
    };
    with_twin.iter().map(compare).collect()
}
