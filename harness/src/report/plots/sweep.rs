//! Sweeps: figures across measurements that differ only in their load, which show each stack as the load grows.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, PlotError, draw};
use super::curves::{self, Curve, LEFT, RIGHT, TOP};
use super::figure::{Figure, alternative};
use super::rows;
use super::style::{GRID, Look, MUTED};
use crate::load::Load;
use crate::report::describe;
use crate::report::stack_summary::StackSummary;
use crate::report::summary::{MeasurementSummary, Summary};

/// A sweep has at least this many loads.
const MIN_LOADS: usize = 4;

/// A quantity that is drawn against the load.
struct Quantity {
    file: &'static str,
    name: &'static str,
    unit: &'static str,
    of: fn(&StackSummary) -> Option<f64>,
}

const P50: Quantity =
    Quantity { file: "p50", name: "Median latency", unit: "µs", of: |row| Some(row.p50?.median / 1e3) };
const P99: Quantity =
    Quantity { file: "p99", name: "p99 latency", unit: "µs", of: |row| Some(row.p99?.median / 1e3) };
const CALLS: Quantity = Quantity {
    file: "calls",
    name: "Observed calls per second",
    unit: "calls/s",
    of: |row| Some(row.throughput?.median),
};

/// Draws the sweeps in `summary`. `name` makes a unique file name from a description.
pub(super) fn figures(
    summary: &Summary,
    mut name: impl FnMut(&str) -> String,
) -> Result<Vec<Figure>, PlotError> {
    let mut figures = Vec::new();
    for sweep in sweeps(&summary.measurements) {
        let Some(first) = sweep.first() else { continue };
        let is_open = first.measurement.load.rate().is_some();
        for quantity in if is_open { [P50, P99] } else { [CALLS, P99] } {
            let file = name(&format!("sweep {} {}", first.measurement.operation, quantity.file));
            figures.extend(figure(&sweep, &quantity, file)?);
        }
    }
    Ok(figures)
}

/// Groups of measurements that differ only in their load, each in ascending order of the load.
fn sweeps(measurements: &[MeasurementSummary]) -> Vec<Vec<&MeasurementSummary>> {
    let kind = |summary: &MeasurementSummary| {
        let measurement = &summary.measurement;
        let arrivals = match measurement.load {
            Load::Open(_, arrivals) => Some(arrivals),
            Load::Closed(_) => None,
        };
        (measurement.operation, measurement.placement, arrivals)
    };
    let mut sweeps: Vec<Vec<&MeasurementSummary>> = Vec::new();
    for summary in measurements {
        match sweeps.iter_mut().find(|sweep| kind(sweep[0]) == kind(summary)) {
            Some(sweep) => sweep.push(summary),
            None => sweeps.push(vec![summary]),
        }
    }
    sweeps.retain(|sweep| sweep.len() >= MIN_LOADS);
    for sweep in &mut sweeps {
        sweep.sort_by_key(|summary| summary.measurement.load);
    }
    sweeps
}

/// The load as a number: calls per second or callers.
fn size(load: Load) -> f64 {
    match load {
        Load::Open(rate, _) => rate.get().into(),
        Load::Closed(callers) => callers.get().into(),
    }
}

/// Each stack with its values by load. A load without valid trials has no value.
fn series<'a>(
    sweep: &[&'a MeasurementSummary],
    quantity: &Quantity,
) -> Vec<(&'a StackSummary, Vec<(f64, f64)>)> {
    let mut all: Vec<(&StackSummary, Vec<(f64, f64)>)> = Vec::new();
    for summary in sweep {
        for row in summary.stacks.iter().filter(|row| !row.kind.is_function_call()) {
            let Some(value) = (quantity.of)(row) else { continue };
            let point = (size(summary.measurement.load), value);
            match all.iter_mut().find(|(known, _)| known.stack == row.stack) {
                Some((_, points)) => points.push(point),
                None => all.push((row, vec![point])),
            }
        }
    }
    all
}

fn figure(
    sweep: &[&MeasurementSummary],
    quantity: &Quantity,
    name: String,
) -> Result<Option<Figure>, PlotError> {
    let (Some(first), all) = (sweep.first(), series(sweep, quantity)) else { return Ok(None) };
    if all.is_empty() {
        return Ok(None);
    }
    let is_open = first.measurement.load.rate().is_some();
    let against = if is_open { "calls offered per second" } else { "concurrent callers" };
    let title = format!("{} against {against}: {}", quantity.name, first.measurement.operation);
    let bottom = curves::bottom(all.len());
    let across = Axis::logarithmic(sweep.iter().map(|summary| size(summary.measurement.load)), LEFT, RIGHT);
    let up =
        Axis::logarithmic(all.iter().flat_map(|(_, points)| points.iter().map(|(_, y)| *y)), bottom, TOP);
    let alternative = alternative(&title, first);
    let svg = draw(bottom + rows::BELOW, &alternative, |canvas| {
        rows::heading(canvas, &title, describe::placement(&first.measurement));
        curves::vertical_axis(canvas, &up, quantity.unit);
        horizontal_axis(canvas, &across, bottom, against);
        let curves: Vec<_> = all
            .iter()
            .map(|(row, points)| Curve {
                name: &row.stack,
                look: Look::of(row.kind),
                points: points.iter().map(|(x, y)| (across.at(*x), up.at(*y))).collect(),
            })
            .collect();
        curves::draw(canvas, &curves, bottom);
        for Curve { look, points, .. } in &curves {
            points.iter().for_each(|point| canvas.dot(*point, *look));
        }
    })?;
    let mut caption = "A dot is the median of the blocks in which the stack has a valid trial.".to_owned();
    if is_open {
        caption += " Latencies are response times: they start at the scheduled send time, even where the call was sent later. \
                    Where a dot is missing, the machine could not offer that load to the stack, or calls were lost.";
    }
    Ok(Some(Figure { name, title: alternative, caption, svg }))
}

/// Draws the axis of the loads, with a grid line at each tick.
fn horizontal_axis(canvas: &mut Canvas<'_>, axis: &Axis, bottom: f64, unit: &str) {
    for tick in axis.ticks() {
        let x = axis.at(tick);
        canvas.line((x, TOP), (x, bottom + 4.0), GRID, 1.0);
        canvas.text(&rows::tick_label(tick), (x, bottom + 16.0), Anchor::Middle, MUTED);
    }
    canvas.text(unit, ((LEFT + RIGHT) / 2.0, bottom + 36.0), Anchor::Middle, MUTED);
}
