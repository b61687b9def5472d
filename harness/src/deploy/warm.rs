//! Keeping cores awake.
//!
//! A core that idles goes to sleep, and waking it costs a virtual machine more than a whole call on loopback. Where
//! client and server have a core each, both idle half of the time; a process of the lowest priority
//! (`SCHED_IDLE`) that spins on each of them takes nothing from anybody who wants to run, and keeps it awake.

use std::convert::Infallible;
use std::io::{self, Write};
use std::process::Command;
use std::time::Duration;

use super::{PipedChild, own_program};
use crate::sys;

/// The hidden subcommand that [`keep_awake_main`] stands behind.
pub const SUBCOMMAND: &str = "__keep-awake";

/// How long a spinner may take to say that it spins, and to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Spinners that run until this is dropped.
#[derive(Debug)]
pub struct KeptAwake {
    _spinners: Vec<PipedChild>,
}

impl KeptAwake {
    /// Starts a spinner on each of `cores` and waits until it spins.
    ///
    /// # Errors
    /// Why the system does not allow it; a run then goes on without, and its record says so.
    pub fn start(cores: &[usize]) -> io::Result<Self> {
        let start = |core: &usize| {
            let mut command = Command::new(own_program()?);
            command.args([SUBCOMMAND, &core.to_string()]);
            let spinner = PipedChild::spawn(command, &[], PATIENCE)?;
            match spinner.next_line(PATIENCE).as_deref() {
                Ok("spinning") => Ok(spinner),
                Ok(refusal) => Err(io::Error::other(refusal.to_owned())),
                Err(_) => Err(io::Error::other("the process that keeps a core awake ended at once")),
            }
        };
        cores.iter().map(start).collect::<io::Result<_>>().map(|spinners| KeptAwake { _spinners: spinners })
    }
}

/// Spins on `core` until standard input ends: when the parent wants it, or is no more.
///
/// # Errors
/// When the core or the priority is refused; the refusal is also printed for the parent to read.
pub fn keep_awake_main(core: usize) -> io::Result<Infallible> {
    let allowed = sys::pin_current_thread(&[core]).and_then(|()| {
        // The watcher is started first: it must keep an ordinary priority, or it would never see the end of input.
        std::thread::Builder::new().name("watch".to_owned()).spawn(|| {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            std::process::exit(0);
        })?;
        sys::become_idle_priority()
    });
    let mut out = io::stdout().lock();
    match &allowed {
        Ok(()) => writeln!(out, "spinning")?,
        Err(error) => writeln!(out, "cannot keep core {core} awake: {error}")?,
    }
    out.flush()?;
    allowed?;
    loop {
        std::hint::spin_loop();
    }
}
