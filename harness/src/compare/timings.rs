//! The timings of two records, by the three statements of a report.

use serde::Serialize;

use super::figures::{Metric, Trials, relative, values};
use super::settings;
use crate::record::{Record, StackFacts, Status, by_block};
use crate::report::{MeasurementSummary, StackSummary, Summary};
use crate::stacks::{NETWORK_FLOOR, base_name};
use crate::stats::{Interval, Statement, blocks_needed, delta, error_each, median, ratio, ratio_of_medians};

/// A measurement that both records have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeasurementComparison {
    /// The name of the measurement.
    pub name: String,
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
    /// δ, a share: the difference that the statement is about. The larger of 1 % and what the A/A pairs of both records leave
    /// possible for this metric.
    pub delta: f64,
    /// The statement about the second record.
    pub statement: Statement,
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
    let trials = records.map(|record| Trials { record, measurement: &base.measurement.name });
    let is_placed = |stack: &&StackSummary| !stack.is_unplaced;
    let in_new =
        |stack: &&StackSummary| new.stacks.iter().filter(is_placed).any(|other| other.stack == stack.stack);
    let stacks: Vec<_> = base.stacks.iter().filter(is_placed).filter(in_new).collect();
    let have = |floor: &str| {
        stacks
            .iter()
            .all(|stack| trials.iter().all(|trials| trials.have(floor, &stack.stack, stack.operation)))
    };
    let floor = [base.floor, NETWORK_FLOOR].into_iter().find(|floor| have(floor));
    let deltas = Metric::of(base.measurement.load)
        .map(|metric| (metric, delta(&[0, 1].map(|at| same(&trials[at], both[at], metric)).concat())));
    let rows: Vec<_> = stacks
        .into_iter()
        .filter(|stack| floor != Some(base_name(&stack.stack)))
        .flat_map(|stack| deltas.map(|(metric, delta)| (stack, metric, delta)))
        .collect();
    let error = error_each(rows.len());
    let timing = |&(stack, metric, delta): &(&StackSummary, Metric, f64)| {
        let figures = trials.map(|trials| trials.figures(&stack.stack, stack.kind.is_brokered(), metric));
        let [in_base, in_new] = figures.each_ref().map(|figures| median(&values(figures)));
        let [of_base, of_new] = [0, 1].map(|at| match floor {
            Some(floor) => relative(&figures[at], &trials[at].figures_of_floor(floor, &stack.stack, metric)),
            None => values(&figures[at]),
        });
        let ratio = ratio_of_medians(&of_base, &of_new, error);
        let ratio = ratio.map(|ratio| if metric.is_cost() { ratio.inverse() } else { ratio });
        Some(TimingComparison {
            stack: stack.stack.clone(),
            metric,
            base: in_base?,
            new: in_new?,
            ratio,
            delta,
            statement: Statement::of(ratio, delta),
        })
    };
    let blocks = [(records[0], base), (records[1], new)]
        .map(|(record, summary)| record.scenario.blocks_of(&summary.measurement).get() as usize);
    MeasurementComparison {
        name: base.measurement.name.clone(),
        blocks: blocks.into_iter().min().unwrap_or(0),
        blocks_needed: blocks_needed(error / 2.0),
        floor: floor.map(str::to_owned),
        timings: rows.iter().filter_map(timing).collect(),
    }
}

/// What keeps timings of stacks that both records have from being compared, a sentence each.
pub(super) fn missing(records: [&Record; 2]) -> Vec<String> {
    let [base, new] = records;
    let measurements = base.scenario.measurements.iter().map(|measurement| measurement.name.as_str());
    let of_both = measurements.filter(|name| settings::measurement(new, name).is_some());
    let is_in_both = |facts: &&StackFacts| new.stacks.iter().any(|other| other.name == facts.name);
    let stacks: Vec<_> = base.stacks.iter().filter(is_in_both).map(|facts| facts.name.as_str()).collect();
    let all = of_both.flat_map(|measurement| stacks.iter().map(move |stack| (measurement, stack)));
    all.flat_map(|(measurement, stack)| {
        missing_of(stack, records.map(|record| Trials { record, measurement }))
    })
    .collect()
}

/// What keeps timings of `stack` in the measurement of `both` from being compared: a server on other or unknown cores, or a
/// record without a valid trial.
fn missing_of(stack: &str, both: [Trials<'_>; 2]) -> Vec<String> {
    let measurement = both[0].measurement;
    let mut sentences = Vec::new();
    if both.iter().any(|trials| trials.is_unplaced(stack)) {
        sentences.push(format!(
            "Timings of {stack} in `{measurement}` are not compared: its server ran on other or unknown cores."
        ));
    }
    let trials = both.each_ref().map(|trials| trials.of(stack, false));
    if trials.iter().any(|trials| !trials.is_empty()) {
        for (which, trials) in ["first", "second"].into_iter().zip(trials) {
            if !trials.iter().any(|trial| trial.status == Status::Valid) {
                sentences
                    .push(format!("The {which} record has no valid trial of {stack} in `{measurement}`."));
            }
        }
    }
    sentences
}

/// The ratios of the A/A pairs of `summary`, a summary of these trials.
fn same(trials: &Trials<'_>, summary: &MeasurementSummary, metric: Metric) -> Vec<Interval> {
    let paired =
        summary.pairs.iter().filter_map(|pair| summary.stacks.iter().find(|stack| stack.stack == pair.stack));
    let halves = paired.map(|stack| {
        let twin =
            by_block(&trials.of(&stack.stack, true), |trial| metric.figure(trial, stack.kind.is_brokered()));
        ratio(
            &trials.figures(&stack.stack, stack.kind.is_brokered(), metric),
            &twin,
            error_each(summary.pairs.len()),
        )
    });
    halves.flatten().collect()
}
