//! The messages of `idl/calculator.thrift`, as pure functions from and to the values of the calculator.
//!
//! The decoder is as strict as the definition: a union with no field or with two, a field that occurs twice, a known field of
//! another type and bytes after the message are errors. Unknown fields are skipped, so that definitions can grow.

mod decode;
mod encode;
mod frame;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use calculator::ErrorKind;

pub use decode::{DecodeError, decode_reply, decode_request, decode_value, leading_value_len};
pub use encode::{encode_reply, encode_request, encode_value, encoded_len};
pub use frame::{PREFIX_LEN, frame_len};

/// What a reply repeats of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    /// The name of the method.
    pub method: Cow<'static, str>,
    /// The number of the request.
    pub sequence: i32,
}

/// The sequence number of the call with the number `number`: they count to 127 and begin again, so that each takes one byte in
/// the compact protocol and calls do not differ in length. A connection has one call at a time.
#[must_use]
pub fn sequence_number(number: u32) -> i32 {
    const MASK: u8 = 0x7f;
    i32::from(number.to_le_bytes()[0] & MASK)
}

/// The numbers of the fields.
pub(crate) mod field {
    /// The result of a call.
    pub(crate) const SUCCESS: i16 = 0;
    /// The exception of a call.
    pub(crate) const FAILED: i16 = 1;

    /// The kind in a `CallFailed`.
    pub(crate) const KIND: i16 = 1;
    /// The message in a `CallFailed`.
    pub(crate) const MESSAGE: i16 = 2;

    /// The message in a `TApplicationException`.
    pub(crate) const EXCEPTION_MESSAGE: i16 = 1;
    /// The type in a `TApplicationException`.
    pub(crate) const EXCEPTION_TYPE: i16 = 2;

    // One for each kind of `Value`.
    pub(crate) const NOTHING: i16 = 1;
    pub(crate) const BOOLEAN: i16 = 2;
    pub(crate) const INTEGER: i16 = 3;
    pub(crate) const NUMBER: i16 = 4;
    pub(crate) const TEXT: i16 = 5;
    pub(crate) const OCTETS: i16 = 6;
    pub(crate) const ITEMS: i16 = 7;
    pub(crate) const MEMBERS: i16 = 8;
}

/// The number of `kind` in the definition.
fn number_of(kind: ErrorKind) -> i32 {
    (1..).zip(ErrorKind::ALL).find(|(_, other)| *other == kind).map_or(0, |(number, _)| number)
}

/// The kind with this number.
fn kind_of(number: i32) -> Option<ErrorKind> {
    (1..).zip(ErrorKind::ALL).find(|(other, _)| *other == number).map(|(_, kind)| kind)
}
