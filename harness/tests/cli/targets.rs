//! Measuring servers that are already running and are not of this suite.

use rpcbench::record;

use super::common::{finish, rpcbench};
use super::peer::{self, Reaction, one_type_of_numbers};

/// Measures `operation` of the server at `url` in a short run, and returns how that ended and the folder of results.
fn measure(url: &str, operation: &str, arguments: &[&str]) -> (super::common::Ended, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = rpcbench(&["run", "--stack", "jsonrpc", "--load", "closed:1", "--placement", "free"]);
    command.args(["--blocks", "1", "--seconds", "0.1", "--operation", operation]);
    command.args(["--target", &format!("jsonrpc={url}"), "--out", folder.path().to_str().unwrap()]);
    (finish(command.args(arguments)), folder)
}

#[test]
fn a_server_is_measured_if_it_answers_what_is_measured_and_its_other_failures_are_reported() {
    let url = peer::http(one_type_of_numbers);
    let (ended, folder) = measure(&url, "add", &["--numbers", "any"]);
    // A machine that is busy with other tests may make a trial invalid.
    assert!(matches!(ended.status.code(), Some(0 | 4)), "{:?}", ended.err);
    let record = record::read(folder.path()).unwrap();
    let trial = record.trials.iter().find(|trial| trial.stack == "jsonrpc").unwrap();
    assert!(trial.counts.right > 0 && trial.counts.wrong == 0, "{:?}", trial.counts);
    let check = record.checks.iter().find(|check| check.stack == "jsonrpc").unwrap();
    assert_eq!(check.gated_by, ["add"]);
    assert!(check.core_failures().any(|failure| failure.call == "add(1)"), "{check:?}");
    let warning = ended.out.iter().find(|line| line.starts_with("! jsonrpc was measured although it fails"));
    assert!(warning.is_some_and(|line| line.contains("add(1): null; expected an error")), "{:?}", ended.out);
    assert!(ended.out.iter().any(|line| line.contains("compared by value")), "{:?}", ended.out);
}

#[test]
fn a_server_is_refused_if_it_does_not_answer_what_is_measured() {
    let wrong = peer::http(|body| match peer::call(body) {
        (method, _, id) if method == "multiply" => peer::error(&id, -32603, "not today"),
        _ => one_type_of_numbers(body),
    });
    let url = format!("{wrong}secret?token=secret");
    let (ended, _folder) = measure(&url, "multiply", &["--numbers", "any"]);
    let ended = ended.with(3, &["does not pass the rows of `rpcbench check` for multiply"]);
    assert!(!ended.err.join("").contains("secret"), "{:?}", ended.err);
    // Without --numbers any, 5 is not 5.0, and that row is one of add.
    let (ended, _folder) = measure(&peer::http(one_type_of_numbers), "add", &[]);
    ended.with(3, &["add(2, 3.0): 5; expected 5.0"]);
    let (ended, _folder) = measure(&peer::http(|_| Reaction::Close), "add", &[]);
    ended.with(3, &["no answer from http://127.0.0.1:"]);
}

#[test]
fn no_part_of_a_url_but_scheme_host_and_port_is_recorded() {
    let url = peer::http(one_type_of_numbers);
    let (ended, folder) = measure(&format!("{url}secret/path?token=secret"), "add", &["--numbers", "any"]);
    assert!(matches!(ended.status.code(), Some(0 | 4)), "{:?}", ended.err);
    let mut pending = vec![folder.path().to_owned()];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            assert!(!std::fs::read_to_string(&path).unwrap().contains("secret"), "{}", path.display());
        }
    }
    assert!(!ended.out.iter().chain(&ended.err).any(|line| line.contains("secret")), "{:?}", ended.out);
}
