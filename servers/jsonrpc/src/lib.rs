//! JSON-RPC over HTTP, over WebSocket, and in lines over TCP: servers and clients.
//!
//! The server implements version 2.0 of the specification (<https://www.jsonrpc.org/specification>) and answers requests
//! of version 1.0 in that version. It serves the paths that existing clients use: `/`, `/jsonrpc`, `/RPC2` (jsonrpclib)
//! and `/api_jsonrpc.php` (Zabbix). [`BareServer`] is the same server without an HTTP library, and [`LinesServer`]
//! one without HTTP; [`WebSocketServer`] uses HTTP only for the opening handshake.

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

mod client;
mod endpoint;
#[cfg(feature = "jsonrpsee")]
mod jsonrpsee_server;
mod lines;
mod server;
mod single;
mod websocket;
pub mod wire;

pub use client::{BatchCall, BatchResult, FIRST_ID, JsonRpcClient};
#[cfg(feature = "jsonrpsee")]
pub use jsonrpsee_server::JsonrpseeServer;
pub use lines::{LINES_SCHEMES, Lines, LinesClient, LinesServer};
pub use server::{BareServer, JsonRpc, Server, ServerOptions};
pub use single::Addressee;
pub use websocket::{WEBSOCKET_SCHEMES, WebSocketClient, WebSocketServer};
