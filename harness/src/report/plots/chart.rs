//! A small figure of a value over time: a point for each date, the levels, and a mark where they change.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, PlotError, draw_sized};
use super::curves::grid;
use super::style::{INK, Look, MUTED, PAPER, TEXT_SIZE, fitted, width};
use crate::report::chart::{Chart, ChartLevel};

/// The size of the figure in pixels.
const SIZE: (f64, f64) = (480.0, 250.0);
const TITLE_SIZE: f64 = 15.0;
/// Blank space around the figure.
const RIM: f64 = 14.0;
/// The edges of the area for points.
const LEFT: f64 = RIM + 62.0;
const RIGHT: f64 = SIZE.0 - RIM - 8.0;
const TOP: f64 = 84.0;
const BOTTOM: f64 = SIZE.1 - 38.0;

/// `chart` as an `svg` element.
pub(in crate::report) fn chart(chart: &Chart) -> Result<String, PlotError> {
    let title = format!("{}; {}", chart.title, chart.subtitle);
    let axis = vertical(chart);
    draw_sized(SIZE, &title, |canvas| {
        let room = SIZE.0 - 2.0 * RIM;
        canvas.bold(&fitted(&chart.title, TITLE_SIZE, room), (RIM, 22.0), TITLE_SIZE);
        canvas.text(&fitted(&chart.subtitle, TEXT_SIZE, room), (RIM, 43.0), Anchor::Left, MUTED);
        grid(canvas, &axis, LEFT, RIGHT);
        dates(canvas, &chart.dates);
        let colour = Look::of(chart.stack).colour;
        for point in &chart.points {
            let x = horizontal(chart, point.at);
            if let Some([low, high]) = point.interval {
                canvas.curve(&[(x, axis.at(low)), (x, axis.at(high))], colour, 0.45, 1.4);
            }
            canvas.point((x, axis.at(point.value)), colour);
        }
        for level in &chart.levels {
            let y = axis.at(level.value);
            let half = 0.4 * step(chart);
            let (from, to) = (horizontal(chart, level.from) - half, horizontal(chart, level.to) + half);
            canvas.line((from.max(LEFT), y), (to.min(RIGHT), y), INK, 1.4);
        }
        marks(canvas, chart);
    })
}

/// The vertical axis. Error bars have no influence on it unless they are short, so that one noisy record does not flatten the
/// rest.
fn vertical(chart: &Chart) -> Axis {
    const MAX_BAR: f64 = 1.15;
    let points = chart.points.iter().flat_map(|point| {
        let [low, high] = point.interval.unwrap_or([point.value; 2]);
        [low.max(point.value / MAX_BAR), point.value, high.min(point.value * MAX_BAR)]
    });
    Axis::around(points.chain(chart.levels.iter().map(|level| level.value)), BOTTOM, TOP)
}

/// The distance between two dates.
#[allow(clippy::cast_precision_loss)]
fn step(chart: &Chart) -> f64 {
    (RIGHT - LEFT) / chart.dates.len().max(1) as f64
}

#[allow(clippy::cast_precision_loss)]
fn horizontal(chart: &Chart, at: usize) -> f64 {
    LEFT + (at as f64 + 0.5) * step(chart)
}

/// Draws the first and the last date below the points.
fn dates(canvas: &mut Canvas<'_>, dates: &[String]) {
    let y = BOTTOM + 18.0;
    match dates {
        [] => {}
        [only] => canvas.text(only, (f64::midpoint(LEFT, RIGHT), y), Anchor::Middle, MUTED),
        [first, .., last] => {
            canvas.text(first, (LEFT, y), Anchor::Left, MUTED);
            canvas.text(last, (RIGHT, y), Anchor::Right, MUTED);
        }
    }
}

/// Draws a dashed line where a level begins, with the size of the change above it.
fn marks(canvas: &mut Canvas<'_>, chart: &Chart) {
    let mut free_from = f64::NEG_INFINITY;
    for pair in chart.levels.windows(2) {
        let [before, ChartLevel { from, change: Some(change), .. }] = pair else { continue };
        let x = f64::midpoint(horizontal(chart, before.to), horizontal(chart, *from));
        canvas.dashed(&[(x, TOP - 8.0), (x, BOTTOM)], 4.0, 3.0, MUTED, 1.2);
        let half = width(change, TEXT_SIZE) / 2.0;
        let middle = x.clamp(LEFT + half, RIGHT - half);
        // Where changes follow each other closely, those that have no room are in the table.
        if middle - half >= free_from {
            canvas.rectangle((middle - half, TOP - 24.0), (middle + half, TOP - 8.0), PAPER, 1.0);
            canvas.text(change, (middle, TOP - 16.0), Anchor::Middle, INK);
            free_from = middle + half + 6.0;
        }
    }
}
