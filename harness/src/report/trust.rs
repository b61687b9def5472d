//! What a sceptical reader wants to know of a run: what counted, where and with which program it was measured, and how to
//! repeat it.

use super::describe;
use super::model::{Column, Row, Table};
use super::text;
use crate::record::{Label, Record, Status, Trial};
use crate::scenario::{Scenario, built_in};
use crate::stats::ERROR_RATE;

/// The facts, a row each.
pub(super) fn table(record: &Record) -> Table {
    let rows = [
        ("when", format!("{}, for {:.0} s, {}", record.started, record.seconds, describe::blocks(record))),
        ("trials", trials(record)),
        ("false statements", errors()),
        ("machine", machine(record)),
        ("program", program(record)),
        ("to repeat it", command(record)),
    ];
    Table {
        title: "What was measured where, and how to repeat it".to_owned(),
        columns: vec![Column::text("fact", "fact"), Column::text("value", "value").wide()],
        rows: rows.into_iter().map(|(fact, value)| Row::new(vec![fact.into(), value.into()])).collect(),
        ..Table::default()
    }
}

#[allow(clippy::cast_precision_loss)]
fn trials(record: &Record) -> String {
    let count = |is_counted: &dyn Fn(&Trial) -> bool| {
        text::thousands(record.trials.iter().filter(|trial| is_counted(trial)).count() as f64)
    };
    let valid = |trial: &Trial| trial.status == Status::Valid;
    format!(
        "{} of {} count; {} of these are labelled disturbed",
        count(&valid),
        count(&|_| true),
        count(&|trial| valid(trial) && trial.labels.contains(&Label::Disturbed))
    )
}

fn errors() -> String {
    format!("in at most one of {:.0} tables with statements", 1.0 / ERROR_RATE)
}

fn machine(record: &Record) -> String {
    let machine = &record.machine;
    let processor = machine.processor.as_deref().unwrap_or(&machine.architecture);
    let kind = match machine.virtualised {
        Some(true) => ", a virtual machine",
        Some(false) => ", not a virtual machine",
        None => "",
    };
    format!("{processor}, {} cores, {}{kind}", machine.cores, machine.system)
}

fn program(record: &Record) -> String {
    let build = &record.tool.build;
    let commit = build.revision().map(|revision| format!(", commit {revision}"));
    let compiler = build.compiler.as_ref().map(|compiler| format!(", {compiler}"));
    let facts = [commit, compiler].into_iter().flatten().collect::<String>();
    format!("rpcbench {}{facts}", record.tool.version)
}

/// The command that repeats the run. A scenario that was changed cannot be named.
fn command(record: &Record) -> String {
    let scenario = &record.scenario;
    let parsed = built_in(&scenario.name).ok().and_then(|text| Scenario::parse(&scenario.name, text).ok());
    let is_built_in = parsed.is_some_and(|built_in| built_in == *scenario);
    // A reader may paste the command, so it contains no text that may come from anywhere.
    let name = if is_built_in { scenario.name.as_str() } else { "FILE" };
    let build = &record.tool.build;
    let is_commit = |commit: &&String| commit.chars().all(|c| c.is_ascii_hexdigit());
    let commit = build.commit.as_ref().filter(|_| build.dirty == Some(false)).filter(is_commit);
    let run = format!("run {name} --seed {}", record.seed);
    let mut command = match commit {
        Some(commit) => {
            format!("git checkout {commit} && cargo run --release --locked -p rpcbench -- {run}")
        }
        None => format!("rpcbench {run}"),
    };
    if !is_built_in {
        command += ", where FILE has the settings of `scenario` in the record";
    }
    if record.stacks.iter().any(|facts| facts.target.is_some()) {
        command += ", with the same servers as targets";
    }
    command
}
