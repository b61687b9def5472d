//! The answer to a run's question in a few sentences. They follow from the summary; nothing is measured or judged here.

use super::capacity::{Capacity, bounds, capacities};
use super::claims;
use super::codecs::{self, Codecs};
use super::describe;
use super::model::Unit;
use super::spread::Spread;
use super::stack::StackKind;
use super::stack_summary::StackSummary;
use super::stages;
use super::summary::{MeasurementSummary, Summary};
use super::text;
use super::timelines::timelines;
use super::topologies::{self, Topologies};
use super::verdict::Verdict;
use crate::claims::{JudgedClaim, Verdict as ClaimVerdict};
use crate::load::Operation;
use crate::record::{Record, SearchResult};
use crate::scenario::Measurement;

/// The answer: a sentence or two each about latency, throughput, variants, capacity, timelines, topologies and bytes, as far as
/// the record has them.
pub(super) fn answer(record: &Record, summary: &Summary) -> Vec<String> {
    let mut answer: Vec<_> = summary.claims.iter().map(claims::short).collect();
    let of_calculators = |measurement: &&MeasurementSummary| !measurement.is_of_own_services();
    answer.extend(first(summary, true).filter(of_calculators).and_then(latency));
    answer.extend(first(summary, false).filter(of_calculators).and_then(throughput));
    answer.extend(summary.measurements.iter().filter_map(own_services));
    answer.extend(summary.measurements.iter().flat_map(variants));
    answer.extend(capacities(record).iter().filter_map(capacity));
    answer.extend(codecs::all(record).iter().filter_map(Codecs::answer));
    answer.extend(timelines(record).iter().filter_map(stages::answer));
    answer.extend(topologies::all(record).iter().filter_map(Topologies::answer));
    if answer.is_empty() {
        answer.push("No trial is valid, so there is no answer.".to_owned());
    }
    answer.extend(bytes(record));
    answer
}

fn capacity(capacity: &Capacity<'_>) -> Option<String> {
    let (first, last) = (capacity.found.first()?, capacity.found.last()?);
    let range = |found: &SearchResult| {
        let (low, high) = bounds(found);
        let limit = found.limit().map_or_else(String::new, |limit| format!("; limited by {limit}"));
        format!("{} ({}{limit})", found.stack, text::range(low, high, Some(Unit::CallsPerSecond)))
    };
    Some(format!(
        "{}, {}: from {} to {} calls/s; the first rate of each range was sustained, the second was not.",
        capacity.search.name,
        capacity.question(),
        range(last),
        range(first)
    ))
}

/// The answer in one or two sentences.
pub(crate) fn lead(record: &Record, summary: &Summary) -> String {
    let full = || answer(record, summary).into_iter().next().unwrap_or_default();
    if summary.claims.is_empty() {
        first(summary, true).and_then(verdict_and_range).unwrap_or_else(full)
    } else {
        verdicts(&summary.claims)
    }
}

/// How many claims have each verdict.
fn verdicts(claims: &[JudgedClaim]) -> String {
    let all =
        [ClaimVerdict::Holds, ClaimVerdict::HoldsInPart, ClaimVerdict::DoesNotHold, ClaimVerdict::CannotTell];
    let counted = all.into_iter().filter_map(|verdict| {
        let count = claims.iter().filter(|claim| claim.verdict == verdict).count();
        (count > 0).then(|| format!("{count} × {}", verdict.name()))
    });
    format!("Verdicts on {} claims: {}.", claims.len(), counted.collect::<Vec<_>>().join(", "))
}

/// The first measurement of latencies, or else of throughput.
fn first(summary: &Summary, is_for_latency: bool) -> Option<&MeasurementSummary> {
    summary.measurements.iter().find(|it| it.measurement.load.is_for_latency() == is_for_latency)
}

/// The verdict on the fastest protocol, and the range of latencies with usual libraries as multiples of the floor.
fn verdict_and_range(summary: &MeasurementSummary) -> Option<String> {
    let usual = ranking(summary, StackKind::is_usual);
    let minimal = ranking(summary, StackKind::is_minimal);
    let verdict = Verdict::of(&usual, &minimal, &summary.ranking);
    let floor = summary.floor_row()?.p50?;
    let ([first, .., last], false) = (usual.as_slice(), verdict == Verdict::NothingToCompare) else {
        return None;
    };
    Some(format!(
        "{verdict} With usual libraries, one call takes {} the raw TCP round trip of {} µs.",
        ratios(first, last),
        text::micros(floor.median)
    ))
}

