//! Errors of publishing.

use std::fmt;

use calculator::{CallError, ErrorKind};

/// No queue exists for the message's target.
pub(crate) const NO_SERVER: &str = "no server of this target";
/// The broker answered with basic.nack.
pub(crate) const REFUSED: &str = "the broker refused the message";

/// An [`ErrorKind::Undeliverable`] error.
pub(crate) fn undeliverable(reason: impl fmt::Display) -> CallError {
    CallError::new(ErrorKind::Undeliverable, reason.to_string())
}
