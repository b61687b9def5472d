//! What the three HTTP protocols share, so that they differ in their codec and in nothing else.
//!
//! At the serving end, [`HttpServer`] runs an axum router over HTTP/1.1 with keep-alive, [`read_request`] reads a
//! request within [`HttpOptions`], and [`reply`] builds the response. At the calling end,
//! [`Transport`] posts a body and gives the [`Reply`]; [`HyperClient`] and [`ReqwestClient`] implement it with one
//! connection each.
//!
//! Both ends set `TCP_NODELAY`. Requests carry `host`, `content-type`, `content-length` and `accept`; responses
//! `content-type`, `content-length` and `date`. Nothing is compressed unless a client's own headers ask for it. There is
//! no TLS.

#![forbid(unsafe_code)]

mod body;
mod client;
mod gzip;
mod linger;
mod server;
pub mod system;
pub mod xml;

pub use body::{BodyError, read_body, read_request, reply};
pub use client::{Headers, HyperClient, Reply, ReqwestClient, Transport};
pub use gzip::{accepts_gzip, gzip};
pub use server::{Api, HttpOptions, HttpServer, Server};

/// The version that both clients ask in, and in which the server answers them.
pub const VERSION: http::Version = http::Version::HTTP_11;

/// The schemes of URLs: `http://HOST:PORT/PATH` and, over a Unix socket, `http+unix://%2FSOCKET/PATH`.
pub const SCHEMES: [net::Scheme; 2] = [net::Scheme::HTTP, net::Scheme::HTTP_UNIX];

/// What the API is written in, so that the protocol crates use the same versions.
pub use {axum, bytes::Bytes, http, net};
