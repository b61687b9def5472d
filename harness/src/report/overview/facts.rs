//! Three facts that a reader needs before quoting a figure: how sure it is, what a call costs, where it does not hold.

use super::model::Fact;
use crate::load::Load;
use crate::record::{Record, StackFacts};
use crate::report::answer::bytes_of_small_calls;
use crate::report::describe;
use crate::report::spread::Spread;
use crate::report::stack_summary::StackSummary;
use crate::report::summary::{MeasurementSummary, Summary};
use crate::report::text;
use crate::stats::{ERROR_RATE, Statement};

/// The facts about `record`.
pub(super) fn facts(record: &Record, summary: &Summary) -> Vec<Fact> {
    let fact = |title, text: Option<String>| text.map(|text| Fact { title, text });
    [
        fact("How sure", how_sure(record, summary)),
        fact("What a call costs", costs(record, summary)),
        fact("Where it does not hold", Some(limits(record, summary))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The error rate, δ and the number of blocks, of the first measurement that compares stacks.
fn how_sure(record: &Record, summary: &Summary) -> Option<String> {
    let compared = summary.measurements.iter().find(|it| !it.ranking.comparisons.pairs.is_empty())?;
    let comparisons = &compared.ranking.comparisons;
    let blocks = describe::blocks(record);
    if comparisons.pairs.iter().all(|pair| pair.ratio.is_none()) {
        return Some(format!(
            "Nothing is certain yet: this run has {blocks}, and a statement about two stacks needs at least {}. The figures are \
             medians, with the smallest and the largest block.",
            comparisons.blocks_needed
        ));
    }
    let decided = comparisons.pairs.iter().filter(|pair| pair.statement != Statement::Undecided).count();
    Some(format!(
        "{decided} of {} pairs of stacks are decided ({}), from {blocks}. At most one such table in {:.0} contains a false \
         statement. No difference below δ = {} is stated.",
        comparisons.pairs.len(),
        compared.measurement.name,
        1.0 / ERROR_RATE,
        text::percent(comparisons.delta)
    ))
}

/// CPU time and bytes of a small call, from the stack with the least to that with the most.
fn costs(record: &Record, summary: &Summary) -> Option<String> {
    let cpu = summary.measurements.iter().find(|it| it.measurement.load == Load::ONE_CALLER).and_then(cpu);
    let bytes = bytes_of_small_calls(record).map(|[(fewest, first), (most, last)]| {
        format!(
            "{} ({first}) to {} ({last}) bytes on the wire",
            text::thousands(fewest),
            text::thousands(most)
        )
    });
    match (cpu, bytes) {
        (Some(cpu), Some(bytes)) => Some(format!("{cpu}, and {bytes}.")),
        (Some(only), None) => Some(format!("{only}.")),
        (None, Some(only)) => Some(format!("A call and its answer take {only}.")),
        (None, None) => None,
    }
}

fn cpu(summary: &MeasurementSummary) -> Option<String> {
    let total = |stack: &StackSummary| {
        let blocks: Vec<_> = stack.cpu_by_block.iter().map(|(block, nanos)| (*block, *nanos)).collect();
        Spread::of(&blocks).map(|total| total.median)
    };
    let usual = summary.stacks.iter().filter(|stack| stack.kind.is_usual());
    let mut totals: Vec<_> = usual.filter_map(|stack| Some((total(stack)?, &stack.stack))).collect();
    totals.sort_by(|a, b| a.0.total_cmp(&b.0));
    let [(least, first), .., (most, last)] = totals.as_slice() else { return None };
    Some(format!(
        "With usual libraries, {} µs ({first}) to {} µs ({last}) of CPU time, all processes together",
        text::micros(*least),
        text::micros(*most)
    ))
}

/// The machine and the conditions, and what was not measured.
fn limits(record: &Record, summary: &Summary) -> String {
    let machine = &record.machine;
    let processor = machine.processor.as_deref().unwrap_or(&machine.architecture);
    let kind = if machine.virtualised == Some(true) { ", virtual" } else { "" };
    let is_local = record.agents.len() < 2 && record.stacks.iter().all(|facts| facts.target.is_none());
    let mut absent = Vec::new();
    if is_local {
        absent.push("a network between machines");
    }
    if !record.stacks.iter().any(StackFacts::is_encrypted) {
        absent.push("TLS");
    }
    if summary.measurements.iter().all(|it| it.measurement.handlers().is_empty()) {
        absent.push("handlers that take time");
    }
    let list = match absent.as_slice() {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        only => only.concat(),
    };
    format!(
        "On other hardware: this is one machine, {processor}, {} cores{kind}. Not measured: {list}. Multiples carry over to \
         another machine better than microseconds do.",
        machine.cores
    )
}
