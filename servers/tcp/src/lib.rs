//! The floors: a binary request and reply on a raw socket, both ends.
//!
//! Every protocol of the suite is compared with them, over TCP (with `TCP_NODELAY`) or a Unix socket. The [format](wire) is
//! defined here and carries just enough for the calculator: 64 bytes each way, and after them the bytes of a value that
//! does not fit. A value that the format does not have is rejected, never altered.
//!
//! - [`TcpClient`] and [`Server`] use blocking sockets of the standard library, a thread for each connection, and no async
//!   runtime between a call and the kernel: the floor of one caller.
//! - [`event`] has the same messages on Tokio, one event loop for all connections: the floor of many callers.

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

mod client;
pub mod event;
mod fixed;
#[cfg(feature = "libzmq")]
pub mod libzmq;
mod server;
pub mod wire;

use net::Scheme;

pub use client::TcpClient;
pub use fixed::Fixed;
pub use server::Server;

/// The schemes of URLs: `tcp://HOST:PORT` and `unix:///SOCKET`.
pub const SCHEMES: [Scheme; 2] = [Scheme::TCP, Scheme::UNIX];
