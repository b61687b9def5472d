//! A figure across the tables of a sweep: what a stack does as the load grows.

use super::axis::Axis;
use super::curves::{self, Curve, LEFT, RIGHT, TOP};
use super::rows;
use super::style::{self, Anchor, Canvas, GRID, Look, MUTED};
use super::{Figure, PlotError, spoken};
use crate::load::Load;
use crate::report::summary::{Row, Summary, Table};
use crate::report::text;

/// Fewer loads than this are no sweep.
const FEWEST: usize = 4;

/// What is drawn against the load.
struct Quantity {
    file: &'static str,
    name: &'static str,
    unit: &'static str,
    of: fn(&Row) -> Option<f64>,
}

const P50: Quantity =
    Quantity { file: "p50", name: "Median latency", unit: "µs", of: |row| Some(row.p50?.median / 1e3) };
const P99: Quantity =
    Quantity { file: "p99", name: "p99 latency", unit: "µs", of: |row| Some(row.p99?.median / 1e3) };
const CALLS: Quantity = Quantity {
    file: "calls",
    name: "Calls per second",
    unit: "calls/s",
    of: |row| Some(row.throughput?.median),
};

/// The figures of the sweeps in `summary`: tables that differ in their load alone.
pub(super) fn figures(
    summary: &Summary,
    mut name: impl FnMut(&str) -> String,
) -> Result<Vec<Figure>, PlotError> {
    let mut figures = Vec::new();
    for tables in sweeps(&summary.tables) {
        let Some(first) = tables.first() else { continue };
        let is_open = first.measurement.load.rate().is_some();
        for quantity in if is_open { [P50, P99] } else { [CALLS, P99] } {
            let file = name(&format!("sweep {} {}", first.measurement.operation, quantity.file));
            figures.extend(figure(&tables, &quantity, file)?);
        }
    }
    Ok(figures)
}

fn sweeps(tables: &[Table]) -> Vec<Vec<&Table>> {
    let kind = |table: &Table| {
        let open = match table.measurement.load {
            Load::Open(_, arrivals) => Some(arrivals),
            Load::Closed(_) => None,
        };
        (table.measurement.operation, table.measurement.placement, open)
    };
    let mut sweeps: Vec<Vec<&Table>> = Vec::new();
    for table in tables {
        match sweeps.iter_mut().find(|sweep| kind(sweep[0]) == kind(table)) {
            Some(sweep) => sweep.push(table),
            None => sweeps.push(vec![table]),
        }
    }
    sweeps.retain(|sweep| sweep.len() >= FEWEST);
    for sweep in &mut sweeps {
        sweep.sort_by_key(|table| table.measurement.load);
    }
    sweeps
}

fn size(load: Load) -> f64 {
    match load {
        Load::Open(rate, _) => rate.get().into(),
        Load::Closed(callers) => callers.get().into(),
    }
}

/// A stack's values by load. A load whose trials do not count has no value.
fn series<'a>(tables: &[&'a Table], quantity: &Quantity) -> Vec<(&'a Row, Vec<(f64, f64)>)> {
    let mut all: Vec<(&Row, Vec<(f64, f64)>)> = Vec::new();
    for table in tables {
        for row in table.rows.iter().filter(|row| !row.protocol.is_in_process()) {
            let Some(value) = (quantity.of)(row) else { continue };
            let point = (size(table.measurement.load), value);
            match all.iter_mut().find(|(known, _)| known.stack == row.stack) {
                Some((_, points)) => points.push(point),
                None => all.push((row, vec![point])),
            }
        }
    }
    all
}

fn figure(tables: &[&Table], quantity: &Quantity, name: String) -> Result<Option<Figure>, PlotError> {
    let (Some(first), all) = (tables.first(), series(tables, quantity)) else { return Ok(None) };
    if all.is_empty() {
        return Ok(None);
    }
    let is_open = first.measurement.load.rate().is_some();
    let against = if is_open { "calls offered per second" } else { "callers at once" };
    let title = format!("{} against {against}: {}", quantity.name, first.measurement.operation);
    let bottom = curves::bottom(all.len());
    let across = Axis::logarithmic(tables.iter().map(|table| size(table.measurement.load)), LEFT, RIGHT);
    let up =
        Axis::logarithmic(all.iter().flat_map(|(_, points)| points.iter().map(|(_, y)| *y)), bottom, TOP);
    let spoken = spoken(&title, first);
    let svg = style::draw(bottom + rows::BELOW, &spoken, |canvas| {
        rows::heading(canvas, &title, text::placement(&first.measurement));
        curves::upright(canvas, &up, quantity.unit);
        level(canvas, &across, bottom, against);
        let curves: Vec<_> = all
            .iter()
            .map(|(row, points)| Curve {
                name: &row.stack,
                look: Look::of(row.protocol, row.role),
                points: points.iter().map(|(x, y)| (across.at(*x), up.at(*y))).collect(),
            })
            .collect();
        curves::draw(canvas, &curves, bottom);
        for Curve { look, points, .. } in &curves {
            points.iter().for_each(|point| canvas.dot(*point, *look));
        }
    })?;
    let mut caption = "A dot is the median of the blocks in which a stack's trials count.".to_owned();
    if is_open {
        caption += " Response time: from when a call was due, whether or not it could be sent. Where a \
                    dot is missing, the machine could not offer that load to the stack, or calls were lost.";
    }
    Ok(Some(Figure { name, title: spoken, caption, svg }))
}

/// The loads below, with lines upwards.
fn level(canvas: &mut Canvas<'_>, axis: &Axis, bottom: f64, unit: &str) {
    for tick in axis.ticks() {
        let x = axis.at(tick);
        canvas.line((x, TOP), (x, bottom + 4.0), GRID, 1.0);
        canvas.text(&rows::value(tick), (x, bottom + 16.0), Anchor::Middle, MUTED);
    }
    canvas.text(unit, ((LEFT + RIGHT) / 2.0, bottom + 36.0), Anchor::Middle, MUTED);
}
