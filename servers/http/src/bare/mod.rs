//! HTTP/1.1 without an HTTP library: the least that a call over HTTP takes.
//!
//! A request is written with one system call and a response with another, small messages allocate nothing but their bodies,
//! and no timer is armed for a call. Beside hyper's client and axum's server, it shows how much of the cost of HTTP is the
//! protocol, and how much the library.
//!
//! [`BareClient`] is a [`Transport`](crate::Transport) like the other clients. [`Server`] serves a protocol ([`Api`]) with the
//! same handlers, limits and timeouts as [`HttpServer`](crate::HttpServer), and answers with the same bytes.
//!
//! What is left out: TLS, HTTP/2, upgrades, requests with a chunked body (responses and requests that arrive may have one),
//! and CORS. [`wire`] lists where the framing is stricter than hyper's.

mod client;
mod connection;
mod outbox;
mod read;
mod request;
mod server;
pub mod wire;

pub use client::BareClient;
pub use request::{Opened, RequestHead, Service};
pub use server::{Api, HttpServer, Server};
