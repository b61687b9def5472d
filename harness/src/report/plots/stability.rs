//! How steady the stacks were: a map of stacks and blocks for each measurement, whose shades show how far each block was from
//! the stack's median block.

use plotters::style::RGBColor;

use super::canvas::{Anchor, Canvas, PlotError};
use super::panels::{self, Multiples, Panel, RIM, TOP, WIDTH, left_of, panel};
use super::style::{FASTER, INK, MUTED, SLOWER, TEXT_SIZE, USUAL, width};
use crate::report::stability::{BlockCell, BlockState, Stability, StackStability};
use crate::report::text;

const ROW_HEIGHT: f64 = 17.0;
/// Space between two rows.
const ROW_GAP: f64 = 2.0;
/// The right edge of the map.
const RIGHT: f64 = WIDTH - RIM;
/// Height of the axis and the legend below the map.
const BELOW: f64 = 84.0;
/// The differences at which the shades change, as shares.
const STEPS: [f64; 3] = [0.01, 0.03, 0.1];

/// Draws the maps; `None` where no measurement has several blocks.
pub(super) fn figure(all: &[Stability<'_>], name: String) -> Result<Option<Multiples>, PlotError> {
    if all.is_empty() {
        return Ok(None);
    }
    let panels = all.iter().map(map).collect::<Result<Vec<_>, _>>()?;
    let caption = "A row is a stack, a column a block of the run, from its start to its end. Orange: the stack was slower than in its \
                   median block; blue: faster. A stroke marks a block with a trial in which other processes or the hypervisor took a \
                   notable share of the cores, a cross one with a trial that does not count. Columns of one colour are the machine, \
                   not the stacks: stacks are compared within blocks.";
    Multiples::new(name, "Every stack in every block".to_owned(), caption.to_owned(), panels).map(Some)
}

#[allow(clippy::cast_precision_loss)]
fn map(stability: &Stability<'_>) -> Result<Panel, PlotError> {
    let left = left_of(stability.stacks.iter().map(|stack| stack.stack.as_str()));
    let bottom = TOP + ROW_HEIGHT * stability.stacks.len() as f64;
    let subtitle = format!("{} of each block", stability.quantity());
    let description: Vec<_> =
        stability.stacks.iter().map(|stack| described(stack, &stability.blocks)).collect();
    panel(bottom + BELOW, [&stability.measurement.name, &subtitle], &description.join("; "), |canvas| {
        let step = (RIGHT - left) / stability.blocks.len() as f64;
        for (row, stack) in stability.stacks.iter().enumerate() {
            let top = TOP + row as f64 * ROW_HEIGHT;
            let y = top + (ROW_HEIGHT - ROW_GAP) / 2.0;
            panels::name(canvas, &stack.stack, left, y);
            draw_row(canvas, stack, (left, top), step);
        }
        axis(canvas, stability, (left, bottom));
        legend(canvas, bottom + 40.0);
    })
}

/// Draws the cells of a stack. Neighbours with one shade are one rectangle.
#[allow(clippy::cast_precision_loss)]
fn draw_row(canvas: &mut Canvas<'_>, stack: &StackStability, (left, top): (f64, f64), step: f64) {
    let bottom = top + ROW_HEIGHT - ROW_GAP;
    let shades: Vec<_> = stack.cells.iter().map(|cell| cell.as_ref().and_then(shade)).collect();
    let mut start = 0;
    for run in shades.chunk_by(|a, b| a == b) {
        let end = start + run.len();
        if let Some(shade) = run[0] {
            let [from, to] = [start, end].map(|block| left + block as f64 * step);
            canvas.rectangle((from, top), (to, bottom), shade, 1.0);
        }
        start = end;
    }
    for (block, cell) in stack.cells.iter().enumerate() {
        if let Some(cell) = cell {
            let middle = (left + (block as f64 + 0.5) * step, f64::midpoint(top, bottom));
            glyph(canvas, cell.state, middle);
        }
    }
}

/// The colour of a cell; `None` where it has no figure.
fn shade(cell: &BlockCell) -> Option<RGBColor> {
    let slower = cell.slower?;
    // Twice as slow and twice as fast differ as much from the usual.
    let share = if slower < 0.0 { 1.0 / (1.0 + slower) - 1.0 } else { slower };
    let shades = if slower < 0.0 { FASTER } else { SLOWER };
    Some(match STEPS.iter().filter(|step| share > **step).count() {
        0 => USUAL,
        steps => shades[steps - 1],
    })
}

/// Draws the mark of a block that was not quiet.
fn glyph(canvas: &mut Canvas<'_>, state: BlockState, (x, y): (f64, f64)) {
    const HALF: f64 = 3.5;
    if state != BlockState::Quiet {
        canvas.line((x - HALF, y + HALF), (x + HALF, y - HALF), INK, 1.4);
    }
    if state == BlockState::LeftOut {
        canvas.line((x - HALF, y - HALF), (x + HALF, y + HALF), INK, 1.4);
    }
}

fn axis(canvas: &mut Canvas<'_>, stability: &Stability<'_>, (left, bottom): (f64, f64)) {
    let ends = [(left, Anchor::Left), (RIGHT, Anchor::Right)];
    for ((x, anchor), began) in ends.into_iter().zip(stability.began) {
        canvas.text(&format!("{:.0} min", began / 60.0), (x, bottom + 12.0), anchor, MUTED);
    }
    let blocks = format!("{} blocks", stability.blocks.len());
    canvas.text(&blocks, (f64::midpoint(left, RIGHT), bottom + 12.0), Anchor::Middle, MUTED);
}

/// Draws the shades with the differences at which they change, and the marks.
#[allow(clippy::cast_precision_loss)]
fn legend(canvas: &mut Canvas<'_>, y: f64) {
    const SIDE: f64 = 22.0;
    let shades = FASTER.iter().rev().chain([&USUAL]).chain(&SLOWER);
    let left = RIM + 60.0;
    canvas.text("faster", (left - 8.0, y), Anchor::Right, MUTED);
    for (index, shade) in shades.enumerate() {
        let from = left + index as f64 * SIDE;
        canvas.rectangle((from, y - 6.0), (from + SIDE, y + 6.0), *shade, 1.0);
    }
    let right = left + 7.0 * SIDE;
    canvas.text("slower", (right + 8.0, y), Anchor::Left, MUTED);
    for (index, step) in STEPS.iter().enumerate() {
        let label = format!("{:.0}", step * 100.0);
        let from_middle = (index as f64 + 0.5) * SIDE;
        for side in [-1.0, 1.0] {
            let x = left + 3.5 * SIDE + side * from_middle;
            canvas.text(&label, (x, y + 14.0), Anchor::Middle, MUTED);
        }
    }
    canvas.text("%", (right + 8.0, y + 14.0), Anchor::Left, MUTED);
    let (marks, mut x) = (y + 32.0, RIM + 6.0);
    for (state, name) in [(BlockState::Disturbed, "disturbed"), (BlockState::LeftOut, "left out")] {
        glyph(canvas, state, (x, marks));
        canvas.text(name, (x + 10.0, marks), Anchor::Left, MUTED);
        x += 34.0 + width(name, TEXT_SIZE);
    }
}

/// A row in words.
fn described(stack: &StackStability, blocks: &[u32]) -> String {
    let count = |state| stack.cells.iter().flatten().filter(|cell| cell.state == state).count();
    let slowest = stack
        .slowest(blocks)
        .map(|(block, slower)| format!("slowest block {} with {}", block + 1, text::signed_percent(slower)));
    format!(
        "{}: {}, {} disturbed, {} left out",
        stack.stack,
        slowest.unwrap_or_else(|| "no figure".to_owned()),
        count(BlockState::Disturbed),
        count(BlockState::LeftOut)
    )
}
