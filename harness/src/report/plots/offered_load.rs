//! Response time against the offered load: a panel for each stack, with its curves over those of all others in grey.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, PlotError};
use super::panels::{Multiples, Panel, RIM, TOP, WIDTH, panel};
use super::rows::tick_label;
use super::style::{BLUE, CONTEXT, GRID, INK, MUTED, PAPER, TEXT_SIZE, width};
use super::sweep;
use crate::report::stack_summary::StackSummary;
use crate::report::summary::{MeasurementSummary, Summary};
use crate::report::{describe, text};
use crate::stats::knee;

/// The edges of the area for curves.
const LEFT: f64 = RIM + 52.0;
const RIGHT: f64 = WIDTH - RIM - 12.0;
const BOTTOM: f64 = TOP + 160.0;
const HEIGHT: f64 = BOTTOM + 44.0;

/// The response times of a stack, in microseconds, at each load of the sweep.
struct Curve<'a> {
    stack: &'a str,
    /// `None` where the stack has no valid trial.
    points: Vec<Option<Point>>,
}

/// The response times at a load.
#[derive(Clone, Copy)]
struct Point {
    rate: f64,
    p50: f64,
    /// Absent where there are too few calls.
    p99: Option<f64>,
}

impl Point {
    fn of(row: &StackSummary, rate: f64) -> Option<Self> {
        let p99 = row.p99.map(|p99| p99.median / 1e3);
        Some(Point { rate, p50: row.p50?.median / 1e3, p99 })
    }
}

impl Curve<'_> {
    /// The loads and median response times of the runs of neighbouring loads that have a valid trial.
    fn runs(&self, of: impl Fn(&Point) -> Option<f64>) -> Vec<Vec<(f64, f64)>> {
        let values: Vec<_> =
            self.points.iter().map(|point| point.and_then(|point| Some((point.rate, of(&point)?)))).collect();
        values.split(Option::is_none).map(|run| run.iter().flatten().copied().collect()).collect()
    }

    /// The load and the median response time at the knee.
    fn knee(&self) -> Option<(f64, f64)> {
        let all: Vec<_> = self.points.iter().flatten().map(|point| (point.rate, point.p50)).collect();
        all.get(knee(&all)?).copied()
    }

    /// The largest load that has a valid trial.
    fn last(&self) -> Option<Point> {
        self.points.iter().flatten().last().copied()
    }
}

/// The axes of all panels.
struct Axes {
    across: Axis,
    up: Axis,
    /// The loads of the sweep.
    rates: Vec<f64>,
}

impl Axes {
    fn of(rates: Vec<f64>, curves: &[Curve<'_>]) -> Self {
        let points = || curves.iter().flat_map(|curve| curve.points.iter().flatten());
        let times = points().flat_map(|point| [Some(point.p50), point.p99]).flatten();
        Axes {
            across: Axis::logarithmic(rates.iter().copied(), LEFT, RIGHT),
            up: Axis::logarithmic(times, BOTTOM, TOP),
            rates,
        }
    }

    fn at(&self, (rate, micros): (f64, f64)) -> (f64, f64) {
        (self.across.at(rate), self.up.at(micros))
    }

    fn placed(&self, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        points.iter().map(|point| self.at(*point)).collect()
    }

    /// The edges of the zone of the load at `index`: half-way to its neighbours.
    fn zone(&self, index: usize) -> (f64, f64) {
        let at = |index: usize| self.rates.get(index).map(|rate| self.across.at(*rate));
        let here = at(index).unwrap_or(RIGHT);
        let before = index.checked_sub(1).and_then(at);
        (
            before.map_or(LEFT, |before| f64::midpoint(before, here)),
            at(index + 1).map_or(RIGHT, |after| f64::midpoint(here, after)),
        )
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        for tick in self.up.ticks() {
            let y = self.up.at(tick);
            canvas.line((LEFT, y), (RIGHT, y), GRID, 1.0);
            canvas.text(&tick_label(tick), (LEFT - 7.0, y), Anchor::Right, MUTED);
        }
        for tick in self.across.ticks() {
            let x = self.across.at(tick);
            canvas.line((x, TOP), (x, BOTTOM + 4.0), GRID, 1.0);
            canvas.text(&tick_label(tick), (x, BOTTOM + 16.0), Anchor::Middle, MUTED);
        }
        canvas.text(
            "calls offered per second",
            (f64::midpoint(LEFT, RIGHT), BOTTOM + 34.0),
            Anchor::Middle,
            MUTED,
        );
    }
}

/// Draws the sweeps over offered loads in `summary`. `name` makes a unique file name from a description.
pub(super) fn figures(
    summary: &Summary,
    mut name: impl FnMut(&str) -> String,
) -> Result<Vec<Multiples>, PlotError> {
    let mut figures = Vec::new();
    for measurements in sweep::of_offered_loads(&summary.measurements) {
        let Some(first) = measurements.first() else { continue };
        let operation = first.measurement.operation.to_string();
        let file = name(&format!("offered load {operation}{}", first.measurement.handlers()));
        figures.extend(figure(&measurements, first, file)?);
    }
    Ok(figures)
}

/// `None` where no stack has a valid trial.
fn figure(
    measurements: &[&MeasurementSummary],
    first: &MeasurementSummary,
    name: String,
) -> Result<Option<Multiples>, PlotError> {
    let curves = curves(measurements);
    if curves.is_empty() {
        return Ok(None);
    }
    let rates = measurements.iter().map(|summary| rate(summary)).collect();
    let axes = Axes::of(rates, &curves);
    let panels = (0..curves.len()).map(|index| stack_panel(&curves, index, &axes));
    let panels = panels.collect::<Result<Vec<_>, _>>()?;
    let title = format!(
        "Response time against offered load: {}; {}",
        first.measurement.operation,
        describe::placement(&first.measurement)
    );
    let caption = "Blue: the stack of the panel, its median response time as a line and the 99th percentile dashed; grey: the medians \
                   of all others, on the same axes. A response time starts at the scheduled send time, even where the call was \
                   sent later. The knee is the load with the greatest quotient of load and median response time (Kleinrock's \
                   power). Hatched: no valid trial at that load, because the machine could not offer it to the stack or calls were \
                   lost.";
    Multiples::new(name, title, caption.to_owned(), panels).map(Some)
}

fn rate(summary: &MeasurementSummary) -> f64 {
    summary.measurement.load.rate().map_or(0.0, |rate| rate.get().into())
}

/// The curve of each stack that has a valid trial.
fn curves<'a>(measurements: &[&'a MeasurementSummary]) -> Vec<Curve<'a>> {
    let mut stacks: Vec<&str> = Vec::new();
    let rows = measurements.iter().flat_map(|summary| &summary.stacks);
    for row in rows.filter(|row| !row.kind.is_function_call() && row.p50.is_some()) {
        if !stacks.contains(&row.stack.as_str()) {
            stacks.push(&row.stack);
        }
    }
    let point = |summary: &MeasurementSummary, stack: &str| {
        Point::of(summary.stacks.iter().find(|row| row.stack == stack)?, rate(summary))
    };
    let curve =
        |stack| Curve { stack, points: measurements.iter().map(|summary| point(summary, stack)).collect() };
    stacks.into_iter().map(curve).collect()
}

