//! XML-RPC over HTTP, both ends, as CPython's `xmlrpc.server` and `xmlrpc.client` speak it.
//!
//! [`Server`] answers `xmlrpc.client.ServerProxy`, and [`XmlRpcClient`] calls `xmlrpc.server.SimpleXMLRPCServer`.
//! [`wire`] has the messages.

#![forbid(unsafe_code)]

mod client;
mod methods;
mod server;
pub mod wire;

pub use client::XmlRpcClient;
pub use server::{Server, ServerOptions, XmlRpc};

/// What the conformance table expects of XML-RPC servers: `<int>` has 32 bits.
pub const CONFORMANCE_PROFILE: calculator::conformance::Profile =
    calculator::conformance::Profile { integer_width: calculator::conformance::IntegerWidth::Bits32 };
