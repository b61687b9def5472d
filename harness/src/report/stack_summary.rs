//! The figures of one stack in one measurement, summed up over its trials.

use std::collections::{BTreeMap, BTreeSet};

use hdrhistogram::Histogram;

use super::operation_summary::OperationSummary;
use super::receivers::{DeliverySummary, shares};
use super::server_capacity::{SeenRate, ServerCapacity, capacity_per_core};
use super::spread::Spread;
use super::stack::StackKind;
use crate::load::{Load, Operation};
use crate::observe::Counts;
use crate::record::{HistogramError, Label, Levels, StackFacts, Status, Trial, Used, Wire, by_block};
use crate::stats::{ByBlock, carries_quantile, new_histogram};

/// One stack in one measurement.
#[derive(Debug)]
pub struct StackSummary {
    /// The name of the stack.
    pub stack: String,
    /// The protocol and role of the stack.
    pub kind: StackKind,
    /// What was called: the operation of the measurement, except that the floors of older records only call `add`.
    pub operation: Operation,
    /// The number of connections that the callers used.
    pub connections: u32,
    /// Whether its server was already running, on cores that are unknown or do not fit the placement. Such a stack is
    /// not compared with others.
    pub is_unplaced: bool,
    /// How many of its trials are valid.
    pub valid: usize,
    /// How many are not, and why the first of them is not.
    pub not_valid: Option<(usize, String)>,
    /// Median latency in nanoseconds.
    pub p50: Option<Spread>,
    /// 99th percentile of the latency in nanoseconds.
    pub p99: Option<Spread>,
    /// 99.9th percentile of the latency in nanoseconds.
    pub p999: Option<Spread>,
    /// Median service time in nanoseconds. Only in an open loop, whose latencies start at the scheduled send time.
    pub service_p50: Option<Spread>,
    /// 99th percentile of the generator's schedule lag in nanoseconds; only in an open loop.
    pub schedule_lag_p99: Option<Spread>,
    /// Median latency as a multiple of that of the measurement's floor in the same block.
    pub ratio_to_floor: Option<Spread>,
    /// Median latency as a multiple of that of the protocol's own floor in the same block; only where the protocol has
    /// one.
    pub ratio_to_own_floor: Option<Spread>,
    /// Correct answers per second.
    pub throughput: Option<Spread>,
    /// CPU time per correct answer.
    pub cpu: Cpu,
    /// CPU time of all processes together per correct answer in nanoseconds, of each block in which all of them were
    /// observed.
    pub cpu_by_block: ByBlock,
    /// Bytes on the wire.
    pub wire: Option<Wire>,
    /// How the calls of all its trials ended, invalid trials included.
    pub counts: Counts,
    /// The same of its valid trials.
    pub counts_of_valid: Counts,
    /// Labels that a reader must know to read the figures correctly.
    pub labels: Vec<Label>,
    /// The latencies of all valid trials.
    pub latency: Histogram<u64>,
    /// Calls of valid trials that did not get a correct answer: they rank above every latency.
    pub missing: u64,
    /// What the server can answer; only in a closed loop with several callers.
    pub capacity: Option<ServerCapacity>,
    /// The same of a service of one's own, of which only the rate that was seen is known; then there is no capacity.
    pub seen_rate: Option<SeenRate>,
    /// The share of the calls that each of several servers executed, in percent; empty for a single server.
    pub server_shares: Vec<Spread>,
    /// Where the messages arrived that have no answer; absent for calls.
    pub deliveries: Option<DeliverySummary>,
    /// The calls of each operation of a mix; empty where all calls were of one operation.
    pub operations: Vec<OperationSummary>,
    /// The figure by which stacks are ranked, of each block that has one.
    pub ranking_figure: ByBlock,
}

/// The figure by which the stacks of a measurement are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RankingFigure {
    /// Median latency in nanoseconds.
    MedianLatency,
    /// The calls per second that a core of the server can answer. The rate that was observed is that of the slower end,
    /// which may be the client, and varies more.
    CapacityPerCore,
    /// The calls per second that were seen: with several callers, all that is known of a service of one's own.
    SeenRate,
}

impl RankingFigure {
    /// The figure with this `load`, of a service of one's own or of a server that the run has placed.
    pub(super) fn new(load: Load, is_own_service: bool) -> Self {
        match (load.is_for_latency(), is_own_service) {
            (true, _) => RankingFigure::MedianLatency,
            (false, true) => RankingFigure::SeenRate,
            (false, false) => RankingFigure::CapacityPerCore,
        }
    }

