//! The fallback for systems that tell less: nothing is guessed.

use std::io;
use std::time::{Duration, Instant};

use super::{Machine, SocketStats, Usage};

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

pub(super) fn become_idle_priority() -> io::Result<()> {
    Err(unsupported())
}

/// Tokio's timer up to its last millisecond, and then looking again and again.
#[derive(Debug)]
pub struct Timer(());

impl Timer {
    /// A timer of the Tokio runtime that this is called in.
    ///
    /// # Errors
    /// None; a system with better timers may have none left.
    pub fn new() -> io::Result<Self> {
        Ok(Timer(()))
    }

    /// Waits until `moment`; not at all where it has passed.
    ///
    /// # Errors
    /// None.
    pub async fn until(&mut self, moment: Instant) -> io::Result<()> {
        const GRAIN: Duration = Duration::from_millis(2);
        let left = moment.saturating_duration_since(Instant::now());
        if let Some(long) = left.checked_sub(GRAIN) {
            tokio::time::sleep(long).await;
        }
        while Instant::now() < moment {
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

pub(super) fn sleep_precisely() {}

pub(super) fn allow_many_connections() {}

pub(super) fn sockets() -> Option<Vec<SocketStats>> {
    None
}

pub(super) fn threads() -> Option<u32> {
    None
}

pub(super) fn usage(_pid: u32) -> Option<Usage> {
    None
}

pub(super) fn reset_peak_memory(_pid: u32) {}

pub(super) fn steal_time() -> Option<Duration> {
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
