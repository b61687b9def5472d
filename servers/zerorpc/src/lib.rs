//! zerorpc, which is MessagePack over ZeroMQ: server and client.
//!
//! This is protocol version 3, compatible with zerorpc-python 0.6.3 in both directions: calls with one result, streams
//! with credit, heartbeats on calls that take long, introspection. The server is a ROUTER socket that binds, the client
//! a DEALER socket that connects. ZeroMQ's own protocol is in [`zmtp`]. It does not trust a length that a peer
//! announces, and it bounds what it stores for a peer. A [`Library`] can take its place.

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

mod client;
mod heartbeat;
mod introspection;
mod library;
mod msgpack;
pub mod pipeline;
mod server;
mod streams;
mod url;
pub mod wire;
pub mod zmtp;

pub use client::{DEFAULT_SLOTS, Items, Reply, ZerorpcClient};
pub use heartbeat::{DEFAULT_PERIOD, HeartbeatPeriod};
pub use library::Library;
pub use server::{Server, ServerOptions};
pub use streams::{CalculatorStreams, Streams, ValueStream};
pub use url::{SCHEMES, parse_url, url_of};
