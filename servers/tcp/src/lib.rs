//! The floor: a fixed binary request and reply of 64 bytes each on a raw socket, both ends.
//!
//! Every protocol of the suite is compared with it: two processes with blocking sockets of the standard library, over
//! TCP (with `TCP_NODELAY`) or a Unix socket, a thread for each connection, and no async runtime between a call and the
//! kernel. The format is defined here and carries just enough for the calculator; a value that does not fit into 64
//! bytes is rejected, never altered.

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

mod client;
#[cfg(feature = "libzmq")]
pub mod libzmq;
mod server;
pub mod wire;

use net::Scheme;

pub use client::TcpClient;
pub use server::Server;

/// The schemes of URLs: `tcp://HOST:PORT` and `unix:///SOCKET`.
pub const SCHEMES: [Scheme; 2] = [Scheme::TCP, Scheme::UNIX];