/// Draws the curves at `index` over all others.
fn stack_panel(curves: &[Curve<'_>], index: usize, axes: &Axes) -> Result<Panel, PlotError> {
    let own = &curves[index];
    let knee = own.knee();
    let subtitle = match (knee, own.last()) {
        (Some((rate, p50)), _) => {
            format!("knee near {} calls/s, p50 {} µs", text::thousands(rate), text::decimals(p50))
        }
        (None, Some(last)) => format!("no knee up to {} calls/s", text::thousands(last.rate)),
        (None, None) => String::new(),
    };
    let described = own.points.iter().flatten().map(|point| {
        let p99 = point.p99.map_or_else(String::new, |p99| format!(", p99 {}", text::decimals(p99)));
        format!("{} calls/s: p50 {}{p99} µs", text::thousands(point.rate), text::decimals(point.p50))
    });
    let description = described.collect::<Vec<_>>().join("; ");
    panel(HEIGHT, [own.stack, &subtitle], &description, |canvas| {
        for (index, _) in own.points.iter().enumerate().filter(|(_, point)| point.is_none()) {
            let (from, to) = axes.zone(index);
            canvas.hatched((from, TOP), (to, BOTTOM), GRID);
        }
        axes.draw(canvas);
        for other in curves.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, other)| other) {
            for run in other.runs(|point| Some(point.p50)) {
                canvas.curve(&axes.placed(&run), CONTEXT, 1.0, 1.2);
            }
        }
        if let Some((rate, _)) = knee {
            mark_knee(canvas, axes.across.at(rate));
        }
        for run in own.runs(|point| point.p99) {
            canvas.dashed(&axes.placed(&run), 5.0, 3.0, BLUE, 1.4);
        }
        for run in own.runs(|point| Some(point.p50)) {
            let run = axes.placed(&run);
            canvas.curve(&run, BLUE, 1.0, 2.4);
            run.into_iter().for_each(|point| canvas.point(point, BLUE));
        }
    })
}

fn mark_knee(canvas: &mut Canvas<'_>, x: f64) {
    const WORD: &str = "knee";
    let half = width(WORD, TEXT_SIZE) / 2.0;
    canvas.dashed(&[(x, TOP), (x, BOTTOM)], 3.0, 3.0, INK, 1.2);
    let middle = x.clamp(LEFT + half, RIGHT - half);
    canvas.rectangle((middle - half - 2.0, TOP - 1.0), (middle + half + 2.0, TOP + 15.0), PAPER, 1.0);
    canvas.text(WORD, (middle, TOP + 7.0), Anchor::Middle, INK);
}
