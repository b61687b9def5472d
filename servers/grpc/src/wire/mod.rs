//! The messages of `proto/calculator.proto`, as pure functions from and to the values of the calculator.
//!
//! The decoder follows the specification of Protocol Buffers, with one exception: a field that may occur once, and that
//! occurs twice in a message, is an error if it is an argument, a list, a map or the value of a member. The specification
//! would join the two, which no encoder relies on, and which could make a short message expensive. Of several scalars
//! in one value the last counts. Unknown fields are skipped.

mod decode;
mod encode;
mod frame;
#[cfg(test)]
mod tests;

pub use decode::{DecodeError, decode_arguments, decode_value};
pub use encode::{encode_arguments, encode_value, encoded_len};
pub use frame::{FrameError, MessageReader, MessageSplitter, PREFIX_LEN, framed};

/// The numbers of the fields of `Value`, one for each kind.
pub(crate) mod field {
    pub(crate) const NULL: u32 = 1;
    pub(crate) const BOOL: u32 = 2;
    pub(crate) const INT: u32 = 3;
    pub(crate) const FLOAT: u32 = 4;
    pub(crate) const STRING: u32 = 5;
    pub(crate) const BYTES: u32 = 6;
    pub(crate) const LIST: u32 = 7;
    pub(crate) const MAP: u32 = 8;

    /// The items of `List` and the members of `Map`.
    pub(crate) const ITEMS: u32 = 1;
    /// The name of a `Member`.
    pub(crate) const NAME: u32 = 1;
    /// The value of a `Member`.
    pub(crate) const VALUE: u32 = 2;
}
