//! A protocol that is one crate, one file of stacks and one line of their list works in every command.
#![cfg(feature = "dummy")]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

mod common;

use common::{Process, finish, rpcbench};

#[test]
fn a_protocol_of_one_crate_and_one_file_is_served_called_checked_run_and_reported() {
    let list = finish(&mut rpcbench(&["list"])).with(0, &[]).out.join("\n");
    assert!(list.contains("  dummy "), "{list}");

    let server = Process::start(&mut rpcbench(&["serve", "dummy"]));
    let url = server.url();
    assert!(url.starts_with("dummy://127.0.0.1:"), "{url}");
    assert_eq!(finish(&mut rpcbench(&["call", "dummy", &url, "add", "2", "3"])).with(0, &[]).out, ["5"]);
    finish(&mut rpcbench(&["call", "dummy", &url, "divide", "1", "0"])).with(1, &["zero-division"]);
    finish(&mut rpcbench(&["call", "dummy", "http://h/", "add"])).with(2, &["dummy://"]);
    finish(&mut rpcbench(&["check", "dummy", &url])).with(0, &[]);

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let arguments = ["run", "--stack", "dummy", "--blocks", "1", "--seconds", "0.1", "--load", "closed:1"];
    // Whether the short trials pass every audit depends on the machine; that they are made does not.
    let ended = finish(rpcbench(&arguments).arg("--out").arg(&out));
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("record.json")).unwrap()).unwrap();
    let trials = record["trials"].as_array().unwrap();
    assert!(trials.iter().any(|trial| trial["stack"] == "dummy"), "{:?}", ended.err);
    let of_dummy = |list: &str| {
        let entries = record[list].as_array().unwrap();
        entries.iter().find(|entry| entry["stack"] == "dummy" || entry["name"] == "dummy").unwrap().clone()
    };
    assert_eq!(of_dummy("stacks")["protocol"], "dummy");
    assert_eq!(of_dummy("fairness")["client"]["libraries"][0]["name"], "tokio");
    // ["add",2,3] and {"result":5}, each with a line feed.
    assert_eq!(of_dummy("wire")["hops"][0]["bytes"], 12);
    assert_eq!(of_dummy("wire")["hops"][1]["bytes"], 13);

    let page = finish(rpcbench(&["report"]).arg(&out)).with(0, &[]);
    assert!(!page.out.is_empty());
    let html = std::fs::read_to_string(out.join("report/index.html")).unwrap();
    // Its colour, which nothing but its own file names.
    assert!(html.contains("dummy") && html.contains("#563D7C"));
}
