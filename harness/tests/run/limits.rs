//! Limits of the system that are too low for a trial: the trial fails and names them, and the run goes on.

use std::process::Stdio;

use rpcbench::record::Status;

use crate::Run;
use crate::common::finish;

/// Runs `stack` with many callers under the limit that the shell's `ulimit` sets, and returns why its trial failed.
fn complaint_under(limit: &str, stack: &str) -> String {
    let run = Run::of(&["rest-hyper"], 1, "300ms");
    let program = run.command(&["--stack", stack, "--load", "closed:500"]);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("ulimit {limit} && exec \"$@\""), "sh"]);
    shell.arg(program.get_program()).args(program.get_args());
    shell.current_dir(run.folder.path()).stdin(Stdio::null());
    let ended = finish(&mut shell).with(4, &[]);
    assert!(!ended.err.join("\n").contains("panicked"), "{:?}", ended.err);
    let record = run.record();
    assert!(!record.interrupted);
    let failed = record.trials.iter().find(|trial| trial.stack == "tcp").unwrap();
    assert_eq!(failed.status, Status::Failed);
    failed.complaint().unwrap().to_owned()
}

#[test]
fn too_few_threads_for_the_callers_fail_the_trial() {
    // Less than the stacks of 500 threads take. Limits on processes do not apply to root.
    let complaint = complaint_under("-v 800000", "rest-hyper");
    assert!(complaint.contains("of the 500 threads") && complaint.contains("ulimit -v is"), "{complaint}");
}

#[test]
fn too_few_file_descriptors_fail_the_trial() {
    let complaint = complaint_under("-n 256", "rest-hyper");
    assert!(complaint.contains("open files"), "{complaint}");
}
