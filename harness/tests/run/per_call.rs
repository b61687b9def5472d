//! Measurements whose calls each open a connection.

use rpcbench::load::ConnectionUse;
use rpcbench::record::{Record, Trial};

use crate::Run;
use crate::common::finish;

/// A run with one measurement under `load` over open connections, and one over new ones.
fn run_with(stacks: &[&str], load: &str, measure: &str) -> Run {
    let run = Run::of(stacks, 1, measure);
    run.change_scenario(|text| {
        let text = text.replace("closed:1", load);
        let (_, measurement) = text.split_once("[[measurement]]").unwrap();
        let new = measurement.replace("\"latency\"", "\"new\"");
        format!("timeout = \"60s\"\n{text}\n[[measurement]]{new}connection = \"per-call\"\n")
    });
    run
}

fn trial<'a>(record: &'a Record, measurement: &str, stack: &str) -> &'a Trial {
    let mut trials = record.trials.iter();
    trials.find(|trial| trial.measurement == measurement && trial.stack == stack).unwrap()
}

#[test]
fn every_protocol_can_open_a_connection_for_each_call_of_a_closed_loop() {
    let stacks = [
        "rest",
        "rest-hyper",
        "xmlrpc",
        "jsonrpc",
        "jsonrpc-lines",
        "jsonrpc-ws",
        "zerorpc",
        "grpc",
        "grpc-h2",
        "thrift",
        "amqp",
    ];
    let run = run_with(&stacks, "closed:2", "300ms");
    let ended = finish(&mut run.command(&["--require", "amqp"]));
    let record = run.record();
    for stack in stacks.into_iter().chain(["tcp", "tcp-async"]) {
        let new = trial(&record, "new", stack);
        assert_eq!(new.connection, ConnectionUse::PerCall);
        assert!(new.counts.right > 0 && new.counts.is_conserved(), "{stack}: {:?}", new.counts);
        assert_eq!(new.counts.right, new.counts.started, "{stack}");
        let kept = trial(&record, "latency", stack);
        let p50 = |trial: &Trial| trial.latency.as_ref().and_then(|latency| latency.p50).unwrap();
        // A handshake is at least a round trip more.
        assert!(p50(new) > p50(kept), "{stack}: {} and {}", p50(new), p50(kept));
    }
    let printed = ended.out.join("\n");
    assert!(printed.contains("2 callers, each call over a new connection"), "{printed}");
    assert!(printed.contains("times of calls include opening the connection"), "{printed}");
    #[cfg(target_os = "linux")]
    run.leaves_nothing();
}

#[test]
fn connections_come_and_go_at_a_rate() {
    let run = run_with(&["rest-hyper", "zerorpc"], "open:50:constant", "400ms");
    finish(&mut run.command(&[]));
    let record = run.record();
    for stack in ["rest-hyper", "zerorpc", "tcp"] {
        let new = trial(&record, "new", stack);
        assert_eq!((new.counts.slots, new.counts.right), (20, 20), "{stack}: {:?}", new.complaint());
        assert!(new.counts.is_conserved());
        assert!(new.service.is_some() && new.schedule_lag.is_some(), "{stack}");
    }
}

#[test]
fn a_number_of_connections_has_no_meaning_there() {
    let run = run_with(&["rest-hyper"], "closed:2", "300ms");
    finish(&mut run.command(&["--connections", "1"])).with(
        2,
        &["the measurement `new` opens a connection for each call; leave the number of connections out"],
    );
}
