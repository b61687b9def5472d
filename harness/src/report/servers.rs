//! How the calls of a measurement were spread over several servers.

use super::describe;
use super::model::{Cell, Column, Quantity, Row, Table, Unit};
use super::spread::Spread;
use super::stack_summary::StackSummary;
use super::summary::MeasurementSummary;

const COLUMNS: [Column; 4] = [
    Column::text("stack", "stack"),
    Column::number("server", "server", Unit::Count).meaning("in the order in which they were started; the slow ones are last"),
    Column::text("work", "work").meaning("what each handler did before it answered"),
    Column::number("share", "share of the calls %", Unit::Percent)
        .meaning("of the calls that all servers executed, by their own count: median of the blocks, smallest–largest block")
        .with_inline_range(),
];

/// The stacks of `summary` whose calls were spread over several servers.
pub(super) fn spread_out(summary: &MeasurementSummary) -> Vec<&StackSummary> {
    summary.stacks.iter().filter(|stack| !stack.server_shares.is_empty()).collect()
}

/// Whether server number `index`, from 0, of `servers` is one of the slow ones of `summary`.
pub(super) fn is_slow(summary: &MeasurementSummary, index: usize, servers: usize) -> bool {
    summary.measurement.slow.is_some_and(|slow| index + slow.servers.get() as usize >= servers)
}

/// A row for each server of each stack; `None` where every stack has one server.
pub(super) fn table(summary: &MeasurementSummary) -> Option<Table> {
    let stacks = spread_out(summary);
    (!stacks.is_empty()).then(|| Table {
        title: "Calls by server".to_owned(),
        subtitle: Some(describe::conditions(&summary.measurement)),
        columns: COLUMNS.to_vec(),
        rows: stacks.into_iter().flat_map(|stack| rows(summary, stack)).collect(),
        is_grouped: true,
        ..Table::default()
    })
}

#[allow(clippy::cast_precision_loss)]
fn rows(summary: &MeasurementSummary, stack: &StackSummary) -> Vec<Row> {
    let servers = stack.server_shares.len();
    let row = |(index, share): (usize, &Spread)| {
        let slow = summary.measurement.slow.filter(|_| is_slow(summary, index, servers));
        let work = slow.map(|slow| slow.work).or(summary.measurement.work);
        let cells = vec![
            stack.stack.as_str().into(),
            Cell::number((index + 1) as f64),
            work.map_or_else(|| "none".to_owned(), |work| work.to_string()).into(),
            Cell::Quantity(Quantity { range: share.range(), ..Quantity::new(share.median) }),
        ];
        Row { stack: Some(stack.kind), ..Row::new(cells) }
    };
    stack.server_shares.iter().enumerate().map(row).collect()
}
