//! The answer to a run's question in a few sentences, and what makes the comparison uneven. Both follow from the
//! figures; nothing here measures or judges anew.

use super::capacity::{Capacity, CapacityRow, capacities};
use super::fairness;
use super::summary::{FLOOR, Row, Spread, Summary, Table};
use super::text;
use super::verdict::ratio;
use crate::load::Operation;
use crate::record::{Record, StackFacts};
use crate::stacks::Role;
use crate::stats::{BLOCKS_FOR_A_VERDICT, Interval};

/// The libraries that stand for the protocols in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Libraries {
    Usual,
    Leanest,
}

impl Libraries {
    fn include(self, role: Role) -> bool {
        match self {
            Libraries::Usual => matches!(role, Role::Default | Role::DefaultAndMinimal),
            Libraries::Leanest => matches!(role, Role::Minimal | Role::DefaultAndMinimal),
        }
    }

    fn rows(self, table: &Table) -> impl Iterator<Item = &Row> {
        table.rows.iter().filter(move |row| self.include(row.role))
    }
}

/// The answer, a sentence or two about each of latency, throughput and bytes.
pub(super) fn answer(record: &Record, summary: &Summary) -> Vec<String> {
    let table = |one: bool| summary.tables.iter().find(|t| t.measurement.load.is_for_latency() == one);
    let mut answer: Vec<_> =
        [table(true).and_then(latency), table(false).and_then(throughput)].into_iter().flatten().collect();
    answer.extend(summary.tables.iter().filter_map(ways));
    answer.extend(capacities(record).iter().filter_map(capacity));
    if answer.is_empty() {
        answer.push("No trial counts: there is no answer.".to_owned());
    }
    answer.extend(bytes(record));
    answer
}

fn capacity(capacity: &Capacity) -> Option<String> {
    let (first, last) = (capacity.rows.first()?, capacity.rows.last()?);
    let says = |row: &CapacityRow| format!("{} ({})", row.stack, row.range);
    Some(format!(
        "{}, {}: from {} to {} calls/s; of each pair, the first held and the second did not.",
        capacity.name,
        capacity.question,
        says(last),
        says(first)
    ))
}

fn latency(table: &Table) -> Option<String> {
    let ranked = |libraries: Libraries| {
        let mut rows: Vec<_> = libraries.rows(table).filter(|row| row.p50.is_some()).collect();
        rows.sort_by(|a, b| median(a.p50).total_cmp(&median(b.p50)));
        rows
    };
    let (usual, leanest) = (ranked(Libraries::Usual), ranked(Libraries::Leanest));
    let floor = table.rows.iter().find(|row| row.stack == FLOOR).and_then(|row| row.p50);
    let than = floor.map_or_else(String::new, |floor| {
        format!(" the raw TCP round trip of {} µs", text::micros(floor.median))
    });
    let opening =
        format!("One call ({}; {})", table.measurement.operation, text::placement(&table.measurement));
    let ([first, .., last], true) = (usual.as_slice(), floor.is_some()) else {
        // One stack, or nothing to hold several against.
        let row = usual.first().or(leanest.first())?;
        let times = row
            .times_tcp
            .map_or_else(String::new, |times| format!(", {} ×{than}", text::times(times.median)));
        return Some(format!(
            "{opening} by {} takes {} µs{times}.",
            row.stack,
            text::micros(median(row.p50))
        ));
    };
    let times = |row: &Row| row.times_tcp.map_or_else(|| "?".to_owned(), |t| text::times(t.median));
    let between = |first: &Row, last: &Row| {
        format!("{} × ({}) to {} × ({})", times(first), first.stack, times(last), last.stack)
    };
    let usual_range = between(first, last);
    let answer = match leanest.as_slice() {
        [lean_first, .., lean_last] if between(lean_first, lean_last) == usual_range => {
            format!("{opening} costs {usual_range}{than}, by usual and by leanest libraries alike")
        }
        [lean_first, .., lean_last] => format!(
            "{opening} costs {usual_range}{than} with each protocol's usual library, and {} with the leanest",
            between(lean_first, lean_last)
        ),
        _ => format!("{opening} costs {usual_range}{than} with each protocol's usual library"),
    };
    Some(format!("{answer}. {}", verdict(&usual, &leanest)))
}

/// What another way to the servers costs, where one was measured beside the usual one.
fn ways(table: &Table) -> Option<String> {
    let [first, ..] = table.ways.as_slice() else { return None };
    let label = first.label();
    let same: Vec<_> = table.ways.iter().filter(|way| way.label() == label).collect();
    let each: Vec<_> = same.iter().map(|way| format!("{} {}", way.base, way.ratio_text())).collect();
    let what = if table.measurement.load.is_for_latency() { "median latency" } else { "throughput" };
    Some(format!(
        "{}: by {label}, the {what} is so many times that of the usual way: {}.",
        table.measurement.name,
        each.join(", ")
    ))
}

