//! Makes the decision table from a record and its summary.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::model::{Bound, DecisionCell, DecisionColumn, DecisionRatio, DecisionRow, DecisionTable};
use super::ties::{groups, ranks};
use crate::deploy::Placement;
use crate::load::{Load, Operation};
use crate::record::{Record, StackFacts};
use crate::report::describe;
use crate::report::model::Unit;
use crate::report::names::Names;
use crate::report::spread::Spread;
use crate::report::stack::StackKind;
use crate::report::stack_summary::StackSummary;
use crate::report::summary::{MeasurementSummary, Summary};
use crate::report::verdict::Ranking;
use crate::stacks::{NETWORK_FLOOR, Stack, base_name, route};
use crate::stats::{ByBlock, Interval, error_each, interval_of_median, ratio};

/// The table; `None` where nothing was measured, or only one stack.
pub(in crate::report) fn table(record: &Record, summary: &Summary) -> Option<DecisionTable> {
    let measured =
        summary.measurements.iter().enumerate().map(|(index, it)| Draft::of_measurement(index, it));
    let drafts: Vec<Draft<'_>> = measured
        .chain(Draft::of_cpu(summary))
        .chain(Draft::of_bytes(record))
        .filter(|draft| draft.figures.len() > 1)
        .collect();
    let first = drafts.first().filter(|draft| draft.measurement.is_some())?;
    let has_figure = |facts: &&StackFacts| drafts.iter().any(|draft| draft.get(&facts.name).is_some());
    let mut stacks: Vec<&StackFacts> = record.stacks.iter().filter(has_figure).collect();
    let value = |facts: &StackFacts| first.get(&facts.name).map_or(f64::INFINITY, |figure| figure.value);
    stacks.sort_by(|a, b| value(a).total_cmp(&value(b)));
    let names: Vec<&str> = stacks.iter().map(|facts| facts.name.as_str()).collect();
    let mut rows: Vec<DecisionRow> = stacks.iter().map(|facts| row(facts)).collect();
    let mut keys = Names::default();
    let mut columns = Vec::new();
    // The error of each interval. Those of this table use half of the error rate, and leave the other half to the table with which it
    // is compared.
    let error = error_each(2 * drafts.iter().map(Draft::measured).sum::<usize>());
    for draft in &drafts {
        let column = draft.column(keys.unique(&draft.heading), &names);
        for (row, cell) in rows.iter_mut().zip(draft.cells(&names, column.baseline, error)) {
            row.cells.push(cell);
        }
        columns.push(column);
    }
    Some(DecisionTable { columns, rows })
}

/// The row of a stack, without cells.
fn row(facts: &StackFacts) -> DecisionRow {
    let kind = StackKind::of(facts);
    let libraries = [("usual", kind.is_usual()), ("minimal", kind.is_minimal())];
    let language = match (&facts.target, kind.is_reference()) {
        (Some(_), _) => "not known",
        (None, true) => language(&facts.name).unwrap_or("not known"),
        (None, false) => "Rust",
    };
    DecisionRow {
        stack: facts.name.clone(),
        kind,
        protocol: kind.protocol_name(),
        libraries: libraries.into_iter().filter_map(|(name, is_used)| is_used.then_some(name)).collect(),
        route: route(&facts.name).unwrap_or("usual").to_owned(),
        language,
        cells: Vec::new(),
    }
}

/// The language of the reference server of `stack`; `None` where this program knows no such stack.
fn language(stack: &str) -> Option<&'static str> {
    Some(Stack::named(base_name(stack)).ok()?.reference()?.language.name())
}

/// A column whose figures are not compared yet.
struct Draft<'a> {
    heading: String,
    quantity: &'static str,
    conditions: String,
    unit: Unit,
    measurement: Option<usize>,
    /// The name of the floor.
    floor: &'a str,
    /// The figures by the names of their stacks.
    figures: BTreeMap<&'a str, Figure>,
    /// The statements about the figures; absent where none are made.
    ranking: Option<&'a Ranking>,
}

/// The figure of a stack.
struct Figure {
    kind: StackKind,
    value: f64,
    range: Option<(f64, f64)>,
    blocks: usize,
    origin: Origin,
    is_upper_bound: bool,
    /// Whether it may be compared with the figures of other stacks.
    is_comparable: bool,
}

/// Where a figure comes from.
enum Origin {
    /// It was counted.
    Counted {
        /// Whether it is the same for every such call.
        is_exact: bool,
    },
    /// It was measured in each of these blocks.
    Measured(ByBlock),
}

