//! Median latency of one caller: a dot per stack on a logarithmic axis, with a band from the floor.
//!
//! Bars would need a zero, which a logarithmic axis does not have; a linear axis would squeeze all but the slowest stack
//! into a corner. The length of the band from the floor to a dot shows the stack's multiple of the floor.

use super::axis::Axis;
use super::canvas::{Anchor, PlotError, draw};
use super::figure::{Figure, alternative, title};
use super::rows::{self, Line, RIM, TOP};
use super::style::{INK, Look, MUTED, WIDTH};
use crate::report::spread::Spread;
use crate::report::stack_summary::StackSummary;
use crate::report::summary::MeasurementSummary;
use crate::report::{describe, text};
use crate::stacks::EVENT_FLOOR;

/// Width of the two columns of numbers on the right.
const COLUMNS_WIDTH: f64 = 175.0;

/// Draws the median latency of each stack.
pub(super) fn figure(summary: &MeasurementSummary, name: String) -> Result<Figure, PlotError> {
    let title = title("Median latency", summary);
    let lines = rows::lines(summary, |row| row.p50.is_some());
    let measured: Vec<(&StackSummary, Spread)> =
        summary.stacks.iter().filter_map(|row| Some((row, row.p50?.map(|nanos| nanos / 1e3)))).collect();
    // A function call is a hundred times faster than everything else and would take up half of the axis.
    let on_axis = measured.iter().filter(|(row, _)| !row.kind.is_function_call());
    let (left, right) = (rows::left_of(lines.iter().map(Line::name)), WIDTH - COLUMNS_WIDTH - RIM);
    let axis = Axis::logarithmic(on_axis.flat_map(|(_, p50)| [p50.min, p50.median, p50.max]), left, right);
    let floor = summary.floor_row().and_then(|floor| Some(floor.p50?.median / 1e3));
    let bottom = rows::end(TOP, lines.len());
    let times = WIDTH - RIM;
    // The longer heading needs more room.
    let micros = times - if summary.floor == EVENT_FLOOR { 100.0 } else { 80.0 };
    let svg = draw(bottom + rows::BELOW, &alternative(&title, summary), |canvas| {
        rows::heading(canvas, &title, &describe::placement(&summary.measurement));
        rows::grid(canvas, &axis, TOP, bottom, "median latency of a call, µs (logarithmic)");
        canvas.text("µs", (micros, TOP - 10.0), Anchor::Right, MUTED);
        if let Some(floor) = floor {
            canvas.text(&format!("× {}", summary.floor), (times, TOP - 10.0), Anchor::Right, MUTED);
            canvas.dashed(&[(axis.at(floor), TOP), (axis.at(floor), bottom)], 4.0, 3.0, MUTED, 1.2);
        }
        for (index, line) in lines.iter().enumerate() {
            let y = rows::middle(TOP, index);
            rows::name(canvas, line.name(), left, y);
            let row = match line {
                Line::Measured(row) => row,
                Line::Missing(_, reason) => {
                    rows::remark(canvas, reason, left, y);
                    continue;
                }
            };
            let Some(p50) = row.p50 else { continue };
            canvas.text(&text::micros(p50.median), (micros, y), Anchor::Right, INK);
            if let Some(ratio) = row.ratio_to_floor.filter(|_| floor.is_some()) {
                canvas.text(&text::ratio(ratio.median), (times, y), Anchor::Right, INK);
            }
            let look = Look::of(row.kind);
            let p50 = p50.map(|nanos| nanos / 1e3);
            if axis.is_below(p50.median) {
                canvas
                    .polygon(&[(left + 2.0, y), (left + 11.0, y - 5.0), (left + 11.0, y + 5.0)], look.colour);
                let after = floor.map_or(left, |floor| axis.at(floor)).max(left + 11.0);
                canvas.text("off the axis", (after + 8.0, y), Anchor::Left, MUTED);
                continue;
            }
            if let Some(floor) = floor {
                canvas.curve(&[(axis.at(floor), y), (axis.at(p50.median), y)], look.colour, 0.4, 4.0);
            }
            canvas.whisker(axis.at(p50.min), axis.at(p50.max), y, look.colour);
            canvas.dot((axis.at(p50.median), y), look);
        }
    })?;
    let other = summary.stacks.iter().find(|row| row.operation != summary.measurement.operation);
    let band = match (floor, other) {
        (Some(_), _) => {
            " Equal lengths are equal ratios, so the band from the raw TCP floor to a dot shows the stack's multiple of \
             that floor."
                .to_owned()
        }
        (None, Some(other)) => {
            format!(" Floors call {}, so no stack is compared with them here.", other.operation)
        }
        (None, None) => String::new(),
    };
    let caption = format!(
        "A dot is the median of the blocks' medians; its whisker ends at the smallest and the largest block.{band} Filled: \
         the protocol's usual library; hollow: a minimal library, or the bare broker."
    );
    Ok(Figure { name, title: alternative(&title, summary), caption, svg })
}