/// Which protocol is fastest, where that can be said: both rankings name it, and in both the interval of its ratio to
/// the second lies below 1.
fn verdict(usual: &[&Row], leanest: &[&Row]) -> String {
    let ([first, second, ..], [lean_first, lean_second, ..]) = (usual, leanest) else {
        return "No verdict: there is nothing to compare by both usual and leanest libraries.".to_owned();
    };
    let to_second = |first: &Row, second: &Row| ratio(&first.figure_by_block, &second.figure_by_block);
    let (Some(by_usual), Some(by_leanest)) = (to_second(first, second), to_second(lean_first, lean_second))
    else {
        return format!("No verdict: fewer than {BLOCKS_FOR_A_VERDICT} blocks.");
    };
    if first.protocol != lean_first.protocol {
        return format!(
            "No verdict about a protocol: {} is fastest by usual libraries and {} by leanest.",
            first.protocol, lean_first.protocol
        );
    }
    if by_usual.high < 1.0 && by_leanest.high < 1.0 {
        let against = |second: &Row, ratio: Interval| {
            format!("{:.2} ({:.2}–{:.2}) of {}", ratio.median, ratio.low, ratio.high, second.stack)
        };
        let mut margins = vec![against(second, by_usual)];
        if second.stack != lean_second.stack {
            margins.push(against(lean_second, by_leanest));
        }
        format!("{} was the fastest by both rankings: it took {}.", first.protocol, margins.join(" and "))
    } else {
        format!("No verdict: {} could not be told from the second in both rankings.", first.protocol)
    }
}

fn median(spread: Option<Spread>) -> f64 {
    spread.map_or(f64::INFINITY, |spread| spread.median)
}

fn throughput(table: &Table) -> Option<String> {
    let (bound, ranked): (Vec<&Row>, Vec<&Row>) = Libraries::Usual
        .rows(table)
        .filter(|row| row.throughput.is_some())
        .partition(|row| row.is_client_bound());
    let calls = |row: &Row| text::thousands(row.throughput.map_or(0.0, |t| t.median));
    let opening = format!("With {}", text::load(&table.measurement));
    // Rows of such a table are in the order of throughput, the greatest first.
    let mut answer = match ranked.as_slice() {
        [] => String::new(),
        [only] => format!("{opening}, {} answers {} calls/s.", only.stack, calls(only)),
        [first, .., last] => format!(
            "{opening}, usual libraries answer from {} ({}) to {} ({}) calls/s.",
            calls(last),
            last.stack,
            calls(first),
            first.stack
        ),
    };
    if !bound.is_empty() {
        let names: Vec<_> = bound.iter().map(|row| format!("{} ({})", row.stack, calls(row))).collect();
        let lead = if answer.is_empty() {
            format!("{opening}, bound by the client")
        } else {
            " Bound by the client and not ranked".to_owned()
        };
        answer += &format!("{lead}: {}; the server could answer more.", names.join(", "));
    }
    (!answer.is_empty()).then_some(answer)
}

fn bytes(record: &Record) -> Option<String> {
    let mut rows: Vec<_> = record
        .wire
        .iter()
        .filter(|wire| wire.operation == Operation::ADD)
        .filter(|wire| facts(record, &wire.stack).is_some_and(|facts| Libraries::Usual.include(facts.role)))
        .map(|wire| (wire.per_call.up + wire.per_call.down, &wire.stack))
        .collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let [(least, first), .., (most, last)] = rows.as_slice() else { return None };
    Some(format!(
        "An add(2, 3) and its answer take from {} ({first}) to {} ({last}) bytes on the wire.",
        text::thousands(*least),
        text::thousands(*most)
    ))
}

fn facts<'a>(record: &'a Record, stack: &str) -> Option<&'a StackFacts> {
    record.stacks.iter().find(|facts| facts.name == stack)
}

/// What is not the same for all stacks, and cannot be seen in a table.
pub(super) fn asymmetries(record: &Record, summary: &Summary) -> Vec<String> {
    let mut found = Vec::new();
    for table in &summary.tables {
        let name = &table.measurement.name;
        let mut connections: Vec<(u32, Vec<&str>)> = Vec::new();
        for row in table.rows.iter().filter(|row| !row.protocol.is_in_process()) {
            match connections.iter_mut().find(|(number, _)| *number == row.connections) {
                Some((_, stacks)) => stacks.push(&row.stack),
                None => connections.push((row.connections, vec![&row.stack])),
            }
        }
        if connections.len() > 1 {
            let each: Vec<_> = connections
                .iter()
                .map(|(number, stacks)| format!("{number}: {}", stacks.join(", ")))
                .collect();
            found.push(format!("{name}: connections differ ({})", each.join("; ")));
        }
        if let Some(tcp) = table.rows.iter().find(|row| row.stack == FLOOR) {
            if tcp.operation != table.measurement.operation {
                found.push(format!(
                    "{name}: the floors call {} and not {}, so multiples of tcp hold the payload's cost too",
                    tcp.operation, table.measurement.operation
                ));
            }
            if !table.measurement.load.is_for_latency() && tcp.valid > 0 {
                found.push(format!(
                    "{name}: tcp has a thread for each connection and a system call for each message; a stack that \
                     handles many connections on one thread may well be faster than this floor"
                ));
            }
        }
    }
    if record.stacks.iter().any(|facts| facts.protocol.needs_broker()) {
        found.push(
            "amqp goes through a broker, a process of its own that stores and forwards each message both ways; the \
             others connect client and server directly"
                .to_owned(),
        );
    }
    found.extend(fairness::asymmetries(record));
    for facts in &record.stacks {
        if let Some(target) = &facts.target {
            found.push(format!("{} is a server that was already running at {target}", facts.name));
        }
    }
    found
}
