//! What a run writes, what it marks, and what its exit code says.

use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use rpcbench::record::{self, Label, Record, Status};

use crate::common::{Process, finish, rpcbench};
use crate::{Run, wait_for};

fn schema_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/record.schema.json")
}

/// `RPCBENCH_BLESS=1 cargo test` writes the file again where the record has changed on purpose.
#[test]
fn the_published_schema_is_that_of_the_record() {
    let text = format!("{}\n", serde_json::to_string_pretty(&record::json_schema()).unwrap());
    if std::env::var_os("RPCBENCH_BLESS").is_some() {
        std::fs::write(schema_file(), &text).unwrap();
    }
    let published = std::fs::read_to_string(schema_file()).unwrap_or_default();
    assert!(
        published == text,
        "results/record.schema.json is not the record's schema any more; if the record was meant to change, run \
         RPCBENCH_BLESS=1 cargo test -p rpcbench --test run"
    );
}

#[test]
fn the_published_records_can_be_read_and_conform_to_the_schema() {
    let validator = jsonschema::validator_for(&record::json_schema()).unwrap();
    for name in ["reference", "amqp"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results").join(name);
        let record = record::read(&folder).unwrap();
        assert!(record.tool.optimised && !record.interrupted && record.skipped.is_empty());
        assert_ne!(record.tool.build.dirty, Some(true));
        assert!(record.trials.iter().all(|trial| trial.status == Status::Valid));
        let text = std::fs::read_to_string(folder.join("record.json")).unwrap();
        let text = serde_json::from_str(&text).unwrap();
        let errors: Vec<_> = validator.iter_errors(&text).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}

#[test]
fn a_run_writes_a_record_that_the_published_schema_allows_and_a_report() {
    let run = Run::of(&["rest-hyper", "zerorpc"], 1, "300ms");
    let ended = finish(&mut run.command(&["--seed", "7"])).with(0, &["measuring 4 trials"]);
    let said = ended.out.join("\n");
    for word in ["rest-hyper", "zerorpc", "inproc", "record: results/record.json", "report: results/report/"]
    {
        assert!(said.contains(word), "{said}");
    }

    let text = std::fs::read_to_string(run.results().join("record.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    // The published schema, as the test above makes sure of.
    let validator = jsonschema::validator_for(&record::json_schema()).unwrap();
    let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());

    let record = run.record();
    assert_eq!((record.seed, record.interrupted, record.trials.len()), (7, false, 4));
    let captured: Vec<_> = record.captures.iter().map(|captured| captured.stack.as_str()).collect();
    assert_eq!(captured, record.wire.iter().map(|wire| wire.stack.as_str()).collect::<Vec<_>>());
    assert!(captured.contains(&"rest-hyper") && captured.contains(&"zerorpc"), "{captured:?}");
    for trial in &record.trials {
        assert_eq!(trial.status, Status::Valid, "{}: {:?}", trial.stack, trial.complaint());
        assert!(trial.counts.right > 0 && trial.counts.right == trial.counts.started);
    }
    let left: Vec<_> =
        std::fs::read_dir(run.results()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.len() == 2 && run.results().join("report").is_dir(), "{left:?}");

    // Everything that is shown comes from the record.
    let again =
        finish(rpcbench(&["report", "results"]).current_dir(run.folder.path())).with(0, &[]).out.join("\n");
    for line in said.lines().filter(|line| line.starts_with(" zerorpc ") || line.starts_with(" rest-hyper "))
    {
        assert!(again.contains(line), "{line}\n{again}");
    }
}

#[test]
fn a_record_can_be_printed_and_a_run_can_be_quiet() {
    let run = Run::of(&["rest-hyper"], 1, "300ms");
    let ended = finish(&mut run.command(&["--format", "json"])).with(0, &[]);
    let printed: Record = serde_json::from_str(&ended.out.join("\n")).unwrap();
    assert_eq!((printed.trials.len(), ended.err.len()), (3, 0));

    // What was measured is not replaced.
    finish(&mut run.command(&["--format", "quiet"])).with(2, &["holds a record already"]);
    let run = Run::of(&["rest-hyper"], 1, "300ms");
    let ended = finish(&mut run.command(&["--format", "quiet"])).with(0, &[]);
    assert_eq!((ended.out, ended.err), (vec!["results/report/index.html".to_owned()], vec![]));
}

#[test]
fn wrong_answers_mark_a_trial_and_end_a_run_with_4() {
    // Few enough that the table of conformance, which comes first, meets none.
    let run = Run::of(&["rest-hyper"], 1, "1s");
    finish(&mut run.command(&["--server-arg=--wrong=1/150"])).with(4, &["answers were wrong"]);
    let record = run.record();
    let trial = record.trials.iter().find(|trial| trial.stack == "rest-hyper").unwrap();
    assert_eq!(trial.status, Status::Invalid);
    assert!(trial.counts.wrong > 0 && trial.counts.right > trial.counts.wrong);
    assert_eq!(trial.counts.started, trial.counts.right + trial.counts.wrong);
    assert!(trial.complaint().unwrap().contains("wrong"));
}

#[test]
fn failed_calls_are_counted_by_kind() {
    let run = Run::of(&["zerorpc"], 1, "1s");
    finish(&mut run.command(&["--server-arg=--fail=1/150"]));
    let record = run.record();
    let trial = record.trials.iter().find(|trial| trial.stack == "zerorpc").unwrap();
    assert!(trial.counts.errors() > 0 && trial.counts.is_conserved());
    assert!(trial.labels.contains(&record::Label::Errors), "{:?}", trial.labels);
}

#[test]
fn a_stack_that_does_not_conform_is_not_measured() {
    let run = Run::of(&["rest-hyper", "zerorpc"], 1, "300ms");
    let ended = finish(&mut run.command(&["--server-arg=--wrong=1/2"]));
    ended.with(3, &["rest-hyper: add(", "expected", "rest-hyper is skipped", "nothing could be measured"]);
    assert!(!run.results().join("record.json").exists());
}

#[test]
fn a_target_that_goes_away_fails_its_trials_and_the_run_goes_on() {
    let mut server = Process::start(&mut rpcbench(&["serve", "rest-hyper"]));
    let target = format!("rest-hyper={}", server.url());
    let run = Run::of(&["rest-hyper", "zerorpc"], 2, "500ms");
    let mut running = run.start(&["--target", &target]);
    wait_for(&running, "measuring 8 trials");
    server.signal(Signal::SIGKILL);
    server.ended();
    let ended = running.ended().with(4, &["rest-hyper (latency, block 2)"]);
    assert!(ended.out.join("\n").contains("zerorpc"));

    let record = run.record();
    assert_eq!((record.trials.len(), record.interrupted), (8, false));
    for trial in &record.trials {
        let expected = if trial.stack == "rest-hyper" { Status::Failed } else { Status::Valid };
        assert_eq!(trial.status, expected, "{}: {:?}", trial.stack, trial.complaint());
        assert!(trial.counts.is_conserved());
    }
    let facts = record.stacks.iter().find(|facts| facts.name == "rest-hyper").unwrap();
    assert_eq!(facts.server, "not observable");
    // Its bytes may hold what its owner does not publish.
    let captured: Vec<_> = record.captures.iter().map(|captured| captured.stack.as_str()).collect();
    assert!(captured.contains(&"zerorpc") && !captured.contains(&"rest-hyper"), "{captured:?}");
}

#[test]
fn a_target_that_is_not_there_ends_a_run_with_3() {
    let run = Run::of(&["rest-hyper"], 1, "300ms");
    let target = "rest-hyper=http://127.0.0.1:1/";
    finish(&mut run.command(&["--target", target])).with(3, &["rest-hyper", "127.0.0.1:1"]);
    assert!(!run.results().join("record.json").exists());
}

#[test]
fn without_a_broker_amqp_is_left_out_and_the_rest_is_measured() {
    let run = Run::of(&["rest-hyper", "amqp"], 1, "300ms");
    let without =
        |arguments: &[&str]| finish(run.command(arguments).env("RPCBENCH_RABBITMQ_SERVER", "/nonexistent"));
    let ended = without(&[]).with(0, &["amqp is skipped", "/nonexistent"]);
    let skipped = ended.err.iter().filter(|line| line.contains("skipped")).count();
    assert_eq!(skipped, 1, "{:?}", ended.err);
    let record = run.record();
    assert_eq!(record.skipped.len(), 1);
    assert!(record.skipped[0].stack == "amqp" && record.skipped[0].reason.contains("/nonexistent"));
    assert!(record.trials.iter().any(|trial| trial.stack == "rest-hyper"));
    assert!(record.trials.iter().all(|trial| trial.stack != "amqp"));

    std::fs::remove_dir_all(run.results()).unwrap();
    without(&["--require", "amqp"]).with(3, &["amqp is required", "/nonexistent"]);
    without(&["--stack", "amqp"]).with(3, &["nothing could be measured", "/nonexistent"]);
}

#[test]
fn trials_in_slices_are_measured_for_the_whole_window() {
    let run = Run::placed(&["rest-hyper", "jsonrpc-hyper"], 1, "100ms", "shared");
    let scenario = run.folder.path().join("tiny.toml");
    let text = std::fs::read_to_string(&scenario).unwrap();
    std::fs::write(&scenario, text + "slice = \"20ms\"\n").unwrap();
    finish(&mut run.command(&[])).with(0, &[]);
    let record = run.record();
    assert_eq!(record.trials.len(), 4);
    for trial in &record.trials {
        assert_eq!(trial.status, Status::Valid, "{trial:?}");
        assert!(trial.counts.right > 0 && (trial.measured_seconds - 0.1).abs() < 1e-6, "{trial:?}");
        assert!(trial.client.is_some_and(|used| used.cpu_ns > 0), "{trial:?}");
    }
    // Each began with a separate slice.
    let mut starts: Vec<_> = record.trials.iter().map(|trial| trial.at_seconds.to_bits()).collect();
    starts.sort_unstable();
    starts.dedup();
    assert_eq!(starts.len(), 4);
}

#[test]
fn calls_that_are_too_long_for_a_slice_are_measured_in_one_piece() {
    let run = Run::placed(&["rest-hyper"], 1, "200ms", "shared");
    let scenario = run.folder.path().join("tiny.toml");
    let text = std::fs::read_to_string(&scenario).unwrap().replace("stacks =", "floors = false\nstacks =");
    std::fs::write(&scenario, text + "slice = \"20ms\"\n").unwrap();
    finish(&mut run.command(&["--server-arg=--handler-delay=15ms"])).with(0, &[]);
    let record = run.record();
    let trial = &record.trials[0];
    assert!(trial.labels.contains(&Label::Whole), "{trial:?}");
    // In each slice of 20 ms one or two calls begin: counted there, they would be up to 100 a second.
    assert!(trial.throughput < 85.0 && (trial.measured_seconds - 0.2).abs() < 1e-6, "{trial:?}");
}
