//! REST: a resource per method, JSON or XML over HTTP, both ends.
//!
//! `POST /add` with `{"x":2,"y":3}` is answered by `200` and `{"result":5}`; `GET /add?x=2&y=3` does the same. A
//! failure is a problem document (RFC 9457) with a stable `kind`. `GET /openapi.json` describes the methods. Clients that
//! prefer XML, by `content-type` and `accept`, get it; ours speaks JSON.

#![forbid(unsafe_code)]

mod client;
mod negotiation;
mod openapi;
mod server;
pub mod wire;

pub use client::RestClient;
pub use server::Server;
