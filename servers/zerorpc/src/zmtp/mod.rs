//! ZMTP, the protocol of ZeroMQ sockets, over TCP and over sockets of the file system.

mod endpoint;
mod inbox;
mod link;
pub mod wire;

pub use endpoint::{Carrier, Endpoint, EndpointError, Listener, Stream};
pub use inbox::{Inbox, Incoming};
#[cfg(test)]
mod tests;

pub(crate) use link::{Filled, Flush, Link, SendError};
pub use link::{HANDSHAKE_TIMEOUT, LinkError, STALLED_AFTER};
