//! A REST server behaves as its OpenAPI description says: schemathesis generates valid and invalid requests from the
//! description and finds no answer that the description does not allow.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

#[path = "../common/mod.rs"]
mod common;

use std::path::Path;

use common::{Process, finish, interpreter, rpcbench};

#[test]
fn schemathesis_finds_no_answer_outside_the_description() {
    let server = Process::start(&mut rpcbench(&["serve", "rest"]));
    let document = format!("{}/openapi.json", server.url());
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi/schemathesis.toml");
    // schemathesis keeps a cache in `.schemathesis` below its working directory.
    let working_directory = tempfile::tempdir().unwrap();

    let mut tester = interpreter();
    tester.args(["-B", "-m", "schemathesis.cli", "--config-file"]).arg(settings);
    tester
        .args(["run", &document, "--checks", "all", "--max-examples", "40"])
        .current_dir(working_directory.path());
    let ended = finish(&mut tester);

    let output = ended.out.join("\n");
    assert!(ended.status.success(), "{output}\n{}", ended.err.join("\n"));
    // Six methods, each by GET and by POST. Without this check, a description without operations would pass.
    assert!(output.contains("Tested: 12"), "{output}");
}
