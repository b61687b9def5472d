//! zerorpc: MessagePack over ZeroMQ, both ends.
//!
//! Protocol version 3, compatible with zerorpc-python 0.6.3 in both directions: calls with one result, streams with
//! credit, heartbeats on calls that take long, introspection. The server is a ROUTER socket that binds, the client a
//! DEALER that connects. ZeroMQ's own protocol is spoken by [`zmtp`], which believes no length that a peer announces
//! and bounds what it keeps for one. [`Library`] names others that can take its place.

#![forbid(unsafe_code)]

mod carrier;
mod client;
mod heartbeat;
mod introspection;
mod msgpack;
pub mod pipeline;
mod server;
mod tally;
pub mod wire;
pub mod zmtp;

use std::time::Duration;

pub use carrier::Library;
pub use client::{DEFAULT_SLOTS, Items, Reply, ZerorpcClient};
pub use heartbeat::DEFAULT_PERIOD;
pub use server::{Server, ServerOptions, Streams, ValueStream};

/// How often each end of an open channel sends a heartbeat; `None` for never. Both ends of a connection should be told
/// the same, since either gives up when it has heard nothing for two of its own periods.
pub type HeartbeatPeriod = Option<Duration>;

/// Frames of a message: two, and whatever envelope a peer puts before them.
const MAX_FRAMES: usize = 32;
