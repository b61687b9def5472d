//! Median latency of one caller: a dot per stack on a logarithmic axis, tied to the `tcp` floor.
//!
//! Bars would need a zero, which a logarithmic axis has not; a linear one would squeeze all but the slowest stack into
//! a corner. A line from the floor to a dot is as long as the stack's multiple of the floor is large.

use super::axis::Axis;
use super::rows::{self, Line, RIM, TOP};
use super::style::{self, Anchor, INK, Look, MUTED, WIDTH};
use super::{Figure, PlotError, spoken, title};
use crate::report::summary::{FLOOR, Row, Spread, Table};
use crate::report::text;

/// Room on the right for the two columns of figures.
const COLUMNS: f64 = 175.0;

/// Draws it.
pub(super) fn figure(table: &Table, name: String) -> Result<Figure, PlotError> {
    let title = title("Median latency", table);
    let lines = rows::lines(table, |row| row.p50.is_some());
    let measured: Vec<(&Row, Spread)> =
        table.rows.iter().filter_map(|row| Some((row, row.p50?.map(|nanos| nanos / 1e3)))).collect();
    // A function call is a hundred times faster than anything else, and would take half of the axis.
    let on_axis = measured.iter().filter(|(row, _)| !row.protocol.is_in_process());
    let (left, right) = (rows::left_of(lines.iter().map(Line::name)), WIDTH - COLUMNS - RIM);
    let axis = Axis::logarithmic(on_axis.flat_map(|(_, p50)| [p50.least, p50.median, p50.most]), left, right);
    let floor = measured.iter().find(|(row, _)| row.stack == FLOOR).map(|(_, p50)| p50.median);
    let bottom = rows::end(TOP, lines.len());
    let (micros, times) = (right + 95.0, WIDTH - RIM);
    let svg = style::draw(bottom + rows::BELOW, &spoken(&title, table), |canvas| {
        rows::heading(canvas, &title, text::placement(&table.measurement));
        rows::grid(canvas, &axis, TOP, bottom, "median of a call, µs (logarithmic)");
        canvas.text("µs", (micros, TOP - 10.0), Anchor::Right, MUTED);
        canvas.text("× tcp", (times, TOP - 10.0), Anchor::Right, MUTED);
        if let Some(floor) = floor {
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
            if let Some(ratio) = row.times_tcp {
                canvas.text(&text::times(ratio.median), (times, y), Anchor::Right, INK);
            }
            let look = Look::of(row.protocol, row.role);
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
            canvas.whisker(axis.at(p50.least), axis.at(p50.most), y, look.colour);
            canvas.dot((axis.at(p50.median), y), look);
        }
    })?;
    let caption = "A dot is the median of the blocks' medians, its whisker the least and the greatest block. Equal \
                   lengths are equal ratios, so the band from the raw TCP floor to a dot shows its multiple of that \
                   floor. Filled: the protocol's usual library; hollow: the leanest at hand, or the bare broker.";
    Ok(Figure { name, title: spoken(&title, table), caption: caption.to_owned(), svg })
}
