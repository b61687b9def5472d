//! The serving end of each stack.

use std::net::SocketAddr;

use calculator::{Dispatcher, Limits};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

/// What a server is told.
pub struct ServeOptions {
    /// Where to listen; port 0 picks one. AMQP servers listen on the broker instead.
    pub listen: SocketAddr,
    /// What executes the calls.
    pub dispatcher: Dispatcher,
    /// What is accepted.
    pub limits: Limits,
    /// The broker's URL, with credentials.
    pub broker: Option<String>,
    /// The exchange of an AMQP server.
    pub exchange: String,
    /// The topic of an AMQP server.
    pub topic: String,
    /// The name of an AMQP server among those of its topic.
    pub server: String,
    /// Set to stop: calls in hand are finished.
    pub stop: CancellationToken,
}

/// A server that is bound.
pub struct Serving {
    /// What a client connects to; without credentials.
    pub url: String,
    /// Answers calls until it is told to stop, and finishes those in hand.
    pub run: BoxFuture<'static, ()>,
}

/// Why a server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The stack is only a client.
    #[error("{0} has no server of its own")]
    NoServer(&'static str),
    /// An AMQP server was told no broker.
    #[error("an AMQP server needs a broker: give --broker amqp://USER:PASSWORD@HOST:PORT/VHOST")]
    NoBroker,
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The broker cannot be used.
    #[error("{0}")]
    Broker(String),
}

type Bound = BoxFuture<'static, Result<Serving, ServeError>>;

pub(super) fn tcp(options: ServeOptions) -> Bound {
    async move {
        let server = tcp_floor::Server::bind(options.listen, options.dispatcher, options.limits)
            .await
            .map_err(|source| ServeError::Bind { address: options.listen, source })?;
        Ok(Serving { url: server.url(), run: server.run(options.stop).boxed() })
    }
    .boxed()
}
