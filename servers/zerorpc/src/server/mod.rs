//! The server: a ROUTER that binds, with a task for each peer.

mod call;
mod connection;
mod peer;
mod peers;
mod state;
mod stream;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use calculator::{Dispatcher, Limits};
use futures_util::future::{join, join_all};
use net::{AnomalyCounter, DRAIN_TIMEOUT, Endpoint, Listener};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::heartbeat::{self, DEFAULT_PERIOD, HeartbeatPeriod};
use crate::introspection::Catalog;
use crate::library::Library;
use crate::streams::Streams;
use crate::url::url_of;
use crate::wire::Ids;
use crate::zmtp::wire::SocketType;
use crate::zmtp::{Link, Transport, serve_each};
use peer::Peer;
use peers::Peers;
use state::ServerState;

/// Options of a server.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    /// What the server accepts. `max_body` limits a whole message, `max_in_flight` the calls whose handlers wait. A
    /// call counts once for every 16 KiB of its message. One peer may have at most three quarters of them, and as many
    /// streams.
    pub limits: Limits,
    /// How often to send a heartbeat on an open channel.
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
    /// A socket of another library, instead of the first listener.
    socket: Option<Transport>,
    url: String,
    dispatcher: Dispatcher,
    streams: Option<Box<dyn Streams>>,
    options: ServerOptions,
}

impl Server {
    /// Binds to `endpoint`; port 0 picks a free port. Connections are queued from now on, and served once
    /// [`run`](Server::run) is polled. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub async fn bind(
        endpoint: &Endpoint,
        dispatcher: Dispatcher,
        options: ServerOptions,
    ) -> io::Result<Server> {
        Self::bind_by(Library::Own, endpoint, dispatcher, options).await
    }

    /// Like [`bind`](Self::bind), through a socket of `library`. A socket of another library is one connection for all
    /// peers: the limits for one peer apply to all of them together.
    ///
    /// # Errors
    /// The errors of the operating system and of the library, which may not know every kind of endpoint.
    pub async fn bind_by(
        library: Library,
        endpoint: &Endpoint,
        dispatcher: Dispatcher,
        options: ServerOptions,
    ) -> io::Result<Server> {
        let (listeners, socket, url) = match library.router(endpoint, options.limits.max_body).await? {
            Some((socket, url)) => (vec![], Some(socket), url),
            None => {
                let listener = Listener::bind(endpoint).await?;
                let url = url_of(listener.endpoint());
                (vec![listener], None, url)
            }
        };
        Ok(Server { listeners, socket, url, dispatcher, streams: None, options })
    }

    /// Binds to one more endpoint, and returns it with the port that was picked.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub async fn bind_another(&mut self, endpoint: &Endpoint) -> io::Result<Endpoint> {
        let listener = Listener::bind(endpoint).await?;
        let bound = listener.endpoint().clone();
        self.listeners.push(listener);
        Ok(bound)
    }

    /// Adds methods whose results are streams.
    #[must_use]
    pub fn with_streams(self, streams: impl Streams) -> Self {
        Server { streams: Some(Box::new(streams)), ..self }
    }

    /// The URL of the first endpoint.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Serves until `stop` is cancelled, then finishes the calls in progress, for at most [`DRAIN_TIMEOUT`]. Streams
    /// end immediately.
    pub async fn run(self, stop: CancellationToken) {
        let max_in_flight = self.options.limits.max_in_flight.clamp(1, Semaphore::MAX_PERMITS);
        let state = ServerState {
            catalog: Catalog::new(self.dispatcher.service(), self.streams.as_deref()),
            dispatcher: self.dispatcher,
            streams: self.streams,
            limits: self.options.limits,
            single_threaded: tokio::runtime::Handle::current().metrics().num_workers() == 1,
            ids: Ids::new(),
            call_permits: Arc::new(Semaphore::new(max_in_flight)),
            permits_per_peer: max_in_flight - max_in_flight / 4,
            open_channels: AtomicUsize::new(0),
            channel_opened: Notify::new(),
            tick: AtomicU32::new(0),
            dropped: AnomalyCounter::new("dropped a message", "messages were dropped"),
            late_events: AnomalyCounter::above(
                99,
                "dropped an event",
                "events on channels that are not open were dropped",
            ),
            refused: AnomalyCounter::new("refused a connection", "connections were refused"),
            stop,
        };
        let running = Arc::new(Running { state: Arc::new(state), peers: Peers::default() });
        // Dropping the set ends its task, even if this future is dropped.
        let mut heartbeats = JoinSet::new();
        if let Some(period) = self.options.heartbeat {
            heartbeats.spawn(send_heartbeats(Arc::clone(&running), period));
        }
        let socket = async {
            if let Some(socket) = self.socket {
                serve_socket(&running, socket).await;
            }
        };
        let listeners = self.listeners.into_iter().map(|listener| listen(&running, listener));
        join(join_all(listeners), socket).await;
        heartbeats.shutdown().await;
        running.state.dropped.log_total();
        running.state.late_events.log_total();
        running.state.refused.log_total();
    }
}

