//! Our servers answer the reference clients in Python, and our clients call the reference servers.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use calculator::Calculator;
use common::{Process, finish, python, rpcbench};
use nix::sys::signal::Signal;
use rpcbench::deploy::broker::{BrokerKind, PrivateBroker};
use rpcbench::stacks::Language;

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
    both_ways_with(stack.split('-').next().unwrap(), stack, server, differences);
}

/// The same, with the reference client that is named `client`.
fn both_ways_with(client: &str, stack: &str, server: &[&str], differences: &[&str]) {
    let ours = Process::start(&mut rpcbench(&["serve", stack]));
    assert_served(python("clients.py").args([client, &ours.url()]));
    assert_ends_on_sigterm(ours);

    let (script, arguments) = server.split_first().unwrap();
    let theirs = Process::start(python(script).args(arguments));
    let url = theirs.url();
    assert_checked(&mut rpcbench(&["check", stack, &url]), differences);
    assert_called(&mut rpcbench(&["call", stack, &url, "divide", "-7", "2"]));
    finish(&mut rpcbench(&["call", stack, &url, "divide", "1", "0"])).with(1, &[]);
    assert_ends_on_sigterm(theirs);

    // Handlers that work give the same answers.
    for work in ["sleep:0.001", "compute:0.0001"] {
        let theirs = Process::start(python(script).args(arguments).args(["--work", work]));
        assert_checked(&mut rpcbench(&["check", stack, &theirs.url()]), differences);
        assert_ends_on_sigterm(theirs);
    }
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
fn xmlrpc_and_jsonrpc_without_an_http_library() {
    both_ways("xmlrpc-bare", &["xmlrpc_server.py"], &["echo"]);
    let hidden = ["divide(1, 0)", "divide(1.0, 0.0)"];
    both_ways("jsonrpc-bare", &["jsonrpc_server.py"], &[hidden[0], hidden[1], BEYOND_64_BITS, "echo"]);
}

#[test]
fn jsonrpc_lines() {
    let hidden = ["divide(1, 0)", "divide(1.0, 0.0)"];
    let differences = [hidden[0], hidden[1], BEYOND_64_BITS, "echo"];
    both_ways_with("jsonrpc-lines", "jsonrpc-lines", &["jsonrpc_lines_server.py"], &differences);
}

#[test]
fn jsonrpc_over_standard_input_and_output() {
    let command = format!("stdio://{} serve jsonrpc-lines --stdio", env!("CARGO_BIN_EXE_rpcbench"));
    assert_served(python("clients.py").args(["jsonrpc-lines", &command]));
}

#[test]
fn jsonrpc_over_websocket() {
    let hidden = ["divide(1, 0)", "divide(1.0, 0.0)"];
    let differences = [hidden[0], hidden[1], BEYOND_64_BITS, "echo"];
    both_ways_with("jsonrpc-ws", "jsonrpc-ws", &["jsonrpc_ws_server.py"], &differences);
}

#[test]
fn zerorpc() {
    both_ways("zerorpc", &["zerorpc_server.py"], &[BEYOND_64_BITS, "echo"]);
}

/// The definitions of the messages of gRPC, as the reference server takes them.
fn definitions() -> String {
    format!("--definitions={}", STANDARD.encode(grpc::descriptor::encoded(&Calculator)))
}

#[test]
fn grpc() {
    let definitions = definitions();
    let server = ["grpc_server.py", &definitions];
    for stack in ["grpc", "grpc-h2"] {
        both_ways(stack, &server, &[BEYOND_64_BITS, "echo"]);
    }
}

/// The definition of the messages of Thrift, as the reference server takes it.
fn thrift_definitions() -> String {
    format!("--definitions={}", STANDARD.encode(thrift_rpc::IDL))
}

#[test]
fn thrift() {
    let definitions = thrift_definitions();
    let server = ["thrift_server.py", &definitions];
    both_ways("thrift", &server, &["echo"]);
    let compact = ["thrift_server.py", &definitions, "--protocol=compact"];
    both_ways_with("thrift-compact", "thrift-compact", &compact, &["echo"]);
}

#[test]
fn amqp() {
    let broker = PrivateBroker::start(BrokerKind::RabbitMq, &[]).unwrap();
    let url = broker.url();

    let ours = Process::start(rpcbench(&["serve", "amqp", "--topic", "ours"]).env("RPCBENCH_BROKER", url));
    assert!(!ours.url().contains('@'), "credentials are printed");
    // Longer than the interval of the client's call monitor.
    let slow = ["serve", "amqp", "--topic", "ours-slow", "--handler-delay", "3500ms"];
    let slow = Process::start(rpcbench(&slow).env("RPCBENCH_BROKER", url));
    slow.url();
    assert_served(python("clients.py").args(["amqp", "--topic", "ours"]).env("RPCBENCH_BROKER", url));
    assert_ends_on_sigterm(ours);
    assert_ends_on_sigterm(slow);

    let arguments = ["--topic", "theirs", "--work", "sleep:0.001"];
    let theirs = Process::start(python("oslo_server.py").args(arguments).env("RPCBENCH_BROKER", url));
    assert!(!theirs.url().contains('@'), "credentials are printed");
    assert_checked(&mut rpcbench(&["check", "amqp", url, "--topic", "theirs"]), &[BEYOND_64_BITS, "echo"]);
    assert_called(&mut rpcbench(&["call", "amqp", url, "divide", "x=-7", "y=2", "--topic", "theirs"]));
    assert_ends_on_sigterm(theirs);

    broker.stop().unwrap();
}

#[test]
fn nats() {
    let broker = PrivateBroker::start(BrokerKind::Nats, &[]).unwrap();
    let url = broker.url();

    let ours = Process::start(rpcbench(&["serve", "nats", "--subject", "ours"]).env("RPCBENCH_BROKER", url));
    assert!(!ours.url().contains('@'), "credentials are printed");
    assert_served(python("clients.py").args(["nats", "--topic", "ours"]).env("RPCBENCH_BROKER", url));
    assert_ends_on_sigterm(ours);

    let arguments = ["--subject", "theirs", "--work", "sleep:0.001"];
    let theirs = Process::start(python("nats_server.py").args(arguments).env("RPCBENCH_BROKER", url));
    assert!(!theirs.url().contains('@'), "credentials are printed");
    assert_checked(&mut rpcbench(&["check", "nats", url, "--subject", "theirs"]), &[BEYOND_64_BITS, "echo"]);
    assert_called(&mut rpcbench(&["call", "nats", url, "divide", "x=-7", "y=2", "--subject", "theirs"]));
    finish(&mut rpcbench(&["call", "nats", url, "divide", "1", "0", "--subject", "theirs"])).with(1, &[]);
    assert_ends_on_sigterm(theirs);

    broker.stop().unwrap();
}

#[test]
fn rest() {
    let theirs = Process::start(python("rest_server.py").args(["--work", "compute:0.0001"]));
    let url = theirs.url();
    for stack in ["rest", "rest-hyper", "rest-bare"] {
        assert_checked(&mut rpcbench(&["check", stack, &url]), &[BEYOND_64_BITS, "echo"]);
    }
    assert_called(&mut rpcbench(&["call", "rest", &url, "divide", "x=-7", "y=2"]));
    assert_ends_on_sigterm(theirs);
}

#[test]
fn a_reference_server_ends_with_its_input() {
    let ends_with_input = |server: &mut Command| {
        let mut server = Process::start(server.arg("--end-with-input").stdin(Stdio::piped()));
        server.url();
        server.ended().with(0, &[]);
    };
    for script in ["rest_server.py", "xmlrpc_server.py", "jsonrpc_server.py", "zerorpc_server.py"] {
        ends_with_input(&mut python(script));
    }
    ends_with_input(python("grpc_server.py").arg(definitions()));
    ends_with_input(python("thrift_server.py").arg(thrift_definitions()));
}

#[test]
fn a_reference_server_that_is_already_running_can_be_measured() {
    let server = Process::start(python("zerorpc_server.py").args(["--listen", "127.0.0.1:0"]));
    let record = measured("zerorpc", &["--load=closed:1", &format!("--target=zerorpc={}", server.url())]);
    assert!(record.trials.iter().any(|trial| trial.stack == "zerorpc" && trial.counts.right > 0));
}

/// Whether `language` is installed. The tests of another one are skipped by name.
fn is_installed(language: Language) -> bool {
    let version = language.version();
    if version.is_none() {
        eprintln!("skipped: {}", language.missing());
    }
    version.is_some()
}

#[test]
fn servers_in_javascript_answer_as_the_contract_says_but_for_the_kinds_of_numbers() {
    if !is_installed(Language::JavaScript) {
        return;
    }
    for stack in ["rest-node", "jsonrpc-node"] {
        let server = Process::start(&mut rpcbench(&["serve", stack]));
        let (protocol, url) = (stack.split('-').next().unwrap(), server.url());
        let check = ["check", protocol, &url, "--numbers", "any"];
        assert_checked(&mut rpcbench(&check), &[BEYOND_64_BITS, "echo"]);
        // Integers and floats are one type, so that without that option it is refused.
        finish(&mut rpcbench(&check[..3])).with(1, &[]);
        assert_called(&mut rpcbench(&["call", protocol, &url, "divide", "-7", "2"]));
        assert_ends_on_sigterm(server);
    }
}

/// Whether Node.js finds the packages of `servers/node`.
fn has_jayson() -> bool {
    let found = Command::new("node").args(["-e", "require('jayson')"]).output();
    let is_found = found.is_ok_and(|output| output.status.success());
    if !is_found {
        eprintln!(
            "skipped: Node.js does not find jayson; install the packages of servers/node, and set NODE_PATH"
        );
    }
    is_found
}

#[test]
fn jayson_is_called_and_calls() {
    if !is_installed(Language::JavaScript) || !has_jayson() {
        return;
    }
    let server = Process::start(&mut rpcbench(&["serve", "jsonrpc-jayson"]));
    let url = server.url();
    assert_checked(&mut rpcbench(&["check", "jsonrpc", &url, "--numbers", "any"]), &[BEYOND_64_BITS, "echo"]);
    assert_called(&mut rpcbench(&["call", "jsonrpc", &url, "divide", "-7", "2"]));
    assert_ends_on_sigterm(server);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../servers/node/clients.js");
    for stack in ["jsonrpc", "jsonrpc-bare", "jsonrpc-ws"] {
        let ours = Process::start(&mut rpcbench(&["serve", stack]));
        let ended = finish(Command::new("node").args([script, &ours.url()])).with(0, &[]);
        assert_eq!(ended.out.len(), 12, "{}", ended.out.join("\n"));
        assert_ends_on_sigterm(ours);
    }
}

#[test]
fn a_package_that_node_does_not_find_is_named_with_the_remedy() {
    if is_installed(Language::JavaScript) {
        let mut serve = rpcbench(&["serve", "jsonrpc-jayson"]);
        finish(serve.env("NODE_PATH", "/nowhere")).with(3, &["no package jayson", "npm ci", "NODE_PATH"]);
    }
}

#[test]
fn servers_in_go_answer_as_the_contract_says() {
    if !is_installed(Language::Go) {
        return;
    }
    for stack in ["rest-go", "jsonrpc-go"] {
        let server = Process::start(&mut rpcbench(&["serve", stack, "--work", "compute:1ms"]));
        let (protocol, url) = (stack.split('-').next().unwrap(), server.url());
        assert_checked(&mut rpcbench(&["check", protocol, &url]), &["echo"]);
        assert_called(&mut rpcbench(&["call", protocol, &url, "divide", "-7", "2"]));
        assert_ends_on_sigterm(server);
    }
}

#[test]
fn languages_are_compared_in_a_run() {
    let installed = [(Language::JavaScript, "rest-node"), (Language::Go, "jsonrpc-go")];
    let installed: Vec<_> = installed.iter().filter(|(language, _)| is_installed(*language)).collect();
    let stacks: Vec<_> =
        ["rest-hyper"].into_iter().chain(installed.iter().map(|(_, stack)| *stack)).collect();
    let record = measured(&stacks.join(","), &["--load=closed:4", "--numbers=any"]);
    assert_eq!(record.skipped, []);
    for stack in stacks {
        let trial = record.trials.iter().find(|trial| trial.stack == stack).unwrap();
        assert!(trial.counts.right > 0 && trial.counts.not_right() == trial.counts.unfinished, "{trial:?}");
    }
}

/// Stacks whose servers listen themselves.
const REFERENCE_STACKS: [&str; 8] = [
    "rest-python",
    "xmlrpc-python",
    "xmlrpc-python-threads",
    "jsonrpc-python",
    "jsonrpc-lines-python",
    "jsonrpc-ws-python",
    "grpc-python",
    "thrift-python",
];

#[test]
fn reference_servers_are_stacks() {
    // More callers than Python's own backlog holds, each with a connection; and a payload, which these servers lack.
    let record = measured(&REFERENCE_STACKS.join(","), &["--load=closed:16", "--operation=hello,echo"]);
    assert_eq!(record.skipped, []);
    for stack in REFERENCE_STACKS {
        let facts = record.stacks.iter().find(|facts| facts.name == stack).unwrap();
        let has_threads = stack.ends_with("-threads")
            || ["jsonrpc-lines-python", "jsonrpc-ws-python", "grpc-python", "thrift-python"].contains(&stack);
        assert_eq!(facts.executor, if has_threads { "threads" } else { "blocking" });
        let trials: Vec<_> = record.trials.iter().filter(|trial| trial.stack == stack).collect();
        let [trial] = trials[..] else { panic!("{stack}: {} trials", trials.len()) };
        assert!(trial.counts.right > 0 && trial.counts.not_right() == trial.counts.unfinished, "{trial:?}");
        assert_eq!(trial.server.is_some_and(|used| used.cpu_ns > 0), rpcbench::sys::FULL, "{stack}");
    }
}

#[test]
fn handlers_of_reference_servers_work_in_a_run() {
    let stacks = [&REFERENCE_STACKS[..], &["zerorpc-python"]].concat();
    let record = measured(&stacks.join(","), &["--load=closed:1", "--server-arg=--work=sleep:2ms"]);
    assert_eq!(record.skipped, []);
    for stack in stacks {
        let trial = record.trials.iter().find(|trial| trial.stack == stack).unwrap();
        // Within the histogram's resolution.
        assert!(trial.latency.as_ref().is_some_and(|latency| latency.min >= 1_998_000), "{trial:?}");
    }
}

#[test]
fn a_reference_server_is_served_by_name() {
    for stack in REFERENCE_STACKS {
        let server = Process::start(&mut rpcbench(&["serve", stack, "--work", "compute:1ms"]));
        assert_called(&mut rpcbench(&["call", stack, &server.url(), "divide", "-7", "2"]));
        assert_ends_on_sigterm(server);
    }
    let refused = finish(&mut rpcbench(&["serve", "xmlrpc-python", "--fail", "1/3"]));
    refused.with(2, &["--fail: ", "reference implementation"]);
}

#[test]
fn a_language_that_is_not_installed_is_named_with_the_remedy() {
    for (stack, variable, word) in
        [("rest-node", "RPCBENCH_NODE", "there is no Node.js"), ("rest-go", "RPCBENCH_GO", "there is no Go")]
    {
        let folder = tempfile::tempdir().unwrap();
        let run = ["run", "--stack", stack, "--numbers=any", "--out", folder.path().to_str().unwrap()];
        for arguments in [&run[..], &["serve", stack]] {
            finish(rpcbench(arguments).env(variable, "/nowhere/it")).with(3, &[word, variable]);
        }
    }
}

#[test]
fn a_reference_server_that_cannot_be_started_is_skipped_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let nothing_left = |python: &str, word: &str| {
        let arguments = ["run", "--stack", "jsonrpc-python", "--out", out];
        let ended = finish(rpcbench(&arguments).env("RPCBENCH_PYTHON", python));
        let ended = ended.with(3, &["jsonrpc-python", word, "RPCBENCH_PYTHON"]);
        let said: Vec<_> = ended.err.iter().filter(|line| line.contains(word)).collect();
        assert!(said.iter().all(|line| line.contains("servers/python/requirements.txt")), "{said:?}");
    };
    nothing_left("/nowhere/python", "there is no Python `/nowhere/python`");
    // An interpreter without what was installed for this one.
    let bare = folder.path().join("python");
    let interpreter = python("").get_program().to_owned();
    let script = format!("#!/bin/sh\nexec '{}' -I -S \"$@\"\n", interpreter.display());
    std::fs::write(&bare, script).unwrap();
    std::fs::set_permissions(&bare, std::fs::Permissions::from_mode(0o755)).unwrap();
    nothing_left(bare.to_str().unwrap(), "No module named 'jsonrpclib'");
}

/// The record of a short run of `stacks`.
fn measured(stacks: &str, options: &[&str]) -> rpcbench::record::Record {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let arguments =
        ["run", "--stack", stacks, "--blocks=1", "--seconds=0.3", "--placement=free", "--out", out];
    finish(rpcbench(&arguments).args(options)).with(0, &[]);
    rpcbench::record::read(folder.path()).unwrap()
}
