//! `rpcbench init` against servers that know nothing of the suite, and against servers that are wrong, through the real
//! binary.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use common::{Ended, Process, finish, interpreter, rpcbench};
use rpcbench::deploy::broker::{BrokerKind, PrivateBroker};

/// The methods of the order service that its names show to be harmless.
const READING: [&str; 3] = ["get_order", "list_orders", "total"];
/// Those that change orders.
const CHANGING: [&str; 2] = ["cancel_order", "place_order"];

/// A server in `servers/examples`.
fn example(script: &str) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../servers/examples");
    let mut command = interpreter();
    command.arg("-B").arg(folder.join(script));
    command
}

fn init(folder: &Path, arguments: &[&str]) -> Ended {
    finish(rpcbench(&["init"]).args(arguments).current_dir(folder))
}

/// The tables `[[operation]]` of the scenario `my.toml` in `folder` that are not commented out.
fn operations(folder: &Path) -> Vec<toml::Table> {
    let text = std::fs::read_to_string(folder.join("my.toml")).unwrap();
    let document: toml::Table = text.parse().unwrap();
    let operations = document.get("operation").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    operations.into_iter().map(|operation| operation.as_table().unwrap().clone()).collect()
}

fn names(operations: &[toml::Table]) -> Vec<&str> {
    let mut names: Vec<_> = operations.iter().map(|operation| operation["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

/// Asserts that the scenario calls the methods that read, and has those that change data as comments.
fn assert_names_the_orders(folder: &Path) {
    assert_eq!(names(&operations(folder)), READING);
    let text = std::fs::read_to_string(folder.join("my.toml")).unwrap();
    for name in CHANGING {
        assert!(text.contains(&format!("# name = \"{name}\"")), "{text}");
    }
}

#[test]
fn an_xmlrpc_server_is_recognised_and_lists_its_methods() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&mut example("xmlrpc_orders.py"));
    let ended = init(folder.path(), &[&server.url()]).with(0, &[]);
    let said = ended.out.join("\n");
    assert!(said.contains("my.toml: 3 operations of xmlrpc, listed by system.listMethods"), "{said}");
    assert!(said.contains("2 more are commented out"), "{said}");
    assert!(said.contains("rpcbench run my.toml --target xmlrpc=http://127.0.0.1:"), "{said}");
    assert_names_the_orders(folder.path());
}

#[test]
fn a_jsonrpc_server_is_recognised_and_lists_its_methods() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&mut example("jsonrpc_orders.py"));
    let url = server.url();
    init(folder.path(), &[&url]).with(0, &[]);
    assert_names_the_orders(folder.path());
    let called = finish(&mut rpcbench(&["call", "jsonrpc", &url, "total"])).with(0, &[]);
    assert_eq!(called.out, ["2670"]);
}

#[test]
fn a_zerorpc_server_lists_its_methods() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&mut example("zerorpc_orders.py"));
    init(folder.path(), &[&server.url()]).with(0, &[]);
    assert_names_the_orders(folder.path());
}

#[test]
fn a_rest_server_describes_its_requests() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&mut example("rest_orders.py"));
    let url = server.url();
    init(folder.path(), &[&url]).with(0, &[]);
    assert_names_the_orders(folder.path());
    let found = operations(folder.path());
    let get = found.iter().find(|operation| operation["name"].as_str() == Some("get_order")).unwrap();
    assert_eq!((get["verb"].as_str(), get["path"].as_str()), (Some("GET"), Some("/orders/1")));
    let text = std::fs::read_to_string(folder.path().join("my.toml")).unwrap();
    assert!(text.contains("# body = { item = \"tea\", quantity = 1 }"), "{text}");
    // The document itself.
    init(folder.path(), &[&format!("{url}openapi.json"), "--force"]).with(0, &[]);
    assert_names_the_orders(folder.path());
    init(folder.path(), &[&format!("{url}nosuch.json"), "--force", "--protocol", "rest"])
        .with(1, &["there is no OpenAPI document in JSON at /nosuch.json"]);
}

