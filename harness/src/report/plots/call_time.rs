//! Where the time of a call goes: a bar for each stack, divided. Stacks behind a broker take so much longer that they have
//! a separate panel with another axis.

use plotters::style::RGBColor;

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, PlotError};
use super::panels::{self, Multiples, Panel, RIM, TOP, WIDTH, left_of, panel};
use super::rows::tick_label;
use super::style::{BLUE, GRID, INK, MUTED, ORANGE, TEXT_SIZE, width};
use crate::report::call_time::{CallTime, CallTimes};
use crate::report::text;

const ROW_HEIGHT: f64 = 24.0;
const HALF_HEIGHT: f64 = 8.0;
/// The right edge of the bars.
const RIGHT: f64 = WIDTH - RIM - 48.0;
/// Height of a line of the legend.
const LEGEND_LINE: f64 = 18.0;
/// Height of the axis below the bars.
const BELOW: f64 = 44.0;

/// A part of a bar.
struct Share {
    name: &'static str,
    colour: RGBColor,
    /// What is inferred is hatched.
    is_inferred: bool,
    micros: fn(&CallTime) -> Option<f64>,
}

/// The parts of a bar from left to right.
const SHARES: [Share; 5] = [
    Share { name: "kernel", colour: MUTED, is_inferred: true, micros: |time| Some(time.kernel) },
    Share { name: "codec", colour: BLUE, is_inferred: true, micros: |time| time.codec },
    Share { name: "library", colour: BLUE, is_inferred: false, micros: |time| Some(time.library) },
    Share { name: "broker", colour: ORANGE, is_inferred: false, micros: |time| time.broker },
    Share { name: "wake-up", colour: ORANGE, is_inferred: true, micros: |time| time.wake_up },
];

/// Draws the bars of `times`; `None` where there is no stack.
pub(super) fn figure(times: &CallTimes, name: String) -> Result<Option<Multiples>, PlotError> {
    let title = "Where the time of a call goes: add, one caller";
    let (through, direct): (Vec<_>, Vec<_>) = times.stacks.iter().partition(|time| time.kind.is_brokered());
    let panels = [("Client and server", direct), ("Through a broker", through)];
    let panels = panels.into_iter().filter(|(_, stacks)| !stacks.is_empty());
    let panels = panels.map(|(title, stacks)| bars(title, &stacks)).collect::<Result<Vec<_>, _>>()?;
    if panels.is_empty() {
        return Ok(None);
    }
    Multiples::new(name, title.to_owned(), caption(times), panels).map(Some)
}

fn caption(times: &CallTimes) -> String {
    let mut caption = "Hatched: inferred from another measurement. Kernel: the CPU time of the raw TCP floor. Library: the rest of \
                       the CPU time of client and server, with further system calls."
        .to_owned();
    if times.stacks.iter().any(|time| time.codec.is_some()) {
        caption += " Codec: encoding and decoding the call and its result without sockets.";
    }
    if times.two_cores.is_some() {
        caption += " Wake-up: by how much the median latency on two cores exceeds that on one.";
    }
    caption + " The number is the sum in microseconds."
}

/// Draws the bars of some stacks.
#[allow(clippy::cast_precision_loss)]
fn bars(title: &str, stacks: &[&CallTime]) -> Result<Panel, PlotError> {
    let shown: Vec<_> =
        SHARES.iter().filter(|share| stacks.iter().any(|time| (share.micros)(time).is_some())).collect();
    let lines = legend_lines(&shown);
    let top = TOP + LEGEND_LINE * lines.len() as f64;
    let bottom = top + ROW_HEIGHT * stacks.len() as f64;
    let left = left_of(stacks.iter().map(|time| time.stack.as_str()));
    let axis = Axis::linear(stacks.iter().map(|time| time.total()), left, RIGHT);
    let description: Vec<_> = stacks.iter().map(|time| described(time, &shown)).collect();
    panel(bottom + BELOW, [title, "time of a call, µs"], &description.join("; "), |canvas| {
        legend(canvas, &lines);
        for tick in axis.ticks() {
            let x = axis.at(tick);
            canvas.line((x, top), (x, bottom + 4.0), GRID, 1.0);
            canvas.text(&tick_label(tick), (x, bottom + 16.0), Anchor::Middle, MUTED);
        }
        for (row, time) in stacks.iter().enumerate() {
            let y = top + (row as f64 + 0.5) * ROW_HEIGHT;
            panels::name(canvas, &time.stack, left, y);
            let mut from = 0.0;
            for share in &shown {
                let Some(micros) = (share.micros)(time).filter(|micros| *micros > 0.0) else { continue };
                swatch(canvas, share, (axis.at(from), axis.at(from + micros)), y);
                from += micros;
            }
            canvas.text(&text::decimals(from), (axis.at(from) + 6.0, y), Anchor::Left, INK);
        }
    })
}

/// The parts of a bar in words.
fn described(time: &CallTime, shown: &[&Share]) -> String {
    let parts = shown.iter().filter_map(|share| {
        let inferred = if share.is_inferred { " (inferred)" } else { "" };
        Some(format!("{}{inferred} {}", share.name, text::decimals((share.micros)(time)?)))
    });
    format!("{}: {} µs", time.stack, parts.collect::<Vec<_>>().join(", "))
}

/// Draws a part of a bar, from one position to another.
fn swatch(canvas: &mut Canvas<'_>, share: &Share, (from, to): (f64, f64), y: f64) {
    let corners = ((from, y - HALF_HEIGHT), (to, y + HALF_HEIGHT));
    if share.is_inferred {
        canvas.hatched(corners.0, corners.1, share.colour);
    } else {
        canvas.rectangle(corners.0, corners.1, share.colour, 1.0);
    }
}

/// The entries of the legend in lines that fit, each with its left edge.
fn legend_lines<'a>(shown: &[&'a Share]) -> Vec<Vec<(&'a Share, f64)>> {
    let mut lines: Vec<Vec<(&Share, f64)>> = vec![vec![]];
    let mut left = RIM;
    for share in shown {
        let room = 34.0 + width(share.name, TEXT_SIZE);
        if left + room > WIDTH - RIM && left > RIM {
            lines.push(vec![]);
            left = RIM;
        }
        if let Some(line) = lines.last_mut() {
            line.push((share, left));
        }
        left += room;
    }
    lines
}

#[allow(clippy::cast_precision_loss)]
fn legend(canvas: &mut Canvas<'_>, lines: &[Vec<(&Share, f64)>]) {
    for (index, line) in lines.iter().enumerate() {
        let y = TOP + LEGEND_LINE * index as f64 + 1.0;
        for (share, left) in line {
            swatch(canvas, share, (*left, left + 16.0), y);
            canvas.text(share.name, (left + 22.0, y), Anchor::Left, MUTED);
        }
    }
}
