//! Latency percentile curves: a line per stack.
//!
//! The axis below has equal steps for equal ratios of 1 ÷ (1 − q), so that each further nine takes the same room and
//! the tail is to be seen. A curve ends where fewer than ten calls lie beyond it.

use super::axis::Axis;
use super::curves::{self, LEFT, RIGHT, TOP};
use super::rows;
use super::style::{self, Anchor, GRID, Look, MUTED};
use super::{Figure, PlotError, spoken, title};
use crate::report::summary::{Row, Table};
use crate::report::text;
use crate::stats::quantile_with_missing;

/// How many calls must lie beyond a percentile that is shown.
const BEYOND: f64 = 10.0;
/// Where curves begin.
const FIRST: f64 = 0.5;
/// Points of a curve in a decade of 1 ÷ (1 − q).
const POINTS: f64 = 30.0;

/// The percentiles at the axis.
const TICKS: [(f64, &str); 7] = [
    (0.5, "p50"),
    (0.9, "p90"),
    (0.99, "p99"),
    (0.999, "p99.9"),
    (0.9999, "p99.99"),
    (0.999_99, "p99.999"),
    (0.999_999, "p99.9999"),
];

/// How many nines: the decades of 1 ÷ (1 − q).
fn nines(q: f64) -> f64 {
    -(1.0 - q).log10()
}

/// A stack's curve: nines and microseconds.
struct Curve<'a> {
    row: &'a Row,
    points: Vec<(f64, f64)>,
}

impl<'a> Curve<'a> {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn of(row: &'a Row) -> Option<Self> {
        let calls = row.latency.len() as f64 + row.missing as f64;
        let (first, last) = (nines(FIRST), (calls / BEYOND).log10());
        if last.is_nan() || last <= first {
            return None;
        }
        let steps = ((last - first) * POINTS).ceil().max(1.0);
        let points: Vec<_> = (0..=steps as u32)
            .map(|step| first + (last - first) * f64::from(step) / steps)
            .map_while(|nines| {
                let q = 1.0 - 10_f64.powf(-nines);
                Some((nines, quantile_with_missing(&row.latency, row.missing, q)? as f64 / 1e3))
            })
            .collect();
        (points.len() > 1).then_some(Curve { row, points })
    }

    fn end(&self) -> (f64, f64) {
        self.points.last().copied().unwrap_or_default()
    }
}

/// Draws it; `None` where no stack has enough calls.
#[allow(clippy::cast_precision_loss)]
pub(super) fn figure(table: &Table, name: String) -> Result<Option<Figure>, PlotError> {
    // A function call is a hundred times faster than anything else, and would take half of the axis.
    let shown = table.rows.iter().filter(|row| !row.protocol.is_in_process());
    let curves: Vec<_> = shown.filter_map(Curve::of).collect();
    if curves.is_empty() {
        return Ok(None);
    }
    let title = title("Latency percentiles", table);
    let bottom = curves::bottom(curves.len());
    let most_nines = curves.iter().map(|curve| curve.end().0).fold(nines(0.9), f64::max);
    let across = |n: f64| LEFT + (n - nines(FIRST)) / (most_nines - nines(FIRST)) * (RIGHT - LEFT);
    let up = Axis::logarithmic(curves.iter().flat_map(|c| c.points.iter().map(|(_, v)| *v)), bottom, TOP);
    let svg = style::draw(bottom + rows::BELOW, &spoken(&title, table), |canvas| {
        rows::heading(canvas, &title, text::placement(&table.measurement));
        curves::upright(canvas, &up, "µs");
        for (q, text) in TICKS.iter().filter(|(q, _)| nines(*q) <= most_nines) {
            let x = across(nines(*q));
            canvas.line((x, TOP), (x, bottom + 4.0), GRID, 1.0);
            canvas.text(text, (x, bottom + 16.0), Anchor::Middle, MUTED);
        }
        let what = "share of calls that are at least as fast (each nine takes the same room)";
        canvas.text(what, ((LEFT + RIGHT) / 2.0, bottom + 36.0), Anchor::Middle, MUTED);
        let lines: Vec<_> = curves
            .iter()
            .map(|curve| curves::Curve {
                name: &curve.row.stack,
                look: Look::of(curve.row.protocol, curve.row.role),
                points: curve.points.iter().map(|(x, y)| (across(*x), up.at(*y))).collect(),
            })
            .collect();
        curves::draw(canvas, &lines, bottom);
    })?;
    let caption = caption(table);
    Ok(Some(Figure { name, title: spoken(&title, table), caption, svg }))
}

fn caption(table: &Table) -> String {
    let mut caption =
        "All blocks together; a curve ends where fewer than ten calls lie beyond. Solid: the protocol's \
                       usual library; dashed: the leanest at hand, or the bare broker."
            .to_owned();
    if let Some(callers) = table.measurement.load.callers().filter(|callers| *callers > 1) {
        caption += &format!(
            " With {callers} callers at once most of a latency is waiting in line behind the others: it follows from \
             the calls per second."
        );
    }
    if table.rows.iter().any(|row| row.protocol.is_in_process()) {
        caption += " inproc is far below and left out.";
    }
    caption
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_nine_takes_the_same_room() {
        for (count, (q, _)) in TICKS.iter().skip(1).enumerate() {
            #[allow(clippy::cast_precision_loss)]
            let expected = count as f64 + 1.0;
            assert!((nines(*q) - expected).abs() < 1e-9);
        }
    }
}
