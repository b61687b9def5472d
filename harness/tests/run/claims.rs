//! Claims: their verdicts in a run, and in the report of its record.

use crate::Run;
use crate::common::finish;

/// A claim that bytes decide after one block, one that takes more blocks, and one about Python's server.
const CLAIMS: &str = r#"
[[claim]]
name = "bytes"
statement = "A call takes bytes."
[[claim.condition]]
name = "REST takes some"
measurement = "latency"
stack = "rest-hyper"
figure = "bytes"
at_least = 50
reason = "more than the arguments"
[[claim.condition]]
name = "REST takes very many"
measurement = "latency"
stack = "rest-hyper"
figure = "bytes"
at_least = 100000
reason = "more than any header"

[[claim]]
name = "time"
statement = "A call takes time."
[[claim.condition]]
name = "REST takes some"
measurement = "latency"
stack = "rest-hyper"
figure = "latency-p50"
at_least = 0.001
reason = "a nanosecond"

[[claim]]
name = "python"
statement = "Python's server takes longer."
[[claim.condition]]
name = "it takes longer"
measurement = "latency"
stack = "xmlrpc-python"
figure = "latency-p50"
over = { stack = "rest-hyper" }
at_least = 1.0
reason = "a test"
"#;

#[test]
fn a_run_judges_the_claims_of_the_scenarios_that_it_includes() {
    let run = Run::of(&["rest-hyper", "xmlrpc-python"], 1, "100ms");
    run.change_scenario(|text| format!("{}{CLAIMS}", text.replace("\"tiny\"", "\"inner\"")));
    let inner = run.folder.path().join("inner.toml");
    std::fs::rename(run.folder.path().join("tiny.toml"), inner).unwrap();
    let outer = "name = \"outer\"\nquestion = \"?\"\nblocks = 9\nwarmup = \"10ms\"\nmeasure = \"50ms\"\nstacks = []\n\
                 include = [\"inner.toml\"]\n";
    std::fs::write(run.folder.path().join("tiny.toml"), outer).unwrap();
    let mut command = run.command(&["--seed", "7"]);
    command.env("RPCBENCH_PYTHON", "/nowhere/python");
    let ended = finish(&mut command).with(
        0,
        &[
            "the claim `inner: time` takes 8 blocks, and has 1: no verdict is possible",
            "xmlrpc-python is skipped",
            // Two floors and a stack, in the one block of the inner scenario.
            "measuring 3 trials",
        ],
    );
    let printed = ended.out.join("\n");
    for expected in [
        "inner: bytes (holds in part)",
        "inner: time (cannot tell)",
        "inner: python (cannot tell)",
        "there is no Python `/nowhere/python`; install Python 3",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    let scenario = run.record().scenario;
    assert_eq!((scenario.blocks.get(), scenario.measure.as_millis()), (1, 50));

    let report = finish(&mut run.command_with(&["report", "results", "--format", "json"])).with(0, &[]);
    let report: serde_json::Value = serde_json::from_str(&report.out.join("\n")).unwrap();
    let verdict = |index: usize| report["claims"][index]["verdict"].as_str().unwrap().to_owned();
    assert_eq!([0, 1, 2].map(verdict), ["holds-in-part", "cannot-tell", "cannot-tell"]);
    let bytes = &report["claims"][0]["conditions"][0];
    assert_eq!((&bytes["outcome"], &bytes["condition"]["at_least"]), (&"true".into(), &50.0.into()));
    assert!(run.results().join("report/claim-inner-bytes.svg").is_file());
}

#[test]
fn a_claim_about_a_measurement_that_does_not_exist_is_a_usage_error() {
    let run = Run::of(&["rest-hyper", "xmlrpc-python"], 1, "100ms");
    run.change_scenario(|text| format!("{text}{}", CLAIMS.replacen("\"latency\"", "\"latncy\"", 1)));
    finish(&mut run.command(&[]))
        .with(2, &["tiny.toml:", "unknown measurement `latncy`; did you mean `latency`?"]);
}
