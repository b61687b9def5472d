//! Latency percentiles: a curve per stack.
//!
//! The horizontal axis has equal steps for equal ratios of 1 ÷ (1 − q): each further nine takes the same space, which
//! makes the tail visible. A curve ends where fewer than ten calls lie beyond it.

use super::axis::Axis;
use super::canvas::{Anchor, PlotError, draw};
use super::curves::{self, LEFT, RIGHT, TOP};
use super::figure::{Figure, alternative, title};
use super::rows;
use super::style::{GRID, Look, MUTED};
use crate::report::describe;
use crate::report::stack_summary::StackSummary;
use crate::report::summary::MeasurementSummary;
use crate::stats::{MIN_CALLS_BEYOND, quantile_with_missing};

/// The quantile at which curves begin.
const FIRST: f64 = 0.5;
/// Points of a curve per decade of 1 ÷ (1 − q).
const POINTS_PER_DECADE: f64 = 30.0;

/// The quantiles that are marked at the axis.
const TICKS: [(f64, &str); 7] = [
    (0.5, "p50"),
    (0.9, "p90"),
    (0.99, "p99"),
    (0.999, "p99.9"),
    (0.9999, "p99.99"),
    (0.999_99, "p99.999"),
    (0.999_999, "p99.9999"),
];

/// The number of nines in `q`: the decades of 1 ÷ (1 − q).
fn nines(q: f64) -> f64 {
    -(1.0 - q).log10()
}

/// The curve of a stack: nines and microseconds.
struct Curve<'a> {
    row: &'a StackSummary,
    points: Vec<(f64, f64)>,
}

impl<'a> Curve<'a> {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn of(row: &'a StackSummary) -> Option<Self> {
        let calls = row.latency.len() as f64 + row.missing as f64;
        let (first, last) = (nines(FIRST), (calls / MIN_CALLS_BEYOND).log10());
        if last.is_nan() || last <= first {
            return None;
        }
        let steps = ((last - first) * POINTS_PER_DECADE).ceil().max(1.0);
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

/// Draws the percentiles of each stack; `None` where no stack has enough calls.
#[allow(clippy::cast_precision_loss)]
pub(super) fn figure(summary: &MeasurementSummary, name: String) -> Result<Option<Figure>, PlotError> {
    // A function call is a hundred times faster than everything else and would take up half of the axis.
    let shown = summary.stacks.iter().filter(|row| !row.kind.is_function_call());
    let curves: Vec<_> = shown.filter_map(Curve::of).collect();
    if curves.is_empty() {
        return Ok(None);
    }
    let title = title("Latency percentiles", summary);
    let bottom = curves::bottom(curves.len());
    let most_nines = curves.iter().map(|curve| curve.end().0).fold(nines(0.9), f64::max);
    let across = |n: f64| LEFT + (n - nines(FIRST)) / (most_nines - nines(FIRST)) * (RIGHT - LEFT);
    let up = Axis::logarithmic(curves.iter().flat_map(|c| c.points.iter().map(|(_, v)| *v)), bottom, TOP);
    let svg = draw(bottom + rows::BELOW, &alternative(&title, summary), |canvas| {
        rows::heading(canvas, &title, &describe::placement(&summary.measurement));
        curves::vertical_axis(canvas, &up, "µs");
        for (q, text) in TICKS.iter().filter(|(q, _)| nines(*q) <= most_nines) {
            let x = across(nines(*q));
            canvas.line((x, TOP), (x, bottom + 4.0), GRID, 1.0);
            canvas.text(text, (x, bottom + 16.0), Anchor::Middle, MUTED);
        }
        let what = "share of calls that are at least as fast (equal steps for each further nine)";
        canvas.text(what, ((LEFT + RIGHT) / 2.0, bottom + 36.0), Anchor::Middle, MUTED);
        let lines: Vec<_> = curves
            .iter()
            .map(|curve| curves::Curve {
                name: &curve.row.stack,
                look: Look::of(curve.row.kind),
                points: curve.points.iter().map(|(x, y)| (across(*x), up.at(*y))).collect(),
            })
            .collect();
        curves::draw(canvas, &lines, bottom);
    })?;
    let caption = caption(summary);
    Ok(Some(Figure { name, title: alternative(&title, summary), caption, svg }))
}

fn caption(summary: &MeasurementSummary) -> String {
    let mut caption =
        "All blocks together. A curve ends where fewer than ten calls lie beyond it. Solid: the protocol's \
                       usual library; dashed: a minimal library, or the bare broker."
            .to_owned();
    if let Some(callers) = summary.measurement.load.callers().filter(|callers| *callers > 1) {
        caption += &format!(
            " With {callers} concurrent callers, most of a latency is time spent waiting for the calls of the others: it \
             follows from the calls per second."
        );
    }
    if let Some(row) = summary.stacks.iter().find(|row| row.kind.is_function_call()) {
        caption += &format!(" {} is far below the others and left out.", row.stack);
    }
    caption
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_further_nine_takes_the_same_space() {
        for (count, (q, _)) in TICKS.iter().skip(1).enumerate() {
            #[allow(clippy::cast_precision_loss)]
            let expected = count as f64 + 1.0;
            assert!((nines(*q) - expected).abs() < 1e-9);
        }
    }
}
