//! `rpcbench check` goes to the end of its table.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::common::{Ended, finish, rpcbench};
use super::peer::{self, Reaction, one_type_of_numbers};
use super::{closed_port, serve};

fn check(url: &str, arguments: &[&str]) -> Ended {
    let timeout = format!("{}ms", peer::SHORT_TIMEOUT.as_millis());
    finish(rpcbench(&["check", "jsonrpc", url, "--timeout", &timeout]).args(arguments))
}

fn rows<'a>(ended: &'a Ended, mark: &str) -> Vec<&'a String> {
    ended.out.iter().filter(|line| line.starts_with(mark)).collect()
}

/// The calculator in this process, except for the calls of `method`, to which `react` reacts.
fn except(method: &'static str, react: impl Fn() -> Reaction + Send + Sync + 'static) -> String {
    peer::http(move |body| {
        let (called, ..) = peer::call(body);
        if called == method { react() } else { one_type_of_numbers(body) }
    })
}

#[test]
fn a_row_without_an_answer_fails_and_the_table_goes_on() {
    for react in [|| Reaction::Close, || Reaction::Silence, || Reaction::Reply(404, "not here".to_owned())] {
        let ended = check(&except("hello", react), &["--numbers", "any"]).with(1, &[]);
        assert_eq!(ended.out.len(), 29, "{:?}", ended.out);
        let failed = rows(&ended, "FAIL");
        for row in ["hello(\"\")", "hello(\"zürich"] {
            assert!(failed.iter().any(|line| line.contains(row)), "{failed:?}");
        }
        // The rows after them were sent.
        assert!(rows(&ended, "pass").iter().any(|line| line.contains("nosuch()")), "{:?}", ended.out);
        assert!(rows(&ended, "none").is_empty(), "{:?}", ended.out);
    }
}

#[test]
fn a_server_that_stops_answering_leaves_rows_that_were_not_sent() {
    let calls = AtomicUsize::new(0);
    let url = peer::http(move |body| {
        if calls.fetch_add(1, Ordering::Relaxed) < 4 { one_type_of_numbers(body) } else { Reaction::Silence }
    });
    let ended = check(&url, &["--numbers", "any"]).with(1, &[]);
    assert_eq!(rows(&ended, "pass").len(), 4, "{:?}", ended.out);
    assert!(rows(&ended, "none").iter().all(|line| line.contains("too many rows before it had no answer")));
    assert_eq!(ended.out.len(), 29, "{:?}", ended.out);
}

#[test]
fn a_server_that_never_answers_is_an_error_without_a_table() {
    let silent = peer::http(|_| Reaction::Silence);
    let down = format!("http://127.0.0.1:{}/secret?token=secret", closed_port());
    for (url, reason) in [(&silent, "timeout"), (&down, "undeliverable")] {
        let ended = check(url, &[]).with(3, &["jsonrpc: no answer from http://127.0.0.1:", reason]);
        assert!(ended.out.is_empty() && ended.err.len() == 1, "{:?} {:?}", ended.out, ended.err);
        assert!(!ended.err[0].contains("secret"), "{:?}", ended.err);
    }
}

#[test]
fn a_value_that_the_protocol_cannot_carry_is_not_sent_and_not_counted() {
    let (_server, url) = serve(&["xmlrpc"]);
    let ended = finish(&mut rpcbench(&["check", "xmlrpc", &url])).with(0, &[]);
    let not_sent = rows(&ended, "none");
    assert_eq!(not_sent.len(), 1, "{not_sent:?}");
    assert!(not_sent[0].contains("not sent: the protocol cannot carry an argument"), "{not_sent:?}");
    assert_eq!(ended.out.last().unwrap(), "xmlrpc: 8 of 8 strict rows passed; 1 not sent");
}

#[test]
fn a_peer_with_one_type_of_numbers_passes_by_value() {
    let url = peer::http(one_type_of_numbers);
    let exact = check(&url, &[]).with(1, &[]);
    assert!(rows(&exact, "FAIL").iter().any(|line| line.ends_with("add(2, 3.0) → 5; expected 5.0")));
    let any = check(&url, &["--numbers", "any"]);
    // What is left is that it takes any number of arguments.
    let failed: Vec<_> =
        rows(&any, "FAIL  core").into_iter().filter(|line| !line.contains("add(1")).collect();
    assert!(failed.is_empty(), "{failed:?}");
    check(&url, &["--numbers", "some"]).with(2, &["exact or any"]);
}

#[test]
fn handlers_that_work_give_the_same_answers() {
    for stack in [
        "tcp",
        "tcp-async",
        "rest",
        "xmlrpc",
        "jsonrpc",
        "jsonrpc-lines",
        "jsonrpc-ws",
        "zerorpc",
        "grpc",
        "grpc-h2",
        "thrift",
        "thrift-compact",
    ] {
        let checked = |arguments: &[&str]| {
            let (_server, url) = serve(&[&[stack], arguments].concat());
            finish(&mut rpcbench(&["check", stack, &url])).with(0, &[]).out
        };
        let plain = checked(&[]);
        for (executor, work) in
            [("async", "sleep:1ms"), ("blocking", "compute:100us"), ("threads:2", "sleep:1ms")]
        {
            assert_eq!(
                checked(&["--executor", executor, "--work", work]),
                plain,
                "{stack} {executor} {work}"
            );
        }
    }
}
