//! CPU time of a call: client, server and broker, stacked.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, PlotError, draw};
use super::figure::{Figure, alternative, title};
use super::rows::{self, RIM, TOP};
use super::style::{INK, Look, MUTED, WIDTH};
use crate::report::stack_summary::StackSummary;
use crate::report::summary::MeasurementSummary;
use crate::report::{describe, text};

/// Width of the numbers beside the longest bar.
const NUMBERS_WIDTH: f64 = 215.0;
/// Half the height of a bar.
const HALF_HEIGHT: f64 = 8.0;
/// Opacity of each part of a bar: client, server, broker.
const SHADES: [f64; 3] = [1.0, 0.6, 0.25];
/// Stacks with a broker get a separate axis where their longest bar is this many times as long as that of the others.
const MAX_LENGTH_RATIO: f64 = 3.0;

/// CPU time of client, server and broker in microseconds.
fn parts(row: &StackSummary) -> [f64; 3] {
    [row.cpu.client, row.cpu.server, row.cpu.broker].map(|nanos| nanos.unwrap_or(0.0) / 1e3)
}

fn total(row: &StackSummary) -> f64 {
    parts(row).iter().sum()
}

/// Draws the CPU time of each stack; `None` where none could be observed.
pub(super) fn figure(summary: &MeasurementSummary, name: String) -> Result<Option<Figure>, PlotError> {
    let shown: Vec<&StackSummary> =
        summary.stacks.iter().filter(|row| row.cpu.client.is_some() && row.cpu.server.is_some()).collect();
    if shown.is_empty() {
        return Ok(None);
    }
    let (brokered, direct): (Vec<&StackSummary>, Vec<&StackSummary>) =
        shown.iter().partition(|row| row.cpu.broker.is_some());
    let longest = |rows: &[&StackSummary]| rows.iter().map(|row| total(row)).fold(0.0, f64::max);
    let apart = !direct.is_empty() && longest(&brokered) > MAX_LENGTH_RATIO * longest(&direct);
    let panels: Vec<(Vec<&StackSummary>, &str)> = if apart {
        vec![
            (direct, "CPU time per correct answer, µs"),
            (brokered, "stacks with a broker: CPU time per correct answer, µs (on another scale)"),
        ]
    } else {
        vec![(shown.clone(), "CPU time per correct answer, µs")]
    };
    let title = title("CPU time of a call", summary);
    let left = rows::left_of(shown.iter().map(|row| row.stack.as_str()));
    let height = panels.iter().map(|(rows, _)| rows::end(0.0, rows.len()) + rows::BELOW).sum::<f64>();
    let top = TOP + 16.0;
    let svg = draw(top + height, &alternative(&title, summary), |canvas| {
        rows::heading(canvas, &title, &describe::placement(&summary.measurement));
        legend(canvas);
        let mut top = top;
        for (panel, unit) in &panels {
            let axis = Axis::linear(panel.iter().map(|row| total(row)), left, WIDTH - NUMBERS_WIDTH - RIM);
            let bottom = rows::end(top, panel.len());
            rows::grid(canvas, &axis, top, bottom, unit);
            for (index, row) in panel.iter().enumerate() {
                let y = rows::middle(top, index);
                rows::name(canvas, &row.stack, left, y);
                draw_bar(canvas, &axis, row, y);
            }
            top = bottom + rows::BELOW;
        }
    })?;
    let caption = "From each process's own CPU clock, kernel time included; medians of the blocks. With all processes \
                   on one core the parts add up to nearly the whole latency of one caller. On two cores, the part of \
                   the busier one bounds the calls per second.";
    Ok(Some(Figure { name, title: alternative(&title, summary), caption: caption.to_owned(), svg }))
}

fn legend(canvas: &mut Canvas<'_>) {
    let y = TOP - 6.0;
    for ((text, shade), x) in ["client", "server", "broker"].into_iter().zip(SHADES).zip([0.0, 75.0, 153.0]) {
        let x = RIM + x;
        canvas.rectangle((x, y - 6.0), (x + 12.0, y + 6.0), MUTED, shade);
        canvas.text(text, (x + 18.0, y), Anchor::Left, MUTED);
    }
}

fn draw_bar(canvas: &mut Canvas<'_>, axis: &Axis, row: &StackSummary, y: f64) {
    let look = Look::of(row.kind);
    let mut from = 0.0;
    let parts = parts(row);
    for (part, shade) in parts.into_iter().zip(SHADES) {
        let to = from + part;
        canvas.rectangle(
            (axis.at(from), y - HALF_HEIGHT),
            (axis.at(to), y + HALF_HEIGHT),
            look.colour,
            shade,
        );
        from = to;
    }
    let written: Vec<_> =
        parts.iter().filter(|part| **part > 0.0).map(|micros| text::micros(micros * 1e3)).collect();
    canvas.text(&written.join(" + "), (axis.at(from) + 8.0, y), Anchor::Left, INK);
}
