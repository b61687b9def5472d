//! The HTTP layer of the three HTTP protocols, which differ only in their codecs.
//!
//! For servers, [`HttpServer`] runs an axum router over HTTP/1.1 with keep-alive, or over HTTP/2; [`Intake`] receives requests within
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
//! if the headers in the client's configuration request it. Clients use TLS where the URL begins with `https`, and servers
//! where they have a certificate.

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
mod http2_stream;
mod intake;
mod options;
mod rules;
mod server;
mod server_stream;
pub mod system;
mod timer;
mod write_stall;
pub mod xml;

pub use accept::{accept_tls, drive};
pub use access::Access;
pub use answer::Answer;
pub use body::{read_body, reply};
pub use body_error::BodyError;
pub use client::{
    Headers, Http2Client, HyperClient, Reply, ReqwestClient, Transport, kind_of_status, status_error,
};
pub use cors::{AllowedOrigins, OriginParseError};
pub use fields::Fields;
pub use form::form_decode;
pub use gzip::{accepts_gzip, gzip};
pub use http2_stream::Http2Stream;
pub use intake::{Admission, Intake, Unread};
pub use options::HttpOptions;
pub use server::{Api, HttpServer, ServedVersion, Server};
pub use timer::{Timer, within};
pub use write_stall::WriteStall;

/// The HTTP version of all clients and servers but [`Http2Client`] and the servers for it.
pub const VERSION: http::Version = http::Version::HTTP_11;

/// The name of [`VERSION`] among the protocols over TLS (ALPN, RFC 7301).
pub const ALPN: &str = "http/1.1";
/// The name of HTTP/2 (ALPN, RFC 9113, section 3.2).
pub const ALPN_HTTP2: &str = "h2";

/// The schemes of URLs: `http://HOST:PORT/PATH`, `https://HOST:PORT/PATH` and, over a Unix socket,
/// `http+unix://%2FSOCKET/PATH`.
pub const SCHEMES: [net::Scheme; 3] = [net::Scheme::HTTP, net::Scheme::HTTPS, net::Scheme::HTTP_UNIX];

/// Crates whose types are part of the API, so that the protocol crates use the same versions.
pub use {axum, bytes::Bytes, http, net};
