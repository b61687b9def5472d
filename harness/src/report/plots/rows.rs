//! What figures with a row per stack share: the heading, the names on the left, the axis below.

use super::axis::Axis;
use super::style::{Anchor, Canvas, GRID, INK, MUTED, PAPER, SMALL, TITLE, WIDTH, fitted, width};
use crate::report::summary::{Row, Table};

/// Height of a row.
pub(super) const STEP: f64 = 27.0;
/// Blank rim of every figure.
pub(super) const RIM: f64 = 20.0;
/// Where the first row begins.
pub(super) const TOP: f64 = 78.0;

/// A row of a figure.
pub(super) enum Line<'a> {
    /// A stack with a figure.
    Measured(&'a Row),
    /// A stack without, and why.
    Missing(&'a str, String),
}

impl Line<'_> {
    pub(super) fn name(&self) -> &str {
        match self {
            Line::Measured(row) => &row.stack,
            Line::Missing(stack, _) => stack,
        }
    }
}

/// The rows of `table`: those that have what is shown, and in their places those that have not.
pub(super) fn lines(table: &Table, has: impl Fn(&Row) -> bool) -> Vec<Line<'_>> {
    let rows = table.rows.iter().map(|row| {
        if has(row) {
            return Line::Measured(row);
        }
        let reason = row.not_valid.as_ref().map_or("not observable", |(_, reason)| reason.as_str());
        Line::Missing(&row.stack, format!("no figure: {reason}"))
    });
    let absent = table.absent.iter().map(|a| Line::Missing(&a.stack, format!("not measured: {}", a.reason)));
    rows.chain(absent).collect()
}

/// Title and subtitle.
pub(super) fn heading(canvas: &mut Canvas<'_>, title: &str, subtitle: &str) {
    let room = WIDTH - 2.0 * RIM;
    canvas.bold(&fitted(title, TITLE, room), (RIM, 24.0), TITLE);
    canvas.text(&fitted(subtitle, SMALL, room), (RIM, 47.0), Anchor::Left, MUTED);
}

/// Room for the longest of `names`, within reason.
pub(super) fn left_of<'a>(names: impl Iterator<Item = &'a str>) -> f64 {
    const LEAST: f64 = 60.0;
    const MOST: f64 = 200.0;
    RIM + names.map(|name| width(name, SMALL)).fold(LEAST, f64::max).min(MOST) + 12.0
}

/// The middle of a row.
#[allow(clippy::cast_precision_loss)]
pub(super) fn middle(top: f64, row: usize) -> f64 {
    top + (row as f64 + 0.5) * STEP
}

/// The end of `rows` rows.
#[allow(clippy::cast_precision_loss)]
pub(super) fn end(top: f64, rows: usize) -> f64 {
    top + rows as f64 * STEP
}

/// The name of a row.
pub(super) fn name(canvas: &mut Canvas<'_>, name: &str, left: f64, y: f64) {
    let name = fitted(name, SMALL, left - RIM - 8.0);
    canvas.text(&name, (left - 12.0, y), Anchor::Right, INK);
}

/// The reason that stands in place of a figure, clear of the lines behind it.
pub(super) fn remark(canvas: &mut Canvas<'_>, reason: &str, left: f64, y: f64) {
    let reason = fitted(reason, SMALL, WIDTH - RIM - left - 8.0);
    let end = left + 12.0 + width(&reason, SMALL);
    canvas.rectangle((left + 2.0, y - 9.0), (end.min(WIDTH), y + 9.0), PAPER, 1.0);
    canvas.text(&reason, (left + 8.0, y), Anchor::Left, MUTED);
}

/// Grid lines from `top` to `bottom`, and below them the values and what they are.
pub(super) fn grid(canvas: &mut Canvas<'_>, axis: &Axis, top: f64, bottom: f64, unit: &str) {
    const CLOSEST: f64 = 12.0;
    let mut free_from = f64::NEG_INFINITY;
    for tick in axis.ticks() {
        let (x, text) = (axis.at(tick), value(tick));
        canvas.line((x, top), (x, bottom + 4.0), GRID, 1.0);
        let half = width(&text, SMALL) / 2.0;
        if x - half >= free_from {
            canvas.text(&text, (x, bottom + 16.0), Anchor::Middle, MUTED);
            free_from = x + half + CLOSEST;
        }
    }
    canvas.text(unit, ((axis.at(f64::MAX) + axis.at(0.0)) / 2.0, bottom + 36.0), Anchor::Middle, MUTED);
}

/// Room below the rows for what [`grid`] writes there.
pub(super) const BELOW: f64 = 54.0;

/// A round value as it stands at an axis.
pub(super) fn value(tick: f64) -> String {
    if tick >= 1.0 && (tick - tick.round()).abs() < 1e-9 {
        crate::report::text::thousands(tick)
    } else {
        // Twelve places are enough for the steps of any axis, and hide what binary fractions leave over.
        format!("{}", (tick * 1e12).round() / 1e12)
    }
}
