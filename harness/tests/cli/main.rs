//! The command line through the real binary: what it accepts, what it says, and the exit code that tells a script so.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

mod check;
#[path = "../common/mod.rs"]
mod common;
mod compare;
mod escapes;
mod gate;
mod history;
mod index;
mod output;
mod peer;
mod screen;
mod targets;
mod usage;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Process, TEST_TIMEOUT, finish, rpcbench};
use nix::sys::signal::Signal;

const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/records/ten-blocks");

/// A loopback port on which no process listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn serve(arguments: &[&str]) -> (Process, String) {
    let server = Process::start(rpcbench(&["serve"]).args(arguments));
    let url = server.url();
    (server, url)
}

#[test]
fn an_unknown_word_is_answered_with_the_known_ones() {
    for (arguments, words) in [
        (&["serve", "soap"][..], &["soap", "rest-hyper", "zerorpc"][..]),
        (&["call", "soap", "http://127.0.0.1:1/", "add"], &["soap", "rest-hyper"]),
        (&["check", "soap", "http://127.0.0.1:1/"], &["soap", "rest-hyper"]),
        (&["run", "--stack", "soap"], &["soap", "rest-hyper"]),
        (&["run", "--target", "soap=http://127.0.0.1:1/"], &["soap", "rest-hyper"]),
        (&["run", "--require", "soap"], &["soap", "rest-hyper"]),
        (&["run", "qick"], &["qick", "quick, standard", ".toml"]),
        (&["run", "--operation", "power"], &["power", "add", "echo"]),
        (&["run", "--load", "fast"], &["fast", "closed:"]),
        (&["run", "--placement", "here"], &["here", "split", "shared", "free"]),
        (&["run", "--bloks", "1"], &["--bloks", "--blocks"]),
        (&["history", ".", "--metric", "latencies"], &["latencies", "latency", "throughput", "cpu", "bytes"]),
        // Any name may be that of an operation of one's own, so the records decide.
        (&["history", RECORD, "--operation", "ad"], &["did you mean `add`?"]),
        (&["history", ".", "--stak", "rest"], &["--stak", "--stack"]),
        (&["histroy"], &["histroy", "history"]),
        (&["run", "--seconds", "0"], &["20ms"]),
        (&["run", "quick", "standard", "--out", "x"], &["--out"]),
        (&["serve", "rest", "--executor", "threads"], &["threads", "blocking"]),
        (&["serve", "rest", "--stall", "soon"], &["LENGTH/PERIOD"]),
        (&["serve", "amqp"], &["--broker"]),
        (&["serve", "inproc"], &["inproc"]),
        (&["rum"], &["rum", "run"]),
    ] {
        let ended = finish(&mut rpcbench(arguments)).with(2, words);
        assert_eq!(ended.out, Vec::<String>::new(), "{arguments:?}");
    }
}

#[test]
fn every_command_explains_itself() {
    let help = finish(&mut rpcbench(&["--help"])).with(0, &[]).out.join("\n");
    for command in [
        "run", "serve", "call", "check", "init", "report", "compare", "history", "agent", "merge", "list",
        "doctor",
    ] {
        assert!(help.contains(&format!("  {command} ")), "{help}");
        let own = finish(&mut rpcbench(&[command, "--help"])).with(0, &[]).out.join("\n");
        assert!(own.contains(&format!("rpcbench {command}")), "{own}");
    }
    // The details of a command, which its summary leaves out.
    let call = finish(&mut rpcbench(&["call", "--help"])).with(0, &[]).out.join("\n");
    assert!(call.contains("NAME=VALUE"), "{call}");
    let list = finish(&mut rpcbench(&["list"])).with(0, &[]).out.join("\n");
    for word in ["rest-hyper", "amqp", "quick", "standard", "divide(x, y)"] {
        assert!(list.contains(word), "{list}");
    }
}

#[test]
fn a_mistake_in_a_scenario_is_reported_with_its_place_and_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let path = file.to_str().unwrap();
    let text =
        include_str!("../../../scenarios/quick.toml").replace("load = \"closed:1\"", "load = \"closed\"");
    std::fs::write(&file, &text).unwrap();
    let line = text.lines().position(|line| line == "load = \"closed\"").unwrap() + 1;
    finish(&mut rpcbench(&["run", path])).with(2, &[&format!("{path}:{line}:"), "closed:CALLERS"]);

    std::fs::write(&file, "name = \"mine\"\nblocks = 0\n").unwrap();
    finish(&mut rpcbench(&["run", path])).with(2, &[&format!("{path}:2:"), "expected a number from 1 to"]);
    finish(&mut rpcbench(&["run", "/nowhere/mine.toml"])).with(2, &["/nowhere/mine.toml", "No such file"]);
}

