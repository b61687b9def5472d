//! Text from peers and files on a terminal: no command, no change of direction, one line.

use calculator::is_unprintable;
use serde_json::json;

use super::common::{Ended, finish, rpcbench};
use super::peer::{self, Reaction};

/// Clears the screen, sets a title, uses a C1 control, changes the direction, and fakes a line of output.
const HOSTILE: &str =
    "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\u{202e}txt\u{2066}\r\npass  core    add(2, 3) → 5\u{2028}";

/// Asserts that neither stream holds an unprintable character or the line that [`HOSTILE`] fakes.
#[track_caller]
fn assert_harmless(ended: &Ended) {
    for line in ended.out.iter().chain(&ended.err) {
        assert!(!line.contains(is_unprintable), "{line:?}");
        assert!(!line.starts_with("pass  core    add(2, 3) → 5"), "{line:?}");
    }
}

#[test]
fn an_error_of_a_peer_is_escaped_by_call_and_check() {
    let url = peer::http(|body| {
        let (_, _, id) = peer::call(body);
        peer::error(&id, -32000, HOSTILE)
    });
    let called = finish(&mut rpcbench(&["call", "jsonrpc", &url, "add", "2", "3"]))
        .with(1, &["\\u{1b}[2J", "\\u{202e}", "\\r\\n"]);
    assert_harmless(&called);
    assert_eq!(called.err.len(), 1, "{:?}", called.err);
    let batch = finish(&mut rpcbench(&["call", "jsonrpc", &url, "--batch", "add", "1", "2"]));
    assert_harmless(&batch);
    let checked = finish(&mut rpcbench(&["check", "jsonrpc", &url])).with(1, &[]);
    assert_harmless(&checked);
    // A row for each of the table, and a line for each level.
    assert_eq!(checked.out.len(), 29, "{:?}", checked.out);
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
    let reference = concat!(env!("CARGO_MANIFEST_DIR"), "/../results/reference/record.json");
    let mut record: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(reference).unwrap()).unwrap();
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
