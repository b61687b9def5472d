//! The HTTP layer of the three HTTP protocols, which differ only in their codecs.
//!
//! For servers, [`HttpServer`] runs an axum router over HTTP/1.1 with keep-alive, [`read_request`] reads the body of a
//! request within [`HttpOptions`], [`reply`] builds the response, and [`Server`] is the server of a whole protocol ([`Api`]).
//! For clients, [`Transport`] posts a body and returns the [`Reply`]; [`HyperClient`] and [`ReqwestClient`] implement it
//! with one connection each.
//!
//! It runs over TCP, with `TCP_NODELAY` at both ends, and over Unix sockets. Requests carry `host`, `content-type`,
//! `content-length` and `accept`; responses `content-type`, `content-length` and `date`. Messages are compressed only
//! if the headers in the client's configuration request it. There is no TLS.

#![forbid(unsafe_code)]

mod body;
mod body_error;
mod client;
mod gzip;
mod linger;
mod server;
pub mod system;
pub mod xml;

pub use body::{read_body, read_request, reply};
pub use body_error::BodyError;
pub use client::{Headers, HyperClient, Reply, ReqwestClient, Transport};
pub use gzip::{accepts_gzip, gzip};
pub use server::{Api, HttpOptions, HttpServer, Server};

/// The HTTP version of both clients and the server.
pub const VERSION: http::Version = http::Version::HTTP_11;

/// The schemes of URLs: `http://HOST:PORT/PATH` and, over a Unix socket, `http+unix://%2FSOCKET/PATH`.
pub const SCHEMES: [net::Scheme; 2] = [net::Scheme::HTTP, net::Scheme::HTTP_UNIX];

/// Crates whose types are part of the API, so that the protocol crates use the same versions.
pub use {axum, bytes::Bytes, http, net};
