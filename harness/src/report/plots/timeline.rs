//! A timeline: response times and lost calls over time, a panel for each stack, with the events or the stages marked.

use std::time::Duration;

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, PlotError, draw};
use super::curves;
use super::figure::Figure;
use super::rows::{self, RIM};
use super::style::{GRID, INK, Look, MUTED, TEXT_SIZE, WIDTH, width};
use crate::record::{BIN_LENGTH, TimelineBin, TimelineInterval, TimelineResult};
use crate::report::text;
use crate::report::timelines::{StackTimeline, Timelines};

/// The edges of the area for curves.
const LEFT: f64 = RIM + 66.0;
const RIGHT: f64 = WIDTH - RIM;
/// The first and the second line of the names of the events.
const EVENTS_TOP: f64 = 74.0;
const EVENT_LINE: f64 = 17.0;
/// The upper edge of the first panel.
const TOP: f64 = EVENTS_TOP + 2.0 * EVENT_LINE;
/// The parts of a panel from its upper edge: its name, the response times, and the share of lost calls.
const NAME_HEIGHT: f64 = 24.0;
const CURVE_HEIGHT: f64 = 96.0;
const SHARE_GAP: f64 = 10.0;
const SHARE_HEIGHT: f64 = 26.0;
/// The part between the response times and the lost calls: the answers per second, with the gap above it.
const RATE_HEIGHT: f64 = 52.0;
const RATE_GAP: f64 = 12.0;
const BELOW_PANEL: f64 = 12.0;
/// The largest number of dots of a panel.
const MAX_DOTS: usize = 300;
/// Response times in milliseconds that every axis shows, so that small differences look small.
const SHOWN_MS: [f64; 2] = [0.1, 10.0];

/// What all panels of a figure share.
struct Scales {
    seconds: Axis,
    /// The response times of all stacks in milliseconds.
    times: Vec<f64>,
    /// The largest number of calls or answers per second; `None` where the record has no answers over time.
    largest_rate: Option<f64>,
}