#[test]
fn methods_of_an_amqp_server_are_named_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let broker = PrivateBroker::start(BrokerKind::RabbitMq, &[]).unwrap();
    let server = Process::start(example("oslo_orders.py").env("RPCBENCH_BROKER", broker.url()));
    server.url();
    let ended = init(
        folder.path(),
        &[broker.url(), "--topic", "orders", "--method", "total", "--method", "get_order"],
    )
    .with(0, &[]);
    let said = ended.out.join("\n");
    assert!(said.contains("whose servers cannot list their methods") && said.contains("--topic …"), "{said}");
    assert_eq!(names(&operations(folder.path())), ["get_order", "total"]);
    let text = std::fs::read_to_string(folder.path().join("my.toml")).unwrap();
    let secret = broker.url().split(['/', '@']).nth(2).unwrap();
    assert!(!text.contains(secret) && !said.contains(secret), "{said}\n{text}");
    let called =
        finish(&mut rpcbench(&["call", "amqp", broker.url(), "total", "--topic", "orders"])).with(0, &[]);
    assert_eq!(called.out, ["2670"]);
}

#[test]
fn what_is_written_is_measured_as_it_is() {
    for (script, stack) in [
        ("rest_orders.py", "rest"),
        ("xmlrpc_orders.py", "xmlrpc"),
        ("jsonrpc_orders.py", "jsonrpc"),
        ("zerorpc_orders.py", "zerorpc"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = Process::start(&mut example(script));
        let url = server.url();
        // Of the others, only REST's description has arguments.
        let methods: &[_] =
            if stack == "rest" { &[] } else { &["--method", "total", "--method", "list_orders"] };
        init(folder.path(), &[&[url.as_str()], methods].concat()).with(0, &[]);
        let target = format!("{stack}={url}");
        let run =
            ["run", "my.toml", "--target", &target, "--blocks", "1", "--seconds", "0.05", "--out", "out"];
        let ended = finish(rpcbench(&run).current_dir(folder.path()));
        let said = ended.err.join("\n");
        assert!(ended.status.code().is_some_and(|code| matches!(code, 0 | 4)), "{stack}: {said}");
        let record = rpcbench::record::read(&folder.path().join("out")).unwrap();
        let calls: u64 = record.trials.iter().map(|trial| trial.counts.right).sum();
        assert!(record.trials.len() == 2 && calls > 0, "{stack}: {said}");
    }
}

#[test]
fn servers_of_the_suite_list_their_methods_with_arguments() {
    let folder = tempfile::tempdir().unwrap();
    for protocol in ["rest", "xmlrpc", "jsonrpc", "zerorpc"] {
        let server = Process::start(&mut rpcbench(&["serve", protocol]));
        let arguments = [&server.url(), "--force", "--protocol", protocol, "--method", "add"];
        init(folder.path(), &arguments).with(0, &[]);
        let found = operations(folder.path());
        // The calculator's operation has this name already.
        assert_eq!(names(&found), ["call-add"], "{protocol}");
        if protocol == "zerorpc" {
            assert_eq!(found[0]["params"].to_string(), "[1, 1]");
        }
    }
}

#[test]
fn a_file_is_never_replaced_without_force_and_a_dash_is_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&mut rpcbench(&["serve", "zerorpc"]));
    let url = server.url();
    std::fs::write(folder.path().join("my.toml"), "mine").unwrap();
    init(folder.path(), &[&url]).with(2, &["my.toml exists", "--force", "--output"]);
    assert_eq!(std::fs::read_to_string(folder.path().join("my.toml")).unwrap(), "mine");
    let printed = init(folder.path(), &[&url, "--output", "-"]).with(0, &["standard output: "]);
    let document: toml::Table = printed.out.join("\n").parse().unwrap();
    assert_eq!(document["stacks"][0].as_str(), Some("zerorpc"));
    assert_eq!(std::fs::read_to_string(folder.path().join("my.toml")).unwrap(), "mine");
    init(folder.path(), &[&url, "--force"]).with(0, &[]);
    assert!(!operations(folder.path()).is_empty());
    init(folder.path(), &[&url, "--output", "nowhere/my.toml"]).with(3, &["cannot write nowhere/my.toml"]);
    init(folder.path(), &[&url, "--force", "--method", "nosuch"]).with(2, &["lists no method nosuch"]);
}

