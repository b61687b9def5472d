//! XML-RPC over HTTP: a server and a client, compatible with CPython's `xmlrpc.client` and `xmlrpc.server`.
//!
//! [`Server`] serves `xmlrpc.client.ServerProxy`, and [`XmlRpcClient`] calls `xmlrpc.server.SimpleXMLRPCServer`.
//! [`BareServer`] is the same server without an HTTP library. [`wire`] encodes and decodes the messages.

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

use calculator::conformance::{IntegerWidth, Numbers, Profile};

mod client;
mod methods;
mod server;
pub mod wire;

pub use client::XmlRpcClient;
pub use server::{BareServer, Server, ServerOptions, XmlRpc};

/// The profile of XML-RPC for the conformance table: `<int>` has 32 bits.
pub const CONFORMANCE_PROFILE: Profile =
    Profile { integer_width: IntegerWidth::Bits32, numbers: Numbers::Exact };
