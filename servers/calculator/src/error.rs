//! The errors of calls, which have the same kinds in every protocol.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Value, printable, shortened};

/// The maximum number of characters of a text in an error that a peer reported.
const MAX_REMOTE_CHARS: usize = 4_000;

/// The kind of error of a failed call. Each protocol represents it in its own way. Tests compare kinds, not messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// Division by integer or float zero.
    ZeroDivision,
    /// An integer outside 64 bits, or outside what the protocol can carry.
    Overflow,
    /// A value that the protocol cannot represent: NaN or bytes in JSON, a control character in XML.
    NotRepresentable,
    /// The method does not exist, or is private.
    UnknownMethod,
    /// The number, the names or the types of the arguments are wrong.
    InvalidArguments,
    /// A message that does not follow the protocol.
    Malformed,
    /// The server does not implement the requested namespace and version (AMQP).
    UnsupportedVersion,
    /// A size, a depth or a count exceeds a limit.
    TooLarge,
    /// There was no reply in time.
    Timeout,
    /// The call could not be delivered, or the connection was closed before the reply.
    Undeliverable,
    /// Any other failure that the server reported.
    Internal,
}

impl ErrorKind {
    /// All kinds, in the order of tables.
    pub const ALL: [ErrorKind; 11] = [
        ErrorKind::ZeroDivision,
        ErrorKind::Overflow,
        ErrorKind::NotRepresentable,
        ErrorKind::UnknownMethod,
        ErrorKind::InvalidArguments,
        ErrorKind::Malformed,
        ErrorKind::UnsupportedVersion,
        ErrorKind::TooLarge,
        ErrorKind::Timeout,
        ErrorKind::Undeliverable,
        ErrorKind::Internal,
    ];

    /// The stable name, used in records and in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::ZeroDivision => "zero-division",
            ErrorKind::Overflow => "overflow",
            ErrorKind::NotRepresentable => "not-representable",
            ErrorKind::UnknownMethod => "unknown-method",
            ErrorKind::InvalidArguments => "invalid-arguments",
            ErrorKind::Malformed => "malformed",
            ErrorKind::UnsupportedVersion => "unsupported-version",
            ErrorKind::TooLarge => "too-large",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Undeliverable => "undeliverable",
            ErrorKind::Internal => "internal",
        }
    }

    /// The kind with this [`name`](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The class name of the Python exception that the reference implementations raise for this kind, and that
    /// protocols that originate in Python put into their messages.
    #[must_use]
    pub fn python_class(self) -> &'static str {
        match self {
            ErrorKind::ZeroDivision => "ZeroDivisionError",
            ErrorKind::Overflow | ErrorKind::NotRepresentable => "OverflowError",
            ErrorKind::UnknownMethod => "NameError",
            ErrorKind::InvalidArguments => "TypeError",
            ErrorKind::Malformed | ErrorKind::TooLarge => "ValueError",
            ErrorKind::UnsupportedVersion => "UnsupportedVersion",
            ErrorKind::Timeout => "TimeoutError",
            ErrorKind::Undeliverable => "ConnectionError",
            ErrorKind::Internal => "Exception",
        }
    }

    /// The kind that corresponds to the class name of a Python exception; [`Internal`](ErrorKind::Internal) for any other
    /// name.
    #[must_use]
    pub fn from_python_class(class: &str) -> Self {
        match class {
            "ZeroDivisionError" => ErrorKind::ZeroDivision,
            "OverflowError" => ErrorKind::Overflow,
            "NameError" | "NoSuchMethod" => ErrorKind::UnknownMethod,
            "TypeError" => ErrorKind::InvalidArguments,
            "UnsupportedVersion" => ErrorKind::UnsupportedVersion,
            "TimeoutExpired" | "TimeoutError" | "MessagingTimeout" => ErrorKind::Timeout,
            "LostRemote" | "MessageUndeliverable" => ErrorKind::Undeliverable,
            _ => ErrorKind::Internal,
        }
    }

    /// Whether the transport failed, so that there is no reply and it is unknown whether the server executed the call.
    #[must_use]
    pub fn is_transport(self) -> bool {
        matches!(self, ErrorKind::Timeout | ErrorKind::Undeliverable)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The details of an error that a peer reported, in the terms of its protocol, for users to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remote {
    /// A numeric code, such as a fault code or an HTTP status.
    pub code: Option<i64>,
    /// The class name of the remote exception.
    pub class: Option<String>,
    /// Additional data.
    pub data: Option<Value>,
}

/// The error of a failed call.
///
/// [`Display`](fmt::Display) shows it on one line and escapes what a terminal could take for a command, since the message
/// may come from a peer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{kind}: {}", printable(message))]
pub struct CallError {
    /// The kind, which can be compared between protocols.
    pub kind: ErrorKind,
    /// What went wrong, for users to read.
    pub message: String,
    /// The details that the peer reported, if any. Boxed, to keep the results of successful calls small.
    pub remote: Option<Box<Remote>>,
}

impl CallError {
    /// Creates an error that was detected locally.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        CallError { kind, message: message.into(), remote: None }
    }

    /// Creates an error that the peer reported. A message and a class name of more than 4,000 characters are shortened.
    pub fn remote(kind: ErrorKind, message: impl Into<String>, remote: Remote) -> Self {
        let remote = Remote { class: remote.class.map(bounded), ..remote };
        CallError { kind, message: bounded(message.into()), remote: Some(Box::new(remote)) }
    }

    /// Creates the error for a call that takes what the protocol lacks, such as batches.
    #[must_use]
    pub fn lacking(what: &str) -> Self {
        CallError::new(ErrorKind::InvalidArguments, format!("there are no {what}"))
    }

    /// Creates the error for a method that does not exist.
    #[must_use]
    pub fn unknown_method(method: &str) -> Self {
        CallError::new(ErrorKind::UnknownMethod, format!("method \"{method}\" is not supported"))
    }
}

/// The beginning of `text`, as much as an error keeps of it.
fn bounded(text: String) -> String {
    match shortened(&text, MAX_REMOTE_CHARS) {
        Cow::Owned(shortened) => shortened,
        Cow::Borrowed(_) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_s_long_message_is_shortened() {
        for (chars, shown) in [(4_000, 4_000), (4_001, 4_001), (100_000, 4_001)] {
            let error = CallError::remote(ErrorKind::Internal, "ü".repeat(chars), Remote::default());
            assert_eq!((error.message.chars().count(), error.message.ends_with('…')), (shown, chars > 4_000));
            assert_eq!(CallError::new(ErrorKind::Internal, "ü".repeat(chars)).message.chars().count(), chars);
        }
    }

    #[test]
    fn names_are_unique_and_are_parsed_back() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_name(kind.name()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(ErrorKind::from_name("zerodivision"), None);
    }
}
