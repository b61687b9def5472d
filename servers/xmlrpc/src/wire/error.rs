//! The errors of encoding and decoding.

use calculator::{CallError, ErrorKind};

/// Why a message could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The message is not well-formed XML, or uses a part of XML that is not accepted.
    #[error("{what}: line {line}, column {column}")]
    NotWellFormed {
        /// What is wrong, in the words of expat if expat reports the same error.
        what: &'static str,
        /// The line, counted from 1.
        line: usize,
        /// The number of bytes before the position on its line.
        column: usize,
    },
    /// The encoding of the message is not supported.
    #[error("unsupported encoding '{0}'; send UTF-8, UTF-16, ISO-8859-1 or US-ASCII")]
    Encoding(String),
    /// The message is well-formed XML, but not an XML-RPC message of the expected kind.
    #[error("ResponseError({0:?})")]
    Shape(String),
    /// The text of an element is not a number of the element's type.
    #[error("invalid literal for a number: '{0}'")]
    Number(String),
    /// A boolean is neither `0` nor `1`.
    #[error("bad boolean value")]
    Boolean,
    /// The last group of base64 data is incomplete, or the data is not ASCII.
    #[error("Incorrect padding")]
    Base64,
    /// A limit is exceeded.
    #[error("{found} {what}; the limit is {limit}")]
    TooLarge {
        /// The items that are limited, such as `digits of an integer`.
        what: &'static str,
        /// How many were found before decoding stopped.
        found: usize,
        /// The limit.
        limit: usize,
    },
}

impl DecodeError {
    pub(super) fn shape(what: &str) -> Self {
        DecodeError::Shape(what.to_owned())
    }

    /// The kind of error of the failed call.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            DecodeError::TooLarge { .. } => ErrorKind::TooLarge,
            _ => ErrorKind::Malformed,
        }
    }

    /// The class name of the Python exception that a fault for this error names.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            DecodeError::NotWellFormed { .. } => "xml.parsers.expat.ExpatError",
            DecodeError::Encoding(_) => "LookupError",
            DecodeError::Shape(_) => "xmlrpc.client.ResponseError",
            DecodeError::Boolean => "TypeError",
            DecodeError::Base64 => "binascii.Error",
            DecodeError::Number(_) | DecodeError::TooLarge { .. } => "ValueError",
        }
    }
}

impl From<DecodeError> for CallError {
    fn from(error: DecodeError) -> Self {
        CallError::new(error.kind(), error.to_string())
    }
}

/// Why a message could not be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// An integer exceeds 32 bits.
    #[error("int exceeds XML-RPC limits")]
    IntTooLarge,
    /// A value is null, and [`EncodeOptions::allow_none`](super::EncodeOptions::allow_none) is off.
    #[error("cannot marshal None unless allow_none is enabled")]
    NoneNotAllowed,
    /// A text contains a character that XML 1.0 does not allow, not even as a character reference.
    #[error("XML cannot represent the character U+{:04X}", u32::from(*.0))]
    Character(char),
    /// A value of one of MessagePack's extension types.
    #[error("XML-RPC cannot represent an extension type")]
    ExtensionType,
    /// The call has named arguments.
    #[error("XML-RPC has no named arguments; give them by position")]
    NamedArguments,
}

impl EncodeError {
    /// The kind of error of the failed call.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            EncodeError::IntTooLarge => ErrorKind::Overflow,
            EncodeError::NoneNotAllowed | EncodeError::Character(_) | EncodeError::ExtensionType => {
                ErrorKind::NotRepresentable
            }
            EncodeError::NamedArguments => ErrorKind::InvalidArguments,
        }
    }

    /// The class name of the Python exception that a fault for this error names.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            EncodeError::IntTooLarge | EncodeError::Character(_) => "OverflowError",
            EncodeError::NoneNotAllowed | EncodeError::ExtensionType | EncodeError::NamedArguments => {
                "TypeError"
            }
        }
    }
}

impl From<EncodeError> for CallError {
    fn from(error: EncodeError) -> Self {
        CallError::new(error.kind(), error.to_string())
    }
}