/// The range of median latencies with usual and with minimal libraries, and the verdict on the fastest protocol.
fn latency(summary: &MeasurementSummary) -> Option<String> {
    let usual = ranking(summary, StackKind::is_usual);
    let minimal = ranking(summary, StackKind::is_minimal);
    let floor = summary.floor_row().and_then(|stack| stack.p50);
    let round_trip = floor.map_or_else(String::new, |floor| {
        format!(" the raw TCP round trip of {} µs", text::micros(floor.median))
    });
    let opening = format!(
        "One call ({}; {})",
        summary.measurement.operation,
        describe::placement(&summary.measurement)
    );
    let ([first, .., last], true) = (usual.as_slice(), floor.is_some()) else {
        // One stack, or no floor: there is no range of multiples.
        let stack = usual.first().or(minimal.first())?;
        let ratio = stack
            .ratio_to_floor
            .map_or_else(String::new, |ratio| format!(", {} ×{round_trip}", text::ratio(ratio.median)));
        return Some(format!(
            "{opening} over {} takes {} µs{ratio}.",
            stack.stack,
            text::micros(median(stack.p50))
        ));
    };
    let with_usual = ratios(first, last);
    let answer = match minimal.as_slice() {
        [first, .., last] if ratios(first, last) == with_usual => {
            format!("{opening} takes {with_usual}{round_trip}, with usual and with minimal libraries alike")
        }
        [first, .., last] => format!(
            "{opening} takes {with_usual}{round_trip} with each protocol's usual library, and {} with a minimal library",
            ratios(first, last)
        ),
        _ => format!("{opening} takes {with_usual}{round_trip} with each protocol's usual library"),
    };
    Some(format!("{answer}. {}", Verdict::of(&usual, &minimal, &summary.ranking)))
}

/// What was found of services of one's own, the fastest first, and whether each is certainly faster than the next one; `None` for
/// other stacks.
fn own_services(summary: &MeasurementSummary) -> Option<String> {
    let is_rate = summary.compares_seen_rates();
    let figure = |stack: &StackSummary| {
        let figure = if is_rate {
            format!("{} calls/s", text::thousands(stack.throughput?.median))
        } else {
            format!("{} µs", text::micros(stack.p50?.median))
        };
        Some(format!("{figure} ({})", stack.stack))
    };
    let found: Vec<_> = summary.stacks.iter().filter_map(figure).collect();
    if found.is_empty() || !summary.is_of_own_services() {
        return None;
    }
    let ranking = &summary.ranking;
    let compared = ranking.stacks.windows(2).filter_map(|pair| {
        let comparison = ranking.between(&pair[0], &pair[1])?;
        let statement =
            text::statement(comparison.statement, comparison.ratio.as_ref(), ranking.comparisons.delta);
        Some(format!("; {} compared with {}: {statement}", pair[0], pair[1]))
    });
    let Measurement { name, .. } = &summary.measurement;
    let load = describe::load(&summary.measurement);
    Some(format!("{name}, {load}: {}{}.", found.join(", "), compared.collect::<String>()))
}

/// The stacks of a ranking that have a median latency, the fastest first.
fn ranking(summary: &MeasurementSummary, include: fn(StackKind) -> bool) -> Vec<&StackSummary> {
    let mut ranked: Vec<_> =
        summary.stacks.iter().filter(|stack| include(stack.kind) && stack.p50.is_some()).collect();
    ranked.sort_by(|a, b| median(a.p50).total_cmp(&median(b.p50)));
    ranked
}

/// The range of latencies from `first` to `last`, as multiples of the floor.
fn ratios(first: &StackSummary, last: &StackSummary) -> String {
    let ratio = |stack: &StackSummary| {
        let ratio = stack.ratio_to_floor.map_or_else(|| "?".to_owned(), |ratio| text::ratio(ratio.median));
        format!("{ratio} × ({})", stack.stack)
    };
    format!("{} to {}", ratio(first), ratio(last))
}

fn median(spread: Option<Spread>) -> f64 {
    spread.map_or(f64::INFINITY, |spread| spread.median)
}

