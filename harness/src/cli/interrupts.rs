//! The signals that end a run early.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Exit, Failure, print_error};
use crate::sys;

/// The message where what was measured is written.
pub(super) const ENDING_RUN: &str =
    "ending the run; what was measured is kept (interrupt again to end at once)";

/// Watches for SIGINT, SIGTERM and SIGHUP. The first of them ends the run after the call in hand, the second one ends the
/// program.
pub(super) struct Interrupts {
    flag: Arc<AtomicBool>,
    exit: Arc<OnceLock<Exit>>,
}

impl Interrupts {
    /// Starts to watch, on a separate thread, which prints `message` at the first signal. SIGHUP stays ignored where it is
    /// ignored already, as `nohup` does.
    ///
    /// # Errors
    /// Where the system refuses a signal handler or the thread.
    pub(super) fn watch(message: &'static str) -> Result<Self, Failure> {
        let interrupts = Interrupts { flag: Arc::default(), exit: Arc::default() };
        let (flag, exit) = (Arc::clone(&interrupts.flag), Arc::clone(&interrupts.exit));
        let runtime = super::runtime()?;
        let mut signals = {
            let _guard = runtime.enter();
            Signals::install().map_err(Failure::could_not_run)?
        };
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    loop {
                        let received = signals.next().await;
                        if exit.set(received).is_err() {
                            std::process::exit(received as i32);
                        }
                        flag.store(true, Ordering::Relaxed);
                        print_error(&message);
                    }
                });
            })
            .map_err(Failure::could_not_run)?;
        Ok(interrupts)
    }

    /// Set once a signal has been received.
    pub(super) fn flag(&self) -> &Arc<AtomicBool> {
        &self.flag
    }

    /// The exit code of the first signal; `None` if none has been received.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.exit.get().copied()
    }
}

/// The signals, each with the exit code of a program that it ends: 128 and its number, as shells report it.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    /// Installs the handlers, inside a Tokio runtime.
    ///
    /// # Errors
    /// Where the system refuses a handler.
    pub(super) fn install() -> std::io::Result<Self> {
        let hangup = SignalKind::hangup();
        let heeds_hangup = !sys::ignores_signal(hangup.as_raw_value()).unwrap_or(true);
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: heeds_hangup.then(|| signal(hangup)).transpose()?,
        })
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) -> Exit {
        let hung_up = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
            _ = hung_up => Exit::HungUp,
        }
    }
}
