//! ZMTP, the protocol of ZeroMQ sockets.

mod accept;
mod inbox;
mod link;
#[cfg(test)]
mod tests;
mod transport;
pub mod wire;

pub(crate) use accept::serve_each;
pub use inbox::{Inbox, Incoming};
pub(crate) use link::{FillEnd, Flush, Link, SendError};
pub use link::{HANDSHAKE_TIMEOUT, LinkError};
pub use transport::{MessageSocket, Transport};
