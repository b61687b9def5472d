//! REST: a server and a client, with a resource per method and JSON or XML over HTTP.
//!
//! `POST /add` with `{"x":2,"y":3}` returns status 200 and `{"result":5}`; so does `GET /add?x=2&y=3`. A failure is a
//! problem document (RFC 9457) with a stable `kind`. `GET /openapi.json` returns a description of the methods. The server
//! also reads XML (by `content-type`) and writes it (by `accept`); the client uses JSON, and can send requests with any verb and
//! path ([`RequestHead`]). [`BareServer`] is the same server without an HTTP library.

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

mod client;
mod negotiation;
mod openapi;
mod request;
mod resources;
mod server;
pub mod wire;

pub use client::RestClient;
pub use request::RequestHead;
pub use server::{BareServer, Rest, Server};
