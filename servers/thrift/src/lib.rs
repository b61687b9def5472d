//! Thrift: client and server, with the binary and the compact protocol over framed TCP.
//!
//! The service is that of `idl/calculator.thrift` ([`IDL`]). The arguments of a method are the fields of its request, numbered
//! by their position, and each is a union `Value`, as is the result: the calculator tells integers from floats and echoes any
//! document. Messages are encoded from the values of the calculator and decoded to them, without generated types in between.
//!
//! Messages are written and read by the protocols of the crate `thrift`, the project's own library for Rust. Its clients and
//! servers block a thread for each connection, so that the sockets are those of the crate `framed`, on Tokio, as the other
//! protocols' are. A connection has one call at a time, as with Thrift's own clients, which cannot be shared by threads.
//!
//! # Errors
//!
//! | event | reply | kind of the error |
//! |---|---|---|
//! | the call failed | exception `CallFailed`, which the definition declares | the one in the exception |
//! | there is no such method | `TApplicationException`, type 1 `UNKNOWN_METHOD` | `unknown-method` |
//! | the arguments cannot be read | `TApplicationException`, type 7 `PROTOCOL_ERROR` | `malformed` |
//! | nested too deeply, or too many items | exception `CallFailed` | `too-large` |
//! | the beginning of the request cannot be read, or its frame is above the limit | none: the connection is closed | `undeliverable` |
//! | the reply is above the client's limit | | `too-large`, at the client |
//!
//! A `TApplicationException` of another type is `internal`, or `malformed` where it is about the message.

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

mod encoding;
mod notation;
pub mod wire;

use net::Scheme;

pub use encoding::{Binary, Bytes, Compact, Encoding};
pub use notation::Messages;

/// The definition of the service.
pub const IDL: &str = include_str!("../idl/calculator.thrift");

/// The scheme of its URLs over TLS.
const THRIFTS: Scheme = Scheme::host("thrifts").default_port(9090).tls();

/// The schemes of its URLs: `thrift://HOST:PORT`, `thrifts://HOST:PORT` over TLS, and `unix:///SOCKET`. The default port is that of
/// Thrift's examples.
pub const SCHEMES: &[Scheme] = &[Scheme::host("thrift").default_port(9090), THRIFTS, Scheme::UNIX];

/// A client that sends messages in the protocol `E`.
pub type Client<E> = framed::Client<Messages<E>>;

/// A server that reads messages in the protocol `E`.
pub type Server<E> = framed::Server<Messages<E>>;
