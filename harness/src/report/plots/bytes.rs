//! Bytes on the wire per call: arguments and result, envelope and framing.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, PlotError, draw};
use super::figure::Figure;
use super::rows::{self, RIM, TOP};
use super::style::{INK, Look, MUTED, WIDTH};
use crate::load::Operation;
use crate::record::{Parts, Record, StackFacts, Wire};
use crate::report::stack::StackKind;
use crate::report::{ledger, text};

/// Half the height of a bar.
const HALF_HEIGHT: f64 = 8.0;
/// Width of the number beside the longest bar.
const NUMBER_WIDTH: f64 = 66.0;
/// Space between the two directions.
const GAP: f64 = 24.0;
/// Opacity of arguments, envelope and framing.
const SHADES: [f64; 3] = [1.0, 0.55, 0.22];
/// Opacity of bytes whose parts are not known.
const UNDIVIDED: f64 = 0.1;

/// Draws the bytes of `operation`.
pub(super) fn figure(record: &Record, operation: Operation, name: String) -> Result<Figure, PlotError> {
    let shown = rows_of(record, operation);
    let title = format!("Bytes on the wire per call: {operation}");
    let payload = shown.first().map_or_else(String::new, |(wire, _)| {
        let (up, down) = (wire.payload.up, wire.payload.down);
        format!("{} bytes of information up, {} down", text::thousands(up), text::thousands(down))
    });
    let left = rows::left_of(shown.iter().map(|(wire, _)| wire.stack.as_str()).chain(skipped(record)));
    let half = (WIDTH - RIM - left - GAP) / 2.0;
    let both = || shown.iter().flat_map(|(wire, _)| [wire.per_call.up, wire.per_call.down]);
    let up = Axis::linear(both(), left, left + half - NUMBER_WIDTH);
    let second = left + half + GAP;
    let down = Axis::linear(both(), second, second + half - NUMBER_WIDTH);
    let rows = shown.len() + record.skipped.len();
    let top = TOP + 20.0;
    let bottom = rows::end(top, rows);
    let svg = draw(bottom + rows::BELOW, &title, |canvas| {
        rows::heading(canvas, &title, &payload);
        legend(canvas, shown.iter().any(|(wire, _)| parts(wire).contains(&None)));
        rows::grid(canvas, &up, top, bottom, "bytes from client to server ↑");
        rows::grid(canvas, &down, top, bottom, "bytes from server to client ↓");
        for (index, (wire, facts)) in shown.iter().enumerate() {
            let y = rows::middle(top, index);
            rows::name(canvas, &wire.stack, left, y);
            let look = Look::of(StackKind::of(facts));
            let [parts_up, parts_down] = parts(wire);
            draw_bar(canvas, &up, look, (parts_up, wire.per_call.up), y);
            draw_bar(canvas, &down, look, (parts_down, wire.per_call.down), y);
        }
        for (index, skipped) in record.skipped.iter().enumerate() {
            let y = rows::middle(top, shown.len() + index);
            rows::name(canvas, &skipped.stack, left, y);
            rows::remark(canvas, &format!("not measured: {}", skipped.reason), left, y);
        }
    })?;
    let caption = "Counted on the client's connections, without TCP headers. Arguments or result are the values as \
                   the protocol encodes them, the envelope is the rest of the message, and framing is everything outside \
                   the message. Information is the content of the values, eight bytes for a number, independent of the \
                   protocol. Behind a broker only the two hops of the client are shown, not those of the server.";
    Ok(Figure { name, title, caption: caption.to_owned(), svg })
}

fn skipped(record: &Record) -> impl Iterator<Item = &str> {
    record.skipped.iter().map(|skipped| skipped.stack.as_str())
}

/// The byte counts of `operation` with the facts of their stacks, in the order of the ledger.
fn rows_of(record: &Record, operation: Operation) -> Vec<(&Wire, &StackFacts)> {
    let facts = |wire: &Wire| record.stacks.iter().find(|facts| facts.name == wire.stack);
    ledger::wires(record, operation).into_iter().filter_map(|wire| Some((wire, facts(wire)?))).collect()
}

/// The parts of the client's two hops: towards the server and back.
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

fn draw_bar(canvas: &mut Canvas<'_>, axis: &Axis, look: Look, (parts, total): (Option<Parts>, f64), y: f64) {
    let mut segment = |from: f64, to: f64, shade| {
        canvas.rectangle(
            (axis.at(from), y - HALF_HEIGHT),
            (axis.at(to), y + HALF_HEIGHT),
            look.colour,
            shade,
        );
    };
    match parts {
        #[allow(clippy::cast_precision_loss)] // A message is far shorter than 2⁵³ bytes.
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