/// The cost of each other route to the servers, or other transport, that was measured along with the usual one.
fn variants(summary: &MeasurementSummary) -> Vec<String> {
    let mut routes: Vec<(String, &'static str)> = Vec::new();
    for variant in &summary.variants {
        let both = variant.routes();
        if !routes.contains(&both) {
            routes.push(both);
        }
    }
    let what = describe::quantity(&summary.measurement);
    let of_route = |both: (String, &'static str)| {
        let same_route = summary.variants.iter().filter(|variant| variant.routes() == both);
        let each: Vec<_> =
            same_route.map(|variant| format!("{} {}", variant.base, variant.ratio_text())).collect();
        let ((other, usual), name) = (both, &summary.measurement.name);
        format!("{name}: {what} over {other}, as a multiple of that over {usual}: {}.", each.join(", "))
    };
    routes.into_iter().map(of_route).collect()
}

/// The range of the servers' capacities with usual libraries. Stacks whose server was not saturated are named separately.
fn throughput(summary: &MeasurementSummary) -> Option<String> {
    let usual = summary.stacks.iter().filter(|stack| stack.kind.is_usual() && stack.throughput.is_some());
    let (ranked, others): (Vec<&StackSummary>, Vec<&StackSummary>) =
        usual.partition(|stack| stack.capacity.is_some_and(|capacity| capacity.is_exact()));
    let opening = format!("With {}{}", describe::load(&summary.measurement), summary.measurement.handlers());
    // The stacks of such a measurement are in the order of capacity, the largest first.
    let range = match ranked.as_slice() {
        [] => None,
        [only] => {
            Some(format!("a core of the server can answer {} calls/s with a usual library", rates(only)))
        }
        [first, .., last] => Some(format!(
            "a core of the server can answer from {} to {} calls/s with usual libraries",
            rates(last),
            rates(first)
        )),
    };
    let mut reasons: Vec<&str> = others.iter().filter_map(|stack| stack.obstacle()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let not_ranked = reasons.into_iter().map(|reason| {
        let with_reason = others.iter().filter(|stack| stack.obstacle() == Some(reason));
        let names: Vec<_> = with_reason.map(|stack| rates(stack)).collect();
        format!("not ranked ({reason}): {} calls/s", names.join(", "))
    });
    let parts: Vec<_> = range.into_iter().chain(not_ranked).collect();
    (!parts.is_empty()).then(|| format!("{opening}, {}.", parts.join("; ")))
}

/// The capacity of a stack in calls per second, with its name and the rate that was observed.
fn rates(stack: &StackSummary) -> String {
    let seen = stack.throughput.map_or_else(String::new, |rate| text::thousands(rate.median));
    match stack.capacity.and_then(|capacity| Some((capacity.per_core?, capacity.is_exact()))) {
        Some((per_core, is_exact)) => {
            let bound = if is_exact { "" } else { "≥ " };
            format!("{bound}{} ({}, {seen} seen)", text::thousands(per_core.median), stack.stack)
        }
        None => format!("{seen} seen ({})", stack.stack),
    }
}

fn bytes(record: &Record) -> Option<String> {
    let [(fewest, first), (most, last)] = bytes_of_small_calls(record)?;
    Some(format!(
        "An add(2, 3) and its answer take from {} ({first}) to {} ({last}) bytes on the wire.",
        text::thousands(fewest),
        text::thousands(most)
    ))
}

/// The fewest and the most bytes of a small call and its answer over usual libraries, with the stacks that take them; `None`
/// where fewer than two stacks were counted.
pub(super) fn bytes_of_small_calls(record: &Record) -> Option<[(f64, &str); 2]> {
    let is_usual = |stack: &str| {
        record.stacks.iter().any(|facts| facts.name == stack && StackKind::of(facts).is_usual())
    };
    let mut totals: Vec<_> = record
        .wire
        .iter()
        .filter(|wire| wire.operation == Operation::ADD && is_usual(&wire.stack))
        .map(|wire| (wire.per_call.up + wire.per_call.down, wire.stack.as_str()))
        .collect();
    totals.sort_by(|a, b| a.0.total_cmp(&b.0));
    let [fewest, .., most] = totals.as_slice() else { return None };
    Some([*fewest, *most])
}
