//! Human-readable reasons for errors.

use std::fmt;

use calculator::{CallError, ErrorKind};
use lapin::ErrorKind as LapinError;

/// No queue exists for the message's target.
pub(crate) const NO_SERVER: &str = "no server of this target";
/// The broker answered with basic.nack.
pub(crate) const REFUSED: &str = "the broker refused the message";

/// An [`ErrorKind::Undeliverable`] error.
pub(crate) fn undeliverable(reason: impl fmt::Display) -> CallError {
    CallError::new(ErrorKind::Undeliverable, reason.to_string())
}

/// Why a request of this process failed, or a channel or connection ended: the broker's own code and text where it has
/// sent one, such as `406 PRECONDITION_FAILED - unknown delivery tag 7`.
pub(crate) fn reason(error: &lapin::Error) -> String {
    match error.kind() {
        LapinError::ProtocolError(error) => format!("{} {}", error.get_id(), error.get_message()),
        LapinError::IOError(error) => net::describe_connect_error(error),
        LapinError::MissingHeartbeatError => "the broker has sent no heartbeat in time".to_owned(),
        LapinError::InvalidChannelState(..) | LapinError::InvalidConnectionState(_) => {
            "the connection is closed".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Why a consumer ended, from the last item of its stream: an error, or `None` if the broker has cancelled it, which it
/// does when the queue is deleted.
pub(crate) fn end_of_consumer(error: Option<&lapin::Error>) -> String {
    match error {
        Some(error) => format!("lost the connection to the broker: {}", reason(error)),
        None => "the broker has cancelled the consumer: its queue was deleted".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPSoftError};

    use super::*;

    #[test]
    fn the_broker_s_code_and_text_are_the_reason() {
        let kind = AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED);
        let closed = AMQPError::new(kind, "PRECONDITION_FAILED - unknown delivery tag 7".into());
        let closed = lapin::Error::from(LapinError::ProtocolError(closed));
        assert_eq!(reason(&closed), "406 PRECONDITION_FAILED - unknown delivery tag 7");
        assert!(end_of_consumer(Some(&closed)).ends_with("406 PRECONDITION_FAILED - unknown delivery tag 7"));
        assert!(end_of_consumer(None).contains("deleted"));
        let refused = lapin::Error::from(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert!(reason(&refused).contains("refused"), "{}", reason(&refused));
    }
}
