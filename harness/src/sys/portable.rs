//! The fallback for systems other than Linux. It never guesses.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use super::types::{Connection, CoreTime, CpuQuota, Machine, SocketStats, UsageReading};

pub(super) const FULL: bool = false;

fn unsupported() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this build cannot do that on this system")
}

pub(super) fn allowed_cores() -> Vec<usize> {
    (0..std::thread::available_parallelism().map_or(1, usize::from)).collect()
}

pub(super) fn pin_current_thread(_cores: &[usize]) -> io::Result<()> {
    Err(unsupported())
}

pub(super) fn return_unused_memory() {}

pub(super) fn release_free_memory() {}

pub(super) fn become_idle_priority() -> io::Result<()> {
    Err(unsupported())
}

/// Tokio's timer until shortly before the deadline, then repeated looks at the clock.
#[derive(Debug)]
pub struct Timer(());

impl Timer {
    /// Creates a timer that is driven by the current Tokio runtime.
    ///
    /// # Errors
    /// Never here; the timer of Linux needs a file descriptor.
    pub fn new() -> io::Result<Self> {
        Ok(Timer(()))
    }

    /// Waits until `deadline`. Returns at once when it has passed.
    ///
    /// # Errors
    /// Never here.
    pub async fn wait_until(&mut self, deadline: Instant) -> io::Result<()> {
        /// Tokio's timer may fire this much late.
        const TIMER_RESOLUTION: Duration = Duration::from_millis(2);
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(sleep) = left.checked_sub(TIMER_RESOLUTION) {
            tokio::time::sleep(sleep).await;
        }
        while Instant::now() < deadline {
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

pub(super) fn sleep_precisely() {}

pub(super) fn allow_many_connections() {}

pub(super) fn max_open_files() -> Option<u64> {
    None
}

pub(super) fn ignores_signal(_number: i32) -> Option<bool> {
    None
}

/// Signals do not matter here.
pub(super) const CONTINUE: () = ();
pub(super) const KILL: () = ();

pub(super) fn signal_with_parent(_command: &mut Command, _signal: ()) {}

pub(super) fn is_running(_pid: u32) -> Option<bool> {
    None
}

pub(super) fn thread_limits() -> String {
    String::new()
}

pub(super) fn sockets() -> Option<Vec<SocketStats>> {
    None
}

pub(super) fn connections(_pids: &[u32]) -> Option<BTreeSet<Connection>> {
    None
}

pub(super) fn local_ports() -> Option<u32> {
    None
}

pub(super) fn resident_memory(_pid: u32) -> Option<u64> {
    None
}

pub(super) fn threads() -> Option<u32> {
    None
}

pub(super) fn cpu_time(_pid: u32) -> Option<UsageReading> {
    None
}

pub(super) fn usage(_pid: u32, _except: &[u32]) -> Option<UsageReading> {
    None
}

pub(super) fn reset_peak_memory(_pid: u32) {}

pub(super) fn monotonic_ns() -> Option<u64> {
    None
}

pub(super) fn own_threads() -> Vec<u32> {
    vec![]
}

pub(super) fn keep_run_queue_delay() {}

pub(super) fn cpu_quota() -> Option<CpuQuota> {
    None
}

pub(super) fn core_times() -> Option<BTreeMap<usize, CoreTime>> {
    None
}

pub(super) fn boot_id() -> Option<String> {
    None
}

pub(super) fn load_average() -> Option<f64> {
    None
}

pub(super) fn machine() -> Machine {
    Machine {
        system: std::env::consts::OS.to_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        cores: allowed_cores().len(),
        ..Machine::default()
    }
}
