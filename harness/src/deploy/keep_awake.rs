//! Keeps cores awake.
//!
//! An idle core goes to sleep, and on a virtual machine waking it takes longer than a whole call over loopback. When client
//! and server have a core each, both cores idle half of the time. A process with the policy `SCHED_IDLE` that spins on each
//! core prevents that. It takes no time from other processes, because it runs only when the core would idle.

use std::convert::Infallible;
use std::io::{self, Write};
use std::process::Command;
use std::time::Duration;

use super::child::PipedChild;
use super::program::own_program;
use crate::sys;

/// Name of the hidden subcommand that runs [`keep_awake_main`].
pub const SUBCOMMAND: &str = "__keep-awake";

/// How long a spinner may take to start, and to end.
const SPINNER_TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps cores awake until it is dropped.
#[derive(Debug)]
pub struct KeepAwake {
    spinners: Vec<PipedChild>,
}

impl KeepAwake {
    /// Starts a spinner process on each of `cores` and waits until all spin.
    ///
    /// # Errors
    /// When the system does not permit it.
    pub fn start(cores: &[usize]) -> io::Result<Self> {
        let start = |core: &usize| {
            let mut command = Command::new(own_program()?);
            command.args([SUBCOMMAND, &core.to_string()]);
            let spinner = PipedChild::spawn(command, &[], SPINNER_TIMEOUT)?;
            match spinner.next_line(SPINNER_TIMEOUT).as_deref() {
                Ok("spinning") => Ok(spinner),
                Ok(reason) => Err(io::Error::other(reason.to_owned())),
                Err(_) => Err(io::Error::other("the process that keeps a core awake ended immediately")),
            }
        };
        cores.iter().map(start).collect::<io::Result<_>>().map(|spinners| KeepAwake { spinners })
    }

    /// The ids of the spinner processes.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.spinners.iter().map(PipedChild::pid)
    }

    /// Whether every spinner still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.spinners.iter().all(PipedChild::is_running)
    }
}

/// The main function of a spinner: spins on `core` until standard input ends, that is, until the parent stops it or has
/// ended.
///
/// # Errors
/// When the system rejects the core or the scheduling policy. The reason is also printed, for the parent to read.
#[allow(
    clippy::disallowed_methods,
    reason = "standard output is a pipe to the parent, and errors are returned"
)]
pub fn keep_awake_main(core: usize) -> io::Result<Infallible> {
    let started = sys::pin_current_thread(&[core]).and_then(|()| {
        // Started before the policy changes: a thread with `SCHED_IDLE` might never notice the end of the input.
        std::thread::Builder::new().name("watch".to_owned()).spawn(|| {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            std::process::exit(0);
        })?;
        sys::become_idle_priority()
    });
    let mut out = io::stdout().lock();
    match &started {
        Ok(()) => writeln!(out, "spinning")?,
        Err(error) => writeln!(out, "cannot keep core {core} awake: {error}")?,
    }
    out.flush()?;
    started?;
    loop {
        std::hint::spin_loop();
    }
}
