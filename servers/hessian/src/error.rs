//! The errors of the decoder.

use calculator::MAX_ITEMS;

/// Why a message is not valid Hessian 2.0, or not what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The message ends inside a value.
    #[error("the message ends inside a value")]
    Truncated,
    /// The message is longer than the limit.
    #[error("the message is longer than {0} bytes")]
    TooLong(usize),
    /// Lists and maps are nested deeper than the limit.
    #[error("nested deeper than the limit")]
    TooDeep,
    /// Lists, maps, objects and classes have more than [`MAX_ITEMS`] together.
    #[error("more than {MAX_ITEMS} items")]
    TooMany,
    /// A byte that no value begins with, at this place.
    #[error("no value begins with the byte 0x{0:02x} here")]
    Unexpected(u8),
    /// A string with invalid UTF-8 or a lone surrogate.
    #[error("a string that is not text")]
    NotText,
    /// A map with a key that is not a string.
    #[error("a map key that is not a string")]
    Key,
    /// A reference to an earlier value.
    #[error("references to earlier values are not supported")]
    Reference,
    /// A negative length, or the number of a type or a class that was not defined before.
    #[error("a length or the number of a type is out of range")]
    Number,
    /// A date outside the years −9999 to 9999.
    #[error("a date that is out of range")]
    Date,
    /// The message does not begin with the version 2.
    #[error("not a message of version 2")]
    Version,
    /// A message of another kind than the expected one.
    #[error("not {0}")]
    Kind(&'static str),
    /// There are bytes after the end of the message.
    #[error("bytes after the end of the message")]
    Trailing,
}
