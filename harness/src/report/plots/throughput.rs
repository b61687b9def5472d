//! Calls per second of many callers: a bar per stack.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, PlotError, draw};
use super::figure::{Figure, alternative, title};
use super::rows::{self, Line, RIM, TOP};
use super::style::{INK, Look, WIDTH};
use crate::report::stack_summary::{Spread, StackSummary};
use crate::report::summary::MeasurementSummary;
use crate::report::{describe, text};

/// Width of the number beside the longest bar.
const NUMBER_WIDTH: f64 = 175.0;
/// Half the height of a bar.
const HALF_HEIGHT: f64 = 8.0;

/// Draws the throughput of each stack.
pub(super) fn figure(summary: &MeasurementSummary, name: String) -> Result<Figure, PlotError> {
    let title = title("Calls per second", summary);
    let lines = rows::lines(summary, |row| row.throughput.is_some());
    let left = rows::left_of(lines.iter().map(Line::name));
    let longest = summary.stacks.iter().filter_map(|row| Some(row.throughput?.max));
    let axis = Axis::linear(longest, left, WIDTH - NUMBER_WIDTH - RIM);
    let bottom = rows::end(TOP, lines.len());
    let svg = draw(bottom + rows::BELOW, &alternative(&title, summary), |canvas| {
        rows::heading(canvas, &title, describe::placement(&summary.measurement));
        rows::grid(canvas, &axis, TOP, bottom, "correct answers per second");
        for (index, line) in lines.iter().enumerate() {
            let y = rows::middle(TOP, index);
            rows::name(canvas, line.name(), left, y);
            match line {
                Line::Measured(row) => {
                    if let Some(throughput) = row.throughput {
                        draw_bar(canvas, &axis, row, throughput, y);
                    }
                }
                Line::Missing(_, reason) => rows::remark(canvas, reason, left, y),
            }
        }
    })?;
    let caption = "Bars are medians of the blocks; whiskers end at the smallest and the largest block. A hatched bar is \
                   client-bound: in at least half of the trials the client's core was busy all the time while the \
                   server's was not, so the server could answer more than is shown. Paler: a minimal library, or the bare \
                   broker.";
    Ok(Figure { name, title: alternative(&title, summary), caption: caption.to_owned(), svg })
}

/// Draws the bar of a stack at height `y`, with its range and its value. The bar is hatched where the client is the limit.
fn draw_bar(canvas: &mut Canvas<'_>, axis: &Axis, row: &StackSummary, throughput: Spread, y: f64) {
    let look = Look::of(row.kind);
    let (from, to) = ((axis.at(0.0), y - HALF_HEIGHT), (axis.at(throughput.median), y + HALF_HEIGHT));
    if row.is_client_bound() {
        canvas.hatched(from, to, look.colour);
    } else {
        canvas.rectangle(from, to, look.colour, look.opacity());
    }
    canvas.whisker(axis.at(throughput.min), axis.at(throughput.max), y, INK);
    let rate = text::thousands(throughput.median);
    let label = if row.is_client_bound() { format!("≥ {rate} client-bound") } else { rate };
    canvas.text(&label, (axis.at(throughput.max) + 9.0, y), Anchor::Left, INK);
}