/// A server of HTTP that answers every request with `body` in JSON.
fn answering(status: &'static str, body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            let body = body.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 8192];
                while connection.read(&mut buffer).is_ok_and(|read| read > 0) {
                    let length = body.len();
                    let answer = format!(
                        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
                    );
                    if connection.write_all(answer.as_bytes()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    url
}

#[test]
fn a_server_that_is_absent_or_lists_nothing_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    init(folder.path(), &[&format!("http://u:secret@127.0.0.1:{port}/x")])
        .with(3, &[&format!("no answer from http://127.0.0.1:{port}"), "is the server running?"]);
    let url = format!("tcp://127.0.0.1:{port}");
    init(folder.path(), &[&url, "--timeout", "1s"]).with(3, &[&format!("no answer from {url}")]);
    let web = answering("404 Not Found", "{}".to_owned());
    init(folder.path(), &[&web]).with(1, &["rest: ", "xmlrpc: ", "jsonrpc: ", "--protocol"]);
    let empty = answering("200 OK", r#"{"openapi": "3.1.0", "paths": {}}"#.to_owned());
    init(folder.path(), &[&empty, "--protocol", "rest"]).with(1, &["lists no method"]);
    for (url, word) in [
        ("ftp://h/", "no protocol takes a URL with this scheme"),
        ("http://h:99999/", "not a number between 0 and 65535"),
        ("h", "no protocol takes a URL"),
    ] {
        init(folder.path(), &[url]).with(2, &[word]);
    }
    init(folder.path(), &["http://h/", "--protocol", "soap"]).with(2, &["unknown protocol `soap`"]);
    assert!(!folder.path().join("my.toml").exists());
}

#[test]
fn names_of_a_hostile_server_are_escaped_and_a_long_listing_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = "a\"\n[[operation]]\nname = 'b'\u{1b}[2J";
    let operation = |id: &str| serde_json::json!({ "get": { "operationId": id, "summary": id } });
    let mut paths: serde_json::Map<_, _> =
        (0..10_000).map(|i| (format!("/x{i}"), operation(&format!("get{i}")))).collect();
    paths.insert("/a".to_owned(), operation(hostile));
    let document = serde_json::json!({ "openapi": "3.1.0", "paths": paths });
    let url = answering("200 OK", document.to_string());
    let said = init(folder.path(), &[&url]).with(0, &[]).out.join("\n");
    assert!(said.contains("200 operations of rest") && said.contains("9801 are left out"), "{said}");
    let found = operations(folder.path());
    assert_eq!(found.len(), 200);
    let text = std::fs::read_to_string(folder.path().join("my.toml")).unwrap();
    assert!(!text.contains('\u{1b}') && !said.contains('\u{1b}'));
    assert_eq!(found[0]["path"].as_str(), Some("/a"));
}

#[test]
fn a_grpc_server_lists_its_methods_by_reflection_and_they_are_measured_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&mut rpcbench(&["serve", "grpc"]));
    let url = server.url();
    let said = init(folder.path(), &[&url]).with(0, &[]).out.join("\n");
    assert!(said.contains("operations of grpc, listed by server reflection"), "{said}");
    let found = operations(folder.path());
    let add = found.iter().find(|it| it["name"].as_str() == Some("rpcbench.calculator_add")).unwrap();
    assert_eq!(add["method"].as_str(), Some("rpcbench.Calculator/Add"));
    assert_eq!(add["params"]["x"]["int"].as_integer(), Some(1));
    // Streams, health checks and server reflection itself are left out.
    assert!(
        names(&found).iter().all(|name| !name.contains("count") && !name.contains("health")),
        "{found:?}"
    );

    let wanted =
        ["--method", "rpcbench.Calculator/Add", "--method", "rpcbench.Calculator/Multiply", "--force"];
    init(folder.path(), &[&[url.as_str()], &wanted[..]].concat()).with(0, &[]);
    let target = format!("grpc={url}");
    let run = ["run", "my.toml", "--target", &target, "--blocks", "1", "--seconds", "0.05", "--out", "out"];
    let ended = finish(rpcbench(&run).current_dir(folder.path()));
    assert!(ended.status.code().is_some_and(|code| matches!(code, 0 | 4)), "{:?}", ended.err);
    let record = rpcbench::record::read(&folder.path().join("out")).unwrap();
    for trial in &record.trials {
        assert!(trial.counts.right > 0 && trial.counts.errors() == 0, "{:?}", trial.counts);
        assert_eq!(trial.operations.len(), 2);
    }
}
