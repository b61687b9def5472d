//! The serving end: a ROUTER that binds, and a task for each peer.

mod call;
mod peer;
mod streams;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use calculator::{Dispatcher, Limits};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::heartbeat::{self, DEFAULT_PERIOD};
use crate::introspection::Catalog;
use crate::tally::Tally;
use crate::wire::Ids;
use crate::zmtp::wire::{MessageLimits, SocketType};
use crate::zmtp::{Endpoint, Inbox, Link, LinkError, Listener, Stream};
use crate::{HeartbeatPeriod, Library, MAX_FRAMES};
use peer::Peer;
pub use streams::{Streams, ValueStream};

/// How long calls in hand may take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(4);

/// What a server can be told.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    /// What it accepts: `max_body` for a whole message, `max_in_flight` for the calls whose handlers wait. A call counts
    /// once for every 16 KiB of its message, and those of one peer fill three quarters at most. As many streams may be
    /// open for each peer.
    pub limits: Limits,
    /// How often to send a heartbeat on a call that takes long.
    pub heartbeat: HeartbeatPeriod,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions { limits: Limits::default(), heartbeat: Some(DEFAULT_PERIOD) }
    }
}

/// A zerorpc server.
pub struct Server {
    listeners: Vec<Listener>,
    /// Another library's socket.
    carried: Option<Stream>,
    url: String,
    dispatcher: Dispatcher,
    streams: Option<Box<dyn Streams>>,
    options: ServerOptions,
}

impl Server {
    /// Binds; port 0 picks one. Connections queue from here on and are answered once [`run`](Server::run) is polled.
    /// Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn bind(
        listen: SocketAddr,
        dispatcher: Dispatcher,
        options: ServerOptions,
    ) -> io::Result<Server> {
        let endpoint = Endpoint::Tcp { host: listen.ip().to_string(), port: listen.port() };
        Self::bind_to(&endpoint, dispatcher, options).await
    }

    /// As [`bind`](Self::bind), to an endpoint of either kind.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn bind_to(
        endpoint: &Endpoint,
        dispatcher: Dispatcher,
        options: ServerOptions,
    ) -> io::Result<Server> {
        let listener = endpoint.bind().await?;
        let url = listener.endpoint()?.to_string();
        Ok(Server { listeners: vec![listener], carried: None, url, dispatcher, streams: None, options })
    }

    /// As [`bind`](Self::bind), by another library's socket. That is one connection for all peers: the share of the calls
    /// that one may have in flight is then that of all of them.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn bind_by(
        library: Library,
        listen: SocketAddr,
        dispatcher: Dispatcher,
        options: ServerOptions,
    ) -> io::Result<Server> {
        match library.router(listen, options.limits.max_body).await? {
            None => Self::bind(listen, dispatcher, options).await,
            Some((stream, url)) => Ok(Server {
                listeners: vec![],
                carried: Some(stream),
                url,
                dispatcher,
                streams: None,
                options,
            }),
        }
    }

    /// Binds to a further endpoint, and tells where that is.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn also_bind(&mut self, endpoint: &Endpoint) -> io::Result<Endpoint> {
        let listener = endpoint.bind().await?;
        let bound = listener.endpoint()?;
        self.listeners.push(listener);
        Ok(bound)
    }

    /// Serves methods, besides those of the dispatcher's service, whose results are streams.
    #[must_use]
    pub fn with_streams(self, streams: impl Streams) -> Self {
        Server { streams: Some(Box::new(streams)), ..self }
    }

    /// What a client connects to: the endpoint that was bound first.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Serves until `stop`, then finishes the calls in hand, for at most 4 s, and returns. Streams end with the stop.
    pub async fn run(self, stop: CancellationToken) {
        let max_in_flight = self.options.limits.max_in_flight.clamp(1, Semaphore::MAX_PERMITS);
        let serving = Arc::new(Serving {
            catalog: Catalog::new(self.dispatcher.service(), self.streams.as_deref()),
            dispatcher: self.dispatcher,
            streams: self.streams,
            limits: self.options.limits,
            alone: tokio::runtime::Handle::current().metrics().num_workers() == 1,
            ids: Ids::new(),
            peers: Mutex::default(),
            next_peer: AtomicU64::new(0),
            waiting: Arc::new(Semaphore::new(max_in_flight)),
            share: max_in_flight - max_in_flight / 4,
            open: AtomicUsize::new(0),
            opened: Notify::new(),
            tick: AtomicU32::new(0),
            dropped: Tally::new("dropped a message", "messages were dropped"),
            late: Tally::above(99, "dropped an event", "events on channels that are not open were dropped"),
            refused: Tally::new("refused a connection", "connections were refused"),
            stop,
        });
        // In a set, so that it ends with this future, on whatever way.
        let mut beating = JoinSet::new();
        if let Some(period) = self.options.heartbeat {
            beating.spawn(beat(Arc::clone(&serving), period));
        }
        let carried = async {
            if let Some(stream) = self.carried {
                serve_carried(&serving, stream).await;
            }
        };
        let listeners = self.listeners.into_iter().map(|listener| listen(&serving, listener));
        futures_util::future::join(futures_util::future::join_all(listeners), carried).await;
        beating.shutdown().await;
        serving.dropped.sum_up();
        serving.late.sum_up();
        serving.refused.sum_up();
    }
}

