//! Our servers answer the reference clients in Python, and our clients call the reference servers.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

mod common;

use std::process::{Command, Stdio};

use common::{Process, finish, python, rpcbench};
use nix::sys::signal::Signal;
use rpcbench::deploy::rabbitmq::PrivateBroker;

/// Every call of the reference client is answered as the contract says.
fn assert_served(client: &mut Command) {
    let ended = finish(client);
    let said = ended.out.join("\n");
    assert!(ended.status.success(), "{said}\n{}", ended.err.join("\n"));
    assert!(said.lines().filter(|line| line.starts_with("PASS ")).count() > 20, "{said}");
}

/// A reference server passes every core row of the table, and of the strict ones all but `differences`.
fn assert_checked(check: &mut Command, differences: &[&str]) {
    let ended = finish(check).with(0, &[]);
    let failed: Vec<_> = ended.out.iter().filter_map(|line| line.strip_prefix("FAIL  ")).collect();
    let titles: Vec<_> = failed
        .iter()
        .map(|row| {
            let title = row.strip_prefix("strict  ").unwrap_or_else(|| panic!("{row}"));
            // The document that is echoed is long.
            if title.starts_with("echo(") { "echo" } else { title.split(" → ").next().unwrap_or_default() }
        })
        .collect();
    assert_eq!(titles, differences, "{}", ended.out.join("\n"));
}

fn assert_called(call: &mut Command) {
    assert_eq!(finish(call).with(0, &[]).out, ["-4"]);
}

fn assert_ends_on_sigterm(mut server: Process) {
    server.signal(Signal::SIGTERM);
    let ended = server.ended().with(0, &[]);
    assert_eq!(ended.out, Vec::<String>::new(), "a server prints one line");
}

/// Both directions over a protocol whose servers listen themselves. Reference servers differ from the contract where
/// Python's integers are longer than 64 bits, where a library hides what went wrong, and in `echo`, which is ours.
fn both_ways(stack: &str, server: &[&str], differences: &[&str]) {
    let protocol = stack.split('-').next().unwrap();
    let ours = Process::start(&mut rpcbench(&["serve", stack]));
    assert_served(python("clients.py").args([protocol, &ours.url()]));
    assert_ends_on_sigterm(ours);

    let (script, arguments) = server.split_first().unwrap();
    let theirs = Process::start(python(script).args(arguments));
    let url = theirs.url();
    assert_checked(&mut rpcbench(&["check", stack, &url]), differences);
    assert_called(&mut rpcbench(&["call", stack, &url, "divide", "-7", "2"]));
    finish(&mut rpcbench(&["call", stack, &url, "divide", "1", "0"])).with(1, &[]);
    assert_ends_on_sigterm(theirs);
}

const BEYOND_64_BITS: &str = "multiply(9223372036854775807, 2)";

#[test]
fn xmlrpc() {
    both_ways("xmlrpc", &["xmlrpc_server.py"], &["echo"]);
}

#[test]
fn xmlrpc_with_a_thread_for_each_connection() {
    both_ways("xmlrpc-hyper", &["xmlrpc_server.py", "--threads"], &["echo"]);
}

#[test]
fn jsonrpc() {
    // jsonrpclib-pelix gives a reference into its log instead of an exception's name.
    let hidden = ["divide(1, 0)", "divide(1.0, 0.0)"];
    both_ways("jsonrpc", &["jsonrpc_server.py"], &[hidden[0], hidden[1], BEYOND_64_BITS, "echo"]);
}

#[test]
fn zerorpc() {
    both_ways("zerorpc", &["zerorpc_server.py"], &[BEYOND_64_BITS, "echo"]);
}

#[test]
fn amqp() {
    let broker = PrivateBroker::start(&[]).unwrap();
    let url = broker.url();

    let ours = Process::start(rpcbench(&["serve", "amqp", "--topic", "ours"]).env("RPCBENCH_BROKER", url));
    assert!(!ours.url().contains('@'), "credentials are printed");
    assert_served(python("clients.py").args(["amqp", "--topic", "ours"]).env("RPCBENCH_BROKER", url));
    assert_ends_on_sigterm(ours);

    let theirs =
        Process::start(python("oslo_server.py").args(["--topic", "theirs"]).env("RPCBENCH_BROKER", url));
    assert!(!theirs.url().contains('@'), "credentials are printed");
    assert_checked(&mut rpcbench(&["check", "amqp", url, "--topic", "theirs"]), &[BEYOND_64_BITS, "echo"]);
    assert_called(&mut rpcbench(&["call", "amqp", url, "divide", "x=-7", "y=2", "--topic", "theirs"]));
    assert_ends_on_sigterm(theirs);

    broker.stop().unwrap();
}

#[test]
fn a_reference_server_ends_with_its_input() {
    for script in ["xmlrpc_server.py", "jsonrpc_server.py", "zerorpc_server.py"] {
        let mut server = Process::start(python(script).arg("--end-with-input").stdin(Stdio::piped()));
        server.url();
        server.ended().with(0, &[]);
    }
}

#[test]
fn a_reference_server_can_be_measured() {
    let server = Process::start(python("zerorpc_server.py").args(["--listen", "127.0.0.1:0"]));
    let folder = tempfile::tempdir().unwrap();
    let target = format!("zerorpc={}", server.url());
    let out = folder.path().to_str().unwrap();
    finish(&mut rpcbench(&[
        "run",
        "--stack",
        "zerorpc",
        "--target",
        &target,
        "--blocks",
        "1",
        "--seconds",
        "0.3",
        "--load",
        "closed:1",
        "--placement",
        "free",
        "--out",
        out,
    ]))
    .with(0, &[]);
    let record = rpcbench::record::read(folder.path()).unwrap();
    assert!(record.trials.iter().any(|trial| trial.stack == "zerorpc" && trial.counts.right > 0));
}
