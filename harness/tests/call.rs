//! `rpcbench call` over HTTP, and what it shows of servers of other programs, through the real binary.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::thread::JoinHandle;

use common::{Ended, Process, TEST_TIMEOUT, finish, rpcbench};
use serde_json::{Value as Json, json};

const PROTOCOLS: [&str; 3] = ["rest", "xmlrpc", "jsonrpc"];

/// A server that answers requests with `responses` in turn, on one connection after the other, and returns the requests.
fn answering(responses: &[&str]) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let responses: Vec<String> = responses.iter().map(|response| (*response).to_owned()).collect();
    let requests = std::thread::spawn(move || {
        let mut requests = Vec::new();
        let mut connection = listener.accept().unwrap().0;
        for response in responses {
            let request = loop {
                match read_request(&mut connection) {
                    Some(request) => break request,
                    None => connection = listener.accept().unwrap().0,
                }
            };
            requests.push(request);
            connection.write_all(response.as_bytes()).unwrap();
        }
        // It stays open until the client closes it.
        let _ = connection.read_to_end(&mut Vec::new());
        requests
    });
    (address, requests)
}

/// The next request; `None` if the client has closed the connection.
fn read_request(connection: &mut TcpStream) -> Option<String> {
    connection.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    let mut request = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let length = connection.read(&mut buffer).unwrap_or(0);
        request.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text.into_owned());
            }
        }
        if length == 0 {
            assert!(request.is_empty(), "the request is incomplete: {text}");
            return None;
        }
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn call(protocol: &str, url: &str, arguments: &[&str]) -> Ended {
    finish(rpcbench(&["call", protocol, url]).args(arguments))
}

fn serve(arguments: &[&str]) -> (Process, String) {
    let server = Process::start(rpcbench(&["serve"]).args(arguments));
    let url = server.url();
    (server, url)
}

/// The only line of standard output, which is the JSON of an error.
fn error_of(ended: &Ended) -> Json {
    assert_eq!(ended.out.len(), 1, "{:?}", ended.out);
    let line: Json = serde_json::from_str(&ended.out[0]).unwrap();
    line["error"].clone()
}

#[test]
fn a_status_is_the_same_error_in_every_protocol_over_http() {
    for (status, body, kind, exit) in [
        ("401 Unauthorized", "<html>who\u{1b}[2J", "internal", 1),
        ("404 Not Found", "<html>nothing", "unknown-method", 1),
        ("405 Method Not Allowed", "<html>no", "malformed", 1),
        ("503 Service Unavailable", "later", "undeliverable", 3),
        ("302 Found\r\nlocation: https://u:secret@h:1/login?token=secret", "", "malformed", 1),
    ] {
        for protocol in PROTOCOLS {
            let response = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let (address, _) = answering(&[&response, &response]);
            let url = format!("http://{address}/api?token=secret");
            let error =
                error_of(&call(protocol, &url, &["add", "2", "3", "--error-format", "json"]).with(exit, &[]));
            assert_eq!(
                (&error["kind"], &error["code"]),
                (&json!(kind), &json!(status[..3].parse::<i64>().unwrap()))
            );

            let ended =
                call(protocol, &url, &["add", "2", "3"]).with(exit, &[kind, status.lines().next().unwrap()]);
            let shown = ended.err.join("\n");
            assert!(!shown.contains("secret") && !shown.contains('\u{1b}'), "{shown}");
            for word in [
                body.split('\u{1b}').next().unwrap(),
                if body.is_empty() { "location https://h:1/login" } else { "" },
            ] {
                assert!(shown.contains(word), "{shown}");
            }
        }
    }
}

#[test]
fn a_status_is_reported_even_if_its_body_never_ends() {
    for stack in ["rest", "rest-hyper", "rest-bare", "xmlrpc", "jsonrpc"] {
        let (address, _) =
            answering(&["HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic\r\n\r\nwho are you?\n"]);
        call(stack, &format!("http://{address}/"), &["add", "2", "3", "--timeout", "1s"])
            .with(1, &["status 401 Unauthorized", "body: who are you?"]);
    }
}

#[test]
fn an_answer_that_is_not_rpc_is_shown_with_its_first_line() {
    for protocol in PROTOCOLS {
        let (address, _) = answering(&[&ok("\r\n<!DOCTYPE html>\n<html>")]);
        call(protocol, &format!("http://{address}/"), &["add", "2", "3"])
            .with(1, &["malformed", "status 200 OK", "body: <!DOCTYPE html>"]);
    }
}

