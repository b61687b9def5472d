//! Limits of the system that are too low for a trial: the trial fails and names them, and the run goes on.

use rpcbench::record::Status;

use crate::common::control_group::ControlGroup;
use crate::common::finish;
use crate::{Run, in_shell};

/// Makes a run with many callers after the shell has carried out `limit`, and returns why the trial of `tcp` failed.
fn complaint_after(limit: &str) -> String {
    let run = Run::of(&["rest-hyper"], 1, "300ms");
    let ended = finish(&mut in_shell(limit, &run.command(&["--load", "closed:500"]))).with(4, &[]);
    assert!(!ended.err.join("\n").contains("panicked"), "{:?}", ended.err);
    let record = run.record();
    assert!(!record.interrupted);
    let failed = record.trials.iter().find(|trial| trial.stack == "tcp").unwrap();
    assert_eq!(failed.status, Status::Failed);
    failed.complaint().unwrap().to_owned()
}

#[test]
fn too_few_threads_for_the_callers_fail_the_trial() {
    let Some(group) = ControlGroup::of_few_threads("too_few_threads_for_the_callers_fail_the_trial") else {
        return;
    };
    let complaint = complaint_after(&group.enter());
    assert!(complaint.contains("of the 500 threads") && complaint.contains("pids.max"), "{complaint}");
}

#[test]
fn too_few_file_descriptors_fail_the_trial() {
    let complaint = complaint_after("ulimit -n 256");
    assert!(complaint.contains("open files"), "{complaint}");
}
