//! Control groups that limit what the processes of a test may use.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A control group. It is removed when dropped.
pub(crate) struct ControlGroup(PathBuf);

impl ControlGroup {
    /// Makes a group, where this user may, and writes each of `limits` into the file beside it. `controller` names the
    /// hierarchy, of which version 2 has only one.
    fn make(
        controller: &str,
        limits: impl Fn(Version) -> Vec<(&'static str, &'static str)>,
    ) -> io::Result<Self> {
        let older = Path::new("/sys/fs/cgroup").join(controller);
        let (parent, version) =
            if older.is_dir() { (older, Version::One) } else { ("/sys/fs/cgroup".into(), Version::Two) };
        let group = ControlGroup(parent.join(format!("rpcbench-test-{controller}-{}", std::process::id())));
        fs::create_dir(&group.0)?;
        limits(version).iter().try_for_each(|(file, limit)| fs::write(group.0.join(file), limit))?;
        Ok(group)
    }

    /// A group that allows 100 processes and threads; `None` where none can be made, which is reported as test `test` skipped.
    pub(crate) fn of_few_threads(test: &str) -> Option<Self> {
        or_skipped(test, Self::make("pids", |_| vec![("pids.max", "100")]))
    }

    /// A group whose processes may run for 20 ms in each 100 ms; `None` as for [`Self::of_few_threads`].
    pub(crate) fn of_a_fifth_of_a_core(test: &str) -> Option<Self> {
        or_skipped(
            test,
            Self::make("cpu", |version| match version {
                Version::One => vec![("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "20000")],
                Version::Two => vec![("cpu.max", "20000 100000")],
            }),
        )
    }

    /// The command of a shell that puts the shell, and what it starts, into the group.
    pub(crate) fn enter(&self) -> String {
        format!("echo $$ >'{}'", self.0.join("cgroup.procs").display())
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// The version of the control groups of this system.
#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

/// Reports a group that cannot be made. Users other than root may not, for example.
fn or_skipped(test: &str, group: io::Result<ControlGroup>) -> Option<ControlGroup> {
    // Written to standard error itself: what a test prints is only shown when it fails.
    group.map_err(|why| writeln!(io::stderr(), "skipped: {test}: {why}")).ok()
}
