//! Client and server of protocols whose messages follow each other on a connection, on Tokio.
//!
//! A [`Notation`] says what requests and replies look like; [`Client`] and [`Server`] exchange them over TCP and Unix
//! sockets, one call at a time on a connection. The raw floor `tcp-async`, Thrift and JSON-RPC in lines share them, so that a
//! comparison of them shows their notations alone. [`Inbox`], [`ClientState`] and [`Connection`] also serve clients and servers with
//! blocking sockets.
//!
//! One event loop waits for all connections. A wake-up reads once from each connection that has something to read, and the
//! replies to what it read are written at once.

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

mod client;
mod inbox;
mod notation;
mod server;
mod state;

pub use client::Client;
pub use inbox::{Inbox, recycle};
pub use notation::{Framing, Notation, Reply, Request};
pub use server::Server;
pub use state::{ClientState, Connection, call_error, connect_error, endpoint_of, tls_connector, url_error};
