//! Why a call failed, in words that mean the same in every protocol.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Value;

/// The kind of a failed call. Each protocol carries it in its own way; tests compare kinds, never texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// Division by integer or float zero.
    ZeroDivision,
    /// An integer outside 64 bits, or outside what the protocol can carry.
    Overflow,
    /// A value that the protocol has no form for: NaN or bytes in JSON, a control character in XML.
    NotRepresentable,
    /// No such method, or a private one.
    UnknownMethod,
    /// Wrong number, name or type of arguments.
    InvalidArguments,
    /// A message that does not follow the protocol.
    Malformed,
    /// No endpoint of that namespace and version (AMQP).
    UnsupportedVersion,
    /// A body, a depth or a count above a limit.
    TooLarge,
    /// No answer in time.
    Timeout,
    /// The call could not be delivered, or the connection ended before its answer.
    Undeliverable,
    /// Any other failure that the server reported.
    Internal,
}

impl ErrorKind {
    /// Every kind, in the order in which tables show them.
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

    /// The stable name, as in records and in REST's problem documents.
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

    /// The kind of that [`name`](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The Python exception that reference implementations raise for this kind, and that XML-RPC, zerorpc and AMQP
    /// carry by name.
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

    /// The kind that a peer meant by an exception's class name, as far as it can be told; otherwise
    /// [`Internal`](ErrorKind::Internal).
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

    /// Whether the failure was on the way rather than an answer: nobody knows then what the server did.
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

/// What a peer said of its failure in its protocol's own terms, kept for people to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remote {
    /// A numeric code: an XML-RPC fault code, a JSON-RPC code, an HTTP status.
    pub code: Option<i64>,
    /// The class name of a remote exception.
    pub class: Option<String>,
    /// Further data that came along.
    pub data: Option<Value>,
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct CallError {
    /// The kind, comparable between protocols.
    pub kind: ErrorKind,
    /// What happened, for a person.
    pub message: String,
    /// What the peer said, where a peer said it. Boxed: failures are rare, results are not.
    pub remote: Option<Box<Remote>>,
}

impl CallError {
    /// An error of `kind` that this end noticed.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        CallError { kind, message: message.into(), remote: None }
    }

    /// An error of `kind` that the peer reported.
    pub fn remote(kind: ErrorKind, message: impl Into<String>, remote: Remote) -> Self {
        CallError { kind, message: message.into(), remote: Some(Box::new(remote)) }
    }

    /// The method does not exist.
    #[must_use]
    pub fn unknown_method(method: &str) -> Self {
        CallError::new(ErrorKind::UnknownMethod, format!("method \"{method}\" is not supported"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lead_back() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_name(kind.name()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(ErrorKind::from_name("zerodivision"), None);
    }
}
