//! The HTTP layer of the three HTTP protocols, which differ only in their codecs.
//!
//! For servers, [`HttpServer`] runs an axum router over HTTP/1.1 with keep-alive, [`Intake`] receives requests within
//! [`HttpOptions`], [`reply`] builds the response, and [`Server`] is the server of a whole protocol ([`Api`]).
//! For clients, [`Transport`] posts a body and returns the [`Reply`]; [`HyperClient`] and [`ReqwestClient`] implement it
//! with one connection each. [`bare`] has a client and a server without an HTTP library.
//!
//! A client that closes its connection ends its call: at once if the connection is reset or a closed Unix socket, after two
//! seconds if it may only have shut down its sending side. A client that reads nothing of a response for 30 s is
//! disconnected.
//!
//! It runs over TCP, with `TCP_NODELAY` at both ends, and over Unix sockets. Requests carry `host`, `content-type`,
//! `content-length` and `accept`; responses `content-type`, `content-length` and `date`. Messages are compressed only
//! if the headers in the client's configuration request it. Clients use TLS where the URL begins with `https`.

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

mod accept;
mod access;
mod answer;
pub mod bare;
mod body;
mod body_error;
mod client;
mod cors;
mod fields;
mod form;
mod gzip;
mod intake;
mod options;
mod rules;
mod server;
mod server_stream;
pub mod system;
mod timer;
mod write_stall;
pub mod xml;

pub use accept::serve_connections;
pub use access::Access;
pub use answer::Answer;
pub use body::{read_body, reply};
pub use body_error::BodyError;
pub use client::{Headers, HyperClient, Reply, ReqwestClient, Transport, kind_of_status, status_error};
pub use cors::{AllowedOrigins, OriginParseError};
pub use fields::Fields;
pub use form::form_decode;
pub use gzip::{accepts_gzip, gzip};
pub use intake::{Admission, Intake, Unread};
pub use options::HttpOptions;
pub use server::{Api, HttpServer, Server};
pub use timer::{Timer, within};
pub use write_stall::WriteStall;

/// The HTTP version of all clients and servers.
pub const VERSION: http::Version = http::Version::HTTP_11;

/// The schemes of URLs: `http://HOST:PORT/PATH`, `https://HOST:PORT/PATH` and, over a Unix socket,
/// `http+unix://%2FSOCKET/PATH`. Servers have no TLS.
pub const SCHEMES: [net::Scheme; 3] = [net::Scheme::HTTP, net::Scheme::HTTPS, net::Scheme::HTTP_UNIX];

/// Crates whose types are part of the API, so that the protocol crates use the same versions.
pub use {axum, bytes::Bytes, http, net};
