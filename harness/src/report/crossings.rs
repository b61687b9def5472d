//! Where one stack overtakes another as the payload grows.

use super::model::{Column, Row, Table};
use super::stack::StackKind;
use crate::claims::{Values, find};
use crate::load::Load;
use crate::record::Record;
use crate::scenario::{ClaimFigure, Measurement};
use crate::stats::{MIN_DELTA, Statement, error_each, ratio};

const COLUMNS: [Column; 5] = [
    Column::text("figure", "figure"),
    Column::text("first", "less with small payloads"),
    Column::text("until", "until at least"),
    Column::text("second", "less with large payloads"),
    Column::text("from", "from at most"),
];

/// The figures in which stacks are compared.
const FIGURES: [ClaimFigure; 3] = [ClaimFigure::MedianLatency, ClaimFigure::Cpu, ClaimFigure::Bytes];

/// A series of measurements has at least this many payloads.
const MIN_PAYLOADS: usize = 3;

/// A table for each series of measurements in `record` that differ only in their payload.
pub(super) fn tables(record: &Record) -> Vec<Table> {
    series(record).iter().map(|series| table(record, series)).collect()
}

/// The measurements that differ only in their payload, in ascending order of it.
fn series(record: &Record) -> Vec<Vec<&Measurement>> {
    let mut all: Vec<Vec<&Measurement>> = Vec::new();
    let with_payload =
        record.scenario.measurements.iter().filter(|measurement| payload(measurement).is_some());
    for measurement in with_payload {
        let same = |series: &&mut Vec<&Measurement>| {
            let Measurement { load, placement, connections, connection, .. } = series[0];
            (load, placement, connections, connection)
                == (
                    &measurement.load,
                    &measurement.placement,
                    &measurement.connections,
                    &measurement.connection,
                )
                && series[0].handlers() == measurement.handlers()
        };
        match all.iter_mut().find(same) {
            Some(series) => series.push(measurement),
            None => all.push(vec![measurement]),
        }
    }
    for series in &mut all {
        series.sort_by_key(|measurement| payload(measurement));
    }
    all.retain(|series| series.len() >= MIN_PAYLOADS);
    all
}

fn payload(measurement: &Measurement) -> Option<u64> {
    measurement.operation.payload_bytes()
}

fn table(record: &Record, series: &[&Measurement]) -> Table {
    let stacks: Vec<&str> = record
        .stacks
        .iter()
        .filter(|facts| !StackKind::of(facts).is_floor())
        .map(|facts| facts.name.as_str())
        .collect();
    let pairs = || (0..stacks.len()).flat_map(|a| (a + 1..stacks.len()).map(move |b| (a, b)));
    let error = error_each(pairs().count());
    let mut rows = Vec::new();
    for figure in FIGURES {
        // Each figure is found once, not once for each pair.
        let values: Vec<Vec<Option<Values>>> = stacks
            .iter()
            .map(|stack| {
                let of = |measurement: &&Measurement| find(record, &measurement.name, stack, figure).ok();
                series.iter().map(of).collect()
            })
            .collect();
        for (a, b) in pairs() {
            let orders =
                values[a].iter().zip(&values[b]).map(|(a, b)| order(a.as_ref()?, b.as_ref()?, error));
            for Crossing { first_is_less, until, from } in crossings(orders) {
                let (first, second) = if first_is_less { (a, b) } else { (b, a) };
                let size = |at: usize| series[at].operation.to_string();
                let cells = [
                    figure.title().to_owned(),
                    stacks[first].to_owned(),
                    size(until),
                    stacks[second].to_owned(),
                    size(from),
                ];
                rows.push(Row::new(cells.map(Into::into).to_vec()));
            }
        }
    }
    let load = series.first().map_or(Load::ONE_CALLER, |measurement| measurement.load);
    Table {
        title: "Where a stack overtakes another as the payload grows".to_owned(),
        subtitle: Some(format!(
            "{load}; pairs of stacks that are not listed keep their order, or are too close to tell"
        )),
        columns: COLUMNS.to_vec(),
        rows,
        note: Some(format!(
            "at each payload, time and CPU time are compared as in the table of the measurement, with a difference of more \
             than {:.0} %; bytes are counted",
            100.0 * MIN_DELTA
        )),
        empty: Some("no stack overtakes another"),
        is_grouped: true,
    }
}