impl Figure {
    /// A time in microseconds; `spread` and `by_block` are in nanoseconds. `None` without a `spread`, or where a block has no finite
    /// figure.
    fn time(stack: &StackSummary, spread: Option<Spread>, by_block: ByBlock) -> Option<Self> {
        let spread = spread?.map(|nanos| nanos / 1e3);
        let by_block: ByBlock = by_block.into_iter().map(|(block, nanos)| (block, nanos / 1e3)).collect();
        (spread.median > 0.0 && by_block.values().all(|cost| cost.is_finite())).then(|| Figure {
            kind: stack.kind,
            value: spread.median,
            range: spread.range(),
            blocks: spread.blocks,
            origin: Origin::Measured(by_block),
            is_upper_bound: stack.capacity.is_some_and(|capacity| !capacity.is_exact()),
            is_comparable: !stack.is_unplaced,
        })
    }

    /// Its interval, in the unit of the figure, which is wrong with a probability of at most `error`. `None` for an upper bound, for
    /// a figure that cannot be compared, for a count that is not exact, and where there are too few blocks.
    fn interval(&self, error: f64) -> Option<Interval> {
        if self.is_upper_bound || !self.is_comparable {
            return None;
        }
        match &self.origin {
            Origin::Counted { is_exact } => {
                is_exact.then_some(Interval { low: self.value, median: self.value, high: self.value })
            }
            Origin::Measured(by_block) => {
                interval_of_median(&by_block.values().copied().collect::<Vec<_>>(), error)
            }
        }
    }
}

impl<'a> Draft<'a> {
    /// Latency with one caller or in an open loop; with several callers, the CPU time of the server.
    fn of_measurement(index: usize, summary: &'a MeasurementSummary) -> Self {
        let measurement = &summary.measurement;
        let is_latency = measurement.load.is_for_latency();
        let figures = summary.stacks.iter().filter_map(|stack| {
            let figure = if is_latency {
                Figure::time(stack, stack.p50, stack.ranking_figure.clone())
            } else {
                // The ranking figure is the calls per second of a core.
                let cpu = stack.ranking_figure.iter().map(|(block, calls)| (*block, 1e9 / calls));
                Figure::time(stack, stack.capacity.and_then(|capacity| capacity.cpu), cpu.collect())
            };
            Some((stack.stack.as_str(), figure?))
        });
        Draft {
            heading: measurement.name.clone(),
            quantity: if is_latency { "median latency" } else { "server CPU per call" },
            conditions: describe::conditions(measurement),
            unit: Unit::Microseconds,
            measurement: Some(index),
            floor: summary.floor_row().map_or("", |_| summary.floor),
            figures: figures.collect(),
            ranking: Some(&summary.ranking),
        }
    }

    /// CPU time of all processes, from a measurement with one caller: on one core where there is one, since it is then
    /// nearly the whole latency.
    fn of_cpu(summary: &'a Summary) -> Option<Self> {
        let measurements = || summary.measurements.iter().enumerate();
        let is_single = |(_, it): &(usize, &MeasurementSummary)| it.measurement.load == Load::ONE_CALLER;
        let is_shared =
            |(_, it): &(usize, &MeasurementSummary)| it.measurement.placement == Placement::Shared;
        let single = || measurements().filter(is_single);
        let (index, summary) = single().find(is_shared).or_else(|| single().next())?;
        let figures = summary.stacks.iter().filter_map(|stack| {
            let blocks: Vec<_> = stack.cpu_by_block.iter().map(|(block, nanos)| (*block, *nanos)).collect();
            let figure = Figure::time(stack, Spread::of(&blocks), stack.cpu_by_block.clone())?;
            Some((stack.stack.as_str(), figure))
        });
        Some(Draft {
            heading: "CPU of a call".to_owned(),
            quantity: "all processes together",
            conditions: format!(
                "in {}: {}",
                summary.measurement.name,
                describe::conditions(&summary.measurement)
            ),
            unit: Unit::Microseconds,
            measurement: Some(index),
            floor: summary.floor_row().map_or("", |_| summary.floor),
            figures: figures.collect(),
            ranking: None,
        })
    }

    /// Bytes of a small call on the client's connections, in both directions.
    fn of_bytes(record: &'a Record) -> Option<Self> {
        let wires = record.wire.iter().filter(|wire| wire.operation == Operation::ADD);
        let figures: BTreeMap<_, _> = wires
            .filter_map(|wire| {
                let facts = record.stacks.iter().find(|facts| facts.name == wire.stack)?;
                let figure = Figure {
                    kind: StackKind::of(facts),
                    value: wire.per_call.up + wire.per_call.down,
                    range: None,
                    blocks: 0,
                    origin: Origin::Counted { is_exact: wire.exact },
                    is_upper_bound: false,
                    is_comparable: true,
                };
                Some((wire.stack.as_str(), figure))
            })
            .collect();
        (!figures.is_empty()).then(|| Draft {
            heading: "bytes of a call".to_owned(),
            quantity: "both directions",
            conditions: "add(2, 3) and its answer on the client's connections, without TCP and IP headers"
                .to_owned(),
            unit: Unit::Bytes,
            measurement: None,
            floor: NETWORK_FLOOR,
            figures,
            ranking: None,
        })
    }

