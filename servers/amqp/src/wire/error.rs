//! Errors of decoding.

use calculator::{CallError, ErrorKind};

/// Why a message cannot be decoded. Its [ids](super::read_routing) may be readable all the same: then a server answers with a
/// failure, and a client fails the call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not JSON, or not an oslo.messaging message.
    #[error("not an oslo.messaging message: {0}")]
    Malformed(String),
    /// The envelope's version is not 2.0.
    #[error("unsupported envelope version")]
    Version,
    /// Longer or more deeply nested than the limits allow.
    #[error("{0}")]
    TooLarge(String),
}

impl From<CallError> for WireError {
    fn from(error: CallError) -> Self {
        match error.kind {
            ErrorKind::TooLarge => WireError::TooLarge(error.message),
            _ => WireError::Malformed(error.message),
        }
    }
}

/// A [`WireError::Malformed`] with the reason `error`.
pub(super) fn malformed(error: impl std::fmt::Display) -> WireError {
    WireError::Malformed(error.to_string())
}
