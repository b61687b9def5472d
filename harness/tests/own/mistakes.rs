//! Mistakes that are found before there is load.

use crate::common::finish;
use crate::{Folder, users};

/// Runs a scenario with this operation against the service with users over XML-RPC, and expects it to be refused.
fn refused(operation: &str, files: &[(&str, &str)], words: &[&str]) {
    let server = users("xmlrpc", &[]);
    let folder = Folder::of(1, &[("get", "closed:1")], operation);
    for (name, text) in files {
        folder.write(name, text);
    }
    let target = format!("xmlrpc={}", server.url());
    finish(&mut folder.run(&["--target", &target])).with(2, words);
    assert!(!folder.results().join("record.json").exists());
}

#[test]
fn an_unknown_method_a_wrong_type_and_a_wrong_answer_are_found_by_a_first_call() {
    refused(
        "[[operation]]\nname = \"get\"\nmethod = \"get_usr\"\n",
        &[],
        &[
            "xmlrpc at http://127.0.0.1:",
            "mine.toml:7: `get`: expected a result, but the call failed",
            "get_usr",
        ],
    );
    refused(
        "[[operation]]\nname = \"get\"\nmethod = \"get_user\"\nparams = [\"seven\"]\n",
        &[],
        &["mine.toml:7: `get`: expected a result, but the call failed", "is an integer"],
    );
    refused(
        "[[operation]]\nname = \"get\"\nmethod = \"count\"\nexpect = { result = 5 }\n",
        &[],
        &["mine.toml:7: `get`: expected the result 5, but the answer is 4"],
    );
}

#[test]
fn placeholders_and_files_are_checked_with_their_line() {
    let operation = "[[operation]]\nname = \"get\"\nmethod = \"get_user\"\nparams = [\"{id}\"]\n";
    refused(operation, &[], &["mine.toml:10:1: there is no variable `id`"]);
    let with_file = format!("{operation}variables = {{ file = \"users.csv\" }}\n");
    refused(&with_file, &[], &["mine.toml:11:1: users.csv: No such file"]);
    refused(
        &with_file,
        &[("users.csv", "id,name\n1,Ann\n2\n")],
        &["mine.toml:11:1: users.csv: line 3: 1 fields, expected 2"],
    );
    refused(&with_file, &[("users.csv", "id,name\n")], &["mine.toml:11:1: users.csv: it has no rows"]);
    refused(
        &with_file,
        &[("users.csv", "nr\n1\n")],
        &["mine.toml:10:1: there is no variable `id`; the variables are nr"],
    );
}

#[test]
fn a_target_on_the_internet_needs_a_yes() {
    let operation = "[[operation]]\nname = \"get\"\n";
    let folder = Folder::of(1, &[("get", "closed:1")], operation);
    let ended = finish(&mut folder.run(&["--target", "jsonrpc=http://u:secret@203.0.113.7/"]));
    let ended = ended
        .with(2, &["--target jsonrpc: 203.0.113.7 is neither a loopback nor a private address", "--yes"]);
    assert!(!ended.err.join("").contains("secret"));
}

#[test]
fn a_run_without_a_target_or_with_an_operation_that_does_not_exist_is_refused() {
    let folder = Folder::of(1, &[("get", "closed:1")], "[[operation]]\nname = \"get\"\n");
    finish(&mut folder.run(&[])).with(2, &["there is no stack to measure: give --target"]);
    finish(&mut folder.run(&["--operation", "gt"])).with(2, &["unknown operation `gt`; did you mean `get`?"]);
    let error = finish(&mut folder.run(&["--call", "get(x)"])).with(2, &["an argument is not JSON"]);
    assert!(error.err.join("").contains("get_user(7)"));
}