/// What all calls of a server share.
struct Serving {
    dispatcher: Dispatcher,
    streams: Option<Box<dyn Streams>>,
    catalog: Catalog,
    limits: Limits,
    /// Whether handlers cannot run beside the task that reads: each call is then begun in place, and only one whose
    /// handler waits becomes a task. At the rates measured here, a task for each call is a cost one can see.
    alone: bool,
    ids: Ids,
    peers: Mutex<HashMap<u64, Arc<Peer>>>,
    next_peer: AtomicU64,
    /// Permits for calls whose handlers wait.
    waiting: Arc<Semaphore>,
    /// How many of those permits one peer may have.
    share: usize,
    /// How many channels are open.
    open: AtomicUsize,
    /// Told when a channel opens.
    opened: Notify,
    /// Quarter periods during which a channel was open.
    tick: AtomicU32,
    /// Messages that nothing can be done with.
    dropped: Tally,
    /// Heartbeats and grants on channels that are not open. They may have crossed the end of one.
    late: Tally,
    /// Connections that were ended for what their peers did.
    refused: Tally,
    stop: CancellationToken,
}

impl Serving {
    fn with_peers<T>(&self, action: impl FnOnce(&mut HashMap<u64, Arc<Peer>>) -> T) -> T {
        action(&mut self.peers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes why a connection has ended.
    fn ended(&self, error: &LinkError) {
        if error.is_misconduct() {
            self.refused.add(error);
        } else {
            tracing::debug!("a connection has ended: {error}");
        }
    }
}

/// Accepts connections until the stop, and then waits for their calls.
async fn listen(serving: &Arc<Serving>, listener: Listener) {
    let mut peers = JoinSet::new();
    let accepting = listener.serve_each(&mut peers, |stream| serve(Arc::clone(serving), stream));
    serving.stop.run_until_cancelled(accepting).await;
    drop(listener);
    finish(serving, peers).await;
}

/// Lets the calls in hand finish, for a while.
async fn finish(serving: &Serving, mut peers: JoinSet<()>) {
    serving.with_peers(|peers| peers.values().for_each(|peer| peer.link.halt()));
    let finished = tokio::time::timeout(GRACE, async { while peers.join_next().await.is_some() {} });
    if finished.await.is_err() {
        tracing::warn!("{} connections have calls {} s after the stop", peers.len(), GRACE.as_secs());
    }
}

/// Serves all peers of another library's socket, until the stop and the end of their calls.
async fn serve_carried(serving: &Arc<Serving>, stream: Stream) {
    let (link, inbox) = Link::over(stream, message_limits(&serving.limits));
    let mut peers = JoinSet::new();
    let serving = Arc::clone(serving);
    let stop = serving.stop.clone();
    peers.spawn({
        let serving = Arc::clone(&serving);
        async move { converse(&serving, link, inbox).await }
    });
    stop.cancelled().await;
    finish(&serving, peers).await;
}

fn message_limits(limits: &Limits) -> MessageLimits {
    MessageLimits { octets: limits.max_body, frames: MAX_FRAMES }
}

/// Serves one connection.
async fn serve(serving: Arc<Serving>, stream: Stream) {
    let established = Link::establish(stream, SocketType::Router, message_limits(&serving.limits));
    match serving.stop.run_until_cancelled(established).await {
        None => {}
        Some(Ok((link, inbox))) => converse(&serving, link, inbox).await,
        Some(Err(error)) => serving.ended(&error),
    }
}

async fn converse(serving: &Arc<Serving>, link: Link, inbox: Inbox) {
    let peer = Arc::new(Peer::new(link, serving.share));
    let number = serving.next_peer.fetch_add(1, Ordering::Relaxed);
    serving.with_peers(|peers| peers.insert(number, Arc::clone(&peer)));
    let registered = Registered { serving, number, peer: &peer };
    if serving.stop.is_cancelled() {
        peer.link.halt();
    }
    if let Err(error) = peer::converse(serving, &peer, inbox).await {
        serving.ended(&error);
    }
    drop(registered);
}

/// A peer that is known for as long as it is served.
struct Registered<'a> {
    serving: &'a Serving,
    number: u64,
    peer: &'a Peer,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.peer.link.close();
        self.serving.with_peers(|peers| peers.remove(&self.number));
    }
}

/// Sends the heartbeats of all open channels, for ever. While none is open the timer rests: an armed one costs a little
/// each time that the runtime goes to sleep, which is after every call.
async fn beat(serving: Arc<Serving>, period: Duration) {
    let mut ticks = heartbeat::ticks(period);
    loop {
        if serving.open.load(Ordering::Relaxed) == 0 {
            serving.opened.notified().await;
            ticks.reset();
        }
        ticks.tick().await;
        let now = serving.tick.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let peers: Vec<_> = serving.with_peers(|peers| peers.values().cloned().collect());
        for peer in peers {
            peer.beat(&serving, now);
        }
    }
}
