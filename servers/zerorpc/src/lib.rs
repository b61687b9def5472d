//! zerorpc: MessagePack over ZeroMQ, both ends.
//!
//! Protocol version 3, compatible with zerorpc-python 0.6.3 in both directions: calls with one result, heartbeats on
//! calls that take long, introspection. The server is a ROUTER socket that binds, the client a DEALER that connects.
//!
//! # For trusted peers only
//! The `zeromq` crate underneath (0.7) reserves room for a frame on the word of its header, before any limit of this
//! crate is asked: a peer that announces an absurd length ends the process. Serve on loopback or to peers you trust.

#![forbid(unsafe_code)]

mod client;
mod connection;
mod heartbeat;
mod introspection;
mod msgpack;
mod server;
pub mod wire;

use std::time::Duration;

pub use client::ZerorpcClient;
pub use heartbeat::DEFAULT_PERIOD;
pub use server::{Server, ServerOptions};

/// How often each end of an open channel sends a heartbeat; `None` for never. Both ends of a connection should be told
/// the same, since either gives up when it has heard nothing for two of its own periods.
pub type HeartbeatPeriod = Option<Duration>;
