//! Calls a second of many callers: a bar per stack from zero.

use super::axis::Axis;
use super::rows::{self, Line, RIM, TOP};
use super::style::{self, Anchor, Canvas, INK, Look, WIDTH};
use super::{Figure, PlotError, spoken, title};
use crate::report::summary::{Row, Spread, Table};
use crate::report::text;

/// Room on the right for the figure at the longest bar.
const ROOM: f64 = 175.0;
/// Half a bar's height.
const HALF: f64 = 8.0;

/// Draws it.
pub(super) fn figure(table: &Table, name: String) -> Result<Figure, PlotError> {
    let title = title("Calls per second", table);
    let lines = rows::lines(table, |row| row.throughput.is_some());
    let left = rows::left_of(lines.iter().map(Line::name));
    let most = table.rows.iter().filter_map(|row| Some(row.throughput?.most));
    let axis = Axis::linear(most, left, WIDTH - ROOM - RIM);
    let bottom = rows::end(TOP, lines.len());
    let svg = style::draw(bottom + rows::BELOW, &spoken(&title, table), |canvas| {
        rows::heading(canvas, &title, text::placement(&table.measurement));
        rows::grid(canvas, &axis, TOP, bottom, "right answers per second");
        for (index, line) in lines.iter().enumerate() {
            let y = rows::middle(TOP, index);
            rows::name(canvas, line.name(), left, y);
            match line {
                Line::Measured(row) => {
                    if let Some(throughput) = row.throughput {
                        bar(canvas, &axis, row, throughput, y);
                    }
                }
                Line::Missing(_, reason) => rows::remark(canvas, reason, left, y),
            }
        }
    })?;
    let caption = "Bars are medians of the blocks, whiskers the least and the greatest block. A hatched bar is bound by \
                   the client: in at least one block its core was busy all the time while the server's was not, so the \
                   server could answer more than is shown. Paler: the leanest library at hand, or the bare broker.";
    Ok(Figure { name, title: spoken(&title, table), caption: caption.to_owned(), svg })
}

fn bar(canvas: &mut Canvas<'_>, axis: &Axis, row: &Row, throughput: Spread, y: f64) {
    let look = Look::of(row.protocol, row.role);
    let (from, to) = ((axis.at(0.0), y - HALF), (axis.at(throughput.median), y + HALF));
    if row.is_client_bound() {
        canvas.hatched(from, to, look.colour);
    } else {
        canvas.rectangle(from, to, look.colour, look.opacity());
    }
    canvas.whisker(axis.at(throughput.least), axis.at(throughput.most), y, INK);
    let figure = text::thousands(throughput.median);
    let figure = if row.is_client_bound() { format!("≥ {figure} client-bound") } else { figure };
    canvas.text(&figure, (axis.at(throughput.most) + 9.0, y), Anchor::Left, INK);
}
