//! What the way to a server costs: a stack against itself, reached another way.

use super::summary::{Row, Spread};
use super::text;
use super::verdict::ratio;
use crate::scenario::Measurement;
use crate::stacks::base_name;
use crate::stats::Interval;

/// A stack that was reached in two ways.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// The stack.
    pub base: String,
    /// The same, reached the other way: `STACK@LABEL`.
    pub variant: String,
    /// The variant's figure as a multiple of the stack's, block by block: median latency or calls per second.
    pub spread: Spread,
    /// Its interval; absent where there are too few blocks for a verdict.
    pub interval: Option<Interval>,
}

/// What stands above a table of them.
pub(super) const HEADINGS: [&str; 4] = ["stack", "beside", "× beside", "99 %, or least–greatest block"];

impl Way {
    /// The variants among `rows`, each with the stack that it is one of, in the order of the rows.
    pub(super) fn of(rows: &[Row]) -> Vec<Self> {
        let way = |variant: &Row| {
            let base = rows.iter().find(|row| {
                row.stack != variant.stack && row.stack == base_name(&variant.stack) && !row.is_elsewhere
            })?;
            // Where the server ran elsewhere, more than the way is different.
            let ratios: Vec<f64> = variant
                .figure_by_block
                .iter()
                .filter(|_| !variant.is_elsewhere)
                .filter_map(|(block, figure)| Some(figure / base.figure_by_block.get(block)?))
                .collect();
            Some(Way {
                base: base.stack.clone(),
                variant: variant.stack.clone(),
                spread: Spread::of(&ratios)?,
                interval: ratio(&variant.figure_by_block, &base.figure_by_block),
            })
        };
        rows.iter().filter_map(way).collect()
    }

    /// The label of the other way.
    pub(super) fn label(&self) -> &str {
        self.variant.split_once('@').map_or("", |(_, label)| label)
    }

    /// The ratio with its interval, or with its least and greatest block.
    pub(super) fn ratio_text(&self) -> String {
        let [_, _, ratio, range] = self.cells();
        format!("{ratio} ({range})")
    }

    /// Its row in a table.
    pub(super) fn cells(&self) -> [String; 4] {
        let (middle, low, high) = match self.interval {
            Some(interval) => (interval.median, interval.low, interval.high),
            None => (self.spread.median, self.spread.least, self.spread.most),
        };
        let range = format!("{}–{}", text::times(low), text::times(high));
        [self.variant.clone(), self.base.clone(), text::times(middle), range]
    }
}

/// What such a table shows.
pub(super) fn title(measurement: &Measurement) -> String {
    let what = if measurement.load.is_for_latency() { "median latency" } else { "calls per second" };
    format!("The same stack by another way: {what} as a multiple, within each block")
}
