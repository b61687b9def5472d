//! The conditions of a run and of its measurements, in words.

use std::time::Duration;

use super::text;
use crate::load::{Arrivals, Load, Operation};
use crate::record::Record;
use crate::scenario::{Measurement, Scenario, Timeline, TrialTimes};

/// What is called, by how many callers or how often, and over how many connections.
pub(super) fn load(measurement: &Measurement) -> String {
    let callers = match measurement.load.callers() {
        Some(1) => "one caller".to_owned(),
        Some(callers) => format!("{callers} callers"),
        None => calls_per_second(measurement.load),
    };
    let connections = match measurement.connections {
        _ if !measurement.connection.is_kept() => ", each call over a new connection".to_owned(),
        Some(number) => {
            let connections = if number.get() == 1 { "connection" } else { "connections" };
            match measurement.load.callers() {
                None => format!(" over {number} {connections}"),
                Some(_) => format!(", {number} {connections} where the protocol can share them"),
            }
        }
        None => String::new(),
    };
    format!("{}, {callers}{connections}", operation_in_words(measurement.operation))
}

/// The operation; for several calls, how often the client waits for an answer, and for a stream what it consists of.
fn operation_in_words(operation: Operation) -> String {
    match (operation.steps(), operation.stream()) {
        (Some(steps), _) => format!("{operation} ({} round trips)", steps.round_trips()),
        (None, Some(length)) => {
            format!("{operation} (a stream of {} items)", text::thousands(length.get().into()))
        }
        (None, None) => operation.to_string(),
    }
}

fn calls_per_second(load: Load) -> String {
    match load {
        Load::Open(rate, Arrivals::Constant) => format!("{} calls/s at even intervals", rate.get()),
        Load::Open(rate, Arrivals::Poisson) => format!("{} calls/s at random times (Poisson)", rate.get()),
        Load::Closed(_) => load.to_string(),
    }
}

/// The call whose bytes are counted.
pub(super) fn example(operation: Operation) -> String {
    if operation == Operation::ADD { "add(2, 3)".to_owned() } else { operation_in_words(operation) }
}

/// On which cores client, server and broker ran, and how handlers ran and what they did if the measurement sets it.
pub(super) fn placement(measurement: &Measurement) -> String {
    let cores = match (measurement.placement.name(), measurement.warm) {
        ("shared", _) => "client, server and broker on one core",
        ("split", true) => "client on one core, server and broker on another, both kept awake",
        ("split", false) => "client on one core, server and broker on another",
        (_, _) => "on whatever cores the system chose",
    };
    format!("{cores}{}", measurement.handlers())
}

/// The load and the placement.
pub(super) fn conditions(measurement: &Measurement) -> String {
    format!("{}; {}", load(measurement), placement(measurement))
}

/// The figure by which the stacks of a measurement are ranked.
pub(super) fn quantity(measurement: &Measurement) -> &'static str {
    if measurement.load.is_for_latency() {
        "median latency"
    } else {
        "calls per second and core of the server"
    }
}

/// How many blocks a run has.
pub(super) fn blocks(record: &Record) -> String {
    match record.scenario.blocks.get() {
        1 => "1 block".to_owned(),
        blocks => format!("{blocks} blocks"),
    }
}

/// How long the measured windows of the trials are.
pub(super) fn windows(scenario: &Scenario) -> String {
    range(scenario, |times| times.measure)
}

/// How long the warm-ups of the trials are at least.
pub(super) fn warmups(scenario: &Scenario) -> String {
    range(scenario, |times| times.warmup)
}

/// The shortest and the longest time that `of` selects from those of each measurement; without any, that of the scenario.
fn range(scenario: &Scenario, of: fn(TrialTimes) -> Duration) -> String {
    let all = scenario.measurements.iter().map(|measurement| of(scenario.times_of(measurement)));
    let (shortest, longest) = (all.clone().min(), all.max());
    let [shortest, longest] = [shortest, longest].map(|time| time.unwrap_or_else(|| of(scenario.times())));
    let [shortest, longest] = [shortest, longest].map(|time| humantime::format_duration(time).to_string());
    if shortest == longest { shortest } else { format!("{shortest} to {longest}") }
}

/// When, where and how a run was measured, in a line.
pub(super) fn circumstances(record: &Record) -> String {
    let machine = &record.machine;
    let processor = machine.processor.as_deref().unwrap_or(&machine.architecture);
    let agents = match record.agents.len() {
        0 | 1 => String::new(),
        agents => format!("{agents} agents, the first on "),
    };
    format!(
        "{} · {} of {} · {agents}{processor}, {} cores, {} · seed {} · rpcbench {}",
        record.started,
        blocks(record),
        windows(&record.scenario),
        machine.cores,
        machine.system,
        record.seed,
        record.tool.version,
    )
}

/// The load of a timeline in stages: the operation, the stages and the arrivals.
pub(super) fn stages(timeline: &Timeline) -> String {
    let ramps = timeline.ramps();
    let ramps: Vec<_> = ramps.iter().map(|it| ramp((it.from, it.to), it.length)).collect();
    let arrivals = match timeline.arrivals {
        Some(Arrivals::Poisson) => "at random times (Poisson)",
        Some(Arrivals::Constant) | None => "at even intervals",
    };
    format!("{}, {}, {arrivals}", timeline.operation, ramps.join(", then "))
}

/// A stage of a load: its rates at the beginning and at the end, and its length.
pub(super) fn ramp((from, to): (u32, u32), length: Duration) -> String {
    format!("{} for {}", rates(from, to), humantime::format_duration(length))
}

/// The rates at the beginning and at the end of a stage.
pub(super) fn rates(from: u32, to: u32) -> String {
    let to_text = text::thousands(to.into());
    if from == to {
        format!("{to_text} calls/s")
    } else {
        format!("{} to {to_text} calls/s", text::thousands(from.into()))
    }
}