#[test]
fn the_message_of_a_server_is_one_line_without_commands_for_terminals() {
    let text = "a\\u001b[2Jb\\u009bc\\u202ed\\ne";
    let rest =
        format!("HTTP/1.1 500 Oops\r\ncontent-length: {}\r\n\r\n{{\"detail\":\"{text}\"}}", text.len() + 13);
    let jsonrpc = ok(&format!("{{\"error\":{{\"code\":1,\"message\":\"{text}\"}},\"id\":1000000000}}"));
    let xmlrpc = ok(
        "<methodResponse><fault><value><struct><member><name>faultCode</name><value>Client.Auth</value></member>\
         <member><name>faultString</name><value>b&#155;c&#8238;d&#10;e</value></member></struct></value></fault>\
         </methodResponse>",
    );
    for (protocol, response) in [("rest", rest), ("jsonrpc", jsonrpc), ("xmlrpc", xmlrpc)] {
        let (address, _) = answering(&[&response]);
        let ended =
            call(protocol, &format!("http://{address}/"), &["m"]).with(1, &["b\\u{9b}c\\u{202e}d\\ne"]);
        assert_eq!(ended.err.len(), 1, "{:?}", ended.err);
        if protocol == "xmlrpc" {
            assert!(ended.err[0].contains("data \"Client.Auth\""), "{:?}", ended.err);
        }
    }
}

#[test]
fn no_part_of_a_url_but_scheme_host_and_port_is_repeated() {
    // No server listens there.
    let port = 1;
    for command in [&["call"][..], &["check"]] {
        for protocol in PROTOCOLS {
            for scheme in ["http", "HTTP"] {
                let url = format!("{scheme}://u:secret@127.0.0.1:{port}/hooks/secret?token=secret#secret");
                let method: &[&str] = if command == ["call"] { &["add", "2", "3"] } else { &[] };
                let ended = finish(rpcbench(command).args([protocol, &url]).args(method));
                let ended = ended.with(3, &[&format!("127.0.0.1:{port}")]);
                let shown = [ended.out, ended.err].concat().join("\n");
                assert!(!shown.contains("secret") && !shown.contains("hooks"), "{shown}");
            }
        }
    }
    for url in
        ["http://u:sec/ret@h/", "http://u:secret@h:port/", "http://secret", "ftp://u:secret@h/", "u:secret@h"]
    {
        let ended = call("rest", url, &["add"]);
        let shown = ended.err.join("\n");
        assert!(!shown.contains("ret@") && !shown.contains("u:secret"), "{shown}");
    }
}