/// A running server.
struct Running {
    state: Arc<ServerState>,
    peers: Peers,
}

/// Accepts connections until the server is stopped, and then waits for the calls in progress.
async fn listen(running: &Arc<Running>, listener: Listener) {
    let mut peers = JoinSet::new();
    let accepting =
        serve_each(&listener, &mut peers, |stream| serve(Arc::clone(running), Transport::Stream(stream)));
    running.state.stop.run_until_cancelled(accepting).await;
    drop(listener);
    drain(running, peers).await;
}

/// Serves all peers of a socket of another library until the server is stopped, and then waits for the calls in
/// progress.
async fn serve_socket(running: &Arc<Running>, socket: Transport) {
    let mut peers = JoinSet::new();
    peers.spawn(serve(Arc::clone(running), socket));
    running.state.stop.cancelled().await;
    drain(running, peers).await;
}

/// Waits for the calls in progress, for at most [`DRAIN_TIMEOUT`].
async fn drain(running: &Running, mut peers: JoinSet<()>) {
    running.peers.stop_reading();
    let drained = tokio::time::timeout(DRAIN_TIMEOUT, async { while peers.join_next().await.is_some() {} });
    if drained.await.is_err() {
        let seconds = DRAIN_TIMEOUT.as_secs();
        tracing::warn!("{} connections still have calls {seconds} s after the stop", peers.len());
    }
}

/// Serves one connection.
async fn serve(running: Arc<Running>, transport: Transport) {
    let Running { state, peers } = &*running;
    let establishing = Link::establish(transport, SocketType::Router, state.message_limits());
    let (link, inbox) = match state.stop.run_until_cancelled(establishing).await {
        None => return,
        Some(Ok(established)) => established,
        Some(Err(error)) => return state.record_connection_end(&error),
    };
    let peer = Arc::new(Peer::new(link, state.permits_per_peer));
    let registered = peers.register(&peer);
    if state.stop.is_cancelled() {
        peer.link.stop_reading();
    }
    if let Err(error) = connection::serve(state, &peer, inbox).await {
        state.record_connection_end(&error);
    }
    drop(registered);
}

/// Sends the heartbeats of all open channels, forever. While no channel is open the timer is not armed, because an
/// armed timer has a small cost whenever the runtime goes to sleep, which is after every call.
async fn send_heartbeats(running: Arc<Running>, period: Duration) {
    let mut timer = heartbeat::timer(period);
    let state = &running.state;
    loop {
        if state.open_channels.load(Ordering::Relaxed) == 0 {
            state.channel_opened.notified().await;
            timer.reset();
        }
        timer.tick().await;
        let now = state.tick.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        for peer in running.peers.all() {
            peer.on_tick(state, now);
        }
    }
}
