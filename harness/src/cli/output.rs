//! How commands end, and everything that they print.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// How a command ended: its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// A negative result: an RPC error, a failed check, something missing.
    No = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// The command could not run: no server, no broker.
    CouldNotRun = 3,
    /// Measured, but an audit failed.
    AuditFailed = 4,
    /// Ended early by SIGHUP.
    HungUp = 129,
    /// Ended early by SIGINT, as from Ctrl-C.
    Interrupted = 130,
    /// Ended early by SIGTERM.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command failed, with the exit code that belongs to it.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(exit: Exit, error: impl Display) -> Self {
        // The alternate form of an error with a context includes the causes.
        Failure { exit, message: format!("{error:#}") }
    }

    pub(super) fn usage(error: impl Display) -> Self {
        Failure::new(Exit::Usage, error)
    }

    pub(super) fn could_not_run(error: impl Display) -> Self {
        Failure::new(Exit::CouldNotRun, error)
    }
}

pub(super) type Outcome = Result<Exit, Failure>;

/// Prints to standard output. Ends the program where the reader has closed the pipe, as `head` does.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Prints a line to standard error. Ignores write errors: the exit code still reports how the command ended.
pub(super) fn print_error(line: &dyn Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
