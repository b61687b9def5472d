//! Latency percentiles: a panel for each stack, with its curve over those of all others in grey.
//!
//! The horizontal axis has equal steps for equal ratios of 1 ÷ (1 − q): each further nine takes the same space, which
//! makes the tail visible. A curve ends where fewer than ten calls lie beyond it. All panels have the same axes.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, PlotError};
use super::figure::title;
use super::panels::{Multiples, Panel, RIM, TOP, WIDTH, panel};
use super::rows::tick_label;
use super::style::{BLUE, CONTEXT, GRID, MUTED, TEXT_SIZE, width};
use crate::report::stack_summary::StackSummary;
use crate::report::summary::MeasurementSummary;
use crate::report::{describe, text};
use crate::stats::{Distribution, MIN_CALLS_BEYOND, carries_quantile};

/// The quantile at which curves begin.
const FIRST: f64 = 0.5;
/// Points per decade of 1 ÷ (1 − q) of the curve of a panel, and of those in grey.
const POINTS_PER_DECADE: [f64; 2] = [30.0, 10.0];

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
/// The quantiles whose values are written in each panel: all ticks up to this one, without p90.
const WRITTEN: [usize; 3] = [0, 2, 3];

/// The edges of the area for curves.
const LEFT: f64 = RIM + 48.0;
const RIGHT: f64 = WIDTH - RIM - 10.0;
const BOTTOM: f64 = TOP + 150.0;
const HEIGHT: f64 = BOTTOM + 30.0;

/// The number of nines in `q`: the decades of 1 ÷ (1 − q).
fn nines(q: f64) -> f64 {
    -(1.0 - q).log10()
}

/// The latencies of a stack.
struct Curve<'a> {
    row: &'a StackSummary,
    distribution: Distribution,
    /// The number of nines at which it ends.
    last: f64,
}

impl<'a> Curve<'a> {
    /// `None` where there are too few calls for a curve.
    #[allow(clippy::cast_precision_loss)]
    fn of(row: &'a StackSummary) -> Option<Self> {
        let distribution = Distribution::new(&row.latency, row.missing);
        let curve = Curve { row, distribution, last: (calls(row) / MIN_CALLS_BEYOND).log10() };
        (curve.last > nines(FIRST) && curve.points(POINTS_PER_DECADE[1]).len() > 1).then_some(curve)
    }

    /// Nines and microseconds. It ends where the latency is that of a call without an answer.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn points(&self, per_decade: f64) -> Vec<(f64, f64)> {
        let span = self.last - nines(FIRST);
        let steps = (span * per_decade).ceil().max(1.0);
        (0..=steps as u32)
            .map(|step| nines(FIRST) + span * f64::from(step) / steps)
            .map_while(|nines| Some((nines, self.micros(1.0 - 10_f64.powf(-nines))?)))
            .collect()
    }

    #[allow(clippy::cast_precision_loss)]
    fn micros(&self, q: f64) -> Option<f64> {
        Some(self.distribution.quantile(q)? as f64 / 1e3)
    }

    /// The quantiles that are marked at the axis and that the calls carry, with their values.
    fn marked(&self) -> Vec<(f64, &'static str, f64)> {
        let marked = TICKS.iter().filter(|(q, _)| carries_quantile(calls(self.row), *q));
        marked.filter_map(|(q, name)| Some((*q, *name, self.micros(*q)?))).collect()
    }
}

#[allow(clippy::cast_precision_loss)]
fn calls(row: &StackSummary) -> f64 {
    row.latency.len() as f64 + row.missing as f64
}

/// The axes of all panels.
struct Axes {
    most_nines: f64,
    up: Axis,
}

