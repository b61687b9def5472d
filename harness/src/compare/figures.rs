//! The figures of a record from which timings are compared.

use serde::Serialize;

use crate::load::{Load, Operation};
use crate::record::{Record, Trial, by_block};
use crate::stacks::at_the_place_of;
use crate::stats::ByBlock;

/// What is compared of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The median latency, in nanoseconds.
    Latency,
    /// Correct answers per second.
    Throughput,
    /// CPU time of server and broker per correct answer, in nanoseconds.
    ServerCpu,
    /// CPU time of the client per correct answer, in nanoseconds.
    ClientCpu,
    /// Bytes of a call, over all hops.
    Bytes,
}

impl Metric {
    /// The metrics of the trials of a measurement with this load.
    pub(super) fn of(load: Load) -> [Metric; 3] {
        let first = if load.is_for_latency() { Metric::Latency } else { Metric::Throughput };
        [first, Metric::ServerCpu, Metric::ClientCpu]
    }

    /// Whether less is better.
    pub(super) fn is_cost(self) -> bool {
        self != Metric::Throughput
    }

    /// The name, without the unit.
    pub(super) fn name(self) -> &'static str {
        match self {
            Metric::Latency => "p50",
            Metric::Throughput => "calls/s",
            Metric::ServerCpu => "CPU of the server",
            Metric::ClientCpu => "CPU of the client",
            Metric::Bytes => "bytes a call",
        }
    }

    /// The unit in which figures are shown; absent where the name contains it.
    fn unit(self) -> Option<&'static str> {
        match self {
            Metric::Latency => Some("µs"),
            Metric::ServerCpu | Metric::ClientCpu => Some("µs a call"),
            Metric::Throughput | Metric::Bytes => None,
        }
    }

    /// The name with the unit in which figures are shown.
    pub(super) fn heading(self) -> String {
        self.unit().map_or_else(|| self.name().to_owned(), |unit| format!("{}, {unit}", self.name()))
    }

    /// The factor from a figure to the unit in which it is shown: times are in microseconds.
    pub(super) fn scale(self) -> f64 {
        if self.is_time() { 1e-3 } else { 1.0 }
    }

    /// Whether figures are times.
    pub(super) fn is_time(self) -> bool {
        matches!(self, Metric::Latency | Metric::ServerCpu | Metric::ClientCpu)
    }

    /// The figure of a trial; absent where it was not observed, and for bytes, which are counted outside the trials.
    /// `is_brokered` states whether the calls passed through a broker.
    pub(super) fn figure(self, trial: &Trial, is_brokered: bool) -> Option<f64> {
        match self {
            // Absent where it falls among calls without an answer.
            Metric::Latency => Some(trial.median_latency().unwrap_or(f64::INFINITY)),
            Metric::Throughput => Some(trial.throughput),
            Metric::ServerCpu => trial.per_answer(trial.serving(is_brokered)?.cpu_ns),
            Metric::ClientCpu => trial.per_answer(trial.client?.cpu_ns),
            Metric::Bytes => None,
        }
    }
}

/// The trials of a measurement in a record.
#[derive(Clone, Copy)]
pub(super) struct Trials<'a> {
    pub(super) record: &'a Record,
    pub(super) measurement: &'a str,
}

impl Trials<'_> {
    /// The trials of a stack; with `twin` those of the second half of an A/A pair.
    pub(super) fn of(&self, stack: &str, twin: bool) -> Vec<&Trial> {
        let is_wanted = |trial: &&Trial| {
            trial.twin == twin && trial.measurement == self.measurement && trial.stack == stack
        };
        self.record.trials.iter().filter(is_wanted).collect()
    }

    /// Whether the server of a stack ran on other or unknown cores:
    /// [`StackFacts::is_unplaced`](crate::record::StackFacts::is_unplaced).
    pub(super) fn is_unplaced(&self, stack: &str) -> bool {
        let facts = self.record.stacks.iter().find(|facts| facts.name == stack);
        facts.is_some_and(|facts| facts.is_unplaced(self.of(stack, false)))
    }

    /// The metric of a stack in each block with a valid trial in which it was observed.
    pub(super) fn figures(&self, stack: &str, is_brokered: bool, metric: Metric) -> ByBlock {
        by_block(&self.of(stack, false), |trial| metric.figure(trial, is_brokered))
    }

    /// The same of `floor`, measured where `stack` was.
    pub(super) fn figures_of_floor(&self, floor: &str, stack: &str, metric: Metric) -> ByBlock {
        self.figures(&at_the_place_of(floor, stack), false, metric)
    }

    /// Whether `floor` was measured where `stack` was, with this operation.
    pub(super) fn have(&self, floor: &str, stack: &str, operation: Operation) -> bool {
        let floor = self.of(&at_the_place_of(floor, stack), false);
        floor.iter().any(|trial| trial.operation == operation)
    }
}

/// The figures without their blocks.
pub(super) fn values(figures: &ByBlock) -> Vec<f64> {
    figures.values().copied().collect()
}

/// The multiples of the floor in the blocks that both have.
pub(super) fn relative(figures: &ByBlock, floor: &ByBlock) -> Vec<f64> {
    figures.iter().filter_map(|(block, figure)| Some(figure / floor.get(block)?)).collect()
}
