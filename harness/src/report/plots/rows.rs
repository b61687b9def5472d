//! The parts that figures with a row per stack share: the heading, the names on the left, the axis below.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas};
use super::style::{GRID, INK, MUTED, PAPER, TEXT_SIZE, TITLE_SIZE, WIDTH, fitted, width};
use crate::report::stack_summary::StackSummary;
use crate::report::summary::MeasurementSummary;
use crate::report::text;

/// Height of a row.
const ROW_HEIGHT: f64 = 27.0;
/// Blank space around every figure.
pub(super) const RIM: f64 = 20.0;
/// The upper edge of the first row.
pub(super) const TOP: f64 = 78.0;

/// A row of a figure.
pub(super) enum Line<'a> {
    /// A stack with a value.
    Measured(&'a StackSummary),
    /// A stack without a value, and the reason.
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

/// A row for each stack of a measurement. `has` returns whether a stack has the value that the figure shows.
pub(super) fn lines(summary: &MeasurementSummary, has: impl Fn(&StackSummary) -> bool) -> Vec<Line<'_>> {
    let rows = summary.stacks.iter().map(|row| {
        if has(row) {
            return Line::Measured(row);
        }
        let reason = row.not_valid.as_ref().map_or("not observable", |(_, reason)| reason.as_str());
        Line::Missing(&row.stack, format!("no figure: {reason}"))
    });
    let not_measured = summary
        .not_measured
        .iter()
        .map(|stack| Line::Missing(&stack.stack, format!("not measured: {}", stack.reason)));
    rows.chain(not_measured).collect()
}

/// Draws the title and the subtitle.
pub(super) fn heading(canvas: &mut Canvas<'_>, title: &str, subtitle: &str) {
    let max_width = WIDTH - 2.0 * RIM;
    canvas.bold(&fitted(title, TITLE_SIZE, max_width), (RIM, 24.0), TITLE_SIZE);
    canvas.text(&fitted(subtitle, TEXT_SIZE, max_width), (RIM, 47.0), Anchor::Left, MUTED);
}

/// The left edge of the area to the right of `names`, which are cut off where they are too long.
pub(super) fn left_of<'a>(names: impl Iterator<Item = &'a str>) -> f64 {
    const MIN: f64 = 60.0;
    const MAX: f64 = 200.0;
    RIM + names.map(|name| width(name, TEXT_SIZE)).fold(MIN, f64::max).min(MAX) + 12.0
}

/// The vertical middle of a row.
#[allow(clippy::cast_precision_loss)]
pub(super) fn middle(top: f64, row: usize) -> f64 {
    top + (row as f64 + 0.5) * ROW_HEIGHT
}

/// The lower edge of `rows` rows.
#[allow(clippy::cast_precision_loss)]
pub(super) fn end(top: f64, rows: usize) -> f64 {
    top + rows as f64 * ROW_HEIGHT
}

/// Draws the name of a row.
pub(super) fn name(canvas: &mut Canvas<'_>, name: &str, left: f64, y: f64) {
    let name = fitted(name, TEXT_SIZE, left - RIM - 8.0);
    canvas.text(&name, (left - 12.0, y), Anchor::Right, INK);
}

/// Draws the reason why a row has no value, on a blank background.
pub(super) fn remark(canvas: &mut Canvas<'_>, reason: &str, left: f64, y: f64) {
    let reason = fitted(reason, TEXT_SIZE, WIDTH - RIM - left - 8.0);
    let end = left + 12.0 + width(&reason, TEXT_SIZE);
    canvas.rectangle((left + 2.0, y - 9.0), (end.min(WIDTH), y + 9.0), PAPER, 1.0);
    canvas.text(&reason, (left + 8.0, y), Anchor::Left, MUTED);
}

/// Draws grid lines from `top` to `bottom`, and below them their values and the unit.
pub(super) fn grid(canvas: &mut Canvas<'_>, axis: &Axis, top: f64, bottom: f64, unit: &str) {
    const MIN_GAP: f64 = 12.0;
    let mut free_from = f64::NEG_INFINITY;
    for tick in axis.ticks() {
        let (x, text) = (axis.at(tick), tick_label(tick));
        canvas.line((x, top), (x, bottom + 4.0), GRID, 1.0);
        let half = width(&text, TEXT_SIZE) / 2.0;
        if x - half >= free_from {
            canvas.text(&text, (x, bottom + 16.0), Anchor::Middle, MUTED);
            free_from = x + half + MIN_GAP;
        }
    }
    canvas.text(unit, ((axis.at(f64::MAX) + axis.at(0.0)) / 2.0, bottom + 36.0), Anchor::Middle, MUTED);
}

/// Height of the text that [`grid`] draws below the rows.
pub(super) const BELOW: f64 = 54.0;

/// The text of a tick of an axis.
pub(super) fn tick_label(tick: f64) -> String {
    if tick >= 1.0 && (tick - tick.round()).abs() < 1e-9 {
        text::thousands(tick)
    } else {
        // Twelve decimal places are enough for any axis, and hide the rounding errors of binary fractions.
        format!("{}", (tick * 1e12).round() / 1e12)
    }
}