#[test]
fn headers_come_from_arguments_files_the_environment_and_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headers");
    std::fs::write(&file, "authorization: Bearer secret\n\nx-two: 2\n").unwrap();
    let path = file.to_str().unwrap();
    let at = format!("@{path}");
    let (address, requests) = answering(&[&ok("{\"result\":5}")]);
    let mut command = rpcbench(&["call", "rest", &format!("http://{address}/"), "add", "2", "3"]);
    command.args([
        "--header",
        "x-one: 1",
        "--header-file",
        path,
        "--header",
        &at,
        "--header",
        "env:TEST_HEADERS",
    ]);
    command.args(["--header", "-"]).env("TEST_HEADERS", "x-three: 3").stdin(Stdio::piped());
    let mut process = Process::start(&mut command);
    process.say("x-four: 4");
    assert_eq!(process.ended().with(0, &[]).out, ["5"]);
    let request = requests.join().unwrap().concat();
    for line in ["authorization: Bearer secret", "x-one: 1", "x-two: 2", "x-three: 3", "x-four: 4"] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{request}");
    }
    // A header that is not one is not repeated, wherever it comes from.
    std::fs::write(&file, "Bearer secret").unwrap();
    for arguments in [
        &["--header", "Bearer secret"][..],
        &["--header", &at],
        &["--header-file", path],
        &["--header", "a: \u{1}secret"],
    ] {
        for command in
            [&["call", "rest", "http://127.0.0.1:1/", "m"][..], &["check", "rest", "http://127.0.0.1:1/"]]
        {
            let shown = finish(rpcbench(command).args(arguments)).with(2, &["--header"]).err.join("\n");
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
    call("rest", "http://127.0.0.1:1/", &["m", "--header-file", "/nowhere/h"])
        .with(2, &["cannot read /nowhere/h"]);
}

#[test]
fn a_json_rpc_request_can_have_further_members_and_version_1_0() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "038e\n").unwrap();
    let member = format!("auth=@{}", file.display());
    let answer = ok(r#"{"jsonrpc":"2.0","result":[],"id":1000000000}"#);
    let (address, requests) = answering(&[&answer, &answer]);
    let url = format!("http://{address}/api_jsonrpc.php");
    call("jsonrpc", &url, &["host.get", "--member", &member, "--member", "n=5"]).with(0, &[]);
    call("jsonrpc", &url, &["host.get", "1", "--jsonrpc", "1.0"]).with(0, &[]);
    let requests = requests.join().unwrap();
    assert!(
        requests[0].ends_with(
            r#"{"jsonrpc":"2.0","method":"host.get","params":[],"auth":"038e","n":5,"id":1000000000}"#
        ),
        "{}",
        requests[0]
    );
    assert!(
        requests[1].ends_with(r#"{"method":"host.get","params":[1],"id":1000000000}"#),
        "{}",
        requests[1]
    );
    for (arguments, word) in [
        (&["m", "--member", "secret"][..], "NAME=VALUE"),
        (&["m", "--member", "id=secret"], "sets this member itself"),
        (&["m", "--member", "a=@/nowhere/secret.txt"], "cannot read"),
        (&["m", "x=1", "--jsonrpc", "1.0"], "no named parameters"),
        (&["m", ",", "m", "--batch", "--jsonrpc", "1.0"], "no batches"),
        (&["m", "--jsonrpc", "3.0"], "1.0, 2.0"),
    ] {
        call("jsonrpc", &url, arguments).with(2, &[word]);
    }
    call("rest", &url, &["m", "--member", "a=1"]).with(2, &["--member is for jsonrpc"]);
    // Our own server answers version 1.0 in that version.
    let (_server, url) = serve(&["jsonrpc"]);
    assert_eq!(call("jsonrpc", &url, &["add", "2", "3", "--jsonrpc", "1.0"]).with(0, &[]).out, ["5"]);
    finish(&mut rpcbench(&["check", "jsonrpc", &url, "--jsonrpc", "1.0", "--member", "auth=x"])).with(0, &[]);
}

#[test]
fn xml_rpc_sends_integers_of_64_bits_and_dates_in_their_own_forms() {
    let answer = ok(
        "<methodResponse><params><param><value><i8>7000000000</i8></value></param></params></methodResponse>",
    );
    let (address, requests) = answering(&[&answer]);
    let date = r#"{"dateTime.iso8601": "20261126T10:00:00"}"#;
    let called = call(
        "xmlrpc",
        &format!("http://{address}/"),
        &["m", r#"{"i8": 5000000000}"#, r#"[{"i8": 5}]"#, date],
    );
    assert_eq!(called.with(0, &[]).out, ["7000000000"]);
    let request = requests.join().unwrap().concat();
    for part in
        ["<i8>5000000000</i8>", "<i8>5</i8>", "<dateTime.iso8601>20261126T10:00:00</dateTime.iso8601>"]
    {
        assert!(request.contains(part), "{request}");
    }
    call("xmlrpc", "http://127.0.0.1:1/", &["m", "5000000000"]).with(1, &["overflow", "i8"]);
}

#[test]
fn methods_are_listed_where_the_server_can() {
    for protocol in ["xmlrpc", "jsonrpc"] {
        let (_server, url) = serve(&[protocol]);
        let listed = call(protocol, &url, &[]).with(0, &[]).out;
        assert!(listed.contains(&format!("{:<22}  Return x + y.", "add")), "{listed:?}");
        assert!(listed.iter().any(|line| line.starts_with("system.multicall")), "{listed:?}");
    }
    let unknown =
        ok(r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"no such method"},"id":1000000000}"#);
    let discovered = ok(
        r#"{"jsonrpc":"2.0","result":{"methods":[{"name":"add","params":[{"name":"x"}],"summary":"Sum."}]},"id":1000000001}"#,
    );
    let (address, _) = answering(&[&unknown, &discovered]);
    assert_eq!(call("jsonrpc", &format!("http://{address}/"), &[]).with(0, &[]).out, ["add(x)  Sum."]);
    let unknown_too = unknown.replace("1000000000", "1000000001");
    let (address, _) = answering(&[&unknown, &unknown_too]);
    call("jsonrpc", &format!("http://{address}/"), &[])
        .with(2, &["name a method", "system.listMethods or rpc.discover", "no such method"]);
    let (_server, url) = serve(&["rest"]);
    call("rest", &url, &[]).with(2, &["name a method; rest does not list them"]);
    call("jsonrpc", &url, &["", "5"]).with(2, &["name a method"]);
    call("xmlrpc", &url, &["", "5"]).with(2, &["name the method"]);
}

#[test]
fn errors_are_printed_as_json_on_request_in_every_protocol() {
    for protocol in ["rest", "xmlrpc", "jsonrpc", "jsonrpc-lines", "jsonrpc-ws", "zerorpc", "grpc", "thrift"]
    {
        let (_server, url) = serve(&[protocol]);
        let ended = call(protocol, &url, &["divide", "1", "0", "--error-format", "json"]).with(1, &[]);
        assert_eq!(ended.err, Vec::<String>::new());
        let error = error_of(&ended);
        assert_eq!(error["kind"], "zero-division", "{protocol}: {error}");
        let mut members: Vec<_> = error.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["class", "code", "data", "kind", "message"], "{protocol}");
        assert_eq!(
            call(protocol, &url, &["add", "2", "3", "--error-format", "json"]).with(0, &[]).out,
            ["5"]
        );
    }
    // No server listens there.
    let port = 1;
    let ended =
        call("rest", &format!("http://127.0.0.1:{port}/"), &["add", "--error-format", "json"]).with(3, &[]);
    assert_eq!(error_of(&ended)["kind"], "undeliverable");
}

