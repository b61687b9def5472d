//! Hessian 2.0: values, calls and replies as bytes and back. Pure functions.
//!
//! The encoder writes byte for byte what Caucho's Java implementation (`Hessian2Output`) writes for a `HashMap`, an
//! `ArrayList` and the types of Java: integers and doubles in their shortest form, lists with their length, maps without
//! a type. Its only differences are −0.0, which Java writes as 0.0, and the length of the chunks of long binary data,
//! which depends on the state of a buffer there.
//!
//! The decoder accepts every form of every type. The name of a type is ignored: a typed list is a list, an object is a
//! map of its fields. A date becomes [`Value::DateTime`] with the text of RFC 3339, in UTC.
//!
//! Format: <http://hessian.caucho.com/doc/hessian-serialization.html> and
//! <http://hessian.caucho.com/doc/hessian-ws.html>. They contradict themselves in two points, in which this crate follows
//! Caucho's implementation: the five-byte double is a number of thousandths, and a character beyond 16 bits is
//! two surrogates of three bytes each.
//!
//! # Differences from the reference implementation
//!
//! | a message | here | `Hessian2Input` | why |
//! |---|---|---|---|
//! | a reference to an earlier list, map or object | rejected | the same object again | a value is a tree, and a few bytes could stand for an endless one |
//! | a key of a map that is not a string | rejected | accepted | the names of members are text |
//! | a lone surrogate, or a character in a longer form than necessary | rejected | accepted | it is not text |
//! | lists and maps nested deeper than the limit, or with more items in all | rejected | accepted | bounds memory and recursion |
//! | bytes after the message | rejected | ignored | they are an error of the peer |
//! | an envelope (`E`) or a packet (`P`) | rejected | accepted | no peer of the comparison sends one |
//!
//! [`Value::DateTime`]: calculator::Value::DateTime

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

mod decode;
mod encode;
mod error;
mod fault;
#[cfg(test)]
mod tests;
mod text;

pub use decode::{Reply, decode_call, decode_reply, decode_value};
pub use encode::{encode_call, encode_fault, encode_reply, encode_value};
pub use error::DecodeError;
pub use fault::Fault;

/// What each message begins with: the version of the protocol.
const HEADER: [u8; 3] = [b'H', 2, 0];
