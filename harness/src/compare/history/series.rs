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

/// Timings that have no point because the server ran on other or unknown cores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unplaced {
    /// The measurement.
    pub measurement: String,
    /// The stack.
    pub stack: String,
    /// The number of records of the group without a point.
    pub records: usize,
}

/// The series of `records`, which are of one group: those that `filter` selects, with at least one point. And the records that
/// have no point of such a series because of where the server ran.
pub(super) fn all(records: &[&Record], filter: &Filter) -> (Vec<Series>, Vec<Unplaced>) {
    let stacks: Vec<_> = stacks(records).into_iter().filter(|facts| filter.has_stack(&facts.name)).collect();
    let (mut series, mut unplaced) = (Vec::new(), Vec::new());
    for measurement in measurements(records) {
        let metrics: Vec<_> =
            Metric::of(measurement.load).into_iter().filter(|metric| filter.has_metric(*metric)).collect();
        let measured = stacks.iter().filter_map(|facts| Measured::new(records, measurement, facts));
        let wanted =
            measured.filter(|measured| !metrics.is_empty() && filter.has_operation(measured.operation));
        for measured in wanted {
            series.extend(metrics.iter().map(|metric| measured.series(*metric)));
            unplaced.extend(measured.unplaced());
        }
    }
    if filter.has_metric(Metric::Bytes) {
        let bytes = stacks.iter().flat_map(|facts| bytes(records, facts));
        series.extend(bytes.filter(|series| filter.has_operation(series.operation)));
    }
    series.retain(|series| !series.points.is_empty());
    (series, unplaced)
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

/// The trials of a stack in a measurement.
struct Measured<'a> {
    measurement: &'a str,
    facts: &'a StackFacts,
    operation: Operation,
    /// The trials of each record in which the server ran where the placement puts it, with the record's position in its group.
    placed: Vec<(usize, Trials<'a>)>,
    /// The number of the other records with such trials.
    unplaced: usize,
    /// The floor whose multiples the series have.
    floor: Option<&'static str>,
}

impl<'a> Measured<'a> {
    /// `None` if no record has such trials.
    fn new(records: &[&'a Record], measurement: &'a Measurement, facts: &'a StackFacts) -> Option<Self> {
        let all = records
            .iter()
            .enumerate()
            .map(|(index, record)| (index, Trials { record, measurement: &measurement.name }))
            .filter(|(_, trials)| !trials.of(&facts.name, false).is_empty());
        let (unplaced, placed): (Vec<_>, Vec<_>) =
            all.partition(|(_, trials)| trials.is_unplaced(&facts.name));
        let (_, newest) = placed.last().or(unplaced.last())?;
        let operation = newest.of(&facts.name, false).first()?.operation;
        Some(Measured {
            measurement: &measurement.name,
            facts,
            operation,
            floor: floor(&placed, measurement, &facts.name, operation),
            placed,
            unplaced: unplaced.len(),
        })
    }

    fn series(&self, metric: Metric) -> Series {
        let kind = StackKind::of(self.facts);
        let point = |(record, trials): &(usize, Trials<'_>)| {
            let figures = trials.figures(&self.facts.name, kind.is_brokered(), metric);
            let compared = match self.floor {
                Some(floor) => relative(&figures, &trials.figures_of_floor(floor, &self.facts.name, metric)),
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
        Series {
            measurement: Some(self.measurement.to_owned()),
            operation: self.operation,
            stack: self.facts.name.clone(),
            metric,
            floor: self.floor.map(str::to_owned),
            points: self.placed.iter().filter_map(point).collect(),
            kind,
        }
    }

    fn unplaced(&self) -> Option<Unplaced> {
        (self.unplaced > 0).then(|| Unplaced {
            measurement: self.measurement.to_owned(),
            stack: self.facts.name.clone(),
            records: self.unplaced,
        })
    }
}

/// The floor whose multiples the series of `stack` have: one that every record with the stack has, called with the same
/// operation. The floors have none.
fn floor(
    all: &[(usize, Trials<'_>)],
    measurement: &Measurement,
    stack: &str,
    operation: Operation,
) -> Option<&'static str> {
    let (_, newest) = all.last()?;
    let trials: Vec<_> =
        newest.record.trials.iter().filter(|trial| trial.measurement == measurement.name).collect();
    let candidates = [network_floor(measurement, &trials), NETWORK_FLOOR];
    if candidates.contains(&base_name(stack)) {
        return None;
    }
    let have = |floor: &&str| all.iter().all(|(_, trials)| trials.have(floor, stack, operation));
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
