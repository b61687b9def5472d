//! The information that is needed to repeat a run: the parts of each stack, every setting in force, and the machine.

use super::describe;
use super::model::{Column, Row, Table};
use super::stack::StackKind;
use crate::record::{Agent, Record, StackFacts};
use crate::scenario::Measurement;
use crate::sys::Machine;

/// What is shown where a value could not be read.
const NOT_OBSERVABLE: &str = "not observable";

const STACK_COLUMNS: [Column; 7] = [
    Column::text("stack", "stack"),
    Column::text("protocol", "protocol"),
    Column::text("role", "role"),
    Column::text("client", "client"),
    Column::text("server", "server"),
    Column::text("executor", "executor"),
    Column::text("connections", "connections").meaning("in each measurement, in their order"),
];

/// The table of the stacks.
pub(super) fn stacks(record: &Record) -> Table {
    Table {
        title: "Stacks".to_owned(),
        columns: STACK_COLUMNS.to_vec(),
        rows: record.stacks.iter().map(|facts| stack(facts, record)).collect(),
        ..Table::default()
    }
}

fn stack(facts: &StackFacts, record: &Record) -> Row {
    let kind = StackKind::of(facts);
    let connections = record.scenario.measurements.iter().filter_map(|measurement| {
        let mut trials = record.trials.iter().filter(|trial| trial.measurement == measurement.name);
        let trial = trials.find(|trial| trial.stack == facts.name)?;
        Some(if trial.connection.is_kept() { trial.connections.to_string() } else { "per call".to_owned() })
    });
    let cells = vec![
        facts.name.as_str().into(),
        kind.protocol_name().into(),
        kind.role_title().into(),
        facts.client.as_str().into(),
        facts.target.as_ref().unwrap_or(&facts.server).as_str().into(),
        facts.executor.as_str().into(),
        connections.collect::<Vec<_>>().join(", ").into(),
    ];
    Row { stack: Some(kind), ..Row::new(cells) }
}

/// The table of the settings.
pub(super) fn settings(record: &Record) -> Table {
    let rows = of_run(record)
        .into_iter()
        .chain(
            record
                .scenario
                .measurements
                .iter()
                .map(|measurement| ("measurement", cores(measurement, record))),
        )
        .chain(record.agents.iter().map(|agent| ("agent", of_agent(agent))))
        .chain(of_machine(&record.machine))
        .chain(of_tool(record));
    Table {
        title: "Settings".to_owned(),
        columns: vec![Column::text("setting", "setting"), Column::text("value", "value")],
        rows: rows.map(|(name, value)| Row::new(vec![name.into(), value.into()])).collect(),
        ..Table::default()
    }
}

fn of_run(record: &Record) -> Vec<(&'static str, String)> {
    let scenario = &record.scenario;
    let duration = |duration| humantime::format_duration(duration).to_string();
    vec![
        ("scenario", scenario.name.clone()),
        ("run", format!("{}, started {}, {:.0} s", record.id, record.started, record.seconds)),
        ("blocks", scenario.blocks.to_string()),
        ("warm-up of a trial", describe::warmups(scenario)),
        ("measured per trial", describe::windows(scenario)),
        ("timeout of a call", duration(scenario.timeout)),
        ("seed", record.seed.to_string()),
    ]
}

/// A measurement, with the cores that its first trial used.
fn cores(measurement: &Measurement, record: &Record) -> String {
    let first = record.trials.iter().find(|trial| trial.measurement == measurement.name);
    let list = |cores: &[usize]| cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let cores = match first.map(|trial| &trial.cores) {
        Some(cores) if !cores.client.is_empty() => {
            format!(" (client on core {}, server on {})", list(&cores.client), list(&cores.server))
        }
        _ => String::new(),
    };
    let Measurement { name, operation, load, placement, .. } = measurement;
    let slices = measurement.slice_of_load().map(|slice| {
        format!(", in turn with the other stacks, in slices of at most {}", humantime::format_duration(slice))
    });
    let own = own_settings(measurement);
    let handlers = measurement.handlers();
    let slices = slices.unwrap_or_default();
    let connection = measurement.connection;
    let connection = if connection.is_kept() { String::new() } else { format!(", connection {connection}") };
    format!("{name}: {operation} {load}{connection}{handlers}, placement {placement}{cores}{slices}{own}")
}

/// The settings of `measurement` that replace those of the scenario.
fn own_settings(measurement: &Measurement) -> String {
    let time = |what: &str, time: Option<std::time::Duration>| {
        time.map(|time| format!(", {what} {}", humantime::format_duration(time)))
    };
    let blocks = measurement.blocks.map(|blocks| format!(", in at most {blocks} blocks"));
    let all = [blocks, time("warm-up", measurement.warmup), time("measured for", measurement.measure)];
    all.into_iter().flatten().collect()
}

/// Where one of several load generators ran, and how precisely it knew the time.
#[allow(clippy::cast_precision_loss)]
fn of_agent(agent: &Agent) -> String {
    let Machine { processor, architecture, cores, system, .. } = &agent.machine;
    let clock = match &agent.clock {
        Some(clock) => format!(
            "by the clock of {}, {:.3} ms ahead of the agent's, known to ± {:.3} ms",
            clock.name,
            clock.start.offset_ns as f64 / 1e6,
            clock.error_ns() as f64 / 1e6
        ),
        None => "by the agent's clock".to_owned(),
    };
    let processor = processor.as_deref().unwrap_or(architecture);
    format!("{} of {}: {processor}, {cores} cores, {system}; {clock}", agent.number, agent.of)
}

#[allow(clippy::cast_precision_loss)]
fn of_machine(machine: &Machine) -> Vec<(&'static str, String)> {
    let or_not_observable = |value: Option<String>| value.unwrap_or_else(|| NOT_OBSERVABLE.to_owned());
    let processor = machine.processor.as_deref().unwrap_or("unknown processor");
    let memory = machine.memory.map(|bytes| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)));
    let virtualised = machine.virtualised.map(|yes| if yes { "yes" } else { "no" }.to_owned());
    vec![
        ("processor", format!("{processor}, {} cores, {}", machine.cores, machine.architecture)),
        ("memory", or_not_observable(memory)),
        ("system", machine.system.clone()),
        ("virtual machine", or_not_observable(virtualised)),
        ("frequency governor", or_not_observable(machine.governor.clone())),
    ]
}

fn of_tool(record: &Record) -> Vec<(&'static str, String)> {
    let tool = &record.tool;
    let build = if tool.optimised { "optimised" } else { "unoptimised" };
    let observation = if tool.full_observation { "full" } else { "portable" };
    let unknown = || "not known".to_owned();
    let of_build = |fact: &Option<String>| fact.clone().unwrap_or_else(unknown);
    vec![
        ("rpcbench", format!("{}, {build} build, {observation} observation", tool.version)),
        ("built from commit", tool.build.revision().unwrap_or_else(unknown)),
        (
            "built by",
            format!(
                "{}; profile {}; target {}",
                of_build(&tool.build.compiler),
                of_build(&tool.build.profile),
                of_build(&tool.build.target)
            ),
        ),
        ("hash of Cargo.lock", of_build(&tool.build.lock)),
    ]
}
