//! A record that cannot be saved in the middle of a run is not lost.

use std::fs;

use crate::{Run, wait_for};

/// Starts a run of some blocks, and returns when the first has been saved.
fn start(run: &Run, arguments: &[&str]) -> crate::common::Process {
    let process = run.start(arguments);
    run.wait_for_record();
    process
}

/// Puts a file in the place of the results folder, in which nothing can be written then.
fn replace_folder(run: &Run) {
    fs::rename(run.results(), run.folder.path().join("moved")).unwrap();
    fs::write(run.results(), "").unwrap();
}

#[test]
fn a_results_folder_that_is_removed_is_created_again() {
    let run = Run::of(&["rest-hyper"], 3, "300ms");
    let mut process = start(&run, &[]);
    fs::remove_dir_all(run.results()).unwrap();
    process.ended().with(0, &["results was removed; it was created again"]);
    let record = run.record();
    assert_eq!((record.interrupted, record.trials.len()), (false, 9));
}

#[test]
fn a_block_that_cannot_be_saved_is_reported_at_once_and_saved_later() {
    let run = Run::of(&["rest-hyper"], 20, "100ms");
    let mut process = start(&run, &[]);
    replace_folder(&run);
    wait_for(&process, "cannot write results/record.json");
    fs::remove_file(run.results()).unwrap();
    process.ended().with(0, &[]);
    assert_eq!(run.record().trials.len(), 60);
}

#[test]
fn a_record_that_cannot_be_saved_at_all_is_shown_and_ends_with_3() {
    let run = Run::of(&["rest-hyper"], 3, "300ms");
    let mut process = start(&run, &["--format", "json"]);
    replace_folder(&run);
    let ended = process.ended().with(3, &["cannot write results/record.json", "kept in memory"]);
    let record: rpcbench::record::Record = serde_json::from_str(&ended.out.join("\n")).unwrap();
    assert_eq!((record.interrupted, record.trials.len()), (false, 9));
}

#[test]
fn the_fallback_folder_is_used_when_the_other_cannot_be() {
    let run = Run::of(&["rest-hyper"], 3, "300ms");
    let mut process = start(&run, &["--fallback-out", "other"]);
    replace_folder(&run);
    let ended =
        process.ended().with(0, &["cannot write results/record.json", "wrote other/record.json instead"]);
    assert!(ended.out.join("\n").contains("report: other/report/index.html"), "{:?}", ended.out);
    let record = rpcbench::record::read(&run.folder.path().join("other")).unwrap();
    assert_eq!((record.interrupted, record.trials.len()), (false, 9));
}

#[test]
fn a_fallback_for_several_scenarios_is_refused() {
    let run = Run::of(&["rest-hyper"], 1, "300ms");
    let mut command = run.command_with(&["run", "tiny.toml", "tiny.toml", "--fallback-out", "other"]);
    crate::common::finish(&mut command).with(2, &["--fallback-out takes one scenario"]);
}
