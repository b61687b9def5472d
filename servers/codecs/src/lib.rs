//! The same messages in several formats: a call of the calculator and its result as JSON, XML, Hessian, Protobuf,
//! Thrift, MessagePack, plain text and raw bytes.
//!
//! A [`Codec`] encodes and decodes one [`Exchange`], a call and its result, in one [`Format`]. There is no I/O and no
//! socket, so what it takes is the cost of the format and of its library alone.
//!
//! Two kinds of codecs must not be mixed up. A *typed* one converts between bytes and structs that the program knows
//! when it is compiled: Protobuf and Thrift need these, plain text and raw bytes are written for them, JSON and MessagePack
//! can use them. An *untyped* one converts between bytes and a [`Value`](calculator::Value), whatever the message
//! contains: this is what the servers of this suite do with JSON, XML and MessagePack. JSON and MessagePack are here in
//! both kinds, so that the difference between the kinds is not taken for one between formats.

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

mod codec;
mod exchange;
mod format;
mod protobuf;
mod raw;
mod self_describing;
mod structs;
mod text;
mod thrift_protocols;
mod untyped;

#[cfg(test)]
mod tests;

pub use codec::{Codec, CodecError};
pub use exchange::Exchange;
pub use format::Format;
