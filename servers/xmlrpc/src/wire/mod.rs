//! XML-RPC messages: bytes to values and back, without I/O.
//!
//! The encoder writes byte for byte what CPython's `xmlrpc.client.dumps` writes (XML 1.0, UTF-8, a line feed after each
//! element), except that a carriage return in text becomes `&#13;`, since every XML parser would convert a literal one to
//! a line feed.
//!
//! The decoder accepts every tag that CPython accepts, except `bigdecimal`, for which there is no kind of
//! [`Value`](calculator::Value). Namespace prefixes are ignored, declared or not. `dateTime.iso8601` keeps its text, as
//! [`Value::DateTime`]. In two respects the decoder is stricter than CPython, which ignores most of a document's
//! structure: it rejects elements that XML-RPC does not have at their position, and it rejects document type
//! declarations, and so all entities but the five that XML predefines. The supported encodings are those of expat:
//! UTF-8, UTF-16, ISO-8859-1 and US-ASCII. For any other, the server responds with fault −32701 of the Specification for
//! Fault Code Interoperability.
//!
//! [`Value::DateTime`]: calculator::Value::DateTime

mod builder;
mod declaration;
mod decode;
mod encode;
mod encoding;
mod error;
mod fault;
mod scalar;
mod syntax;

pub use decode::{Response, decode_call, decode_response};
pub use encode::{EncodeOptions, encode_call, encode_fault, encode_response, encode_value};
pub use error::{DecodeError, EncodeError};
pub use fault::Fault;

#[cfg(test)]
mod tests;
