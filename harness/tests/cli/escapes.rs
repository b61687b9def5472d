//! Text from peers and files on a terminal: no command, no change of direction, one line.

use calculator::is_unprintable;
use net::Endpoint;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use zerorpc::ServerOptions;

use super::common::hostile::{HOSTILE, assert_harmless, assert_harmless_failures, hostile_dispatcher};
use super::common::{finish, rpcbench};
use super::peer::{self, Reaction};

#[test]
fn an_error_of_a_peer_is_escaped_by_call_and_check() {
    let url = peer::http(|body| {
        let (_, _, id) = peer::call(body);
        peer::error(&id, -32000, HOSTILE)
    });
    assert_harmless_failures("jsonrpc", &url, &[]);
    let batch = finish(&mut rpcbench(&["call", "jsonrpc", &url, "--batch", "add", "1", "2"]));
    assert_harmless(&batch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_a_zerorpc_peer_is_escaped_by_call_and_check() {
    let options = ServerOptions::default();
    let server = zerorpc::Server::bind(&Endpoint::loopback(), hostile_dispatcher(), options).await.unwrap();
    let url = server.url();
    let stop = CancellationToken::new();
    let running = tokio::spawn(server.run(stop.clone()));
    assert_harmless_failures("zerorpc", &url, &[]);
    stop.cancel();
    running.await.unwrap();
}

#[test]
fn a_fault_and_a_problem_are_escaped_too() {
    let fault = "<?xml version='1.0'?><methodResponse><fault><value><struct><member><name>faultCode</name>\
        <value><int>7</int></value></member><member><name>faultString</name><value><string>&#x202e;evil&#10;\
        pass&#x9b;</string></value></member></struct></value></fault></methodResponse>";
    let url = peer::http(move |_| Reaction::Reply(200, fault.to_owned()));
    assert_harmless(
        &finish(&mut rpcbench(&["call", "xmlrpc", &url, "add", "2", "3"])).with(1, &["\\u{202e}evil"]),
    );
    let problem = json!({ "kind": "internal", "detail": HOSTILE, "title": HOSTILE }).to_string();
    let url = peer::http(move |_| Reaction::Reply(500, problem.clone()));
    assert_harmless(&finish(&mut rpcbench(&["call", "rest", &url, "add", "2", "3"])));
}

#[test]
fn a_result_stays_valid_json_without_characters_that_a_terminal_obeys() {
    let url = peer::http(|body| {
        let (_, params, id) = peer::call(body);
        peer::result(&id, &json!({ HOSTILE: params[0] }))
    });
    let value = json!(HOSTILE);
    let called = finish(&mut rpcbench(&["call", "jsonrpc", &url, "echo", &value.to_string()])).with(0, &[]);
    assert_harmless(&called);
    assert_eq!(called.out.len(), 1);
    let printed: serde_json::Value = serde_json::from_str(&called.out[0]).unwrap();
    assert_eq!(printed, json!({ HOSTILE: HOSTILE }));
}

#[test]
fn names_in_a_record_are_escaped_in_every_form_of_the_report() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/records/ten-blocks/record.json");
    let mut record: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let markup = format!("{HOSTILE}<script>alert(1)</script>|`a`");
    let name = record["scenario"]["measurement"][0]["name"].clone();
    for text in ["name", "question"] {
        record["scenario"][text] = json!(markup);
    }
    record["scenario"]["measurement"][0]["name"] = json!(markup);
    record["machine"]["processor"] = json!(markup);
    record["skipped"] = json!([{ "stack": markup, "reason": markup }]);
    for trial in record["trials"].as_array_mut().unwrap() {
        if trial["measurement"] == name {
            trial["measurement"] = json!(markup);
        }
    }
    for check in record["checks"].as_array_mut().unwrap() {
        check["failures"] =
            json!([{ "level": "core", "call": markup, "expected": markup, "answer": markup }]);
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("record.json"), record.to_string()).unwrap();
    let ended = finish(&mut rpcbench(&["report", folder.path().to_str().unwrap()])).with(0, &[]);
    assert_harmless(&ended);
    assert!(ended.out.iter().any(|line| line.contains("\\u{1b}[2J")), "{:?}", ended.out);
    for entry in std::fs::read_dir(folder.path().join("report")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let is_harmless = |c: char| c == '\n' || !is_unprintable(c);
        assert!(text.chars().all(is_harmless), "{}", path.display());
        assert!(!text.contains("<script>alert"), "{}", path.display());
    }
}

#[test]
fn a_file_that_is_not_a_record_or_a_scenario_is_reported_in_one_harmless_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let record = path("record.json");
    std::fs::write(&record, json!({ "schema": 1, HOSTILE: HOSTILE }).to_string()).unwrap();
    let scenario = path("mine.toml");
    std::fs::write(&scenario, "\"\\u001b[2J\\u202e\\n\" = 1\n").unwrap();
    let out = path("merged");
    for arguments in [
        &["report", &record][..],
        &["merge", &record, "--out", &out],
        &["run", &scenario],
        &["report", "/nowhere/\u{1b}[2J"],
    ] {
        let ended = finish(&mut rpcbench(arguments)).with(2, &[]);
        assert_harmless(&ended);
        assert_eq!(ended.err.len(), 1, "{:?}", ended.err);
    }
}
