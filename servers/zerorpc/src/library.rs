//! ZeroMQ sockets of other libraries in place of this crate's own ZMTP, so that a measurement can separate the cost of
//! the library from that of the protocol.

#[cfg(feature = "libzmq")]
mod libzmq;
#[cfg(feature = "zeromq")]
mod zeromq;

use std::io;

use net::Endpoint;

use crate::zmtp::Transport;

/// The implementation of ZeroMQ sockets to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Library {
    /// This crate's [`zmtp`](crate::zmtp).
    #[default]
    Own,
    /// The crate `zeromq`, version 0.7. For trusted peers only: it allocates the length that a frame header announces,
    /// so a few bytes can end the process. It closes the connection on a PING, does not bound its queues, and waits
    /// forever for the end of a handshake.
    #[cfg(feature = "zeromq")]
    Zeromq,
    /// libzmq, through the crate `zmq`. It hides connections: only missing heartbeats show that a server has stopped.
    #[cfg(feature = "libzmq")]
    Libzmq,
}

impl Library {
    /// Connects a DEALER to `endpoint`.
    ///
    /// # Errors
    /// The errors of the operating system and of the library, which may not know every kind of endpoint.
    pub(crate) async fn connect(self, endpoint: &Endpoint) -> io::Result<Transport> {
        // The other libraries retry forever when no server listens. Connecting should fail instead, as in every other
        // protocol, so a plain connection is tried first.
        if self != Library::Own {
            drop(net::connect(endpoint).await?);
        }
        match self {
            Library::Own => net::connect(endpoint).await.map(Transport::Stream),
            #[cfg(feature = "zeromq")]
            Library::Zeromq => zeromq::dealer(endpoint).await,
            #[cfg(feature = "libzmq")]
            Library::Libzmq => libzmq::dealer(endpoint),
        }
    }

    /// Binds a ROUTER to `endpoint`, and returns it with its URL. `None` for [`Library::Own`], which has a connection
    /// for each peer instead. `max_message` limits the size of a message in bytes, if the library supports a limit.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    #[cfg_attr(not(feature = "zeromq"), allow(clippy::unused_async))]
    pub(crate) async fn router(
        self,
        endpoint: &Endpoint,
        max_message: usize,
    ) -> io::Result<Option<(Transport, String)>> {
        // Not every library uses both.
        let _ = (endpoint, max_message);
        match self {
            Library::Own => Ok(None),
            #[cfg(feature = "zeromq")]
            Library::Zeromq => zeromq::router(endpoint).await.map(Some),
            #[cfg(feature = "libzmq")]
            Library::Libzmq => libzmq::router(endpoint, max_message).map(Some),
        }
    }
}
