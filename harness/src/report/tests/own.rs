//! Reports of services that know nothing of the calculator.

use super::*;
use crate::deploy::{Cores, Placement};
use crate::load::{Load, Operation, OwnName};
use crate::observe::CallOutcome;
use crate::record::{OperationPart, Used};

/// Two servers of one's own, of which the second takes a quarter longer, in placements that the run did not choose.
fn record_of_two_servers(operation: &str) -> Record {
    let operation = Operation::named(operation).unwrap();
    let mut record = record(&["jsonrpc@old", "jsonrpc@new"], 10);
    record.scenario.measurements.retain(|measurement| measurement.name == "latency");
    record.trials.retain(|trial| trial.measurement == "latency");
    record.scenario.measurements[0].operation = operation;
    record.scenario.operations =
        toml::from_str::<std::collections::BTreeMap<String, Vec<_>>>("operation = [{ name = \"get\" }]")
            .unwrap()["operation"]
            .clone();
    record.checks.clear();
    for facts in &mut record.stacks {
        facts.target = Some("http://127.0.0.1:1".to_owned());
    }
    for trial in &mut record.trials {
        trial.operation = operation;
        trial.server_placed = false;
        trial.latency.as_mut().unwrap().p50 =
            Some(if trial.stack.ends_with("new") { 12_500 } else { 10_000 });
    }
    record
}

#[test]
fn two_servers_that_the_run_did_not_place_are_compared_with_each_other() {
    let record = record_of_two_servers("get");
    let summary = Summary::new(&record).unwrap();
    let report = printed(&record, &summary);
    assert!(report.contains("faster by 25 %"), "{report}");
    assert!(report.contains("! answers of get were not checked"), "{report}");
    // A server that the run has placed is not compared with them.
    let mut with_placed = record;
    for trial in with_placed.trials.iter_mut().filter(|trial| trial.stack == "jsonrpc@old") {
        trial.server_placed = true;
    }
    let summary = Summary::new(&with_placed).unwrap();
    assert!(!printed(&with_placed, &summary).contains("faster by"));
}

/// The same with eight callers, of which the second server answers four fifths. The client uses `share` of a core, or what it uses
/// is not known.
fn record_with_eight_callers(share: Option<f64>) -> Record {
    let mut record = record_of_two_servers("get");
    let load = Load::Closed(8.try_into().unwrap());
    let measurement = &mut record.scenario.measurements[0];
    (measurement.load, measurement.placement) = (load, Placement::Free);
    for trial in &mut record.trials {
        (trial.load, trial.placement, trial.cores) = (load, Placement::Free, Cores::default());
        trial.throughput = if trial.stack.ends_with("new") { 8_000.0 } else { 10_000.0 };
        trial.client = share.map(|utilisation| Used { utilisation, ..Used::default() });
        trial.server = None;
    }
    record
}

#[test]
fn with_several_callers_the_rate_that_was_seen_is_compared_unless_the_client_limited_it() {
    let record = record_with_eight_callers(Some(0.3));
    let summary = Summary::new(&record).unwrap();
    assert_eq!(summary.measurements[0].ranking.stacks, ["jsonrpc@old", "jsonrpc@new"]);
    assert!(printed(&record, &summary).contains("faster by 25 %"));
    let answer = crate::report::answer::answer(&record, &summary).join(" ");
    let figures = "8 callers: 10,000 calls/s (jsonrpc@old), 8,000 calls/s (jsonrpc@new)";
    let statement = "; jsonrpc@old compared with jsonrpc@new: faster by 25 %";
    assert!(answer.contains(&format!("{figures}{statement}")), "{answer}");
    for (share, reason) in
        [(Some(0.97), "the client saturated"), (None, "the client's CPU time is not known")]
    {
        let record = record_with_eight_callers(share);
        let summary = Summary::new(&record).unwrap();
        assert!(summary.measurements[0].ranking.stacks.is_empty());
        let report = printed(&record, &summary);
        assert!(
            report.contains(&format!("not ranked: {reason}")) && !report.contains("faster by"),
            "{report}"
        );
    }
}

#[test]
fn the_operations_of_a_mix_are_shown_each_and_together() {
    let mut record = record_of_two_servers("mix");
    for trial in &mut record.trials {
        let mut observed = crate::observe::Observation::default();
        for call in 0..1_000 {
            let outcome = if call == 0 { CallOutcome::Wrong } else { CallOutcome::Right };
            observed.record_part(usize::from(call % 4 == 0), std::time::Duration::from_micros(50), outcome);
        }
        let names = ["get", "rename"].map(|name| OwnName::new(name).unwrap());
        trial.operations = OperationPart::all(&names, &observed.parts).unwrap();
    }
    let summary = Summary::new(&record).unwrap();
    let report = printed(&record, &summary);
    assert!(report.contains("Calls by operation"), "{report}");
    let row = |name: &str| {
        let line = report.lines().find(|line| line.trim_start().starts_with(&format!("{name} "))).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let rename = row("rename");
    assert_eq!(rename[rename.len() - 5..][..2], ["2,500", "25"]);
    assert_eq!(rename.last().unwrap(), "10");
    assert_eq!(row("all")[1], "10,000");
}