#[test]
fn each_trap_of_the_arguments_is_as_the_help_says() {
    let (_server, url) = serve(&["jsonrpc"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token.txt");
    std::fs::write(&file, "secret\n").unwrap();
    let at = format!("@{}", file.display());
    for (argument, echoed) in [
        ("5", "5"),
        ("5.0", "5.0"),
        ("\"5\"", "\"5\""),
        ("1e3", "1000.0"),
        ("2026-11-26", "\"2026-11-26\""),
        ("007", "\"007\""),
        ("true", "true"),
        ("\"true\"", "\"true\""),
        ("True", "\"True\""),
        ("null", "null"),
        ("[1, \"a\"]", "[1, \"a\"]"),
        ("\"x=5\"", "\"x=5\""),
        ("value=5", "5"),
        ("-5", "-5"),
        (&at, "\"secret\""),
        ("\"@token.txt\"", "\"@token.txt\""),
        ("env:TEST_TOKEN", "\"from the environment\""),
        ("-", "\"from standard input\""),
    ] {
        let mut command = rpcbench(&["call", "jsonrpc", &url, "echo", argument]);
        command.env("TEST_TOKEN", "from the environment").stdin(Stdio::piped());
        let mut process = Process::start(&mut command);
        if argument == "-" {
            process.say("from standard input");
        }
        assert_eq!(process.ended().with(0, &[]).out, [echoed], "{argument}");
    }
    call("jsonrpc", &url, &["echo", "@nosuchfile"]).with(2, &["cannot read nosuchfile", "'\"@x\"'"]);
    call("jsonrpc", &url, &["add", "x=5"]).with(1, &["invalid-arguments"]);
}

#[test]
fn a_run_sends_headers_and_members_to_its_targets_and_records_neither() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headers");
    std::fs::write(&file, "authorization: Bearer secret\n").unwrap();
    let at = format!("@{}", file.display());
    let refused = "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let (address, requests) = answering(&[refused]);
    let run = |address: &str, out: &Path| {
        let target = format!("jsonrpc=http://{address}/?token=secret");
        let mut command = rpcbench(&["run", "--stack", "jsonrpc", "--target", &target, "--header", &at]);
        command.args(["--member", "auth=secret", "--blocks", "1", "--seconds", "0.05", "--load", "closed:1"]);
        command.args(["--operation", "add", "--placement", "free", "--out"]).arg(out);
        finish(&mut command)
    };
    let ended = run(&address, &folder.path().join("refused"));
    assert!(!ended.status.success());
    let shown = [ended.out, ended.err].concat().join("\n");
    assert!(shown.contains("jsonrpc") && !shown.contains("secret"), "{shown}");
    let request = requests.join().unwrap().concat();
    assert!(
        request.contains("\r\nauthorization: Bearer secret\r\n") && request.contains(r#","auth":"secret""#),
        "{request}"
    );

    let (_server, url) = serve(&["jsonrpc"]);
    let address = url.trim_start_matches("http://").split('/').next().unwrap();
    let out = folder.path().join("measured");
    run(address, &out);
    let record = std::fs::read_to_string(out.join("record.json")).unwrap();
    assert!(record.contains(&format!("\"http://{address}\"")) && !record.contains("secret"));
}

#[test]
fn web_pages_of_an_allowed_origin_may_call() {
    let (_server, url) = serve(&["xmlrpc", "--allow-origin", "http://localhost:3000"]);
    let address = url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let mut connection = TcpStream::connect(address).unwrap();
    let preflight = "OPTIONS /RPC2 HTTP/1.1\r\nhost: h\r\nconnection: close\r\norigin: http://localhost:3000\r\n\
        access-control-request-method: POST\r\n\r\n";
    connection.write_all(preflight.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("access-control-allow-origin: http://localhost:3000\r\n"), "{answer}");
    finish(&mut rpcbench(&["serve", "rest", "--allow-origin", "localhost"]))
        .with(2, &["--allow-origin", "SCHEME://HOST"]);
    finish(&mut rpcbench(&["serve", "zerorpc", "--allow-origin", "*"]))
        .with(2, &["--allow-origin is for rest, xmlrpc, jsonrpc"]);
    finish(&mut rpcbench(&["serve", "xmlrpc-python", "--allow-origin", "*"])).with(2, &["--allow-origin"]);
}
