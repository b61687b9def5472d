//! The highest rate that each stack sustains, as found by a search: a bar per stack.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, PlotError, draw};
use super::figure::Figure;
use super::rows::{self, RIM, TOP};
use super::style::{INK, Look, WIDTH};
use crate::record::{Record, SearchResult};
use crate::report::capacity::{Capacity, bounds};
use crate::report::describe;
use crate::report::model::Unit;
use crate::report::stack::StackKind;
use crate::report::text;

/// Width of the text beside the longest bar.
const TEXT_WIDTH: f64 = 290.0;
/// Half the height of a bar.
const HALF_HEIGHT: f64 = 8.0;

/// Draws the rates between which the capacity of each stack lies.
pub(super) fn figure(record: &Record, capacity: &Capacity<'_>, name: String) -> Result<Figure, PlotError> {
    let title = format!(
        "Highest rate with 99 of 100 calls answered within {}: {}",
        humantime::format_duration(capacity.search.p99),
        capacity.search.operation
    );
    let placement = describe::placement(&capacity.measurement());
    let left = rows::left_of(capacity.found.iter().map(|found| found.stack.as_str()));
    let rates = capacity.found.iter().flat_map(|found| <[Option<f64>; 2]>::from(bounds(found)));
    let axis = Axis::linear(rates.flatten(), left, WIDTH - TEXT_WIDTH - RIM);
    let bottom = rows::end(TOP, capacity.found.len());
    let alternative = format!("{title}; {placement}");
    let svg = draw(bottom + rows::BELOW, &alternative, |canvas| {
        rows::heading(canvas, &title, &placement);
        rows::grid(canvas, &axis, TOP, bottom, "calls offered per second");
        for (index, found) in capacity.found.iter().enumerate() {
            let y = rows::middle(TOP, index);
            rows::name(canvas, &found.stack, left, y);
            draw_bar(canvas, &axis, found, look(record, found), y);
        }
    })?;
    let caption = "The filled bar ends at the highest rate that was sustained, the hatched one at the lowest rate that was \
                   not; the capacity lies between the two. Beside it: the end whose core was busy when the rate failed. \
                   Paler: a minimal library, or the bare broker.";
    Ok(Figure { name, title: alternative, caption: caption.to_owned(), svg })
}

/// How the stack of a search looks; that of a floor where the record does not describe the stack.
fn look(record: &Record, found: &SearchResult) -> Option<Look> {
    let facts = record.stacks.iter().find(|facts| facts.name == found.stack)?;
    Some(Look::of(StackKind::of(facts)))
}

/// Draws the bar of a stack at height `y`.
fn draw_bar(canvas: &mut Canvas<'_>, axis: &Axis, found: &SearchResult, look: Option<Look>, y: f64) {
    let (held, failed) = bounds(found);
    let colour = look.map_or(INK, |look| look.colour);
    let span = |from: f64, to: f64| ((axis.at(from), y - HALF_HEIGHT), (axis.at(to), y + HALF_HEIGHT));
    if let Some(failed) = failed {
        let (from, to) = span(held.unwrap_or(0.0), failed);
        canvas.hatched(from, to, colour);
    }
    if let Some(held) = held {
        let (from, to) = span(0.0, held);
        canvas.rectangle(from, to, colour, look.map_or(1.0, Look::opacity));
    }
    let limit = found.limit().map_or_else(String::new, |limit| format!(", {limit}"));
    let label = format!("{}{limit}", text::range(held, failed, Some(Unit::CallsPerSecond)));
    let end = held.unwrap_or(0.0).max(failed.unwrap_or(0.0));
    canvas.text(&label, (axis.at(end) + 9.0, y), Anchor::Left, INK);
}
