//! The series of a group of records: a metric of one stack over time.

use serde::Serialize;

use super::filter::Filter;
use crate::compare::bytes::CallBytes;
use crate::compare::figures::{Metric, Trials, relative, values};
use crate::load::Operation;
use crate::record::{Record, StackFacts};
use crate::report::{StackKind, network_floor};
use crate::scenario::Measurement;
use crate::stacks::{NETWORK_FLOOR, base_name};
use crate::stats::{interval_of_median, median};

/// The intervals of points are wrong with this probability.
const INTERVAL_ERROR: f64 = 0.05;

/// A metric of one stack over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// The measurement; absent for bytes, which are counted before the trials.
    pub measurement: Option<String>,
    /// The operation.
    pub operation: Operation,
    /// The stack.
    pub stack: String,
    /// The metric.
    pub metric: Metric,
    /// The floor whose multiples the values are; absent where they are the figures themselves.
    pub floor: Option<String>,
    /// A point for each record that has the metric, in order of time.
    pub points: Vec<Point>,
    /// How figures show the stack.
    #[serde(skip)]
    pub(super) kind: StackKind,
}

/// The value of one record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The position of the record in its group, from 0.
    pub record: usize,
    /// The median of the blocks: a multiple of the floor, or else the figure. Of bytes, the total of a call.
    pub value: f64,
    /// The 95 % interval of that median; absent where there are too few blocks, and for bytes.
    pub interval: Option<[f64; 2]>,
    /// The median of the figures, where the value is a multiple.
    pub figure: f64,
    /// The bytes, if every call took exactly these.
    #[serde(skip)]
    pub(super) bytes: Option<CallBytes>,
}

/// The series of `records`, which are of one group: those that `filter` selects, with at least one point.
pub(super) fn all(records: &[&Record], filter: &Filter) -> Vec<Series> {
    let mut series = Vec::new();
    for measurement in measurements(records) {
        for facts in stacks(records) {
            let metrics = Metric::of(measurement.load).into_iter();
            let metrics =
                metrics.filter(|metric| filter.has_stack(&facts.name) && filter.has_metric(*metric));
            series.extend(metrics.filter_map(|metric| timing(records, measurement, facts, metric)));
        }
    }
    if filter.has_metric(Metric::Bytes) {
        let stacks = stacks(records).into_iter().filter(|facts| filter.has_stack(&facts.name));
        series.extend(stacks.flat_map(|facts| bytes(records, facts)));
    }
    series.retain(|series| !series.points.is_empty() && filter.has_operation(series.operation));
    series
}

/// The measurements of all records, each once, those of the newest record first.
fn measurements<'a>(records: &[&'a Record]) -> Vec<&'a Measurement> {
    let mut all: Vec<&Measurement> = Vec::new();
    for measurement in records.iter().rev().flat_map(|record| &record.scenario.measurements) {
        if !all.iter().any(|other| other.name == measurement.name) {
            all.push(measurement);
        }
    }
    all
}

/// The stacks of all records, each once, those of the newest record first.
fn stacks<'a>(records: &[&'a Record]) -> Vec<&'a StackFacts> {
    let mut all: Vec<&StackFacts> = Vec::new();
    for facts in records.iter().rev().flat_map(|record| &record.stacks) {
        if !all.iter().any(|other| other.name == facts.name) {
            all.push(facts);
        }
    }
    all
}

fn timing(
    records: &[&Record],
    measurement: &Measurement,
    facts: &StackFacts,
    metric: Metric,
) -> Option<Series> {
    let kind = StackKind::of(facts);
    let all: Vec<(usize, Trials<'_>)> = records
        .iter()
        .enumerate()
        .map(|(index, record)| (index, Trials { record, measurement: &measurement.name }))
        .filter(|(_, trials)| is_placed(trials, &facts.name))
        .collect();
    let operation =
        all.iter().rev().find_map(|(_, trials)| Some(trials.of(&facts.name, false).first()?.operation))?;
    let floor = floor(&all, measurement, facts, operation);
    let point = |(record, trials): &(usize, Trials<'_>)| {
        let figures = trials.figures(&facts.name, kind.is_brokered(), metric);
        let compared = match floor {
            Some(floor) => relative(&figures, &trials.figures_of_floor(floor, &facts.name, metric)),
            None => values(&figures),
        };
        let value = median(&compared).filter(|value| value.is_finite() && *value > 0.0)?;
        let interval = interval_of_median(&compared, INTERVAL_ERROR);
        Some(Point {
            record: *record,
            value,
            interval: interval
                .map(|interval| [interval.low, interval.high])
                .filter(|[_, high]| high.is_finite()),
            figure: median(&values(&figures))?,
            bytes: None,
        })
    };
    Some(Series {
        measurement: Some(measurement.name.clone()),
        operation,
        stack: facts.name.clone(),
        metric,
        floor: floor.map(str::to_owned),
        points: all.iter().filter_map(point).collect(),
        kind,
    })
}

/// Whether `stack` has trials, with its server on the cores of the placement. Nothing is compared across placements.
fn is_placed(trials: &Trials<'_>, stack: &str) -> bool {
    let facts = trials.record.stacks.iter().find(|facts| facts.name == stack);
    let all = trials.of(stack, false);
    let is_target = facts.is_some_and(|facts| facts.target.is_some());
    !all.is_empty() && all.iter().all(|trial| trial.server_placed || !is_target)
}

/// The floor whose multiples a series has: one that every record with the stack has, called with the same operation. The
/// floors have none.
fn floor(
    all: &[(usize, Trials<'_>)],
    measurement: &Measurement,
    facts: &StackFacts,
    operation: Operation,
) -> Option<&'static str> {
    let (_, newest) = all.last()?;
    let trials: Vec<_> =
        newest.record.trials.iter().filter(|trial| trial.measurement == measurement.name).collect();
    let is_floor = [network_floor(measurement, &trials), NETWORK_FLOOR].contains(&base_name(&facts.name));
    let candidates = [network_floor(measurement, &trials), NETWORK_FLOOR].into_iter().filter(|_| !is_floor);
    let have = |floor: &&str| all.iter().all(|(_, trials)| trials.have(floor, &facts.name, operation));
    candidates.into_iter().find(have)
}

/// The bytes of each operation of a stack.
fn bytes(records: &[&Record], facts: &StackFacts) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let counted = record.wire.iter().filter(|wire| wire.stack == facts.name && !wire.hops.is_empty());
        for wire in counted {
            let bytes = CallBytes::of(wire);
            #[allow(clippy::cast_precision_loss, reason = "a message is far shorter than 2⁵³ bytes")]
            let value = bytes.total() as f64;
            let point = Point {
                record: index,
                value,
                interval: None,
                figure: value,
                bytes: wire.exact.then_some(bytes),
            };
            match all.iter_mut().find(|series| series.operation == wire.operation) {
                Some(series) => series.points.push(point),
                None => all.push(Series {
                    measurement: None,
                    operation: wire.operation,
                    stack: facts.name.clone(),
                    metric: Metric::Bytes,
                    floor: None,
                    points: vec![point],
                    kind: StackKind::of(facts),
                }),
            }
        }
    }
    all
}
