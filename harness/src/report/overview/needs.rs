//! Which stack to choose for each need. The recommendations follow from the statements; nothing is measured or judged here.

use super::model::{Recommendation, Source};
use crate::load::{Load, Operation};
use crate::record::Record;
use crate::report::stack::StackKind;
use crate::report::stack_summary::StackSummary;
use crate::report::summary::{MeasurementSummary, Summary};
use crate::report::text;
use crate::stats::{Interval, Statement};

/// From this size on a payload is a document.
const MIN_DOCUMENT_BYTES: u64 = 1_024;

/// The recommendations that `record` supports.
pub(super) fn recommendations(record: &Record, summary: &Summary) -> Vec<Recommendation> {
    let measurements: Vec<_> = summary
        .measurements
        .iter()
        .enumerate()
        .map(|(position, summary)| Choice { position, summary, choices: choices(summary) })
        .collect();
    let is_single = |choice: &&Choice<'_>| choice.summary.measurement.load == Load::ONE_CALLER;
    let size = |choice: &Choice<'_>| choice.summary.measurement.operation.payload_bytes().unwrap_or(0);
    let small = measurements.iter().filter(is_single).find(|choice| size(choice) < MIN_DOCUMENT_BYTES);
    let documents = measurements.iter().filter(is_single).filter(|choice| size(choice) >= MIN_DOCUMENT_BYTES);
    let largest = documents.max_by_key(|choice| size(choice));
    let several = measurements.iter().find(|choice| !choice.summary.measurement.load.is_for_latency());
    [
        small.and_then(Choice::lowest_latency),
        several.and_then(Choice::most_calls),
        fewest_bytes(record),
        largest.and_then(Choice::documents),
        small.and_then(Choice::broker),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The ranked stacks that an application could choose, the fastest first.
fn choices(summary: &MeasurementSummary) -> Vec<&StackSummary> {
    let ranked = summary.ranking.stacks.iter();
    let named = ranked.filter_map(|name| summary.stacks.iter().find(|stack| stack.stack == *name));
    named.filter(|stack| stack.kind.is_choice()).collect()
}

/// A measurement, and the stacks between which it lets a reader choose.
struct Choice<'a> {
    position: usize,
    summary: &'a MeasurementSummary,
    choices: Vec<&'a StackSummary>,
}

impl Choice<'_> {
    /// The statement about two stacks.
    fn statement(&self, a: &StackSummary, b: &StackSummary) -> Option<Statement> {
        self.summary.ranking.between(&a.stack, &b.stack).map(|comparison| comparison.statement)
    }

    /// The speed of `a` as a multiple of that of `b`.
    fn ratio(&self, a: &StackSummary, b: &StackSummary) -> Option<Interval> {
        self.summary.ranking.between(&a.stack, &b.stack)?.ratio
    }

    /// Why there is no statement yet.
    fn too_few_blocks(&self) -> String {
        format!(
            "by its median; a statement needs at least {} blocks",
            self.summary.ranking.comparisons.blocks_needed
        )
    }

    /// The stacks to which no other is certainly superior, and why.
    fn best(&self) -> Option<(Vec<&StackSummary>, String)> {
        let first = *self.choices.first()?;
        let others = || self.choices.iter().skip(1);
        if others().next().is_some() && others().all(|other| self.ratio(first, other).is_none()) {
            return Some((vec![first], self.too_few_blocks()));
        }
        let is_beaten = |stack: &&StackSummary| {
            self.choices.iter().any(|other| self.statement(other, stack) == Some(Statement::Faster))
        };
        let best: Vec<_> = self.choices.iter().copied().filter(|stack| !is_beaten(stack)).collect();
        let reason = match best.as_slice() {
            [only] => match self.choices.iter().find(|stack| stack.stack != only.stack) {
                Some(next) => self.ahead(only, next)?,
                None => "the only one that is ranked".to_owned(),
            },
            several => self.undecided(several),
        };
        Some((best, reason))
    }

    /// By how much `first` is ahead of `next`.
    fn ahead(&self, first: &StackSummary, next: &StackSummary) -> Option<String> {
        let ratio = self.ratio(first, next)?;
        Some(format!("ahead of the next, {}, by {}", next.stack, text::lead(&ratio)))
    }

    /// What is known about `stacks`, none of which is certainly ahead of all others.
    fn undecided(&self, stacks: &[&StackSummary]) -> String {
        let equal = |a: &StackSummary| {
            let others = stacks.iter().filter(|b| b.stack != a.stack);
            others.into_iter().all(|b| self.statement(a, b) == Some(Statement::NoDifference))
        };
        if stacks.iter().all(|stack| equal(stack)) {
            let delta = text::percent(self.summary.ranking.comparisons.delta);
            format!("no difference above {delta} between them")
        } else {
            "which of them is ahead is undecided".to_owned()
        }
    }

    fn recommendation(
        &self,
        need: &'static str,
        figure: fn(&StackSummary) -> Option<String>,
    ) -> Option<Recommendation> {
        let (stacks, reason) = self.best()?;
        Some(Recommendation {
            need,
            figure: figure(stacks.first()?)?,
            stacks: stacks.iter().map(|stack| stack.stack.clone()).collect(),
            reason,
            source: Source::Measurement(self.position),
        })
    }

    fn lowest_latency(&self) -> Option<Recommendation> {
        self.recommendation("Lowest latency", latency).map(|recommendation| {
            let best = self.choices.iter().find(|stack| recommendation.stacks.first() == Some(&stack.stack));
            let ratio = best.and_then(|stack| stack.ratio_to_floor);
            let floor = ratio.filter(|_| self.summary.floor_row().is_some());
            let multiple = floor.map_or_else(String::new, |ratio| {
                format!(", {} × {}", text::ratio(ratio.median), self.summary.floor)
            });
            Recommendation { figure: format!("{}{multiple}", recommendation.figure), ..recommendation }
        })
    }

    fn documents(&self) -> Option<Recommendation> {
        let recommendation = self.recommendation("Large documents", latency)?;
        let operation = self.summary.measurement.operation;
        Some(Recommendation { figure: format!("{} ({operation})", recommendation.figure), ..recommendation })
    }

    /// The stacks with the most calls per core. Those whose servers were not saturated are not compared, and are named.
    fn most_calls(&self) -> Option<Recommendation> {
        let recommendation = self.recommendation("Most calls per core", |stack| {
            let per_core = stack.capacity?.per_core?;
            Some(format!("{} calls/s", text::thousands(per_core.median)))
        })?;
        let is_open = |stack: &&StackSummary| {
            stack.kind.is_choice() && stack.capacity.is_some_and(|capacity| !capacity.is_exact())
        };
        let open: Vec<_> =
            self.summary.stacks.iter().filter(is_open).map(|stack| stack.stack.as_str()).collect();
        if open.is_empty() {
            return Some(recommendation);
        }
        let reason = format!(
            "{}; not compared, since their servers were not saturated: {}",
            recommendation.reason,
            open.join(", ")
        );
        Some(Recommendation { reason, ..recommendation })
    }

    /// The fastest stack with a broker, and what it costs beside the slowest one without.
    fn broker(&self) -> Option<Recommendation> {
        let (brokered, direct): (Vec<&StackSummary>, Vec<&StackSummary>) =
            self.choices.iter().partition(|stack| stack.kind.is_brokered());
        let (fastest, slowest) = (*brokered.first()?, *direct.last()?);
        let reason = match (self.ratio(slowest, fastest), self.statement(slowest, fastest)) {
            (Some(ratio), Some(Statement::Faster)) => format!(
                "the lowest cost of a broker here: {}, the slowest stack without a broker, is faster by {}",
                slowest.stack,
                text::lead(&ratio)
            ),
            (Some(_), _) => {
                format!("not certainly slower than {}, the slowest stack without one", slowest.stack)
            }
            (None, _) => self.too_few_blocks(),
        };
        Some(Recommendation {
            need: "Through a broker",
            stacks: vec![fastest.stack.clone()],
            figure: latency(fastest)?,
            reason,
            source: Source::Measurement(self.position),
        })
    }
}

