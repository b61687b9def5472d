//! Bytes on the wire per call: what is said, and what the protocol adds.

use super::axis::Axis;
use super::rows::{self, RIM, TOP};
use super::style::{self, Anchor, Canvas, INK, Look, MUTED, WIDTH};
use super::{Figure, PlotError};
use crate::load::Operation;
use crate::record::{Record, StackFacts, Wire};
use crate::report::text;

/// Half a bar's height.
const HALF: f64 = 8.0;
/// Room for the figure at the longest bar.
const ROOM: f64 = 66.0;
/// Between the two directions.
const BETWEEN: f64 = 24.0;
/// How dark the protocol's own part is.
const ENVELOPE: f64 = 0.35;

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
        legend(canvas);
        rows::grid(canvas, &up, top, bottom, "bytes from client to server ↑");
        rows::grid(canvas, &down, top, bottom, "bytes from server to client ↓");
        for (index, (wire, facts)) in shown.iter().enumerate() {
            let y = rows::middle(top, index);
            rows::name(canvas, &wire.stack, left, y);
            let look = Look::of(facts.protocol, facts.role);
            bar(canvas, &up, look, (wire.payload.up, wire.per_call.up), y);
            bar(canvas, &down, look, (wire.payload.down, wire.per_call.down), y);
        }
        for (index, skipped) in record.skipped.iter().enumerate() {
            let y = rows::middle(top, shown.len() + index);
            rows::name(canvas, &skipped.stack, left, y);
            rows::remark(canvas, &format!("not measured: {}", skipped.reason), left, y);
        }
    })?;
    let caption = "Counted by the kernel on the client's sockets, without TCP's own headers. Information is what \
                   arguments and result say, eight bytes for a number, whatever the protocol makes of it; all else is \
                   notation, envelope and framing. For AMQP these are the client's two of the four hops.";
    Ok(Figure { name, title, caption: caption.to_owned(), svg })
}

fn skipped(record: &Record) -> impl Iterator<Item = &str> {
    record.skipped.iter().map(|skipped| skipped.stack.as_str())
}

/// Floors first, then from the fewest bytes to the most.
fn rows_of(record: &Record, operation: Operation) -> Vec<(&Wire, &StackFacts)> {
    let mut rows: Vec<_> = record
        .wire
        .iter()
        .filter(|wire| wire.operation == operation)
        .filter_map(|wire| Some((wire, record.stacks.iter().find(|facts| facts.name == wire.stack)?)))
        .collect();
    rows.sort_by(|(a, of_a), (b, of_b)| {
        let total = |wire: &Wire| wire.per_call.up + wire.per_call.down;
        let floors = of_b.protocol.is_floor().cmp(&of_a.protocol.is_floor());
        floors.then(total(a).total_cmp(&total(b)))
    });
    rows
}

fn legend(canvas: &mut Canvas<'_>) {
    let y = TOP - 4.0;
    let parts = [("information", 1.0, 0.0), ("notation, envelope, framing", ENVELOPE, 110.0)];
    for (text, shade, x) in parts {
        let x = RIM + x;
        canvas.rectangle((x, y - 6.0), (x + 12.0, y + 6.0), MUTED, shade);
        canvas.text(text, (x + 18.0, y), Anchor::Left, MUTED);
    }
}

fn bar(canvas: &mut Canvas<'_>, axis: &Axis, look: Look, (payload, total): (f64, f64), y: f64) {
    // A format that packs numbers tightly can take fewer bytes than the information counts.
    let split = axis.at(payload.min(total));
    canvas.rectangle((axis.at(0.0), y - HALF), (split, y + HALF), look.colour, 1.0);
    canvas.rectangle((split, y - HALF), (axis.at(total), y + HALF), look.colour, ENVELOPE);
    canvas.text(&text::thousands(total), (axis.at(total) + 8.0, y), Anchor::Left, INK);
}
