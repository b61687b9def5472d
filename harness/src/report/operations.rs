//! The table of the calls of each operation of a mix.

use hdrhistogram::Histogram;

use super::describe;
use super::model::{Cell, Column, Row, Table, Unit};
use super::stack_summary::StackSummary;
use super::summary::MeasurementSummary;
use crate::observe::Counts;
use crate::stats::{carries_quantile, quantile_with_missing};

const COLUMNS: [Column; 7] = [
    Column::text("stack", "stack"),
    Column::text("operation", "operation"),
    Column::number("calls", "calls", Unit::Count).meaning("that were started, in all valid trials"),
    Column::number("share", "share of the calls %", Unit::Percent),
    Column::number("p50", "p50 µs", Unit::Microseconds)
        .meaning("half of the calls of all valid trials were at least as fast"),
    Column::number("p99", "p99 µs", Unit::Microseconds)
        .meaning("99 of 100 calls of all valid trials were at least as fast"),
    Column::number("not-correct", "not correct", Unit::Count).meaning("calls without a correct answer"),
];

/// A row for each operation of each stack, and one for all of them; `None` where there is no mix.
pub(super) fn table(summary: &MeasurementSummary) -> Option<Table> {
    let rows: Vec<Row> = summary.stacks.iter().flat_map(rows).collect();
    (!rows.is_empty()).then(|| Table {
        title: "Calls by operation".to_owned(),
        subtitle: Some(describe::conditions(&summary.measurement)),
        columns: COLUMNS.to_vec(),
        rows,
        is_grouped: true,
        ..Table::default()
    })
}

fn rows(stack: &StackSummary) -> Vec<Row> {
    if stack.operations.is_empty() {
        return vec![];
    }
    let whole = Counts { not_sent: 0, slots: 0, ..stack.counts_of_valid.clone() };
    let parts = stack.operations.iter().map(|part| (part.operation.as_str(), &part.counts, &part.latency));
    parts
        .chain([("all", &whole, &stack.latency)])
        .map(|(name, counts, latency)| row(stack, name, (counts, latency), whole.started))
        .collect()
}

#[allow(clippy::cast_precision_loss)]
fn row(stack: &StackSummary, name: &str, (counts, latency): (&Counts, &Histogram<u64>), all: u64) -> Row {
    let (started, missing) = (counts.started as f64, counts.not_right());
    let quantile = |q: f64| {
        let nanos = quantile_with_missing(latency, missing, q).filter(|_| carries_quantile(started, q));
        Cell::optional(nanos.map(|nanos| nanos as f64 / 1_000.0))
    };
    let cells = vec![
        stack.stack.as_str().into(),
        name.into(),
        Cell::number(started),
        Cell::number(100.0 * started / (all as f64).max(1.0)),
        quantile(0.5),
        quantile(0.99),
        Cell::number(missing as f64),
    ];
    Row { stack: Some(stack.kind), ..Row::new(cells) }
}
