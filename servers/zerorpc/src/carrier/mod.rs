//! The same protocol over libraries of ZeroMQ sockets, in place of this crate's own transport: so that in a measurement
//! a library can be told from the protocol.

#[cfg(feature = "libzmq")]
mod libzmq;
#[cfg(feature = "zeromq")]
mod zeromq;

use std::io;
use std::net::SocketAddr;

use crate::zmtp::{Endpoint, Stream};

/// What carries ZeroMQ's messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Library {
    /// This crate's [`zmtp`](crate::zmtp).
    #[default]
    Own,
    /// The crate `zeromq`, version 0.7. For trusted peers only: it reserves room for a frame on the word of its header,
    /// so that a few octets end the process; it closes on a PING, bounds nothing that it queues, and waits for ever
    /// for the end of a handshake.
    #[cfg(feature = "zeromq")]
    Zeromq,
    /// libzmq, by the crate `zmq`. It hides connections: a server that is not there, or has gone, is noticed by the
    /// missing heartbeats alone.
    #[cfg(feature = "libzmq")]
    Libzmq,
}

impl Library {
    /// A DEALER that is connected to `endpoint`.
    pub(crate) async fn connect(self, endpoint: &Endpoint) -> io::Result<Stream> {
        match self {
            Library::Own => endpoint.connect().await,
            #[cfg(feature = "zeromq")]
            Library::Zeromq => zeromq::dealer(endpoint).await,
            #[cfg(feature = "libzmq")]
            Library::Libzmq => libzmq::dealer(endpoint),
        }
    }

    /// A ROUTER that is bound to `listen`, and where that is; `None` for the own one, which has a stream for each peer.
    #[cfg_attr(not(feature = "zeromq"), allow(clippy::unused_async))]
    pub(crate) async fn router(
        self,
        listen: SocketAddr,
        max_message: usize,
    ) -> io::Result<Option<(Stream, String)>> {
        // Each of them limits what it can.
        let _ = (listen, max_message);
        match self {
            Library::Own => Ok(None),
            #[cfg(feature = "zeromq")]
            Library::Zeromq => zeromq::router(listen).await.map(Some),
            #[cfg(feature = "libzmq")]
            Library::Libzmq => libzmq::router(listen, max_message).map(Some),
        }
    }
}