/// Draws `timeline`, the first block that counts of each stack.
pub(super) fn figure(timeline: &Timelines<'_>, name: String) -> Result<Figure, PlotError> {
    let shown: Vec<(&StackTimeline<'_>, &TimelineResult)> =
        timeline.stacks.iter().filter_map(|stack| Some((stack, *stack.blocks.first()?))).collect();
    let title = format!("Response times and lost calls over time: {}", timeline.timeline.name);
    let bins = || shown.iter().flat_map(|(_, result)| &result.bins);
    let times = bins().flat_map(|bin| [bin.p50_ns, bin.max_ns]).flatten();
    let intervals = shown.iter().flat_map(|(_, result)| &result.intervals).filter_map(|it| it.p99_ns);
    let rates = bins().flat_map(|bin| [Some(bin.scheduled), bin.answered]).flatten().map(per_second);
    let has_answers = bins().any(|bin| bin.answered.is_some());
    let scales = Scales {
        seconds: Axis::linear(std::iter::once(timeline.timeline.length().as_secs_f64()), LEFT, RIGHT),
        times: times.chain(intervals).map(millis).chain(SHOWN_MS).collect(),
        largest_rate: rates.reduce(f64::max).filter(|_| has_answers),
    };
    let bottom = scales.panel_top(shown.len());
    let alternative = format!("{title}; {}", timeline.conditions());
    let svg = draw(bottom + rows::BELOW, &alternative, |canvas| {
        rows::heading(canvas, &title, &timeline.calls());
        for (index, (_, result)) in shown.iter().enumerate() {
            let (top, lower) =
                (scales.panel_top(index) + NAME_HEIGHT, scales.panel_top(index + 1) - BELOW_PANEL);
            for outage in result.outages() {
                let (from, to) = (seconds_of(outage.from_ns), outage.to_ns.map_or(f64::MAX, seconds_of));
                canvas.rectangle((scales.seconds.at(from), top), (scales.seconds.at(to), lower), GRID, 0.6);
            }
        }
        let unit = "seconds from the first call that counts";
        rows::grid(canvas, &scales.seconds, TOP + NAME_HEIGHT, bottom, unit);
        name_marks(canvas, &timeline.marks(), &scales.seconds, bottom);
        for (index, (stack, result)) in shown.iter().enumerate() {
            draw_panel(canvas, stack, result, &scales, scales.panel_top(index));
        }
    })?;
    let caption = "For each stack, above: the median response time of each 100 ms in milliseconds as a line, which is \
                   interrupted where half of the calls got no right answer, and the longest as dots. In the middle: the right \
                   answers per second at the time of their arrival as a line, and the calls that were scheduled as a dashed \
                   one. Below: the share of the calls that were lost, in percent, at their scheduled send times. Grey: the \
                   time without a server, or without the broker. The first block that counts is shown.";
    let of_stages = " Dashed in the upper part: the 99th percentile of each interval whose calls carry one.";
    let caption = format!("{caption}{}", if timeline.has_stages() { of_stages } else { "" });
    Ok(Figure { name, title: alternative, caption, svg })
}

impl Scales {
    /// The height of the answers per second, with the gap above it.
    fn rate_height(&self) -> f64 {
        if self.largest_rate.is_some() { RATE_HEIGHT } else { 0.0 }
    }

    /// The upper edge of a panel.
    #[allow(clippy::cast_precision_loss)]
    fn panel_top(&self, index: usize) -> f64 {
        let above_share = NAME_HEIGHT + CURVE_HEIGHT + self.rate_height();
        TOP + index as f64 * (above_share + SHARE_GAP + SHARE_HEIGHT + BELOW_PANEL)
    }
}

/// A number of calls in a bin as calls per second.
#[allow(clippy::cast_precision_loss)]
fn per_second(calls: u64) -> f64 {
    calls as f64 / BIN_LENGTH.as_secs_f64()
}

#[allow(clippy::cast_precision_loss)]
fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

fn seconds_of(nanos: u64) -> f64 {
    millis(nanos) / 1e3
}

/// Draws a line at each of `marks`, with its name above, in two lines where they are close to each other. A name for which both
/// lines have no room is left out.
fn name_marks(canvas: &mut Canvas<'_>, marks: &[(Duration, String)], seconds: &Axis, bottom: f64) {
    let mut ends = [f64::NEG_INFINITY; 2];
    for (at, name) in marks {
        let x = seconds.at(at.as_secs_f64());
        let half = width(name, TEXT_SIZE) / 2.0;
        let x_of_name = x.clamp(LEFT + half, RIGHT - half);
        let line = usize::from(x_of_name - half < ends[0]);
        if x_of_name - half >= ends[line] {
            ends[line] = x_of_name + half + 8.0;
            let y = if line == 0 { EVENTS_TOP + EVENT_LINE } else { EVENTS_TOP };
            canvas.text(name, (x_of_name, y), Anchor::Middle, INK);
        }
        let y = if line == 0 { EVENTS_TOP + EVENT_LINE } else { EVENTS_TOP };
        canvas.dashed(&[(x, y + 10.0), (x, bottom)], 4.0, 3.0, MUTED, 1.2);
    }
}

/// Draws the panel of a stack with its upper edge at `top`.
fn draw_panel(
    canvas: &mut Canvas<'_>,
    stack: &StackTimeline<'_>,
    result: &TimelineResult,
    scales: &Scales,
    top: f64,
) {
    let Scales { seconds, times, largest_rate } = scales;
    let colour = stack.kind.map_or(INK, |kind| Look::of(kind).colour);
    canvas.bold(stack.stack, (LEFT, top + 12.0), TEXT_SIZE);
    canvas.text("ms", (LEFT - 10.0, top + 12.0), Anchor::Right, MUTED);
    canvas.text(&summary(result), (RIGHT, top + 12.0), Anchor::Right, MUTED);
    let upper = top + NAME_HEIGHT;
    let vertical = Axis::logarithmic(times.iter().copied(), upper + CURVE_HEIGHT, upper);
    curves::grid(canvas, &vertical, LEFT, RIGHT);
    let length = BIN_LENGTH.as_secs_f64();
    #[allow(clippy::cast_precision_loss)]
    let edges = |index: usize| (seconds.at(index as f64 * length), seconds.at((index + 1) as f64 * length));
    let middle = |index: usize| f64::midpoint(edges(index).0, edges(index).1);
    for (index, longest) in longest(result) {
        canvas.point((seconds.at(index * length), vertical.at(millis(longest))), MUTED);
    }
    let mut line = Vec::new();
    for (index, bin) in result.bins.iter().enumerate() {
        match bin.p50_ns {
            Some(p50) => line.push((middle(index), vertical.at(millis(p50)))),
            None => draw_line(canvas, &std::mem::take(&mut line), colour),
        }
    }
    draw_line(canvas, &line, colour);
    let middle_of = |it: &TimelineInterval| seconds.at(seconds_of(u64::midpoint(it.from_ns, it.to_ns)));
    let p99: Vec<_> = result.intervals.iter().map(|it| Some((middle_of(it), it.p99_ns?))).collect();
    for run in p99.split(Option::is_none) {
        let run: Vec<_> = run.iter().flatten().map(|(x, p99)| (*x, vertical.at(millis(*p99)))).collect();
        match run.as_slice() {
            [] => {}
            [only] => canvas.point(*only, colour),
            points => canvas.dashed(points, 4.0, 3.0, colour, 1.6),
        }
    }
    if let Some(largest) = largest_rate {
        let upper = upper + CURVE_HEIGHT + RATE_GAP;
        let rates = Axis::linear(std::iter::once(*largest), upper + RATE_HEIGHT - RATE_GAP, upper);
        draw_rates(canvas, result, seconds, &rates, colour);
    }
    let lower = upper + CURVE_HEIGHT + scales.rate_height() + SHARE_GAP + SHARE_HEIGHT;
    canvas.line((LEFT, lower), (RIGHT, lower), MUTED, 1.0);
    canvas.text("lost %", (LEFT - 10.0, lower - SHARE_HEIGHT / 2.0), Anchor::Right, MUTED);
    for (index, bin) in result.bins.iter().enumerate() {
        let lost = bin.scheduled.saturating_sub(bin.right);
        if lost > 0 {
            #[allow(clippy::cast_precision_loss)]
            let share = lost as f64 / bin.scheduled as f64;
            let (from, to) = edges(index);
            canvas.rectangle((from, lower - share * SHARE_HEIGHT), (to, lower), INK, 1.0);
        }
    }
}

/// Draws the answers and the calls per second of `result` over time.
#[allow(clippy::cast_precision_loss)]
fn draw_rates(
    canvas: &mut Canvas<'_>,
    result: &TimelineResult,
    seconds: &Axis,
    rates: &Axis,
    colour: plotters::style::RGBColor,
) {
    let (base, largest) = (rates.at(0.0), rates.at(f64::MAX));
    canvas.line((LEFT, base), (RIGHT, base), MUTED, 1.0);
    canvas.text("answers/s", (LEFT - 10.0, f64::midpoint(base, largest)), Anchor::Right, MUTED);
    let points = |of: fn(&TimelineBin) -> Option<u64>| {
        let middle = |index: usize| seconds.at((index as f64 + 0.5) * BIN_LENGTH.as_secs_f64());
        let bins = result.bins.iter().enumerate();
        bins.filter_map(|(index, bin)| Some((middle(index), rates.at(per_second(of(bin)?)))))
            .collect::<Vec<_>>()
    };
    canvas.dashed(&points(|bin| bin.answered.and(Some(bin.scheduled))), 4.0, 3.0, MUTED, 1.2);
    draw_line(canvas, &points(|bin| bin.answered), colour);
}

/// A line through `points`; a dot for a single one.
fn draw_line(canvas: &mut Canvas<'_>, points: &[(f64, f64)], colour: plotters::style::RGBColor) {
    match points {
        [] => {}
        [only] => canvas.point(*only, colour),
        points => canvas.curve(points, colour, 1.0, 2.2),
    }
}

/// The longest response times of the bins, of several together where there are many, each with the middle of its bins.
#[allow(clippy::cast_precision_loss)]
fn longest(result: &TimelineResult) -> impl Iterator<Item = (f64, u64)> {
    let together = result.bins.len().div_ceil(MAX_DOTS).max(1);
    let chunks = result.bins.chunks(together).enumerate();
    chunks.filter_map(move |(index, bins)| {
        let longest = bins.iter().filter_map(|bin| bin.max_ns).max()?;
        Some(((index * together) as f64 + bins.len() as f64 / 2.0, longest))
    })
}

/// What became of the calls, in a line.
#[allow(clippy::cast_precision_loss)]
fn summary(result: &TimelineResult) -> String {
    let count = |calls: u64| text::thousands(calls as f64);
    let (lost, calls, late) = (result.lost(), result.counts().slots, result.late());
    if !result.stages.is_empty() {
        return format!("{} of {} calls without a right answer", count(lost), count(calls));
    }
    let level = result.level_again_ns().map_or_else(
        || "not recovered".to_owned(),
        |ns| format!("recovered after {} ms", count(ns / 1_000_000)),
    );
    format!("{} of {} lost, {} late; {level}", count(lost), count(calls), count(late))
}
