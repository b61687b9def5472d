//! The wire ledger as every kind of report shows it: a row for each connection that a call's messages pass.

use super::text;
use crate::load::Operation;
use crate::record::{Hop, Party, Record, Wire};

/// The columns of the ledger.
pub(super) const HEADINGS: [&str; 13] = [
    "stack",
    "between",
    "arguments ↑",
    "envelope ↑",
    "framing ↑",
    "bytes ↑",
    "packets ↑",
    "result ↓",
    "envelope ↓",
    "framing ↓",
    "bytes ↓",
    "packets ↓",
    "set-up ↑ ↓",
];

/// What the columns mean.
pub(super) const CAPTION: &str = "Counted by the kernel at both ends, call by call on a quiet wire, without the headers \
    of TCP and IP. Arguments and result: the values as the protocol writes them. Envelope: the rest of the message. \
    Framing: everything outside it, with a broker also acknowledgements and confirms. Packets: TCP segments with payload. \
    Set-up: once for each connection. ≈ marks bytes that were not the same in every call.";

/// Whether a column holds words rather than figures.
pub(super) fn is_text(heading: &str) -> bool {
    matches!(heading, "stack" | "between")
}

/// A connection that a call's messages pass, or all connections between the same two.
pub(super) struct Link<'a> {
    pub(super) wire: &'a Wire,
    /// Towards the server.
    pub(super) up: &'a Hop,
    /// Towards the client.
    pub(super) down: &'a Hop,
}

impl Link<'_> {
    /// Whether it is one of the client's.
    pub(super) fn is_clients(&self) -> bool {
        self.up.from == Party::Client
    }

    fn between(&self) -> String {
        format!("{}–{}", self.up.from.name(), self.up.to.name())
    }

    /// The cells of its row, one for each of [`HEADINGS`].
    pub(super) fn cells(&self) -> Vec<String> {
        let stack = if self.is_clients() { self.wire.stack.clone() } else { String::new() };
        let setup = if self.is_clients() {
            format!("{} {}", text::thousands(self.wire.setup.up), text::thousands(self.wire.setup.down))
        } else {
            String::new()
        };
        let mut cells = vec![stack, self.between()];
        for hop in [self.up, self.down] {
            cells.extend(match hop.parts {
                Some(parts) => [parts.arguments, parts.envelope, parts.framing].map(whole),
                None => ["–", "–", "–"].map(str::to_owned),
            });
            let about = if self.wire.exact { "" } else { "≈ " };
            cells.push(format!("{about}{}", whole(hop.bytes)));
            cells.push(packets(hop.packets));
        }
        cells.push(setup);
        cells
    }
}

#[allow(clippy::cast_precision_loss)] // Longer messages are out of a call's reach.
fn whole(bytes: u64) -> String {
    text::thousands(bytes as f64)
}

fn packets(mean: f64) -> String {
    if (mean - mean.round()).abs() < 0.005 { format!("{mean:.0}") } else { format!("{mean:.2}") }
}

/// The connections that `wire`'s call passes, the client's first.
pub(super) fn links(wire: &Wire) -> impl Iterator<Item = Link<'_>> {
    let up = wire.hops.iter().filter(|hop| hop.from == Party::Client || hop.to == Party::Server);
    up.filter_map(move |up| {
        let down = wire.hops.iter().find(|hop| (hop.from, hop.to) == (up.to, up.from))?;
        Some(Link { wire, up, down })
    })
}

/// The operations whose bytes were counted, each with the connections of its ledger: floors first, then from the fewest
/// bytes to the most.
pub(super) fn by_operation(record: &Record) -> Vec<(Operation, Vec<Link<'_>>)> {
    let mut operations: Vec<(Operation, Vec<&Wire>)> = Vec::new();
    for wire in record.wire.iter().filter(|wire| !wire.hops.is_empty()) {
        match operations.iter_mut().find(|(operation, _)| *operation == wire.operation) {
            Some((_, wires)) => wires.push(wire),
            None => operations.push((wire.operation, vec![wire])),
        }
    }
    operations
        .into_iter()
        .map(|(operation, mut wires)| {
            sort(record, &mut wires);
            (operation, wires.into_iter().flat_map(links).collect())
        })
        .collect()
}

/// Floors first, then from the fewest bytes to the most.
pub(super) fn sort(record: &Record, wires: &mut [&Wire]) {
    let is_floor =
        |wire: &Wire| record.stacks.iter().any(|facts| facts.name == wire.stack && facts.protocol.is_floor());
    let total = |wire: &Wire| wire.per_call.up + wire.per_call.down;
    wires.sort_by(|a, b| is_floor(b).cmp(&is_floor(a)).then(total(a).total_cmp(&total(b))));
}

/// What a ledger is of.
pub(super) fn title(operation: Operation) -> String {
    let call = if operation == Operation::ADD { "add(2, 3)".to_owned() } else { operation.to_string() };
    format!("Bytes of one call: {call}")
}
