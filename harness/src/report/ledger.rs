//! The wire ledger: a row for each connection that the messages of a call pass.

use super::describe;
use super::model::{Cell, Column, Direction, Quantity, Row, Table, Unit};
use super::stack::StackKind;
use crate::load::Operation;
use crate::record::{CountedBy, Hop, Party, Record, Wire};

const UP: Direction = Direction::ToServer;
const DOWN: Direction = Direction::ToClient;

const COLUMNS: [Column; 13] = [
    Column::text("stack", "stack"),
    Column::text("between", "between"),
    Column::number("arguments", "arguments", Unit::Bytes).travelling(UP),
    Column::number("envelope-up", "envelope", Unit::Bytes).travelling(UP),
    Column::number("framing-up", "framing", Unit::Bytes).travelling(UP),
    Column::number("bytes-up", "bytes", Unit::Bytes).travelling(UP),
    Column::number("packets-up", "packets", Unit::Packets).travelling(UP),
    Column::number("result", "result", Unit::Bytes).travelling(DOWN),
    Column::number("envelope-down", "envelope", Unit::Bytes).travelling(DOWN),
    Column::number("framing-down", "framing", Unit::Bytes).travelling(DOWN),
    Column::number("bytes-down", "bytes", Unit::Bytes).travelling(DOWN),
    Column::number("packets-down", "packets", Unit::Packets).travelling(DOWN),
    Column::number("set-up", "set-up ↑ ↓", Unit::Bytes),
];

/// What the columns mean.
const NOTE: &str = "Counted by the kernel at both ends, call by call while nothing else used the connections, \
    without TCP and IP headers. Arguments and result: the values as the protocol encodes them. Envelope: the rest of the \
    message. Framing: everything outside the message; with a broker, acknowledgements and confirms too. Packets: TCP \
    segments with payload. Set-up: once per connection. ≈ marks bytes that were not the same in every call.";

/// What the columns of [`tables`] mean.
pub(super) fn note(record: &Record) -> String {
    let by_kernel = |wire: &Wire| wire.counted_by == CountedBy::Kernel;
    if record.wire.iter().all(by_kernel) {
        return NOTE.to_owned();
    }
    format!(
        "{NOTE} Bytes on Unix sockets and pipes, which the kernel does not count, were counted as they were read and written."
    )
}

/// A connection that the messages of a call pass, or all connections between the same two parties.
pub(super) struct Link<'a> {
    wire: &'a Wire,
    /// Towards the server.
    pub up: &'a Hop,
    /// Towards the client.
    pub down: &'a Hop,
}

impl Link<'_> {
    /// Whether one of its ends is the client.
    pub(super) fn is_clients(&self) -> bool {
        self.up.from == Party::Client
    }

    fn row(&self) -> Row {
        let setup = if self.is_clients() {
            Cell::Pair([Some(self.wire.setup.up), Some(self.wire.setup.down)])
        } else {
            Cell::Empty
        };
        let between = format!("{}–{}", self.up.from.name(), self.up.to.name());
        let mut cells = vec![self.wire.stack.as_str().into(), between.into()];
        cells.extend(cells_of(self.up, self.wire.exact));
        cells.extend(cells_of(self.down, self.wire.exact));
        cells.push(setup);
        Row::new(cells)
    }
}

/// The five cells of a direction.
fn cells_of(hop: &Hop, is_exact: bool) -> [Cell; 5] {
    let bytes = Quantity { is_approximate: !is_exact, ..Quantity::new(as_f64(hop.bytes)) };
    let [arguments, envelope, framing] = match hop.parts {
        Some(parts) => {
            [parts.arguments, parts.envelope, parts.framing].map(|part| Cell::number(as_f64(part)))
        }
        None => [Cell::Missing, Cell::Missing, Cell::Missing],
    };
    [arguments, envelope, framing, Cell::Quantity(bytes), Cell::number(hop.packets)]
}

#[allow(clippy::cast_precision_loss)] // A message is far shorter than 2⁵³ bytes.
fn as_f64(bytes: u64) -> f64 {
    bytes as f64
}

/// The connections that carry the messages of a call, the client's first.
pub(super) fn links(wire: &Wire) -> impl Iterator<Item = Link<'_>> {
    let up = wire.hops.iter().filter(|hop| hop.from == Party::Client || hop.to == Party::Server);
    up.filter_map(move |up| {
        let down = wire.hops.iter().find(|hop| (hop.from, hop.to) == (up.to, up.from))?;
        Some(Link { wire, up, down })
    })
}

/// A table for each operation whose bytes were counted.
pub(super) fn tables(record: &Record) -> Vec<Table> {
    let counted = record.wire.iter().filter(|wire| !wire.hops.is_empty());
    let mut operations: Vec<Operation> = Vec::new();
    for wire in counted {
        if !operations.contains(&wire.operation) {
            operations.push(wire.operation);
        }
    }
    operations.into_iter().map(|operation| table(record, operation)).collect()
}

fn table(record: &Record, operation: Operation) -> Table {
    let call = describe::example(operation);
    Table {
        title: format!("Bytes of one call: {call}"),
        columns: COLUMNS.to_vec(),
        rows: wires(record, operation).into_iter().flat_map(links).map(|link| link.row()).collect(),
        is_grouped: true,
        ..Table::default()
    }
}

/// The byte counts of `operation`: floors first, then from the fewest bytes to the most.
pub(super) fn wires(record: &Record, operation: Operation) -> Vec<&Wire> {
    let is_floor = |wire: &Wire| {
        record.stacks.iter().any(|facts| facts.name == wire.stack && StackKind::of(facts).is_floor())
    };
    let total = |wire: &Wire| wire.per_call.up + wire.per_call.down;
    let mut wires: Vec<_> = record.wire.iter().filter(|wire| wire.operation == operation).collect();
    wires.sort_by(|a, b| is_floor(b).cmp(&is_floor(a)).then(total(a).total_cmp(&total(b))));
    wires
}
