//! The serving end of each stack.

use std::fmt;
use std::net::SocketAddr;

use amqp::{Acknowledge, QueueKind, RpcServerOptions, Target, Transport};
use calculator::{Dispatcher, Limits};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_layer::HttpOptions;
use tokio_util::sync::CancellationToken;
use zerorpc::HeartbeatPeriod;
use zerorpc::zmtp::Endpoint;

use super::way::Way;

/// What a server is told.
pub struct ServeOptions {
    /// Where to listen; port 0 picks one. AMQP servers listen on the broker instead.
    pub listen: SocketAddr,
    /// What executes the calls.
    pub dispatcher: Dispatcher,
    /// What is accepted, and how long it is waited for over HTTP.
    pub http: HttpOptions,
    /// Where a zerorpc server listens besides.
    pub also: Vec<Endpoint>,
    /// How often a zerorpc server sends a heartbeat.
    pub heartbeat: HeartbeatPeriod,
    /// Whether an XML-RPC server sends null.
    pub allow_none: bool,
    /// Whether a JSON-RPC server takes calls by GET.
    pub allow_get: bool,
    /// The broker's URL, with credentials.
    pub broker: Option<String>,
    /// The exchange of an AMQP server.
    pub exchange: String,
    /// The topic of an AMQP server.
    pub topic: String,
    /// The name of an AMQP server among those of its topic.
    pub server: String,
    /// The kind of an AMQP server's queues; `None` is what the broker's URL says.
    pub queues: Option<QueueKind>,
    /// When an AMQP server acknowledges a request.
    pub acknowledge: Acknowledge,
    /// The most messages that the broker sends an AMQP server ahead of their acknowledgement, per queue.
    pub prefetch: u16,
    /// Whether an AMQP server reads compressed requests.
    pub decompress: bool,
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
        address: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The broker cannot be used.
    #[error("{0}")]
    Broker(String),
}

/// The runtime of a server that has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// Everything on one thread.
    CurrentThread,
    /// That many threads, which take work from each other.
    MultiThread(usize),
}

impl Runtime {
    /// The runtime of a server that was told to have `workers` threads.
    #[must_use]
    pub fn of(workers: usize) -> Self {
        if workers == 1 { Runtime::CurrentThread } else { Runtime::MultiThread(workers) }
    }

    /// How Tokio builds it.
    #[must_use]
    pub fn builder(self) -> tokio::runtime::Builder {
        match self {
            Runtime::CurrentThread => tokio::runtime::Builder::new_current_thread(),
            Runtime::MultiThread(workers) => {
                let mut builder = tokio::runtime::Builder::new_multi_thread();
                builder.worker_threads(workers);
                builder
            }
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Runtime::CurrentThread => f.write_str("Tokio, one thread"),
            Runtime::MultiThread(workers) => write!(f, "Tokio, {workers} threads"),
        }
    }
}

type Bound = BoxFuture<'static, Result<Serving, ServeError>>;

/// The servers that listen on a socket of their own have the same three functions, and no trait in common: a protocol
/// crate knows nothing of this one.
macro_rules! listening {
    ($stack:ident, $server:ty, $accepts:expr) => {
        pub(super) fn $stack(options: ServeOptions) -> Bound {
            async move {
                let accepts = $accepts(&options);
                let ServeOptions { listen: address, dispatcher, stop, .. } = options;
                let server = <$server>::bind(&address.into(), dispatcher, accepts)
                    .await
                    .map_err(|source| ServeError::Bind { address: address.to_string(), source })?;
                Ok(Serving { url: server.url(), run: server.run(stop).boxed() })
            }
            .boxed()
        }
    };
}

