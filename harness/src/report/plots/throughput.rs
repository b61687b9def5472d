//! What a core of each server can answer, and the rate that was observed with many callers: a bar per stack.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, PlotError, draw};
use super::figure::{Figure, alternative, title};
use super::rows::{self, Line, RIM, TOP};
use super::style::{INK, Look, WIDTH};
use crate::report::spread::Spread;
use crate::report::stack_summary::StackSummary;
use crate::report::summary::MeasurementSummary;
use crate::report::{describe, text};

/// Width of the numbers beside the longest bar.
const NUMBERS_WIDTH: f64 = 240.0;
/// Half the height of a bar.
const HALF_HEIGHT: f64 = 8.0;

/// Draws the capacity and the observed rate of each stack.
pub(super) fn figure(summary: &MeasurementSummary, name: String) -> Result<Figure, PlotError> {
    let is_seen_rate = summary.compares_seen_rates();
    let what = if is_seen_rate { "Calls per second" } else { "Calls per second and core of the server" };
    let title = title(what, summary);
    let lines = rows::lines(summary, |row| row.throughput.is_some());
    let left = rows::left_of(lines.iter().map(Line::name));
    let ends = summary.stacks.iter().flat_map(|row| [per_core(row), row.throughput]);
    let longest = ends.filter_map(|end| Some(end?.max));
    let axis = Axis::linear(longest, left, WIDTH - NUMBERS_WIDTH - RIM);
    let bottom = rows::end(TOP, lines.len());
    let svg = draw(bottom + rows::BELOW, &alternative(&title, summary), |canvas| {
        rows::heading(canvas, &title, &describe::placement(&summary.measurement));
        rows::grid(canvas, &axis, TOP, bottom, "correct answers per second");
        for (index, line) in lines.iter().enumerate() {
            let y = rows::middle(TOP, index);
            rows::name(canvas, line.name(), left, y);
            match line {
                Line::Measured(row) => draw_bar(canvas, &axis, row, y),
                Line::Missing(_, reason) => rows::remark(canvas, reason, left, y),
            }
        }
    })?;
    let seen = "A bar ends at the rate that was observed: the median of the blocks.";
    let caption = "A bar ends at the capacity: the correct answers per second of CPU time of the server, and of its broker \
                   where there is one. Its whisker ends at the smallest and the largest block. The filled part is the rate \
                   that was observed. Where the rest is hatched, the server was not saturated: the observed rate is \
                   that of the client, and the capacity a lower bound that is not ranked. Paler: a minimal library, \
                   or the bare broker.";
    let caption = if is_seen_rate { seen } else { caption };
    Ok(Figure { name, title: alternative(&title, summary), caption: caption.to_owned(), svg })
}

/// What a core of the server can answer.
fn per_core(row: &StackSummary) -> Option<Spread> {
    row.capacity?.per_core
}

/// Draws the bar of a stack at height `y`: filled to the observed rate, and outlined from there to the capacity.
fn draw_bar(canvas: &mut Canvas<'_>, axis: &Axis, row: &StackSummary, y: f64) {
    let Some(seen) = row.throughput else { return };
    let look = Look::of(row.kind);
    let is_exact = row.capacity.is_some_and(|capacity| capacity.is_exact());
    let span = |from: f64, to: f64| ((axis.at(from), y - HALF_HEIGHT), (axis.at(to), y + HALF_HEIGHT));
    let (from, to) = span(0.0, seen.median);
    let shown = text::thousands(seen.median);
    let Some(per_core) = per_core(row) else {
        canvas.rectangle(from, to, look.colour, look.opacity());
        canvas.text(&format!("{shown} seen"), (to.0 + 9.0, y), Anchor::Left, INK);
        return;
    };
    // Where the observed rate is the larger one, nothing is left of the rest.
    let (rest, end) = span(seen.median.min(per_core.median), per_core.median);
    if is_exact {
        canvas.rectangle(rest, end, look.colour, 0.25);
    } else {
        canvas.hatched(rest, end, look.colour);
    }
    canvas.rectangle(from, to, look.colour, look.opacity());
    canvas.whisker(axis.at(per_core.min), axis.at(per_core.max), y, INK);
    let bound = if is_exact { "" } else { "≥ " };
    let label = format!("{bound}{} ({shown} seen)", text::thousands(per_core.median));
    canvas.text(&label, (axis.at(per_core.max.max(seen.median)) + 9.0, y), Anchor::Left, INK);
}