    /// The number of figures that were not counted.
    fn measured(&self) -> usize {
        self.figures.values().filter(|figure| matches!(figure.origin, Origin::Measured(_))).count()
    }

    fn get(&self, stack: &str) -> Option<&Figure> {
        self.figures.get(stack)
    }

    /// Whether the figure of `stack` has a place among those of the others.
    fn is_ranked(&self, stack: &str) -> bool {
        match self.ranking {
            Some(ranking) => ranking.stacks.iter().any(|ranked| ranked == stack),
            None => self.get(stack).is_some_and(|figure| figure.is_comparable && !figure.kind.is_floor()),
        }
    }

    /// The stacks that have a place, in ascending order of their figures.
    fn ranked(&self) -> Vec<&'a str> {
        let mut ranked: Vec<_> = self.figures.iter().filter(|(stack, _)| self.is_ranked(stack)).collect();
        ranked.sort_by(|(_, a), (_, b)| a.value.total_cmp(&b.value));
        ranked.into_iter().map(|(stack, _)| *stack).collect()
    }

    /// The column; `names` are those of the rows.
    fn column(&self, key: String, names: &[&str]) -> DecisionColumn {
        let position = |stack: &str| names.iter().position(|name| *name == stack);
        let floor = self.get(self.floor).and_then(|_| position(self.floor));
        DecisionColumn {
            key,
            heading: self.heading.clone(),
            quantity: self.quantity,
            conditions: self.conditions.clone(),
            unit: self.unit,
            delta: self.ranking.map(|ranking| ranking.comparisons.delta),
            measurement: self.measurement,
            baseline: floor.or_else(|| position(self.ranked().first()?)),
        }
    }

    /// The cells of the rows with these `names`. Each interval is wrong with a probability of at most `error_of_interval`.
    fn cells(
        &self,
        names: &[&str],
        baseline: Option<usize>,
        error_of_interval: f64,
    ) -> Vec<Option<DecisionCell>> {
        let ranked = self.ranked();
        let error = error_each(ranked.len() * ranked.len().saturating_sub(1) / 2);
        let order = |a: usize, b: usize| {
            let compared = self.ratio(ranked[a], ranked[b], error);
            compared.map_or(Ordering::Equal, |ratio| ratio.order())
        };
        let (places, groups) = (ranks(ranked.len(), order), groups(ranked.len(), order));
        let cell = |name: &&str| {
            let figure = self.get(name)?;
            let position = ranked.iter().position(|stack| stack == name);
            let ratios: Vec<_> = names.iter().map(|other| self.ratio(name, other, error)).collect();
            Some(DecisionCell {
                value: figure.value,
                range: figure.range,
                blocks: figure.blocks,
                interval: figure.interval(error_of_interval),
                is_upper_bound: figure.is_upper_bound,
                rank: position.map(|position| places[position]),
                group: position.and_then(|position| groups[position]),
                ratio: baseline.and_then(|baseline| ratios[baseline]),
                ratios,
            })
        };
        names.iter().map(cell).collect()
    }

    /// The figure of stack `a` as a multiple of that of `b`, with an interval that is wrong with a probability of at most
    /// `error`.
    fn ratio(&self, a: &str, b: &str, error: f64) -> Option<DecisionRatio> {
        let (of_a, of_b) = (self.get(a)?, self.get(b)?);
        if a == b {
            return Some(DecisionRatio::SELF);
        }
        if !of_a.is_comparable || !of_b.is_comparable {
            return None;
        }
        let bound = match (of_a.is_upper_bound, of_b.is_upper_bound) {
            (false, false) => None,
            (true, false) => Some(Bound::AtMost),
            (false, true) => Some(Bound::AtLeast),
            (true, true) => return None,
        };
        let compared = match (&of_a.origin, &of_b.origin) {
            (Origin::Counted { .. }, Origin::Counted { .. }) => {
                let factor = of_a.value / of_b.value;
                let exact = Interval { low: factor, median: factor, high: factor };
                DecisionRatio { factor, interval: Some(exact), ..DecisionRatio::SELF }
            }
            (Origin::Measured(a), Origin::Measured(b)) => {
                let of_block = |(block, cost): (&u32, &f64)| Some((*block, cost / b.get(block)?));
                let multiples = Spread::of(&a.iter().filter_map(of_block).collect::<Vec<_>>())?;
                DecisionRatio {
                    factor: multiples.median,
                    interval: ratio(a, b, error),
                    range: multiples.range(),
                    ..DecisionRatio::SELF
                }
            }
            _ => return None,
        };
        let statement = self.ranking.and_then(|ranking| ranking.between(a, b)).map(|it| it.statement);
        let is_positive = compared.factor.is_finite() && compared.factor > 0.0;
        is_positive.then_some(DecisionRatio {
            bound,
            statement: statement.filter(|_| bound.is_none()),
            ..compared
        })
    }
}
