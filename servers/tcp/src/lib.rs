//! The floor: a fixed binary request and reply of 64 bytes each on a raw socket, both ends.
//!
//! It is what every protocol of the suite is held against: two processes with blocking sockets of the standard
//! library, TCP_NODELAY on, a thread for each connection, no runtime between a call and the kernel. The format is the
//! suite's own and carries just enough for the calculator; what does not fit 64 bytes is refused, never altered.

#![forbid(unsafe_code)]

mod client;
#[cfg(feature = "libzmq")]
pub mod libzmq;
mod server;
pub mod wire;

use std::time::Duration;

pub use client::TcpClient;
pub use server::Server;

/// What URLs of this protocol begin with: `tcp://HOST:PORT`.
const SCHEME: &str = "tcp://";

/// How long calls in hand may take once a server is told to stop.
const GRACE: Duration = Duration::from_secs(4);
