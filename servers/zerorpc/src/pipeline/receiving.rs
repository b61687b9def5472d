//! Receiving and executing calls without replies.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use calculator::{Call, Dispatcher, Limits, Params};
use net::{AnomalyCounter, Endpoint};
use tokio_util::sync::CancellationToken;

use super::peer_source::PeerSource;
use crate::wire::Event;
use crate::zmtp::wire::{MAX_FRAMES, MessageLimits, SocketType, write_subscribe_all};
use crate::zmtp::{Flush, Incoming, Link, LinkError, Transport};

/// The common part of [`Puller`] and [`Subscriber`].
struct Executor {
    kind: SocketType,
    dispatcher: Dispatcher,
    limits: Limits,
    dropped: AnomalyCounter,
}

impl Executor {
    fn new(kind: SocketType, dispatcher: Dispatcher, limits: Limits) -> Self {
        let dropped = AnomalyCounter::new("dropped a message", "messages were dropped");
        Executor { kind, dispatcher, limits, dropped }
    }

    async fn run(self, peers: PeerSource, stop: CancellationToken) {
        let executor = Arc::new(self);
        let serving = peers.serve_each(|transport| Arc::clone(&executor).serve(transport));
        stop.run_until_cancelled(serving).await;
        executor.dropped.log_total();
    }

    /// Executes the calls of one peer, one after another.
    async fn serve(self: Arc<Self>, transport: Transport) -> Result<(), LinkError> {
        let limits = MessageLimits { bytes: self.limits.max_body, frames: MAX_FRAMES };
        let (link, mut inbox) = Link::establish(transport, self.kind, limits).await?;
        if self.kind == SocketType::Sub {
            let subscribe = |out: &mut Vec<u8>| {
                write_subscribe_all(out, link.peer_minor());
                Ok::<_, Infallible>(())
            };
            // The outbox is empty, so this fails only if the connection has ended. Reading reports that.
            let _ = link.send(Flush::ByReader, subscribe);
        }
        loop {
            while let Some(incoming) = inbox.next()? {
                match incoming {
                    Incoming::Message { payload, .. } => self.execute(payload).await,
                    Incoming::Command(command) => link.on_command(command),
                    Incoming::TooLarge { .. } => self.dropped.add("a message above the limit"),
                }
                tokio::task::consume_budget().await;
            }
            link.fill(&mut inbox).await?;
        }
    }

    async fn execute(&self, payload: &[u8]) {
        let max_depth = self.limits.max_depth;
        let call = Event::decode(payload, max_depth).and_then(|event| {
            let args = event.call_args(max_depth)?;
            Ok(args.map(|args| Call {
                method: event.name.into_owned().into(),
                params: Params::Positional(args),
            }))
        });
        let result = match call {
            Ok(Ok(call)) => self.dispatcher.call(call).await.map(drop),
            Ok(Err(error)) => Err(error),
            Err(error) => return self.dropped.add(error),
        };
        if let Err(error) = result {
            tracing::warn!("a call without a reply failed: {error}");
        }
    }
}

/// Executes the calls of pushers.
pub struct Puller(PeerSource);

impl Puller {
    /// Binds to `endpoint`, to which pushers connect.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub async fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        PeerSource::bind(endpoint).await.map(Puller)
    }

    /// Connects to a pusher at `endpoint`, retrying until it listens.
    #[must_use]
    pub fn connect(endpoint: &Endpoint) -> Self {
        Puller(PeerSource::Connected(endpoint.clone()))
    }

    /// The endpoint that is bound or connected to.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.0.endpoint()
    }

    /// Executes calls until `stop` is cancelled, the calls of one peer in order. Errors are logged.
    pub async fn run(self, dispatcher: Dispatcher, limits: Limits, stop: CancellationToken) {
        Executor::new(SocketType::Pull, dispatcher, limits).run(self.0, stop).await;
    }
}

/// Executes the calls of publishers.
pub struct Subscriber(PeerSource);

impl Subscriber {
    /// Binds to `endpoint`, to which publishers connect.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub async fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        PeerSource::bind(endpoint).await.map(Subscriber)
    }

    /// Connects to a publisher at `endpoint`, retrying until it listens.
    #[must_use]
    pub fn connect(endpoint: &Endpoint) -> Self {
        Subscriber(PeerSource::Connected(endpoint.clone()))
    }

    /// The endpoint that is bound or connected to.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.0.endpoint()
    }

    /// Executes calls until `stop` is cancelled, the calls of one peer in order. Errors are logged.
    pub async fn run(self, dispatcher: Dispatcher, limits: Limits, stop: CancellationToken) {
        Executor::new(SocketType::Sub, dispatcher, limits).run(self.0, stop).await;
    }
}
