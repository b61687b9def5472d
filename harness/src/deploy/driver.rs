//! Client processes that make calls on demand.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::child::PipedChild;
use super::program::{command_line, own_program};

/// How long a driver may take to start, and to end.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How much longer than its calls a request may take, for example to connect.
const REPLY_MARGIN: Duration = Duration::from_secs(20);
/// How long the exit status of a driver may take after the end of its output.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a driver does not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The process could not be started.
    #[error("the client process could not be started: {0}")]
    Io(#[from] io::Error),
    /// The process has ended.
    #[error("the client process has ended ({0})")]
    Ended(String),
    /// The process printed nothing in time.
    #[error("the client process did not answer")]
    Silent,
    /// The process printed why it cannot go on.
    #[error("{0}")]
    Failed(String),
}

/// A client process. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct DriverProcess {
    child: PipedChild,
}

impl DriverProcess {
    /// Starts `program` (the running one if absent) on `cores` with `subcommand` and the environment `variable`, and waits until
    /// it is ready. The words of `wrapper`, such as those of a profiler, come before the program on its command line.
    ///
    /// # Errors
    /// [`DriverError`].
    pub(crate) fn start(
        program: Option<&Path>,
        wrapper: &[OsString],
        cores: &[usize],
        subcommand: &str,
        (variable, settings): (&str, &str),
    ) -> Result<Self, DriverError> {
        let program = program.map_or_else(own_program, |program| Ok(program.to_owned()))?;
        let mut command = command_line(wrapper, program.as_os_str());
        command.arg(subcommand).env(variable, settings);
        let mut driver = DriverProcess { child: PipedChild::spawn(command, cores, START_TIMEOUT)? };
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
        // If it has closed its input, it has said why, or has ended.
        let _ = self.child.send_line(request);
        self.answer(length + REPLY_MARGIN)
    }

    /// The id of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Asks the process to end, and waits until it has.
    pub(crate) fn stop(mut self) {
        self.child.stop();
    }

    fn answer(&mut self, timeout: Duration) -> Result<String, DriverError> {
        let line = match self.child.next_line(timeout) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return Err(DriverError::Silent),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.exit_status_within(EXIT_TIMEOUT);
                return Err(DriverError::Ended(status.unwrap_or_else(|| "its output is closed".to_owned())));
            }
        };
        match line.strip_prefix("error ") {
            Some(reason) => Err(DriverError::Failed(reason.to_owned())),
            None => Ok(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a driver answers whose program is the shell, and its subcommand the script `script`.
    fn answer_of(script: &str) -> DriverError {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("driver");
        std::fs::write(&file, script).unwrap();
        let shell = Path::new("/bin/sh");
        let started = DriverProcess::start(Some(shell), &[], &[], file.to_str().unwrap(), ("SETTINGS", ""));
        started.and_then(|mut driver| driver.request("request", Duration::ZERO)).unwrap_err()
    }

    #[test]
    fn a_driver_that_has_ended_is_reported_with_its_status() {
        for script in ["exit 7", "echo ready; exit 7", "echo ready; read request; exit 7"] {
            let error = answer_of(script).to_string();
            assert_eq!(error, "the client process has ended (exit status: 7)", "{script}");
        }
        for script in ["echo error reason; exit 1", "echo ready; echo error reason; exit 1"] {
            assert_eq!(answer_of(script).to_string(), "reason", "{script}");
        }
    }
}