/// The median latency of `stack`.
fn latency(stack: &StackSummary) -> Option<String> {
    Some(format!("{} µs", text::micros(stack.p50?.median)))
}

/// The stacks with the fewest bytes of a small call. Bytes are counted, so there is no interval.
fn fewest_bytes(record: &Record) -> Option<Recommendation> {
    let is_choice =
        |name: &str| record.stacks.iter().any(|facts| facts.name == name && StackKind::of(facts).is_choice());
    let wires = record.wire.iter().filter(|wire| wire.operation == Operation::ADD && is_choice(&wire.stack));
    let mut totals: Vec<_> = wires.map(|wire| (wire.per_call.up + wire.per_call.down, wire)).collect();
    totals.sort_by(|a, b| a.0.total_cmp(&b.0));
    let [(fewest, first), .., (most, last)] = totals.as_slice() else { return None };
    let stacks = totals.iter().take_while(|(total, _)| total <= fewest);
    let about = if first.exact { "" } else { "≈ " };
    Some(Recommendation {
        need: "Fewest bytes",
        stacks: stacks.map(|(_, wire)| wire.stack.clone()).collect(),
        figure: format!("{about}{} bytes", text::thousands(*fewest)),
        reason: format!(
            "counted for add(2, 3) and its answer; the most are {} ({})",
            text::thousands(*most),
            last.stack
        ),
        source: Source::Bytes,
    })
}