impl Axes {
    fn of(curves: &[Curve<'_>]) -> Self {
        let points = curves.iter().flat_map(|curve| curve.points(POINTS_PER_DECADE[1]));
        Axes {
            most_nines: curves.iter().map(|curve| curve.last).fold(nines(0.9), f64::max),
            up: Axis::logarithmic(points.map(|(_, micros)| micros), BOTTOM, TOP),
        }
    }

    fn across(&self, nines_of_q: f64) -> f64 {
        LEFT + (nines_of_q - nines(FIRST)) / (self.most_nines - nines(FIRST)) * (RIGHT - LEFT)
    }

    fn at(&self, (nines, micros): (f64, f64)) -> (f64, f64) {
        (self.across(nines), self.up.at(micros))
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        for tick in self.up.ticks() {
            let y = self.up.at(tick);
            canvas.line((LEFT, y), (RIGHT, y), GRID, 1.0);
            canvas.text(&tick_label(tick), (LEFT - 7.0, y), Anchor::Right, MUTED);
        }
        let mut free_from = f64::NEG_INFINITY;
        for (q, name) in TICKS.iter().filter(|(q, _)| nines(*q) <= self.most_nines) {
            let (x, half) = (self.across(nines(*q)), width(name, TEXT_SIZE) / 2.0);
            canvas.line((x, TOP), (x, BOTTOM + 4.0), GRID, 1.0);
            if x - half >= free_from {
                canvas.text(name, (x, BOTTOM + 16.0), Anchor::Middle, MUTED);
                free_from = x + half + 6.0;
            }
        }
    }
}

/// Draws the percentiles of each stack; `None` where no stack has enough calls.
pub(super) fn figure(summary: &MeasurementSummary, name: String) -> Result<Option<Multiples>, PlotError> {
    // A function call is a hundred times faster than everything else and would take up half of the axis.
    let shown = summary.stacks.iter().filter(|row| !row.kind.is_function_call());
    let curves: Vec<_> = shown.filter_map(Curve::of).collect();
    if curves.is_empty() {
        return Ok(None);
    }
    let axes = Axes::of(&curves);
    let panels = curves.iter().enumerate().map(|(index, _)| stack_panel(&curves, index, &axes));
    let panels = panels.collect::<Result<Vec<_>, _>>()?;
    let title =
        format!("{}; {}", title("Latency percentiles", summary), describe::placement(&summary.measurement));
    Multiples::new(name, title, caption(summary), panels).map(Some)
}

/// Draws the curve at `index` over all others.
fn stack_panel(curves: &[Curve<'_>], index: usize, axes: &Axes) -> Result<Panel, PlotError> {
    let own = &curves[index];
    let marked = own.marked();
    let written =
        WRITTEN.iter().filter_map(|tick| marked.iter().find(|(_, name, _)| *name == TICKS[*tick].1));
    let written: Vec<_> =
        written.map(|(_, name, value)| format!("{name} {}", text::decimals(*value))).collect();
    let all: Vec<_> =
        marked.iter().map(|(_, name, value)| format!("{name} {}", text::decimals(*value))).collect();
    let description = format!("In microseconds: {}.", all.join(", "));
    let subtitle = format!("{} µs", written.join(" · "));
    panel(HEIGHT, [&own.row.stack, &subtitle], &description, |canvas| {
        axes.draw(canvas);
        for other in curves.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, other)| other) {
            canvas.curve(&placed(other, axes, POINTS_PER_DECADE[1]), CONTEXT, 1.0, 1.2);
        }
        canvas.curve(&placed(own, axes, POINTS_PER_DECADE[0]), BLUE, 1.0, 2.4);
        for (q, _, value) in &marked {
            canvas.point(axes.at((nines(*q), *value)), BLUE);
        }
    })
}

/// The points of a curve in pixels.
fn placed(curve: &Curve<'_>, axes: &Axes, per_decade: f64) -> Vec<(f64, f64)> {
    curve.points(per_decade).into_iter().map(|point| axes.at(point)).collect()
}

fn caption(summary: &MeasurementSummary) -> String {
    let mut caption = "Blue: the stack of the panel; grey: all others, on the same axes. Microseconds against the share of calls \
                       that are at least as fast, with equal steps for each further nine; all blocks together. A curve ends where \
                       fewer than ten calls lie beyond it."
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
