//! The source of the peers of a socket: incoming or outgoing connections.

use std::io;
use std::time::Duration;

use net::{Endpoint, Listener};
use tokio::task::JoinSet;

use crate::zmtp::{LinkError, Transport, serve_each};

/// How long to wait before connecting again. libzmq's default (`ZMQ_RECONNECT_IVL`) is the same.
const RECONNECT_DELAY: Duration = Duration::from_millis(100);

/// The source of the peers of a socket: incoming or outgoing connections.
pub(super) enum PeerSource {
    /// They connect to this socket.
    Bound(Listener),
    /// This socket connects to them, and again when a connection ends.
    Connected(Endpoint),
}

impl PeerSource {
    pub(super) async fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        Listener::bind(endpoint).await.map(PeerSource::Bound)
    }

    /// The endpoint that is bound or connected to.
    pub(super) fn endpoint(&self) -> &Endpoint {
        match self {
            PeerSource::Bound(listener) => listener.endpoint(),
            PeerSource::Connected(endpoint) => endpoint,
        }
    }

    /// Runs `serve` for each connection, forever.
    pub(super) async fn serve_each<F>(self, serve: impl Fn(Transport) -> F)
    where
        F: Future<Output = Result<(), LinkError>> + Send + 'static,
    {
        let log_end = |serving: F| async {
            if let Err(error) = serving.await {
                tracing::debug!("a connection has ended: {error}");
            }
        };
        match self {
            PeerSource::Bound(listener) => {
                let serve = |stream| log_end(serve(Transport::Stream(stream)));
                serve_each(&listener, &mut JoinSet::new(), serve).await;
            }
            PeerSource::Connected(endpoint) => loop {
                match net::connect(&endpoint).await {
                    Ok(stream) => log_end(serve(Transport::Stream(stream))).await,
                    Err(error) => tracing::debug!("cannot connect to {endpoint}: {error}"),
                }
                tokio::time::sleep(RECONNECT_DELAY).await;
            },
        }
    }
}
