//! Conditions that were not equal for all stacks, so that a difference between them is not the protocol's alone.

use super::fairness;
use super::stack::StackKind;
use super::summary::{MeasurementSummary, Summary};
use crate::record::Record;
use crate::stacks::NETWORK_FLOOR;

/// All of them, a sentence each.
pub(super) fn asymmetries(record: &Record, summary: &Summary) -> Vec<String> {
    let mut found = Vec::new();
    for measurement in &summary.measurements {
        found.extend(connections(measurement));
        found.extend(floors(measurement));
    }
    found.extend(brokers(record));
    found.extend(fairness::asymmetries(record));
    for facts in &record.stacks {
        if let Some(target) = &facts.target {
            found.push(format!("{} is a server that was already running at {target}", facts.name));
        }
    }
    found
}

/// Which protocols go through a broker, where there are any.
fn brokers(record: &Record) -> Option<String> {
    let kinds = record.stacks.iter().map(StackKind::of).filter(|kind| kind.is_brokered());
    let mut protocols: Vec<_> = kinds.map(StackKind::protocol_name).collect();
    protocols.sort_unstable();
    protocols.dedup();
    (!protocols.is_empty()).then(|| {
        format!(
            "messages of {} go through a broker, a separate process that stores and forwards each of them in both \
             directions; the other protocols connect client and server directly",
            protocols.join(", ")
        )
    })
}

/// Where stacks used different numbers of connections, those numbers.
fn connections(summary: &MeasurementSummary) -> Option<String> {
    let mut connections: Vec<(u32, Vec<&str>)> = Vec::new();
    for stack in summary.stacks.iter().filter(|stack| !stack.kind.is_function_call()) {
        match connections.iter_mut().find(|(number, _)| *number == stack.connections) {
            Some((_, stacks)) => stacks.push(&stack.stack),
            None => connections.push((stack.connections, vec![&stack.stack])),
        }
    }
    let each = connections.iter().map(|(number, stacks)| format!("{number}: {}", stacks.join(", ")));
    (connections.len() > 1).then(|| {
        let each = each.collect::<Vec<_>>().join("; ");
        format!("{}: the number of connections differs ({each})", summary.measurement.name)
    })
}

/// In which respects the floor does something else than the stacks above it.
fn floors(summary: &MeasurementSummary) -> Vec<String> {
    let mut found = Vec::new();
    let measurement = &summary.measurement;
    let Some(floor) = summary.stacks.iter().find(|stack| stack.stack == summary.floor) else { return found };
    if floor.operation != measurement.operation {
        found.push(format!(
            "{}: the floors call {} instead of {}, so no stack is compared with them",
            measurement.name, floor.operation, measurement.operation
        ));
    }
    if summary.floor == NETWORK_FLOOR && !measurement.load.is_for_latency() && floor.valid > 0 {
        found.push(format!(
            "{}: tcp has a thread per connection and makes a system call per message; a stack that handles many \
             connections on one thread may well be faster than this floor",
            measurement.name
        ));
    }
    found
}
