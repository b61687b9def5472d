//! How calls were spread over several servers: a row for each stack, with a bar for each server.

use super::axis::Axis;
use super::canvas::{Anchor, PlotError, draw};
use super::figure::{Figure, alternative, title};
use super::rows::{self, RIM};
use super::style::{INK, Look, MUTED, WIDTH};
use crate::report::servers::{is_slow, spread_out};
use crate::report::summary::MeasurementSummary;
use crate::report::{describe, text};

/// The upper edge of the first row.
const TOP: f64 = 78.0;
/// Height of a bar, with the space to the next one.
const BAR_HEIGHT: f64 = 20.0;
/// Half the height of a bar.
const HALF_HEIGHT: f64 = 7.0;
/// Space between the bars of two stacks.
const GAP: f64 = 12.0;
/// Width of the numbers beside the longest bar.
const NUMBERS_WIDTH: f64 = 130.0;

/// Draws the share of the calls that each server of each stack executed; `None` where every stack has one server.
#[allow(clippy::cast_precision_loss)]
pub(super) fn figure(summary: &MeasurementSummary, name: String) -> Result<Option<Figure>, PlotError> {
    let stacks = spread_out(summary);
    if stacks.is_empty() {
        return Ok(None);
    }
    let title = title("Calls by server", summary);
    let left = rows::left_of(stacks.iter().map(|stack| stack.stack.as_str()));
    let largest = stacks.iter().flat_map(|stack| &stack.server_shares).map(|share| share.max);
    let axis = Axis::linear(largest, left, WIDTH - NUMBERS_WIDTH - RIM);
    let bars: usize = stacks.iter().map(|stack| stack.server_shares.len()).sum();
    let bottom = TOP + bars as f64 * BAR_HEIGHT + stacks.len() as f64 * GAP;
    let alternative = alternative(&title, summary);
    let svg = draw(bottom + rows::BELOW, &alternative, |canvas| {
        rows::heading(canvas, &title, &describe::placement(&summary.measurement));
        rows::grid(
            canvas,
            &axis,
            TOP,
            bottom,
            "share of the calls that all servers of the stack executed, %",
        );
        let mut upper = TOP + GAP / 2.0;
        for stack in &stacks {
            let (look, shares) = (Look::of(stack.kind), &stack.server_shares);
            let height = shares.len() as f64 * BAR_HEIGHT;
            rows::name(canvas, &stack.stack, left, upper + height / 2.0);
            let equal = axis.at(100.0 / shares.len() as f64);
            canvas.dashed(&[(equal, upper), (equal, upper + height)], 4.0, 3.0, MUTED, 1.2);
            for (index, share) in shares.iter().enumerate() {
                let y = upper + (index as f64 + 0.5) * BAR_HEIGHT;
                let (from, to) = ((axis.at(0.0), y - HALF_HEIGHT), (axis.at(share.median), y + HALF_HEIGHT));
                let slow = if is_slow(summary, index, shares.len()) {
                    canvas.hatched(from, to, look.colour);
                    ", slow"
                } else {
                    canvas.rectangle(from, to, look.colour, look.opacity());
                    ""
                };
                canvas.whisker(axis.at(share.min), axis.at(share.max), y, INK);
                let label = format!("{} %{slow}", text::decimals(share.median));
                canvas.text(&label, (axis.at(share.max) + 9.0, y), Anchor::Left, INK);
            }
            upper += height + GAP;
        }
    })?;
    let caption = "A bar is a server; its whisker ends at the smallest and the largest block. Hatched: a server whose handlers \
                   take longer. The dashed line is an equal share for each server.";
    Ok(Some(Figure { name, title: alternative, caption: caption.to_owned(), svg }))
}
