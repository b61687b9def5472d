//! The smallest protocol that the suite can measure: each message is one line of JSON over a TCP connection.
//!
//! A request is `["add",2,3]`; a reply is `{"result":5}` or `{"error":["zero-division","…"]}`. Clients make one call at
//! a time. It exists to show, and to test, what adding a protocol takes.

#![forbid(unsafe_code)]

mod client;
mod server;
pub mod wire;

pub use client::{DummyClient, SCHEMES};
pub use server::Server;
