//! Sweeps: figures across measurements that differ only in their load, in their payload or in the number of bindings, which show
//! each stack as it grows.

use calculator::Method;

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, PlotError, draw};
use super::curves::{self, Curve, LEFT, RIGHT, TOP};
use super::figure::{Figure, alternative};
use super::rows;
use super::style::{GRID, Look, MUTED};
use crate::deploy::Placement;
use crate::load::{Arrivals, ConnectionUse, Load, Operation};
use crate::record::Wire;
use crate::report::describe;
use crate::report::stack_summary::StackSummary;
use crate::report::summary::{MeasurementSummary, Summary};
use crate::scenario::Measurement;

/// A sweep has at least this many measurements.
const MIN_MEASUREMENTS: usize = 4;

/// What grows from each measurement of a sweep to the next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Along {
    Load,
    Payload,
    Bindings,
}

/// What the measurements of a sweep have in common.
#[derive(PartialEq)]
struct Common<'a> {
    prefix: &'a str,
    operation: Option<Operation>,
    load: Option<Load>,
    placement: Placement,
    arrivals: Option<Arrivals>,
    connection: ConnectionUse,
    settings: String,
}

impl Along {
    /// The load in calls per second or callers, or the payload in bytes; `None` for a measurement without one.
    fn size(self, measurement: &Measurement) -> Option<f64> {
        match (self, measurement.load) {
            (Along::Load, Load::Open(rate, _)) => Some(rate.get().into()),
            (Along::Load, Load::Closed(callers)) => Some(callers.get().into()),
            #[allow(clippy::cast_precision_loss, reason = "a payload is far below 2⁵³ bytes")]
            (Along::Payload, _) => measurement.operation.payload_bytes().map(|bytes| bytes as f64),
            (Along::Bindings, _) => measurement.exchange.map(|exchange| exchange.bindings.get().into()),
        }
    }

    /// What `measurement` sets beside the load and beside what grows.
    fn settings(self, measurement: &Measurement) -> String {
        let exchange = measurement.exchange.filter(|_| self == Along::Bindings);
        let Some(exchange) = exchange else { return measurement.handlers() };
        let others = Measurement { exchange: None, ..measurement.clone() };
        format!(", {} exchange{}", exchange.kind.name(), others.handlers())
    }

    fn common(self, measurement: &Measurement) -> Common<'_> {
        let Measurement { operation, load, placement, connection, .. } = measurement;
        let arrivals = match load {
            Load::Open(_, arrivals) => Some(*arrivals),
            Load::Closed(_) => None,
        };
        let (operation, load) = match self {
            Along::Load => (Some(*operation), None),
            Along::Payload => (None, Some(*load)),
            Along::Bindings => (Some(*operation), Some(*load)),
        };
        // Those of an included scenario have a prefix.
        let prefix = measurement.name.split_once(": ").map_or("", |(prefix, _)| prefix);
        let settings = self.settings(measurement);
        let (placement, connection) = (*placement, *connection);
        Common { prefix, operation, load, placement, arrivals, connection, settings }
    }

    /// What the horizontal axis shows.
    fn title(self, load: Load) -> &'static str {
        match (self, load) {
            (Along::Load, Load::Open(..)) => "calls offered per second",
            (Along::Load, Load::Closed(_)) => "concurrent callers",
            (Along::Payload, _) => "bytes of the document",
            (Along::Bindings, _) => "bindings of the exchange",
        }
    }

    /// What all measurements have, of which `measurement` is one.
    fn constant(self, measurement: &Measurement) -> String {
        match self {
            Along::Load => measurement.operation.to_string(),
            Along::Payload => {
                let method = measurement.operation.method().map_or("", Method::name);
                format!("{method} {}", measurement.load)
            }
            Along::Bindings => format!("{} {}", measurement.operation, measurement.load),
        }
    }

    fn quantities(self, measurement: &Measurement) -> &'static [Quantity] {
        match (self, measurement.load, measurement.work) {
            // Their response times have panels: see `offered_load`.
            (Along::Load, Load::Open(..), _) => &[],
            (Along::Load, Load::Closed(_), None) => &[CALLS, P99],
            // Few calls fit into a window, too few for a p99.
            (Along::Load, Load::Closed(_), Some(_)) => &[CALLS, P50],
            (Along::Payload, ..) => &[P50, CPU, BYTES],
            (Along::Bindings, ..) => &[P50, BROKER_CPU],
        }
    }
}

/// A quantity that is drawn against what grows.
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

const CPU: Quantity = Quantity {
    file: "cpu",
    name: "CPU time of all processes",
    unit: "µs",
    of: |row| Some((row.cpu.client? + row.cpu.server? + row.cpu.broker.unwrap_or(0.0)) / 1e3),
};
const BROKER_CPU: Quantity = Quantity {
    file: "broker-cpu",
    name: "CPU time of the broker",
    unit: "µs",
    of: |row| Some(row.cpu.broker? / 1e3),
};
const BYTES: Quantity = Quantity {
    file: "bytes",
    name: "Bytes of a call",
    unit: "bytes",
    of: |row| row.wire.as_ref().map(Wire::on_all_connections),
};