#[test]
fn a_server_that_is_not_there_is_named_with_its_address() {
    let port = closed_port().to_string();
    for (stack, scheme) in
        [("rest", "http"), ("xmlrpc", "http"), ("jsonrpc-hyper", "http"), ("zerorpc", "tcp"), ("tcp", "tcp")]
            .into_iter()
            .chain([
                ("grpc", "grpc"),
                ("grpc-h2", "grpc"),
                ("thrift", "thrift"),
                ("thrift-compact", "thrift"),
                ("jsonrpc-lines", "tcp"),
                ("jsonrpc-ws", "ws"),
            ])
    {
        let url = format!("{scheme}://127.0.0.1:{port}");
        for command in [&["call", stack, &url, "add", "2", "3"][..], &["check", stack, &url]] {
            let ended = finish(rpcbench(command).args(["--timeout", "1s"]));
            ended.with(3, &[&format!("{stack}: "), &format!("127.0.0.1:{port}")]);
        }
    }
    let url = format!("amqp://user:secret@127.0.0.1:{port}/");
    let ended = finish(&mut rpcbench(&["call", "amqp", &url, "add", "2", "3"])).with(3, &["amqp: ", &port]);
    assert!(!ended.err.join("\n").contains("secret"));
}

#[test]
fn a_call_prints_its_result_as_json_and_its_error_with_exit_code_1() {
    let (_server, url) = serve(&["rest"]);
    let call = |arguments: &[&str]| finish(rpcbench(&["call", "rest", &url]).args(arguments));
    assert_eq!(call(&["add", "2", "3"]).with(0, &[]).out, ["5"]);
    assert_eq!(call(&["divide", "-7", "2.0"]).with(0, &[]).out, ["-3.5"]);
    assert_eq!(call(&["subtract", "x=3", "y=10", "--timeout", "9s"]).with(0, &[]).out, ["7"]);
    assert_eq!(call(&["hello", "--", "--you"]).with(0, &[]).out, ["\"hello, --you\""]);
    call(&["divide", "1", "0"]).with(1, &["zero-division"]);
    call(&["nosuch"]).with(1, &["unknown-method", "nosuch"]);
    call(&["add", "1", "y=2"]).with(2, &["NAME=VALUE"]);
    call(&["add", "1", "--tomeout", "9s"]).with(2, &["--tomeout"]);
}

#[test]
fn a_json_rpc_batch_prints_each_result_and_a_notification_nothing() {
    let (_server, url) = serve(&["jsonrpc"]);
    let call = |arguments: &[&str]| finish(rpcbench(&["call", "jsonrpc", &url]).args(arguments));
    let batch = call(&["--batch", "add", "2", "3", ",", "hello", "name=RPC", ",", "echo", ","]);
    batch.with(2, &["a method is missing"]);
    assert_eq!(
        call(&["--batch", "add", "2", "3", ",", "hello", "name=RPC"]).with(0, &[]).out,
        ["5", "\"hello, RPC\""]
    );
    let failed = call(&["add", "2", "3", ",", "divide", "1", "0", "--batch"]).with(1, &[]);
    assert!(failed.out[0] == "5" && failed.out[1].contains("zero-division"), "{:?}", failed.out);
    assert_eq!(call(&["add", "2", "3", "--notify"]).with(0, &[]).out, Vec::<String>::new());
    assert_eq!(
        call(&["add", "2", "3", ",", "add", "1", "2", "--notify", "--batch"]).with(0, &[]).out,
        Vec::<String>::new()
    );
    finish(&mut rpcbench(&["call", "rest", &url, "add", "1", "2", "--notify"])).with(2, &["for jsonrpc"]);
}

/// Answers one request, and passes on what was asked.
fn answer_once(response: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = std::thread::spawn(move || {
        let mut connection = listener.accept().unwrap().0;
        let request = answer(&mut connection, "}");
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            response.len()
        );
        connection.write_all((head + response).as_bytes()).unwrap();
        request
    });
    (address, asked)
}