    /// The figure of `trial`, a trial of a stack of this `kind`. A latency is infinite where it falls among calls without
    /// an answer; a capacity is `None` where the server could not be observed.
    fn of(self, trial: &Trial, kind: StackKind) -> Option<f64> {
        match self {
            RankingFigure::MedianLatency => Some(trial.median_latency().unwrap_or(f64::INFINITY)),
            RankingFigure::CapacityPerCore => capacity_per_core(trial, kind),
            RankingFigure::SeenRate => Some(trial.throughput).filter(|rate| *rate > 0.0),
        }
    }

    /// The figure of each block in which a trial is valid and has one: its level where it has slices.
    pub(super) fn by_block(self, trials: &[&Trial], kind: StackKind, levels: &SliceLevels) -> ByBlock {
        let level = |trial: &Trial| match self {
            RankingFigure::MedianLatency => levels.latency.of(trial),
            RankingFigure::CapacityPerCore => levels.serving_cpu.of(trial).map(|nanos| 1e9 / nanos),
            RankingFigure::SeenRate => None,
        };
        by_block(trials, |trial| {
            let of_trial = self.of(trial, kind)?;
            Some(level(trial).filter(|_| of_trial.is_finite()).unwrap_or(of_trial))
        })
    }
}

/// Figures of the trials in slices of a measurement, without the changes of the machine's speed.
pub(super) struct SliceLevels {
    /// Median latency in nanoseconds.
    pub latency: Levels,
    /// CPU time of the server, with its broker, per correct answer, in nanoseconds.
    pub serving_cpu: Levels,
}

impl SliceLevels {
    /// The levels of `trials`, which are all trials of a measurement. `facts` are those of all stacks.
    pub(super) fn new(facts: &[StackFacts], trials: &[&Trial]) -> Self {
        let brokered: BTreeSet<_> = facts
            .iter()
            .filter(|facts| StackKind::of(facts).is_brokered())
            .map(|facts| facts.name.as_str())
            .collect();
        SliceLevels {
            latency: Levels::new(trials, |_, slices, index| slices.median_latency(index)),
            serving_cpu: Levels::new(trials, |trial, slices, index| {
                slices.serving_cpu(index, brokered.contains(trial.stack.as_str()))
            }),
        }
    }

    /// The median latency of `trial` in nanoseconds: its level where it has slices.
    pub(super) fn median_latency(&self, trial: &Trial) -> Option<f64> {
        trial.median_latency().map(|whole| self.latency.of(trial).unwrap_or(whole))
    }
}

/// CPU time per correct answer in nanoseconds: the median of the blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cpu {
    /// Of the client's process.
    pub client: Option<f64>,
    /// Of the server's process.
    pub server: Option<f64>,
    /// Of the broker's process.
    pub broker: Option<f64>,
}

/// The median latency of each block of the floors with which a stack is compared.
pub(super) struct Floors {
    /// Of the measurement's floor.
    pub network: ByBlock,
    /// Of the protocol's own floor; absent where the protocol has none, or the stack is that floor.
    pub own: Option<ByBlock>,
}

