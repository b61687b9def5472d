//! Where the messages of a measurement arrived that have no answer.

use super::describe;
use super::model::{Cell, Column, Quantity, Row, Table, Unit};
use super::receivers::DeliverySummary;
use super::stack_summary::StackSummary;
use super::summary::MeasurementSummary;

const COLUMNS: [Column; 5] = [
    Column::text("stack", "stack"),
    Column::number("messages", "messages", Unit::Count)
        .meaning("that the broker has confirmed, or that were written where it confirms none, in all trials with their warm-ups"),
    Column::number("receivers", "receivers", Unit::Count).meaning("servers that were there to receive them"),
    Column::number("received", "received", Unit::Count).meaning("executions, counted at every receiver until no more followed"),
    Column::number("per-message", "receivers of a message", Unit::Ratio)
        .meaning("received ÷ messages: median of the blocks")
        .with_inline_range(),
];

/// A row for each stack; `None` where there are only calls.
pub(super) fn table(summary: &MeasurementSummary) -> Option<Table> {
    let rows: Vec<Row> = summary.stacks.iter().filter_map(row).collect();
    (!rows.is_empty()).then(|| Table {
        title: "Where the messages arrived".to_owned(),
        subtitle: Some(describe::conditions(&summary.measurement)),
        columns: COLUMNS.to_vec(),
        rows,
        ..Table::default()
    })
}

#[allow(clippy::cast_precision_loss)]
fn row(stack: &StackSummary) -> Option<Row> {
    let DeliverySummary { messages, receivers, received, per_message } = stack.deliveries?;
    let cells = vec![
        stack.stack.as_str().into(),
        Cell::number(messages as f64),
        Cell::number(receivers as f64),
        Cell::number(received as f64),
        Cell::Quantity(Quantity { range: per_message.range(), ..Quantity::new(per_message.median) }),
    ];
    Some(Row { stack: Some(stack.kind), ..Row::new(cells) })
}
