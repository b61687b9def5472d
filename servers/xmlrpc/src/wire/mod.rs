//! XML-RPC messages: bytes ↔ values, without I/O.
//!
//! What is written is byte for byte what CPython's `xmlrpc.client.dumps` writes (XML 1.0, UTF-8, LF after each
//! element), except that a carriage return in text leaves as `&#13;`: bare, every XML parser folds it into a line feed.
//!
//! What is read is every tag that CPython reads, except `bigdecimal`, for which the contract has no kind. Namespace
//! prefixes are skipped, declared or not. `dateTime.iso8601` is a kind of its own that keeps its text,
//! [`Value::DateTime`]. Two things are stricter than in CPython, which ignores most of a document's structure: an
//! element in a place where XML-RPC has none is refused, and so is every document type declaration, with it all
//! entities but the five that XML predefines. The encodings are those that expat has built in: UTF-8, UTF-16,
//! ISO-8859-1 and US-ASCII; any other is answered by the fault −32701 of the Specification for Fault Code
//! Interoperability.
//!
//! [`Value::DateTime`]: calculator::Value::DateTime

mod decode;
mod encode;
mod encoding;
mod fault;
mod scalar;
mod xml;

pub use decode::{DecodeError, Response, decode_call, decode_response};
pub use encode::{EncodeError, EncodeOptions, encode_call, encode_fault, encode_response, encode_value};
pub use fault::Fault;

#[cfg(test)]
mod tests;
