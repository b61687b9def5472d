//! gRPC: a server and two clients, with Protocol Buffers over HTTP/2.
//!
//! The methods are those of the service `rpcbench.Calculator` in `proto/calculator.proto`, in which `add` is `Add`. The
//! arguments of a method are the fields of its request, numbered by their position, and each is a [`Value`] message, as is
//! the result: `add(2, 3)` is `POST /rpcbench.Calculator/Add` with `{x: {int: 2}, y: {int: 3}}`. Messages are encoded from
//! the values of the calculator and decoded to them, without generated types in between.
//!
//! An error is a status: its code and message, and a detail with the kind of the error ([`status`]). The timeout of a call
//! is sent in `grpc-timeout`; the server ends the call with `DEADLINE_EXCEEDED`, and drops its handler, when it is over.
//!
//! The server answers with tonic's [`Grpc`](tonic::server::Grpc) on HTTP/2 connections of hyper. tonic's own `Server` is
//! not used, because it adds a `date` header, whose value changes every second, so that calls would differ in length. The
//! server also has the services for health checking and server reflection. [`TonicClient`] is tonic's client,
//! [`H2Client`] a minimal one on the crate `h2`. Clients use TLS where the URL begins with `grpcs`, and servers where they have
//! a certificate. There is no compression.
//!
//! [`Value`]: calculator::Value

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

mod client;
mod codec;
pub mod descriptor;
mod headers;
mod names;
mod server;
pub mod status;
pub mod timeout;
pub mod wire;

pub use client::{AnyClient, H2Client, MethodDescription, ReflectedClient, Replies, TonicClient};
pub use headers::read_status;
pub use names::{SERVICE, method_path};
pub use server::Server;

use net::Scheme;

/// The scheme of URLs of servers over TLS: `grpcs://HOST:PORT`.
pub const GRPCS: Scheme = Scheme::host("grpcs").tls();

/// The schemes of its URLs: `grpc://HOST:PORT`, `grpcs://HOST:PORT`, and `unix:///SOCKET` as gRPC's libraries write Unix sockets.
pub const SCHEMES: &[Scheme] = &[Scheme::host("grpc"), GRPCS, Scheme::UNIX];

/// The name of HTTP/2 among the protocols over TLS (ALPN, RFC 9113, section 3.2).
pub const ALPN: &str = "h2";