impl StackSummary {
    /// Sums up `trials`, which are all trials of the stack in one measurement. Without any there is no summary.
    ///
    /// # Errors
    /// When a histogram cannot be read.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn new(
        facts: &StackFacts,
        trials: &[&Trial],
        floors: &Floors,
        levels: &SliceLevels,
        wire: Option<Wire>,
    ) -> Result<Option<Self>, HistogramError> {
        let Some(first) = trials.first() else { return Ok(None) };
        let valid: Vec<_> = trials.iter().copied().filter(|trial| is_valid(trial)).collect();
        let kind = StackKind::of(facts);
        let spread = |of: &dyn Fn(&Trial) -> Option<f64>| Spread::over_blocks(&valid, of);
        // A quantile is absent where it falls among calls without an answer, which makes it larger than any number.
        // Leaving out such a block would lower the median of the blocks, so then there is no figure.
        let quantile = |q: f64, of: fn(&Trial) -> Option<u64>| {
            let of_trial = |trial: &&Trial| {
                let is_known = carries_quantile(trial.counts.started as f64, q);
                of(trial).filter(|_| is_known).map(|nanos| (trial.block, nanos as f64))
            };
            let all: Option<Vec<(u32, f64)>> = valid.iter().map(of_trial).collect();
            Spread::of(&all.unwrap_or_default())
        };
        let p50 = quantile(0.5, |trial| trial.latency.as_ref()?.p50);
        let ratio_to = |floor: &ByBlock| {
            p50.and(spread(&|trial| Some(levels.median_latency(trial)? / floor.get(&trial.block)?)))
        };
        let per_answer = |of: fn(&Trial) -> Option<Used>| {
            spread(&|trial| trial.per_answer(of(trial)?.cpu_ns)).map(|s| s.median)
        };
        let is_unplaced = facts.is_unplaced(trials.iter().copied());
        let figure = RankingFigure::new(first.load, is_own_service(is_unplaced, first.operation));
        let counts = Counts::of(trials.iter().map(|trial| &trial.counts));
        let complaint = trials.iter().find(|trial| !is_valid(trial)).and_then(|trial| trial.complaint());
        Ok(Some(StackSummary {
            stack: facts.name.clone(),
            kind,
            operation: first.operation,
            connections: first.connections,
            is_unplaced,
            valid: valid.len(),
            not_valid: complaint.map(|complaint| (trials.len() - valid.len(), complaint.to_owned())),
            p50,
            p99: quantile(0.99, |trial| trial.latency.as_ref()?.p99),
            p999: quantile(0.999, |trial| trial.latency.as_ref()?.p999),
            service_p50: quantile(0.5, |trial| trial.service.as_ref()?.p50),
            schedule_lag_p99: quantile(0.99, |trial| trial.schedule_lag.as_ref()?.p99),
            ratio_to_floor: ratio_to(&floors.network).filter(|_| !is_unplaced),
            ratio_to_own_floor: floors.own.as_ref().and_then(ratio_to).filter(|_| !is_unplaced),
            throughput: spread(&|trial| Some(trial.throughput)),
            cpu: Cpu {
                client: per_answer(|trial| trial.client),
                server: per_answer(|trial| trial.server),
                broker: per_answer(|trial| trial.broker),
            },
            cpu_by_block: by_block(trials, |trial| total_cpu(trial, kind)),
            wire,
            counts,
            counts_of_valid: Counts::of(valid.iter().map(|trial| &trial.counts)),
            labels: labels(trials),
            latency: latencies(&valid)?,
            missing: valid.iter().map(|trial| trial.counts.not_right()).sum(),
            capacity: (figure == RankingFigure::CapacityPerCore)
                .then(|| ServerCapacity::new(&valid, kind, !is_unplaced)),
            seen_rate: (figure == RankingFigure::SeenRate).then(|| SeenRate::new(&valid)),
            server_shares: shares(&valid),
            deliveries: DeliverySummary::new(&valid),
            operations: OperationSummary::all(&valid)?,
            ranking_figure: figure.by_block(trials, kind, levels),
        }))
    }

    /// Why it is not compared with others although it was measured with several callers, in words; `None` where it is.
    #[must_use]
    pub fn obstacle(&self) -> Option<&'static str> {
        let of_capacity = self.capacity.and_then(|capacity| capacity.obstacle());
        of_capacity.or_else(|| self.seen_rate.and_then(SeenRate::obstacle))
    }

    /// Whether this is a service of one's own, which runs where it runs. Such services are compared with each other, and with
    /// nothing that the run has placed.
    pub(super) fn is_own_service(&self) -> bool {
        is_own_service(self.is_unplaced, self.operation)
    }
}

fn is_own_service(is_unplaced: bool, operation: Operation) -> bool {
    is_unplaced && operation.own_name().is_some()
}

/// CPU time of all processes per correct answer of `trial` in nanoseconds; `None` where one of them was not observed.
fn total_cpu(trial: &Trial, kind: StackKind) -> Option<f64> {
    let serving = if kind.is_function_call() { 0 } else { trial.serving(kind.is_brokered())?.cpu_ns };
    trial.per_answer(trial.client?.cpu_ns.saturating_add(serving)).filter(|nanos| *nanos > 0.0)
}

fn is_valid(trial: &Trial) -> bool {
    trial.status == Status::Valid
}

fn latencies(trials: &[&Trial]) -> Result<Histogram<u64>, HistogramError> {
    let mut all = new_histogram();
    for latency in trials.iter().filter_map(|trial| trial.latency.as_ref()) {
        // Adding cannot fail: all histograms of a record have the same bounds.
        let _ = all.add(latency.histogram()?);
    }
    Ok(all)
}

/// The labels of at least half of the trials, so that a single trial does not speak for the others; and `errors` where
/// any trial had one. Which end was saturated is decided anew, over all blocks.
fn labels(trials: &[&Trial]) -> Vec<Label> {
    let mut counted: BTreeMap<Label, usize> = BTreeMap::new();
    let is_about_saturation = |label: &&Label| matches!(label, Label::ClientBound | Label::Unsaturated);
    let all = trials.iter().flat_map(|trial| &trial.labels);
    for label in all.filter(|label| !is_about_saturation(label)) {
        *counted.entry(*label).or_default() += 1;
    }
    let is_frequent = |(label, count): &(Label, usize)| *label == Label::Errors || 2 * count >= trials.len();
    counted.into_iter().filter(is_frequent).map(|(label, _)| label).collect()
}
