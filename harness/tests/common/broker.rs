//! Administration of a broker that a test has started.
#![allow(clippy::unwrap_used, reason = "only tests call these functions")]

use rpcbench::deploy::broker::PrivateBroker;

/// Runs `rabbitmqctl`, and returns what it prints.
pub(crate) fn rabbitmqctl(broker: &PrivateBroker, arguments: &[&str]) -> String {
    let output = broker.control().unwrap().args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "rabbitmqctl {}: {error}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The names of the broker's queues, sorted.
pub(crate) fn queues(broker: &PrivateBroker) -> Vec<String> {
    let listed = rabbitmqctl(broker, &["-q", "list_queues", "name", "--no-table-headers"]);
    let mut names: Vec<_> = listed.lines().map(str::to_owned).collect();
    names.sort();
    names
}
