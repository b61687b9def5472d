//! Why a trial could not be made.

use std::any::Any;
use std::io;
use std::time::Duration;

use calculator::CallError;

use crate::deploy::{GroupError, ServerError};
use crate::stacks::{OptionValueError, OptionsError};

/// Why a trial could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The server process did not start.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A server of a timeline did not start or end.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// The server's options cannot be passed on.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The server cannot have an option of the scenario.
    #[error(transparent)]
    Option(#[from] OptionValueError),
    /// The exchange of the trial cannot be declared.
    #[error("{stack}: the exchange cannot be declared: {reason}")]
    Exchange {
        /// The stack.
        stack: &'static str,
        /// The broker's reason.
        reason: String,
    },
    /// The server cannot be reached.
    #[error("{stack}: no answer from {address}: {source}")]
    Connect {
        /// The stack.
        stack: &'static str,
        /// The server's URL, without credentials.
        address: String,
        /// What happened.
        source: CallError,
    },
    /// The client cannot be pinned to its cores.
    #[error("{stack}: cannot pin the client to its cores: {source}")]
    Pin {
        /// The stack.
        stack: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// There is no runtime for the client.
    #[error("{stack}: cannot start the client's runtime: {source}")]
    Runtime {
        /// The stack.
        stack: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The load generator has no timer.
    #[error("{stack}: cannot generate the load: {source}")]
    Load {
        /// The stack.
        stack: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// Each call opened a connection, and there were too many calls.
    #[error(
        "{stack}: more than {limit} calls with a new connection each: closed connections would keep too many of this machine's \
         ports; use a shorter window, or a lower rate"
    )]
    TooManyConnections {
        /// The stack.
        stack: &'static str,
        /// How many calls may open connections.
        limit: u32,
    },
    /// The client panicked.
    #[error("{stack}: the client panicked: {message}")]
    Panicked {
        /// The stack.
        stack: &'static str,
        /// The message of the panic.
        message: String,
    },
    /// The other agents began without this one.
    #[error(
        "{stack}: this agent had its connections only {} ms after calls were to count: the trial before took too long, \
         or connecting does; agree on a longer --gap", late.as_millis()
    )]
    TooLate {
        /// The stack.
        stack: &'static str,
        /// By how much.
        late: Duration,
    },
}

impl TrialError {
    /// The error for a client of `stack` that panicked with `payload`.
    pub(super) fn panicked(stack: &'static str, payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let message = text.or(payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
        TrialError::Panicked { stack, message: message.to_owned() }
    }
}