listening!(tcp, tcp_floor::Server, ServeOptions::limits);
#[cfg(feature = "libzmq")]
listening!(tcp_libzmq, tcp_floor::libzmq::Server, ServeOptions::limits);
listening!(rest, rest::Server, |options: &ServeOptions| options.http);
listening!(jsonrpc, jsonrpc::Server, |options: &ServeOptions| jsonrpc::ServerOptions {
    http: options.http,
    allow_get: options.allow_get
});
#[cfg(feature = "jsonrpsee")]
listening!(jsonrpc_jsonrpsee, jsonrpc::JsonrpseeServer, ServeOptions::limits);
listening!(xmlrpc, xmlrpc::Server, |options: &ServeOptions| xmlrpc::ServerOptions {
    http: options.http,
    allow_none: options.allow_none
});
impl ServeOptions {
    fn limits(&self) -> Limits {
        self.http.limits
    }
}

fn zerorpc_by(library: zerorpc::Library, options: ServeOptions) -> Bound {
    async move {
        let accepts = zerorpc::ServerOptions { limits: options.limits(), heartbeat: options.heartbeat };
        let ServeOptions { listen, dispatcher, stop, also, .. } = options;
        let failed = |address: String| move |source| ServeError::Bind { address, source };
        let mut server = zerorpc::Server::bind_by(library, listen, dispatcher, accepts)
            .await
            .map_err(failed(listen.to_string()))?;
        for endpoint in also {
            server.also_bind(&endpoint).await.map_err(failed(endpoint.to_string()))?;
        }
        Ok(Serving { url: server.url(), run: server.run(stop).boxed() })
    }
    .boxed()
}

pub(super) fn zerorpc(options: ServeOptions) -> Bound {
    zerorpc_by(zerorpc::Library::Own, options)
}

pub(super) fn zerorpc_zeromq(options: ServeOptions) -> Bound {
    zerorpc_by(zerorpc::Library::Zeromq, options)
}

#[cfg(feature = "libzmq")]
pub(super) fn zerorpc_libzmq(options: ServeOptions) -> Bound {
    zerorpc_by(zerorpc::Library::Libzmq, options)
}

fn transport(broker: Option<String>) -> Result<amqp::TransportUrl, ServeError> {
    broker
        .ok_or(ServeError::NoBroker)?
        .parse()
        .map_err(|error: amqp::UrlError| ServeError::Broker(error.to_string()))
}

fn amqp_by(way: Way, options: ServeOptions) -> Bound {
    async move {
        let transport = way.on(transport(options.broker)?);
        let transport = options.queues.into_iter().fold(transport, Transport::queue_kind);
        let target =
            Target { exchange: options.exchange, ..Target::topic(options.topic).server(options.server) };
        let accepts = RpcServerOptions {
            limits: options.http.limits,
            acknowledge: options.acknowledge,
            prefetch: options.prefetch,
            decompress: options.decompress,
            ..RpcServerOptions::default()
        };
        let server = amqp::Server::bind(&transport, target, options.dispatcher, accepts)
            .await
            .map_err(|error| ServeError::Broker(error.to_string()))?;
        Ok(Serving { url: server.url(), run: server.run(options.stop).boxed() })
    }
    .boxed()
}

pub(super) fn amqp(options: ServeOptions) -> Bound {
    amqp_by(Way::Oslo, options)
}

pub(super) fn amqp_unconfirmed(options: ServeOptions) -> Bound {
    amqp_by(Way::Unconfirmed, options)
}

pub(super) fn amqp_unacknowledged(options: ServeOptions) -> Bound {
    amqp_by(Way::Unacknowledged, options)
}

pub(super) fn amqp_enveloped(options: ServeOptions) -> Bound {
    amqp_by(Way::Enveloped, options)
}

pub(super) fn amqp_direct(options: ServeOptions) -> Bound {
    amqp_by(Way::Direct, options)
}

pub(super) fn amqp_bare(options: ServeOptions) -> Bound {
    async move {
        let url = transport(options.broker)?;
        let server =
            amqp::direct::BareServer::bind(&url, &options.topic, options.dispatcher, options.http.limits)
                .await
                .map_err(|error| ServeError::Broker(error.to_string()))?;
        Ok(Serving { url: server.url(), run: server.run(options.stop).boxed() })
    }
    .boxed()
}
