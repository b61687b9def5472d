//! Variants: the cost of another route to the server or of another transport, from a stack compared with itself over the
//! usual one.

use super::describe;
use super::model::{Cell, Column, Row, Table, Unit};
use super::spread::Spread;
use super::stack_summary::StackSummary;
use super::text;
use crate::scenario::Measurement;
use crate::stacks::{Transport, base_name, transport_of};
use crate::stats::{Interval, error_each, ratio};

/// A stack whose server was reached by two routes, or over two transports.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// The stack over the usual route.
    pub base: String,
    /// The stack over the other one: `STACK@LABEL`, or `STACK+TRANSPORT`.
    pub variant: String,
    /// The figure of the variant as a multiple of that of the base, within each block: median latency, or the calls per
    /// second that a core of the server can answer.
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
        // Where a server runs on other or unknown cores, more than the route is different; and a lower bound of a capacity
        // cannot be compared.
        let is_comparable = |stack: &&StackSummary| {
            !stack.is_unplaced && stack.capacity.is_none_or(|capacity| capacity.is_exact())
        };
        let comparable = || stacks.iter().filter(is_comparable);
        let with_base = comparable().filter_map(|variant| {
            let is_base =
                |base: &&StackSummary| base.stack != variant.stack && base.stack == base_name(&variant.stack);
            Some((comparable().find(is_base)?, variant))
        });
        let with_base: Vec<_> = with_base.collect();
        let error = error_each(with_base.len());
        with_base.iter().filter_map(|(base, variant)| Variant::new(base, variant, error)).collect()
    }

    /// Compares `variant` with `base`, with an interval that is wrong with a probability of at most `error`.
    fn new(base: &StackSummary, variant: &StackSummary, error: f64) -> Option<Self> {
        let figures = variant.ranking_figure.iter();
        let ratios: Vec<(u32, f64)> = figures
            .filter_map(|(block, figure)| Some((*block, figure / base.ranking_figure.get(block)?)))
            .collect();
        Some(Variant {
            base: base.stack.clone(),
            variant: variant.stack.clone(),
            spread: Spread::of(&ratios)?,
            interval: ratio(&variant.ranking_figure, &base.ranking_figure, error),
        })
    }

    /// The other route or transport, and the usual one, as in `the route bridge` and `the usual route`.
    pub(super) fn routes(&self) -> (String, &'static str) {
        match transport_of(&self.variant) {
            Transport::Tcp => {
                let label = self.variant.split_once('@').map_or("", |(_, label)| label);
                (format!("the route {label}"), "the usual route")
            }
            transport => (transport.title().to_owned(), Transport::Tcp.title()),
        }
    }

    /// The ratio with its interval, or with its smallest and largest block, as text.
    pub(super) fn ratio_text(&self) -> String {
        let (middle, bounds) = self.ratio();
        let bounds = bounds.map_or_else(String::new, |(low, high)| {
            format!(" ({})", text::range(Some(low), Some(high), Some(Unit::Ratio)))
        });
        format!("{}{bounds}", text::ratio(middle))
    }

    /// The ratio, and its interval or its smallest and largest block; one block has no range.
    fn ratio(&self) -> (f64, Option<(f64, f64)>) {
        match self.interval {
            Some(interval) => (interval.median, Some((interval.low, interval.high))),
            None => (self.spread.median, self.spread.range()),
        }
    }

    fn row(&self) -> Row {
        let (middle, bounds) = self.ratio();
        Row::new(vec![
            self.variant.as_str().into(),
            self.base.as_str().into(),
            Cell::number(middle),
            bounds.map_or(Cell::Missing, |(low, high)| Cell::Range { low: Some(low), high: Some(high) }),
        ])
    }
}

/// The table of `variants`; `None` where there are none.
pub(super) fn table(measurement: &Measurement, variants: &[Variant]) -> Option<Table> {
    let are_over_transports = variants.iter().all(|variant| transport_of(&variant.variant) != Transport::Tcp);
    let (title, usual) = if are_over_transports {
        ("The same stack over another transport", "TCP")
    } else {
        ("The same stack by another route", "the usual route")
    };
    (!variants.is_empty()).then(|| Table {
        title: title.to_owned(),
        subtitle: Some(format!(
            "{} as a multiple of {usual}'s, within each block",
            describe::quantity(measurement)
        )),
        columns: COLUMNS.to_vec(),
        rows: variants.iter().map(Variant::row).collect(),
        ..Table::default()
    })
}