/// Whether `a` is less than `b`: `Some(true)`, `Some(false)` if it is more, `None` if that is not certain.
fn order(a: &Values, b: &Values, error: f64) -> Option<bool> {
    match (a, b) {
        (Values::Counted(a), Values::Counted(b)) => (a != b).then_some(a < b),
        (Values::Measured(a), Values::Measured(b)) => match Statement::of(ratio(a, b, error), MIN_DELTA) {
            Statement::Slower => Some(true),
            Statement::Faster => Some(false),
            Statement::NoDifference | Statement::Undecided => None,
        },
        _ => None,
    }
}

/// A change of the order of two stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Crossing {
    /// Whether the first stack of the pair is less before it.
    first_is_less: bool,
    /// The last payload with the order before, and the first one with the order after.
    until: usize,
    from: usize,
}

/// The changes in `orders`, one for each payload in ascending order.
fn crossings(orders: impl Iterator<Item = Option<bool>>) -> Vec<Crossing> {
    let certain: Vec<(usize, bool)> =
        orders.enumerate().filter_map(|(at, is_less)| Some((at, is_less?))).collect();
    let changes = certain.windows(2).filter_map(|pair| {
        let [(until, before), (from, after)] = *pair else { return None };
        (before != after).then_some(Crossing { first_is_less: before, until, from })
    });
    changes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Operation;
    use crate::report::tests::record;

    #[test]
    fn a_change_of_order_lies_between_the_last_and_the_first_certain_payload() {
        let orders = [Some(true), None, Some(true), None, Some(false), Some(false), Some(true)];
        let found = crossings(orders.into_iter());
        let expected = [
            Crossing { first_is_less: true, until: 2, from: 4 },
            Crossing { first_is_less: false, until: 5, from: 6 },
        ];
        assert_eq!(found, expected);
        assert_eq!(crossings([None, Some(true), None].into_iter()), []);
    }

    /// A record of three payloads, in which `rest` takes 2, 4 and 8 µs, and `jsonrpc` 1, 4 and `last` µs.
    fn with_payloads(last: u64) -> Record {
        let mut record = record(&["tcp", "rest", "jsonrpc"], 12);
        let (one, trials) = (record.scenario.measurements[0].clone(), record.trials.clone());
        (record.scenario.measurements, record.trials) = (vec![], vec![]);
        for (index, bytes) in [1 << 20, 1 << 10, 100].into_iter().enumerate() {
            let operation = Operation::ADD.with_payload(bytes).unwrap();
            let micros = [("rest", [8, 4, 2][index]), ("jsonrpc", [last, 4, 1][index])];
            let measurement = Measurement { name: operation.to_string(), operation, ..one.clone() };
            for mut trial in trials.iter().filter(|trial| trial.measurement == one.name).cloned() {
                trial.measurement.clone_from(&measurement.name);
                let of_stack = micros.iter().find(|(stack, _)| *stack == trial.stack);
                trial.latency.as_mut().unwrap().p50 = of_stack.map(|(_, micros)| 1_000 * micros);
                trial.client.as_mut().unwrap().cpu_ns = 1;
                record.trials.push(trial);
            }
            record.scenario.measurements.push(measurement);
        }
        record
    }

    #[test]
    fn a_stack_that_overtakes_another_is_listed_with_the_payloads_between() {
        let [table] = tables(&with_payloads(16)).try_into().unwrap();
        let row: Vec<_> = table.rows[0].cells.iter().map(|cell| format!("{cell:?}")).collect();
        let words = ["median latency", "jsonrpc", "echo:100B", "rest", "echo:1MiB"];
        assert!(row.iter().zip(words).all(|(cell, word)| cell.contains(word)), "{row:?}");
        assert_eq!(table.rows.len(), 1);
        let [table] = tables(&with_payloads(6)).try_into().unwrap();
        assert_eq!(table.rows, []);
        // Two payloads are not a series.
        let mut two = with_payloads(16);
        two.scenario.measurements.truncate(2);
        assert_eq!(tables(&two), []);
    }
}
