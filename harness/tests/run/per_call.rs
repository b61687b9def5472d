//! Measurements whose calls each open a connection.

use rpcbench::load::ConnectionUse;
use rpcbench::record::{Record, Trial};

use crate::Run;
use crate::common::relay::{self, Relay};
use crate::common::{Process, finish, rpcbench};

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
        assert!(trial(&record, "latency", stack).connection.is_kept(), "{stack}");
    }
    let printed = ended.out.join("\n");
    assert!(printed.contains("2 callers, each call over a new connection"), "{printed}");
    assert!(printed.contains("times of calls include opening the connection"), "{printed}");
    #[cfg(target_os = "linux")]
    run.leaves_nothing();
}

#[test]
fn a_server_sees_a_connection_for_each_call() {
    let stacks = ["rest-hyper", "jsonrpc-lines", "zerorpc", "grpc-h2", "thrift"];
    let servers = stacks.map(|stack| Process::start(&mut rpcbench(&["serve", stack])));
    let urls = servers.each_ref().map(Process::url);
    let relays = urls.each_ref().map(|url| Relay::to(relay::port_of(url)));
    let run = run_with(&stacks, "closed:2", "100ms");
    let mut command = run.command(&[]);
    for (stack, (url, relay)) in stacks.iter().zip(urls.iter().zip(&relays)) {
        command.args(["--target", &format!("{stack}={}", relay.in_place_of(url))]);
    }
    finish(&mut command);
    let record = run.record();
    for (stack, relay) in stacks.iter().zip(&relays) {
        let calls = trial(&record, "new", stack).counts.started;
        let connections = relay.passed().len() as u64;
        assert!(calls > 0 && connections >= calls, "{stack}: {calls} calls, {connections} connections");
    }
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
