//! Variants: the cost of another route to the server, from a stack compared with itself over the usual route.

use super::describe;
use super::model::{Cell, Column, Row, Table, Unit};
use super::stack_summary::{Spread, StackSummary};
use super::text;
use crate::scenario::Measurement;
use crate::stacks::base_name;
use crate::stats::{Interval, error_each, ratio};

/// A stack whose server was reached by two routes.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// The stack over the usual route.
    pub base: String,
    /// The stack over the other route: `STACK@LABEL`.
    pub variant: String,
    /// The figure of the variant as a multiple of that of the base, within each block: median latency or calls per
    /// second.
    pub spread: Spread,
    /// The interval of that ratio; absent where there are too few blocks for a verdict.
    pub interval: Option<Interval>,
}

const COLUMNS: [Column; 4] = [
    Column::text("stack", "stack"),
    Column::text("base", "compared with"),
    Column::number("ratio", "ratio", Unit::Ratio),
    Column::number("range", "99 % interval, or min–max block", Unit::Ratio),
];

impl Variant {
    /// The variants among `stacks`, in the same order, where their base was measured too.
    pub(super) fn all(stacks: &[StackSummary]) -> Vec<Self> {
        // Where a server runs on other or unknown cores, more than the route is different.
        let placed = || stacks.iter().filter(|stack| !stack.is_unplaced);
        let with_base = placed().filter_map(|variant| {
            let is_base =
                |base: &&StackSummary| base.stack != variant.stack && base.stack == base_name(&variant.stack);
            Some((placed().find(is_base)?, variant))
        });
        let with_base: Vec<_> = with_base.collect();
        let error = error_each(with_base.len());
        with_base.iter().filter_map(|(base, variant)| Variant::new(base, variant, error)).collect()
    }

    /// Compares `variant` with `base`, with an interval that is wrong with a probability of at most `error`.
    fn new(base: &StackSummary, variant: &StackSummary, error: f64) -> Option<Self> {
        let figures = variant.ranking_figure.iter();
        let ratios: Vec<f64> =
            figures.filter_map(|(block, figure)| Some(figure / base.ranking_figure.get(block)?)).collect();
        Some(Variant {
            base: base.stack.clone(),
            variant: variant.stack.clone(),
            spread: Spread::of(&ratios)?,
            interval: ratio(&variant.ranking_figure, &base.ranking_figure, error),
        })
    }

    /// The label of the other route: the part of the name after `@`.
    pub(super) fn label(&self) -> &str {
        self.variant.split_once('@').map_or("", |(_, label)| label)
    }

    /// The ratio with its interval, or with its smallest and largest block, as text.
    pub(super) fn ratio_text(&self) -> String {
        let (middle, low, high) = self.ratio();
        format!("{} ({})", text::ratio(middle), text::range(Some(low), Some(high), Some(Unit::Ratio)))
    }

    fn ratio(&self) -> (f64, f64, f64) {
        match self.interval {
            Some(interval) => (interval.median, interval.low, interval.high),
            None => (self.spread.median, self.spread.min, self.spread.max),
        }
    }

    fn row(&self) -> Row {
        let (middle, low, high) = self.ratio();
        Row::new(vec![
            self.variant.as_str().into(),
            self.base.as_str().into(),
            Cell::number(middle),
            Cell::Range { low: Some(low), high: Some(high) },
        ])
    }
}

/// The table of `variants`; `None` where there are none.
pub(super) fn table(measurement: &Measurement, variants: &[Variant]) -> Option<Table> {
    (!variants.is_empty()).then(|| Table {
        title: "The same stack by another route".to_owned(),
        subtitle: Some(format!(
            "{} as a multiple of the usual route's, within each block",
            describe::quantity(measurement)
        )),
        columns: COLUMNS.to_vec(),
        rows: variants.iter().map(Variant::row).collect(),
        ..Table::default()
    })
}
