//! The timings of two records, by the three statements of a report.

use serde::Serialize;

use crate::load::Load;
use crate::record::{Record, Status, Trial};
use crate::report::{MeasurementSummary, Summary, by_block, median_latency};
use crate::stats::{
    ByBlock, Interval, MIN_DELTA, Statement, blocks_needed, error_each, median, ratio_of_medians,
};

/// A measurement that both records have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeasurementComparison {
    /// The name of the measurement.
    pub name: String,
    /// δ, a share: the difference that a statement is about.
    pub delta: f64,
    /// The floor whose multiples are compared; absent where the figures themselves are.
    pub floor: Option<String>,
    /// The number of blocks of the record that has fewer.
    pub blocks: usize,
    /// The smallest number of blocks in each record with which a statement about these timings is possible.
    pub blocks_needed: usize,
    /// A row for each stack and metric.
    pub timings: Vec<TimingComparison>,
}

/// A metric of one stack in two records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimingComparison {
    /// The stack.
    pub stack: String,
    /// The metric.
    pub metric: Metric,
    /// The median of the blocks in the first record.
    pub base: f64,
    /// The median of the blocks in the second record.
    pub new: f64,
    /// The speed in the second record as a multiple of that in the first; absent where there are too few blocks.
    pub ratio: Option<Interval>,
    /// The statement about the second record.
    pub statement: Statement,
}

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
}

impl Metric {
    /// The metrics of a measurement with this load.
    fn of(load: Load) -> [Metric; 3] {
        let first = if load.is_for_latency() { Metric::Latency } else { Metric::Throughput };
        [first, Metric::ServerCpu, Metric::ClientCpu]
    }

    /// Whether less is better.
    fn is_cost(self) -> bool {
        self != Metric::Throughput
    }

    /// The figure of a trial; absent where it was not observed.
    fn figure(self) -> fn(&Trial) -> Option<f64> {
        match self {
            // Absent where it falls among calls without an answer.
            Metric::Latency => |trial| Some(median_latency(trial).unwrap_or(f64::INFINITY)),
            Metric::Throughput => |trial| Some(trial.throughput),
            Metric::ServerCpu => |trial| trial.per_answer(trial.serving(false)?.cpu_ns),
            Metric::ClientCpu => |trial| trial.per_answer(trial.client?.cpu_ns),
        }
    }
}

/// Compares each measurement that both records have. `summaries` are those of `records`.
pub(super) fn compare(records: [&Record; 2], summaries: [&Summary; 2]) -> Vec<MeasurementComparison> {
    let [base, new] = summaries;
    let both = base.measurements.iter().filter_map(|base| {
        let same = |other: &&MeasurementSummary| other.measurement.name == base.measurement.name;
        Some([base, new.measurements.iter().find(same)?])
    });
    both.map(|both| measurement(records, both)).filter(|found| !found.timings.is_empty()).collect()
}

fn measurement(records: [&Record; 2], both: [&MeasurementSummary; 2]) -> MeasurementComparison {
    let [base, new] = both;
    let name = &base.measurement.name;
    let metrics = Metric::of(base.measurement.load);
    let trials = records.map(|record| Trials { record, measurement: name });
    let is_common = base.floor == new.floor && trials.iter().all(|trials| trials.have(base.floor));
    let floor = is_common.then_some(base.floor);
    let stacks = base.stacks.iter().map(|stack| stack.stack.as_str());
    let stacks: Vec<_> =
        stacks.filter(|stack| new.stacks.iter().any(|other| other.stack == *stack)).collect();
    let compared: Vec<_> = stacks
        .iter()
        .filter(|stack| floor != Some(**stack))
        .flat_map(|stack| metrics.map(|metric| (*stack, metric)))
        .collect();
    let delta = both
        .iter()
        .flat_map(|summary| summary.pairs.iter().filter_map(|pair| pair.ratio))
        .map(|ratio| ratio.largest_difference())
        .fold(MIN_DELTA, f64::max);
    let error = error_each(compared.len());
    let compare = |(stack, metric): &(&str, Metric)| {
        let figures = trials.map(|trials| trials.figures(stack, *metric));
        let [base, new] = figures.each_ref().map(|figures| median(&values(figures)));
        let compared = match floor {
            Some(floor) => trials
                .map(|trials| relative(&trials.figures(stack, *metric), &trials.figures(floor, *metric))),
            None => figures.each_ref().map(values),
        };
        let ratio = ratio_of_medians(&compared[0], &compared[1], error);
        let ratio = ratio.map(|ratio| if metric.is_cost() { ratio.inverse() } else { ratio });
        Some(TimingComparison {
            stack: (*stack).to_owned(),
            metric: *metric,
            base: base?,
            new: new?,
            ratio,
            statement: Statement::of(ratio, delta),
        })
    };
    MeasurementComparison {
        name: name.clone(),
        delta,
        blocks: records.map(|record| record.scenario.blocks.get() as usize).into_iter().min().unwrap_or(0),
        blocks_needed: blocks_needed(error / 2.0),
        floor: floor.map(str::to_owned),
        timings: compared.iter().filter_map(compare).collect(),
    }
}

/// The stacks that have no valid trial in a measurement of one of the records, a sentence each.
pub(super) fn missing(records: [&Record; 2]) -> Vec<String> {
    let mut sentences = Vec::new();
    for measurement in &records[0].scenario.measurements {
        let name = measurement.name.as_str();
        let is_common = records[1].scenario.measurements.iter().any(|other| other.name == name);
        for facts in records[0].stacks.iter().filter(|_| is_common) {
            let of_stack = |record: &&Record| {
                let trials = record.trials.iter();
                let trials = trials.filter(|trial| trial.measurement == name && trial.stack == facts.name);
                trials.map(|trial| trial.status == Status::Valid).collect::<Vec<_>>()
            };
            let trials = records.each_ref().map(of_stack);
            let is_in_both = records[1].stacks.iter().any(|other| other.name == facts.name);
            if !is_in_both || trials.iter().all(Vec::is_empty) {
                continue;
            }
            for (which, trials) in ["first", "second"].into_iter().zip(&trials) {
                if !trials.contains(&true) {
                    sentences.push(format!(
                        "The {which} record has no valid trial of {} in `{name}`.",
                        facts.name
                    ));
                }
            }
        }
    }
    sentences
}

/// The trials of a measurement in a record.
#[derive(Clone, Copy)]
struct Trials<'a> {
    record: &'a Record,
    measurement: &'a str,
}

impl Trials<'_> {
    /// The metric of a stack in each block with a valid trial in which it was observed.
    fn figures(&self, stack: &str, metric: Metric) -> ByBlock {
        let trials = self
            .record
            .trials
            .iter()
            .filter(|trial| !trial.twin && trial.measurement == self.measurement && trial.stack == stack);
        by_block(&trials.collect::<Vec<_>>(), metric.figure())
    }

    /// Whether `floor` was measured with the operation of the other stacks.
    fn have(&self, floor: &str) -> bool {
        let trials = || self.record.trials.iter().filter(|trial| trial.measurement == self.measurement);
        let operation = trials().find(|trial| trial.stack != floor).map(|trial| trial.operation);
        trials().any(|trial| trial.stack == floor && Some(trial.operation) == operation)
    }
}

fn values(figures: &ByBlock) -> Vec<f64> {
    figures.values().copied().collect()
}

/// The multiples of the floor in the blocks that both have.
fn relative(figures: &ByBlock, floor: &ByBlock) -> Vec<f64> {
    figures.iter().filter_map(|(block, figure)| Some(figure / floor.get(block)?)).collect()
}
