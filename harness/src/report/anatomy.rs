//! The anatomy of a call, as tables: a row for each part of its bytes.

use super::call_bytes::{CallBytes, HopBytes, PartBytes};
use super::ledger;
use super::model::{Cell, Column, Row, Table, Unit};
use super::text;
use crate::record::Record;

const COLUMNS: [Column; 5] = [
    Column::text("hop", "hop"),
    Column::text("layer", "layer"),
    Column::number("bytes", "bytes", Unit::Bytes),
    Column::text("content", "content").wide(),
    Column::text("meaning", "meaning").wide(),
];

/// What a reader must know of the bytes.
const NOTE: &str = "One call of add(2, 3) on a connection that is open already, as its bytes passed a relay between the \
    processes before anything was timed. They are as many as the kernel counted without the relay. Ids are those of this \
    call, and the port in the host header is that of the relay; nothing is masked. Text is shown as it is, \\r\\n ends a line, \
    and other bytes are hexadecimal.";

/// What a reader must know of the bytes; `None` where none were captured.
pub(super) fn note(record: &Record) -> Option<String> {
    let is_captured = |stack: &str| record.captures.iter().any(|captured| captured.stack == stack);
    let operation = record.captures.first()?.operation;
    let counted = record.wire.iter().filter(|wire| wire.operation == operation);
    let missing: Vec<_> =
        counted.map(|wire| wire.stack.as_str()).filter(|stack| !is_captured(stack)).collect();
    let missing = match missing.as_slice() {
        [] => String::new(),
        stacks => format!(" Not captured: {}.", stacks.join(", ")),
    };
    Some(format!("{NOTE}{missing}"))
}

/// The calls of `record`, in the order of the ledger.
pub(super) fn calls(record: &Record) -> Vec<CallBytes> {
    let Some(first) = record.captures.first() else { return vec![] };
    let order = ledger::wires(record, first.operation);
    let mut calls = CallBytes::all(record);
    calls.sort_by_key(|call| order.iter().position(|wire| wire.stack == call.stack));
    calls
}

/// The table of a call.
pub(super) fn table(call: &CallBytes) -> Table {
    let rows = call.hops.iter().flat_map(|hop| {
        let between = format!("{} to {}", hop.from, hop.to);
        hop.parts.iter().map(move |part| row(&between, part))
    });
    Table {
        title: title(call),
        columns: COLUMNS.to_vec(),
        rows: rows.collect(),
        is_grouped: true,
        ..Table::default()
    }
}

#[allow(clippy::cast_precision_loss)] // A call of add has a few hundred bytes.
fn row(between: &str, part: &PartBytes) -> Row {
    Row::new(vec![
        between.into(),
        part.layer.map_or(Cell::Missing, |layer| layer.name().into()),
        Cell::number(part.bytes as f64),
        part.text().into(),
        part.meaning.as_str().into(),
    ])
}

/// The stack, and the bytes of its hops towards the server and back.
#[allow(clippy::cast_precision_loss)]
fn title(call: &CallBytes) -> String {
    let (request, reply): (Vec<_>, Vec<_>) = call.hops.iter().partition(|hop| hop.is_request);
    let bytes = |hops: &[&HopBytes]| {
        hops.iter().map(|hop| text::thousands(hop.bytes as f64)).collect::<Vec<_>>().join(" + ")
    };
    format!("{}: {} bytes to the server, {} back", call.stack, bytes(&request), bytes(&reply))
}
