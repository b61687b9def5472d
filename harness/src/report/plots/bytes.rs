//! Bytes on the wire per call: what is said, and what the protocol adds.

use super::axis::Axis;
use super::rows::{self, RIM, TOP};
use super::style::{self, Anchor, Canvas, INK, Look, MUTED, WIDTH};
use super::{Figure, PlotError};
use crate::load::Operation;
use crate::record::{Parts, Record, StackFacts, Wire};
use crate::report::{ledger, text};

/// Half a bar's height.
const HALF: f64 = 8.0;
/// Room for the figure at the longest bar.
const ROOM: f64 = 66.0;
/// Between the two directions.
const BETWEEN: f64 = 24.0;
/// How dark the arguments are, the envelope, the framing, and what cannot be told apart.
const SHADES: [f64; 3] = [1.0, 0.55, 0.22];
const UNDIVIDED: f64 = 0.1;

/// Draws it for one operation.
pub(super) fn figure(record: &Record, operation: Operation, name: String) -> Result<Figure, PlotError> {
    let shown = rows_of(record, operation);
    let title = format!("Bytes on the wire per call: {operation}");
    let payload = shown.first().map_or_else(String::new, |(wire, _)| {
        let (up, down) = (wire.payload.up, wire.payload.down);
        format!("{} bytes of information up, {} down", text::thousands(up), text::thousands(down))
    });
    let left = rows::left_of(shown.iter().map(|(wire, _)| wire.stack.as_str()).chain(skipped(record)));
    let half = (WIDTH - RIM - left - BETWEEN) / 2.0;
    let both = || shown.iter().flat_map(|(wire, _)| [wire.per_call.up, wire.per_call.down]);
    let up = Axis::linear(both(), left, left + half - ROOM);
    let second = left + half + BETWEEN;
    let down = Axis::linear(both(), second, second + half - ROOM);
    let rows = shown.len() + record.skipped.len();
    let top = TOP + 20.0;
    let bottom = rows::end(top, rows);
    let svg = style::draw(bottom + rows::BELOW, &title, |canvas| {
        rows::heading(canvas, &title, &payload);
        legend(canvas, shown.iter().any(|(wire, _)| parts(wire).contains(&None)));
        rows::grid(canvas, &up, top, bottom, "bytes from client to server ↑");
        rows::grid(canvas, &down, top, bottom, "bytes from server to client ↓");
        for (index, (wire, facts)) in shown.iter().enumerate() {
            let y = rows::middle(top, index);
            rows::name(canvas, &wire.stack, left, y);
            let look = Look::of(facts.protocol, facts.role);
            let [parts_up, parts_down] = parts(wire);
            bar(canvas, &up, look, (parts_up, wire.per_call.up), y);
            bar(canvas, &down, look, (parts_down, wire.per_call.down), y);
        }
        for (index, skipped) in record.skipped.iter().enumerate() {
            let y = rows::middle(top, shown.len() + index);
            rows::name(canvas, &skipped.stack, left, y);
            rows::remark(canvas, &format!("not measured: {}", skipped.reason), left, y);
        }
    })?;
    let caption = "Counted by the kernel on the client's sockets, without TCP's own headers. Arguments or result are the \
                   values as the protocol writes them, the envelope is the rest of the message, framing everything \
                   outside it. Information is what the values say, eight bytes for a number, whatever the protocol makes \
                   of it. For AMQP these are the client's two of the four hops.";
    Ok(Figure { name, title, caption: caption.to_owned(), svg })
}

fn skipped(record: &Record) -> impl Iterator<Item = &str> {
    record.skipped.iter().map(|skipped| skipped.stack.as_str())
}

/// Floors first, then from the fewest bytes to the most.
fn rows_of(record: &Record, operation: Operation) -> Vec<(&Wire, &StackFacts)> {
    let mut wires: Vec<_> = record.wire.iter().filter(|wire| wire.operation == operation).collect();
    ledger::sort(record, &mut wires);
    let facts = |wire: &Wire| record.stacks.iter().find(|facts| facts.name == wire.stack);
    wires.into_iter().filter_map(|wire| Some((wire, facts(wire)?))).collect()
}

/// What the bytes of the client's two hops are for.
fn parts(wire: &Wire) -> [Option<Parts>; 2] {
    let link = ledger::links(wire).find(ledger::Link::is_clients);
    link.map_or([None; 2], |link| [link.up.parts, link.down.parts])
}

fn legend(canvas: &mut Canvas<'_>, some_undivided: bool) {
    let y = TOP - 4.0;
    let divided =
        [("arguments or result", 0.0), ("envelope", 155.0), ("framing", 245.0)].into_iter().zip(SHADES);
    let undivided = some_undivided.then_some((("not divided", 325.0), UNDIVIDED));
    for ((text, x), shade) in divided.chain(undivided) {
        let x = RIM + x;
        canvas.rectangle((x, y - 6.0), (x + 12.0, y + 6.0), MUTED, shade);
        canvas.text(text, (x + 18.0, y), Anchor::Left, MUTED);
    }
}

fn bar(canvas: &mut Canvas<'_>, axis: &Axis, look: Look, (parts, total): (Option<Parts>, f64), y: f64) {
    let mut segment = |from: f64, to: f64, shade| {
        canvas.rectangle((axis.at(from), y - HALF), (axis.at(to), y + HALF), look.colour, shade);
    };
    match parts {
        #[allow(clippy::cast_precision_loss)] // Longer messages are out of a call's reach.
        Some(Parts { arguments, envelope, framing }) => {
            let mut from = 0.0;
            for (part, shade) in
                [arguments, envelope, framing].map(|bytes| bytes as f64).into_iter().zip(SHADES)
            {
                segment(from, from + part, shade);
                from += part;
            }
        }
        None => segment(0.0, total, UNDIVIDED),
    }
    canvas.text(&text::thousands(total), (axis.at(total) + 8.0, y), Anchor::Left, INK);
}
