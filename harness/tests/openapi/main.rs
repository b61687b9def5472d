//! The OpenAPI description of a REST server is true of it: schemathesis, which makes requests from the description,
//! valid ones and others, finds no answer that it does not describe.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

#[path = "../common/mod.rs"]
mod common;

use std::path::Path;

use common::{Process, finish, interpreter, rpcbench};

#[test]
fn a_property_based_tester_finds_nothing() {
    let server = Process::start(&mut rpcbench(&["serve", "rest"]));
    let document = format!("{}/openapi.json", server.url());
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi/schemathesis.toml");
    let elsewhere = tempfile::tempdir().unwrap();

    let mut tester = interpreter();
    tester.args(["-B", "-m", "schemathesis.cli", "--config-file"]).arg(settings);
    tester.args(["run", &document, "--checks", "all", "--max-examples", "40"]).current_dir(elsewhere.path());
    let ended = finish(&mut tester);

    let said = ended.out.join("\n");
    assert!(ended.status.success(), "{said}\n{}", ended.err.join("\n"));
    // Each of six methods by GET and by POST; a tester that found no resource would have nothing to complain of.
    assert!(said.contains("Tested: 12"), "{said}");
}