/// Draws the sweeps in `summary`. `name` makes a unique file name from a description.
pub(super) fn figures(
    summary: &Summary,
    mut name: impl FnMut(&str) -> String,
) -> Result<Vec<Figure>, PlotError> {
    let mut figures = Vec::new();
    for along in [Along::Load, Along::Payload, Along::Bindings] {
        for sweep in sweeps(along, &summary.measurements) {
            let Some(first) = sweep.first() else { continue };
            for quantity in along.quantities(&first.measurement) {
                let constant = along.constant(&first.measurement);
                let settings = along.settings(&first.measurement);
                let file = name(&format!("sweep {constant}{settings} {}", quantity.file));
                figures.extend(figure(along, &sweep, quantity, file)?);
            }
        }
    }
    Ok(figures)
}

/// The sweeps over offered loads, each in ascending order of them.
pub(super) fn of_offered_loads(measurements: &[MeasurementSummary]) -> Vec<Vec<&MeasurementSummary>> {
    let mut sweeps = sweeps(Along::Load, measurements);
    sweeps.retain(|sweep| sweep.iter().all(|summary| summary.measurement.load.rate().is_some()));
    sweeps
}

/// Groups of measurements that differ only in what grows `along` them, each in ascending order of that.
fn sweeps(along: Along, measurements: &[MeasurementSummary]) -> Vec<Vec<&MeasurementSummary>> {
    let mut sweeps: Vec<Vec<&MeasurementSummary>> = Vec::new();
    for summary in measurements.iter().filter(|summary| along.size(&summary.measurement).is_some()) {
        let common = along.common(&summary.measurement);
        match sweeps.iter_mut().find(|sweep| along.common(&sweep[0].measurement) == common) {
            Some(sweep) => sweep.push(summary),
            None => sweeps.push(vec![summary]),
        }
    }
    sweeps.retain(|sweep| sweep.len() >= MIN_MEASUREMENTS);
    let size = |summary: &MeasurementSummary| along.size(&summary.measurement).unwrap_or_default();
    for sweep in &mut sweeps {
        sweep.sort_by(|a, b| size(a).total_cmp(&size(b)));
    }
    sweeps
}

/// Each stack with its values by size. A measurement without valid trials has no value.
fn series<'a>(
    along: Along,
    sweep: &[&'a MeasurementSummary],
    quantity: &Quantity,
) -> Vec<(&'a StackSummary, Vec<(f64, f64)>)> {
    let mut all: Vec<(&StackSummary, Vec<(f64, f64)>)> = Vec::new();
    for summary in sweep {
        let Some(size) = along.size(&summary.measurement) else { continue };
        for row in summary.stacks.iter().filter(|row| !row.kind.is_function_call()) {
            let Some(value) = (quantity.of)(row) else { continue };
            let point = (size, value);
            match all.iter_mut().find(|(known, _)| known.stack == row.stack) {
                Some((_, points)) => points.push(point),
                None => all.push((row, vec![point])),
            }
        }
    }
    all
}

fn figure(
    along: Along,
    sweep: &[&MeasurementSummary],
    quantity: &Quantity,
    name: String,
) -> Result<Option<Figure>, PlotError> {
    let (Some(first), all) = (sweep.first(), series(along, sweep, quantity)) else { return Ok(None) };
    if all.is_empty() {
        return Ok(None);
    }
    let against = along.title(first.measurement.load);
    let title = format!("{} against {against}: {}", quantity.name, along.constant(&first.measurement));
    let bottom = curves::bottom(all.len());
    let sizes = sweep.iter().filter_map(|summary| along.size(&summary.measurement));
    let across = Axis::logarithmic(sizes, LEFT, RIGHT);
    let up =
        Axis::logarithmic(all.iter().flat_map(|(_, points)| points.iter().map(|(_, y)| *y)), bottom, TOP);
    let alternative = alternative(&title, first);
    let svg = draw(bottom + rows::BELOW, &alternative, |canvas| {
        rows::heading(canvas, &title, &describe::placement(&first.measurement));
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
    let caption = "A dot is the median of the blocks in which the stack has a valid trial.".to_owned();
    Ok(Some(Figure { name, title: alternative, caption, svg }))
}

/// Draws the horizontal axis, with a grid line at each tick.
fn horizontal_axis(canvas: &mut Canvas<'_>, axis: &Axis, bottom: f64, unit: &str) {
    for tick in axis.ticks() {
        let x = axis.at(tick);
        canvas.line((x, TOP), (x, bottom + 4.0), GRID, 1.0);
        canvas.text(&rows::tick_label(tick), (x, bottom + 16.0), Anchor::Middle, MUTED);
    }
    canvas.text(unit, ((LEFT + RIGHT) / 2.0, bottom + 36.0), Anchor::Middle, MUTED);
}
