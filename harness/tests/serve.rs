//! `rpcbench serve` through the real binary: how servers end, whatever their handlers do, and who may use a control port.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::{CONTROL_TOKEN, Process, TEST_TIMEOUT, finish, is_ignored, rpcbench};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rpcbench::observe::control::{ControlPort, request_stats};

/// A server with a control port.
struct Server {
    process: Process,
    url: String,
    control: ControlPort,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut command = rpcbench(&["serve"]);
        let process = Process::start(command.args(arguments).args(["--control", "127.0.0.1:0"]));
        let url = process.url();
        let line = process.err.recv_timeout(TEST_TIMEOUT).unwrap();
        let address = line.strip_prefix("control port ").unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        let control = ControlPort { address, token: CONTROL_TOKEN.parse().unwrap() };
        Server { process, url, control }
    }

    /// Waits until a handler has begun.
    fn wait_for_call(&self) {
        self.wait_for_calls(1);
    }

    /// Waits until so many handlers have begun.
    fn wait_for_calls(&self, calls: u64) {
        let begun = Instant::now();
        while request_stats(&self.control).unwrap().calls < calls {
            assert!(begun.elapsed() < TEST_TIMEOUT, "{}: fewer than {calls} calls arrive", self.url);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_handler_that_does_not_end_keeps_no_server_from_ending() {
    let mut servers = Vec::new();
    let mut signals = vec![Signal::SIGTERM, Signal::SIGINT];
    // A server that was started with `nohup` ignores it on purpose.
    if !is_ignored(Signal::SIGHUP) {
        signals.push(Signal::SIGHUP);
    }
    for (number, stack) in
        ["tcp", "rest", "xmlrpc", "jsonrpc", "jsonrpc-lines", "jsonrpc-ws", "zerorpc", "grpc", "thrift"]
            .into_iter()
            .enumerate()
    {
        for (executor, other) in [("blocking", "async"), ("threads:1", "blocking"), ("async", "threads:1")] {
            let server = Server::start(&[stack, "--executor", executor, "--handler-delay", "1h"]);
            let call = ["call", stack, &server.url, "add", "2", "3", "--timeout", "1h"];
            let caller = Process::start(&mut rpcbench(&call));
            let signal = signals[(number + other.len()) % signals.len()];
            servers.push((server, caller, signal, format!("{stack} {executor}")));
        }
    }
    for (server, _, signal, _) in &servers {
        server.wait_for_call();
        server.process.signal(*signal);
    }
    for (mut server, mut caller, signal, what) in servers {
        let ended = server.process.ended();
        assert_eq!(ended.status.code(), Some(0), "{what} after {signal}: {:?}", ended.err);
        caller.ended();
    }
}

#[test]
fn a_sleeping_method_does_not_keep_a_server_from_ending() {
    for (stack, arguments) in [
        ("rest", ["seconds=3600"]),
        ("jsonrpc-lines", ["3600"]),
        ("jsonrpc-ws", ["3600"]),
        ("zerorpc", ["3600"]),
        ("grpc", ["3600"]),
        ("thrift", ["3600"]),
    ] {
        let mut server = Server::start(&[stack, "--service", "time", "--executor", "blocking"]);
        let call = ["call", stack, &server.url, "sleep", arguments[0], "--timeout", "2h"];
        let mut caller = Process::start(&mut rpcbench(&call));
        server.wait_for_call();
        server.process.signal(Signal::SIGTERM);
        server.process.ended().with(0, &["a handler is still running"]);
        assert_ne!(caller.ended().status.code(), Some(0));
    }
}

/// A server that speaks to its parent process, with `temporary` as the folder for temporary files.
fn over_stdio(temporary: &Path) -> Child {
    let mut serve = rpcbench(&["serve", "jsonrpc-lines", "--stdio"]);
    serve
        .env("TMPDIR", temporary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A request of JSON-RPC in a line, and its response.
fn addition(x: u32) -> (String, String) {
    let request = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":[{x},1],\"id\":{x}}}\n");
    (request, format!("{{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":{x}}}\n", x + 1))
}

#[test]
fn a_server_over_standard_input_and_output_answers_until_the_input_ends() {
    let temporary = tempfile::tempdir().unwrap();
    let mut server = over_stdio(temporary.path());
    let _limit = Limit::of(&server);
    let mut input = server.stdin.take().unwrap();
    let mut output = BufReader::new(server.stdout.take().unwrap());
    // Each response arrives before the next request is sent.
    for x in 0..3 {
        let (request, expected) = addition(x);
        input.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        output.read_line(&mut response).unwrap();
        assert_eq!(response, expected);
    }
    // What was sent before the end is answered.
    let (requests, expected): (String, String) = (0..5_000).map(addition).unzip();
    let writing = std::thread::spawn(move || input.write_all(requests.as_bytes()).map(|()| drop(input)));
    let mut responses = String::new();
    output.read_to_string(&mut responses).unwrap();
    assert!(responses == expected, "{} of {} bytes", responses.len(), expected.len());
    writing.join().unwrap().unwrap();
    let ended = server.wait_with_output().unwrap();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
}

/// Ends a server that a test waits for in vain.
struct Limit {
    done: std::sync::mpsc::Sender<()>,
}

impl Limit {
    fn of(server: &Child) -> Self {
        let (done, is_done) = std::sync::mpsc::channel();
        let id = Pid::from_raw(server.id().try_into().unwrap());
        std::thread::spawn(move || {
            if is_done.recv_timeout(TEST_TIMEOUT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _ = kill(id, Signal::SIGKILL);
            }
        });
        Limit { done }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = self.done.send(());
    }
}

#[test]
fn a_call_in_progress_over_standard_output_is_answered_after_the_end_of_the_input_and_after_a_signal() {
    let temporary = tempfile::tempdir().unwrap();
    for by_signal in [false, true] {
        let mut serve = rpcbench(&["serve", "jsonrpc-lines", "--stdio", "--work", "sleep:2500ms"]);
        serve.env("TMPDIR", temporary.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = serve.stderr(Stdio::piped()).spawn().unwrap();
        let _limit = Limit::of(&server);
        let mut input = server.stdin.take().unwrap();
        let [(first, first_sum), (second, second_sum)] = [addition(1), addition(2)];
        input.write_all((first + &second).as_bytes()).unwrap();
        // The response to the first is written when the second has begun.
        let mut output = BufReader::new(server.stdout.take().unwrap());
        let mut response = String::new();
        output.read_line(&mut response).unwrap();
        assert_eq!(response, first_sum);
        if by_signal {
            kill(Pid::from_raw(server.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        } else {
            drop(input);
        }
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, second_sum, "by a signal: {by_signal}");
        let ended = server.wait_with_output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    }
}

#[test]
fn a_server_over_standard_input_and_output_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    // The input ends at once.
    let mut server = over_stdio(temporary.path());
    let _limit = Limit::of(&server);
    drop(server.stdin.take());
    let ended = server.wait_with_output().unwrap();
    assert!(ended.status.success() && ended.stdout.is_empty() && ended.stderr.is_empty(), "{ended:?}");
    let left: Vec<_> = std::fs::read_dir(&temporary).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    finish(&mut rpcbench(&["serve", "rest", "--stdio"])).with(2, &["--stdio", "rest", "no pipes"]);
    finish(&mut rpcbench(&["serve", "rest", "--listen", "pipe:/tmp/x"]))
        .with(2, &["--listen", "rest", "no pipes"]);
    finish(&mut rpcbench(&["serve", "jsonrpc-lines", "--stdio", "--listen", "127.0.0.1:0"]))
        .with(2, &["--listen"]);
}

#[test]
fn the_executor_decides_whether_a_handler_begins_while_another_one_sleeps() {
    for stack in
        ["tcp-async", "rest", "xmlrpc", "jsonrpc", "jsonrpc-lines", "jsonrpc-ws", "zerorpc", "grpc", "thrift"]
    {
        for (executor, overlaps) in
            [("blocking", false), ("threads:1", false), ("threads:2", true), ("async", true)]
        {
            let server = Server::start(&[stack, "--executor", executor, "--work", "sleep:10s"]);
            let call = ["call", stack, &server.url, "add", "2", "3", "--timeout"];
            let _first = Process::start(rpcbench(&call).arg("1h"));
            server.wait_for_calls(1);
            if overlaps {
                let _second = Process::start(rpcbench(&call).arg("1h"));
                server.wait_for_calls(2);
            } else {
                finish(rpcbench(&call).arg("200ms")).with(3, &["timeout"]);
                assert_eq!(request_stats(&server.control).unwrap().calls, 1, "{stack} {executor}");
            }
        }
    }
}

#[test]
fn a_server_that_ends_in_a_handler_removes_its_socket_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listen = format!("unix:{}", path.display());
    let delay = ["--executor", "blocking", "--handler-delay", "1h"];
    let mut server = Server::start(&[&["rest", "--listen", &listen], &delay[..]].concat());
    let mut caller = Process::start(&mut rpcbench(&["call", "rest", &server.url, "add", "x=2", "y=3"]));
    server.wait_for_call();
    assert!(path.exists());
    server.process.signal(Signal::SIGINT);
    server.process.ended().with(0, &[]);
    assert!(!path.exists());
    caller.ended();
}

#[test]
fn a_parent_that_is_killed_ends_a_server_in_a_handler() {
    let mut command = rpcbench(&["serve", "rest", "--executor", "blocking", "--handler-delay", "1h"]);
    command.args(["--control", "127.0.0.1:0", "--end-with-input"]).stdin(std::process::Stdio::piped());
    let mut process = Process::start(&mut command);
    let url = process.url();
    let mut caller = Process::start(&mut rpcbench(&["call", "rest", &url, "add", "x=2", "y=3"]));
    // It has sent the call when it gives up waiting for the reply.
    caller.ended().with(3, &["timeout"]);
    // Ends standard input.
    process.ended().with(0, &["a handler is still running"]);
}

fn send(address: SocketAddr, text: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.write_all(text.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(connection).read_line(&mut line).unwrap();
    line
}

#[test]
fn a_control_port_asks_for_the_token_in_the_environment() {
    let serve = ["serve", "rest", "--control", "127.0.0.1:0"];
    let without = |token: &str| finish(rpcbench(&serve).env("RPCBENCH_CONTROL_TOKEN", token));
    without("").with(2, &["RPCBENCH_CONTROL_TOKEN", "openssl rand -hex 16"]);
    let refused = without("short");
    assert!(!refused.err.join("\n").contains("short"), "{:?}", refused.err);
    refused.with(2, &["RPCBENCH_CONTROL_TOKEN", "16 to 128"]);

    let server = Server::start(&["rest", "--fail", "1/1"]);
    let address = server.control.address;
    let call = ["call", "rest", &server.url, "add", "x=2", "y=3"];
    assert!(send(address, "faults off\n").contains("wrong token"));
    assert!(send(address, "token wrong-token-of-a-stranger\nfaults off\n").contains("wrong token"));
    finish(&mut rpcbench(&call)).with(1, &[]);
    assert!(send(address, &format!("token {CONTROL_TOKEN}\nfaults off\n")).contains("\"calls\":"));
    finish(&mut rpcbench(&call)).with(0, &[]);
    // Not in the list of processes, which every user can read.
    let command = std::fs::read(format!("/proc/{}/cmdline", server.process.pid())).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&command).contains(CONTROL_TOKEN));
}

#[test]
fn a_run_and_an_agent_with_a_wrong_token_end_with_the_reason() {
    let server = Server::start(&["rest-hyper"]);
    let (target, control) =
        (format!("rest-hyper={}", server.url), format!("rest-hyper={}", server.control.address));
    let folder = tempfile::tempdir().unwrap();
    let run = ["run", "--stack", "rest-hyper", "--target", &target, "--control", &control, "--blocks", "1"];
    let clock = server.control.address.to_string();
    let agent = ["agent", "--target", &target, "--clock", &clock, "--at", "1", "--out", "x.json"];
    for arguments in [&run[..], &agent] {
        let with_token = |token: &str| {
            finish(rpcbench(arguments).env("RPCBENCH_CONTROL_TOKEN", token).current_dir(folder.path()))
        };
        with_token("").with(2, &["RPCBENCH_CONTROL_TOKEN"]);
        with_token("another-token-of-16").with(3, &["wrong token"]);
    }
}

/// A port that accepts connections and never replies.
#[test]
fn a_control_port_that_sends_a_byte_at_a_time_does_not_hold_up_a_run() {
    let slow = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = slow.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in slow.incoming().flatten() {
            std::thread::spawn(move || {
                while (&connection).write_all(b" ").is_ok() {
                    std::thread::sleep(Duration::from_millis(100));
                }
            });
        }
    });
    let server = Server::start(&["rest-hyper"]);
    let folder = tempfile::tempdir().unwrap();
    let (target, control) = (format!("rest-hyper={}", server.url), format!("rest-hyper={address}"));
    let run = ["run", "--stack", "rest-hyper", "--target", &target, "--control", &control, "--blocks", "1"];
    finish(rpcbench(&run).current_dir(folder.path()))
        .with(3, &["--control rest-hyper", &address.to_string()]);
}
