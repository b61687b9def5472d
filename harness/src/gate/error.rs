//! Why a gate cannot run.

use std::path::PathBuf;
use std::sync::Arc;

use super::side::Side;
use crate::deploy::broker::BrokerError;
use crate::deploy::{DriverError, ServerError, format_log};
use crate::run::counts::CountError;

/// Why a gate cannot run, or came to no end.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// A side cannot be used as it was given.
    #[error("--{}: {reason}", side.name())]
    Subject {
        /// The side.
        side: Side,
        /// What is wrong.
        reason: String,
    },
    /// The settings cannot be met.
    #[error("{0}")]
    Settings(String),
    /// A signal has ended it.
    #[error("the gate was interrupted")]
    Interrupted,
    /// Another gate uses the same folder.
    #[error("another gate is running in {}", .0.display())]
    InUse(PathBuf),
    /// A side does not build.
    #[error("{} does not build; the whole output is in {}{}", side.name(), log.display(), format_log(end))]
    Build {
        /// The side.
        side: Side,
        /// The file with the output of the build.
        log: PathBuf,
        /// The last lines of it.
        end: String,
    },
    /// A program cannot be linked again.
    #[error("{} cannot be linked with other section padding{}", side.name(), format_log(output))]
    Link {
        /// The side.
        side: Side,
        /// What the linker printed.
        output: String,
    },
    /// Files of the gate cannot be written or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A server does not start.
    #[error("{}: {source}", side.name())]
    Server {
        /// The side.
        side: Side,
        /// Why.
        source: ServerError,
    },
    /// The instructions and allocations of a call cannot be counted.
    #[error("{}: {stack} cannot be counted: {source}; --no-counts leaves this out", side.name())]
    Count {
        /// The side.
        side: Side,
        /// The stack.
        stack: String,
        /// Why.
        source: CountError,
    },
    /// A server of another language does not start.
    #[error("{}: the command `{command}` {reason}", side.name())]
    Command {
        /// The side.
        side: Side,
        /// The command, without credentials.
        command: String,
        /// What happened.
        reason: String,
    },
    /// The broker does not start.
    #[error("{0}")]
    Broker(Arc<BrokerError>),
    /// The client of a side cannot make calls.
    #[error("{}: {stack}: {source}{ended}{}", side.name(), format_log(log))]
    Client {
        /// The side.
        side: Side,
        /// The stack.
        stack: String,
        /// Why.
        source: DriverError,
        /// How the server ended, if it did.
        ended: String,
        /// The end of the server's log.
        log: String,
    },
    /// Calls failed or got wrong answers, so that times mean nothing.
    #[error(
        "{}: {stack}: {others} of {all} calls did not get the expected answer{ended}{}",
        side.name(), format_log(log)
    )]
    Calls {
        /// The side.
        side: Side,
        /// The stack.
        stack: String,
        /// How many calls.
        others: u64,
        /// Of how many.
        all: u64,
        /// How the server ended, if it did.
        ended: String,
        /// The end of the server's log.
        log: String,
    },
}
