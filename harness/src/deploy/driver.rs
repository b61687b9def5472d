//! Client processes that make calls on demand.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::child::PipedChild;
use super::program::own_program;

/// How long a driver may take to connect, and to end.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How much longer than its calls a request may take.
const REPLY_MARGIN: Duration = Duration::from_secs(20);

/// Why a driver does not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The process could not be started, or its input is closed.
    #[error("the client process could not be started or has ended: {0}")]
    Io(#[from] io::Error),
    /// The process printed nothing in time.
    #[error("the client process did not answer")]
    Silent,
    /// The process printed why it cannot go on.
    #[error("{0}")]
    Failed(String),
}

/// A client process, connected to one or several servers. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct DriverProcess {
    child: PipedChild,
}

impl DriverProcess {
    /// Starts `program` (the running one if absent) on `cores` with `command_line` and the environment `variable`, and waits
    /// until it has connected.
    ///
    /// # Errors
    /// [`DriverError`].
    pub(crate) fn start(
        program: Option<&Path>,
        cores: &[usize],
        subcommand: &str,
        (variable, settings): (&str, &str),
    ) -> Result<Self, DriverError> {
        let program = program.map_or_else(own_program, |program| Ok(program.to_owned()))?;
        let mut command = Command::new(program);
        command.arg(subcommand).env(variable, settings);
        let driver = DriverProcess { child: PipedChild::spawn(command, cores, START_TIMEOUT)? };
        match driver.answer(START_TIMEOUT)?.as_str() {
            "ready" => Ok(driver),
            other => Err(DriverError::Failed(other.to_owned())),
        }
    }

    /// Sends a request, which takes the driver about `length`, and returns the answer.
    ///
    /// # Errors
    /// [`DriverError`].
    pub(crate) fn request(&mut self, request: &str, length: Duration) -> Result<String, DriverError> {
        self.child.send_line(request)?;
        self.answer(length + REPLY_MARGIN)
    }

    fn answer(&self, timeout: Duration) -> Result<String, DriverError> {
        let line = self.child.next_line(timeout).map_err(|_| DriverError::Silent)?;
        match line.strip_prefix("error ") {
            Some(reason) => Err(DriverError::Failed(reason.to_owned())),
            None => Ok(line),
        }
    }
}
