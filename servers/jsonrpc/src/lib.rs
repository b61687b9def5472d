//! JSON-RPC over HTTP, both ends.
//!
//! The server speaks version 2.0 as its specification has it (<https://www.jsonrpc.org/specification>), answers
//! version 1.0 in kind, and is reached by the paths that clients in the field use: `/`, `/jsonrpc`, `/RPC2`
//! (jsonrpclib) and `/api_jsonrpc.php` (Zabbix).

#![forbid(unsafe_code)]

mod client;
#[cfg(feature = "jsonrpsee")]
mod jsonrpsee_server;
mod server;
pub mod wire;

pub use client::{BatchCall, BatchResult, FIRST_ID, JsonRpcClient};
#[cfg(feature = "jsonrpsee")]
pub use jsonrpsee_server::JsonrpseeServer;
pub use server::{JsonRpc, Server, ServerOptions};
