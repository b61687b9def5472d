//! Limits of the system that are too low for a trial: the trial fails and names them, and the run goes on.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rpcbench::record::Status;

use crate::Run;
use crate::common::finish;

/// Makes a run with many callers after the shell has carried out `limit`, and returns why the trial of `tcp` failed.
fn complaint_after(limit: &str) -> String {
    let run = Run::of(&["rest-hyper"], 1, "300ms");
    let program = run.command(&["--load", "closed:500"]);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("{limit} && exec \"$@\""), "sh"]);
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

/// A control group that allows few processes and threads. It is removed when dropped.
struct SmallGroup(PathBuf);

impl SmallGroup {
    /// Makes the group, where this user may.
    fn make() -> std::io::Result<Self> {
        let older = Path::new("/sys/fs/cgroup/pids");
        let parent = if older.is_dir() { older } else { Path::new("/sys/fs/cgroup") };
        let group = SmallGroup(parent.join(format!("rpcbench-test-{}", std::process::id())));
        fs::create_dir(&group.0)?;
        fs::write(group.0.join("pids.max"), "100")?;
        Ok(group)
    }
}

impl Drop for SmallGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn too_few_threads_for_the_callers_fail_the_trial() {
    // Refused to users other than root, among others.
    let group = match SmallGroup::make() {
        Ok(group) => group,
        Err(why) => {
            let name = "too_few_threads_for_the_callers_fail_the_trial";
            // Written to standard error itself: what a test prints is only shown when it fails.
            let _ = writeln!(std::io::stderr(), "skipped: {name}: {why}");
            return;
        }
    };
    let complaint = complaint_after(&format!("echo $$ >'{}'", group.0.join("cgroup.procs").display()));
    assert!(complaint.contains("of the 500 threads") && complaint.contains("pids.max"), "{complaint}");
}

#[test]
fn too_few_file_descriptors_fail_the_trial() {
    let complaint = complaint_after("ulimit -n 256");
    assert!(complaint.contains("open files"), "{complaint}");
}