#[test]
fn zabbix_is_called_with_its_type_and_with_the_headers_that_are_given() {
    let (address, asked) = answer_once(r#"{"jsonrpc":"2.0","result":"7.0.5","id":1000000000}"#);
    let url = format!("http://{address}/api_jsonrpc.php");
    let called = finish(&mut rpcbench(&[
        "call",
        "jsonrpc",
        &url,
        "apiinfo.version",
        "--header",
        "Authorization: Bearer secret",
    ]));
    assert_eq!(called.with(0, &[]).out, ["\"7.0.5\""]);
    let asked = asked.join().unwrap();
    for line in ["content-type: application/json-rpc\r\n", "authorization: Bearer secret\r\n"] {
        assert!(asked.contains(line), "{asked}");
    }
    assert!(
        asked.ends_with(r#"{"jsonrpc":"2.0","method":"apiinfo.version","params":[],"id":1000000000}"#),
        "{asked}"
    );
    let refused =
        finish(&mut rpcbench(&["call", "jsonrpc", &url, "m", "--header", "secret"])).with(2, &["NAME:VALUE"]);
    assert!(!refused.err.join("").contains("secret: "));
    finish(&mut rpcbench(&["check", "tcp", "tcp://127.0.0.1:1", "--header", "a:b"]))
        .with(2, &["--header is for rest, xmlrpc, jsonrpc"]);
}

#[test]
fn what_only_xml_rpc_has_a_form_for_goes_there_and_back() {
    let (_server, url) = serve(&["xmlrpc", "--allow-none"]);
    for value in [r#"{"dateTime.iso8601": "19980717T14:08:55"}"#, r#"[{"base64": "AP8="}]"#] {
        assert_eq!(finish(&mut rpcbench(&["call", "xmlrpc", &url, "echo", value])).with(0, &[]).out, [value]);
    }
    let null = ["call", "xmlrpc", &url, "echo", "null"];
    finish(&mut rpcbench(&null)).with(1, &["allow_none"]);
    assert_eq!(finish(rpcbench(&null).arg("--allow-none")).with(0, &[]).out, ["null"]);
    finish(&mut rpcbench(&["call", "rest", &url, "echo", "null", "--allow-none"])).with(2, &["for xmlrpc"]);
}

#[test]
fn a_server_prints_one_line_and_ends_on_sigterm_and_sigint() {
    for (stack, signal) in [
        ("tcp", Signal::SIGTERM),
        ("rest", Signal::SIGINT),
        ("zerorpc", Signal::SIGTERM),
        ("xmlrpc", Signal::SIGINT),
        ("grpc", Signal::SIGTERM),
        ("thrift", Signal::SIGINT),
        ("jsonrpc-lines", Signal::SIGTERM),
        ("jsonrpc-ws", Signal::SIGINT),
    ] {
        let (mut server, url) = serve(&[stack]);
        finish(&mut rpcbench(&["check", stack, &url])).with(0, &[]);
        server.signal(signal);
        let ended = server.ended().with(0, &[]);
        assert_eq!((ended.out, ended.err), (vec![], vec![]), "{stack}");
    }
}

#[test]
fn a_server_whose_broker_never_answers_ends_when_it_is_told_to() {
    let broker = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://user:secret@{}/", broker.local_addr().unwrap());
    let mut server = Process::start(&mut rpcbench(&["serve", "amqp", "--broker", &url]));
    // It has connected, and waits for the handshake.
    let (_connection, _) = broker.accept().unwrap();
    server.signal(Signal::SIGTERM);
    server.ended().with(0, &[]);
}

#[test]
fn loads_and_connections_out_of_range_are_refused_with_the_range() {
    for (arguments, words) in [
        (&["run", "--load", "open:0:poisson"][..], &["open:0:poisson", "1 to 1000000 calls a second"][..]),
        (&["run", "--load", "open:-5:constant"], &["1 to 1000000 calls a second"]),
        (&["run", "--load", "open:5000"], &["open:5000:poisson"]),
        (&["run", "--load", "closed:0"], &["1 to 10000 callers"]),
        (&["run", "--connections", "10001"], &["1 to 10000 connections"]),
        (&["run", "saturation", "--connections", "10001"], &["1 to 10000 connections"]),
        (&["run", "--connections", "0"], &["--connections"]),
    ] {
        finish(&mut rpcbench(arguments)).with(2, words);
    }
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for stack in ["tcp", "rest", "jsonrpc-lines", "jsonrpc-ws", "zerorpc", "grpc", "thrift"] {
        finish(&mut rpcbench(&["serve", stack, "--listen", &address])).with(3, &[&address, "in use"]);
    }
}

/// Sends `add(2, 3)` over REST.
fn ask(connection: &mut TcpStream) {
    let body = r#"{"x":2,"y":3}"#;
    let request = format!(
        "POST /add HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).unwrap();
}

/// What comes back until `end`, or until the connection is closed.
fn answer(connection: &mut TcpStream, end: &str) -> String {
    connection.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    let mut text = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&text).ends_with(end) && connection.read(&mut byte).unwrap() > 0 {
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn a_server_that_is_told_to_end_finishes_the_call_in_hand() {
    let (mut server, url) = serve(&["rest", "--handler-delay", "1s"]);
    let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut connection = TcpStream::connect(address).unwrap();
    ask(&mut connection);
    assert!(answer(&mut connection, "}").ends_with(r#"{"result":5}"#));
    // The connection is served, so the next call is in hand as soon as it has been read.
    ask(&mut connection);
    std::thread::sleep(Duration::from_millis(300));
    server.signal(Signal::SIGTERM);
    assert!(answer(&mut connection, "}").ends_with(r#"{"result":5}"#));
    server.ended().with(0, &[]);
}

#[test]
fn a_call_that_takes_too_long_does_not_keep_a_server_from_ending() {
    let (mut server, url) = serve(&["rest", "--handler-delay", "10m"]);
    let mut connection = TcpStream::connect(url.trim_start_matches("http://").trim_end_matches('/')).unwrap();
    ask(&mut connection);
    std::thread::sleep(Duration::from_millis(300));
    server.signal(Signal::SIGTERM);
    // The call takes longer than the test waits.
    server.ended().with(0, &[]);
}

#[test]
fn a_server_commits_the_faults_it_is_told_to() {
    let add = |stack: &str, url: &str| finish(&mut rpcbench(&["call", stack, url, "add", "2", "3"]));

    let (_server, url) = serve(&["jsonrpc", "--fail", "1/3"]);
    let codes: Vec<_> = (0..6).map(|_| add("jsonrpc", &url).status.code().unwrap()).collect();
    assert_eq!(codes.iter().filter(|code| **code == 1).count(), 2, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 4, "{codes:?}");

    let (_server, url) = serve(&["xmlrpc", "--wrong", "1/2"]);
    let answers: Vec<_> = (0..4).map(|_| add("xmlrpc", &url).with(0, &[]).out.concat()).collect();
    assert_eq!(answers.iter().filter(|answer| *answer == "5").count(), 2, "{answers:?}");
    finish(&mut rpcbench(&["check", "xmlrpc", &url])).with(1, &[]);
}

#[test]
fn a_server_that_stalls_answers_again() {
    let (_server, url) = serve(&["zerorpc", "--stall", "900ms/1s"]);
    let add = |timeout| {
        finish(&mut rpcbench(&["call", "zerorpc", &url, "add", "2", "3", "--timeout", timeout])).status.code()
    };
    let begun = Instant::now();
    while add("100ms") != Some(3) {
        assert!(begun.elapsed() < TEST_TIMEOUT, "the server never stalls");
    }
    assert_eq!(add("10s"), Some(0));
}

#[test]
fn results_that_cannot_be_written_are_found_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let below = file.join("results");
    let out = below.to_str().unwrap();
    let ended = finish(&mut rpcbench(&["run", "--out", out])).with(2, &[out, "Not a directory"]);
    assert_eq!(ended.err.len(), 1, "{:?}", ended.err);
}

/// In a separate mount namespace, which ends with the process: nothing is left mounted.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_found_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().to_str().unwrap();
    let program = env!("CARGO_BIN_EXE_rpcbench");
    let on_a_small_disk = |script: &str| {
        let script = format!("mount -t tmpfs -o size=1m small '{small}' && {script}");
        let mut command = std::process::Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
            .current_dir(Path::new("/"));
        finish(&mut command)
    };
    if !on_a_small_disk("true").status.success() {
        println!("not tested: this system does not allow a mount namespace to be made");
        return;
    }
    let ended = on_a_small_disk(&format!("'{program}' run --out '{small}/results'"));
    ended.with(2, &["cannot write results", "No space left"]);
    // What was tried is removed again.
    let ended = on_a_small_disk(&format!(
        "'{program}' run --out '{small}/results'; test -z \"$(ls -A '{small}/results')\""
    ));
    ended.with(0, &["No space left"]);
}
