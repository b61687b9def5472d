//! Calls that nobody answers: to one of many (PUSH and PULL) or to all (PUB and SUB), as zerorpc-python's `Pusher`,
//! `Puller`, `Publisher` and `Subscriber` make them. Either end binds or connects; one that connects does so again when
//! the connection is lost.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use calculator::{Call, CallError, Dispatcher, ErrorKind, Limits, Params};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::MAX_FRAMES;
use crate::tally::Tally;
use crate::wire::{Event, Ids, write_call};
use crate::zmtp::wire::{Command, MessageLimits, SocketType, subscribe_to_all, write_message};
use crate::zmtp::{Endpoint, Flush, Inbox, Incoming, Link, LinkError, Listener, Stream};

/// How long to wait before connecting again: libzmq's default of `ZMQ_RECONNECT_IVL`.
const RECONNECT: Duration = Duration::from_millis(100);

/// What a peer that is only sent to may send: subscriptions.
const SUBSCRIPTION: MessageLimits = MessageLimits { octets: 4 << 10, frames: 1 };

/// How many subscriptions a peer may have.
const MOST_SUBSCRIPTIONS: usize = 1_024;

/// Where a socket's peers come from.
enum Place {
    Bound(Listener),
    Connected(Endpoint),
}

impl Place {
    async fn bind(endpoint: &Endpoint) -> io::Result<(Self, Endpoint)> {
        let listener = endpoint.bind().await?;
        let bound = listener.endpoint()?;
        Ok((Place::Bound(listener), bound))
    }

    /// Gives each stream to `serve`, for ever.
    async fn serve_each<F>(self, serve: impl Fn(Stream) -> F)
    where
        F: Future<Output = Result<(), LinkError>> + Send + 'static,
    {
        let logged = |serving: F| async {
            if let Err(error) = serving.await {
                tracing::debug!("a connection has ended: {error}");
            }
        };
        match self {
            Place::Bound(listener) => {
                listener.serve_each(&mut JoinSet::new(), |stream| logged(serve(stream))).await;
            }
            Place::Connected(endpoint) => loop {
                match endpoint.connect().await {
                    Ok(stream) => logged(serve(stream)).await,
                    Err(error) => tracing::debug!("cannot connect to {endpoint}: {error}"),
                }
                tokio::time::sleep(RECONNECT).await;
            },
        }
    }
}

/// The sending end of either kind.
struct Sender {
    shared: Arc<Shared>,
    endpoint: Endpoint,
    /// Ends with this.
    _peers: JoinSet<()>,
}

struct Shared {
    kind: SocketType,
    ids: Ids,
    peers: Mutex<Vec<Arc<Receiver>>>,
    /// Told when a peer has come or has subscribed.
    arrived: Notify,
    next: AtomicUsize,
}

/// A peer that is sent to.
struct Receiver {
    link: Link,
    /// What the messages begin with that it wants. A PULL wants all.
    wants: Mutex<Vec<Vec<u8>>>,
}

impl Receiver {
    fn wants(&self, payload: &[u8]) -> bool {
        let wants = self.wants.lock().unwrap_or_else(PoisonError::into_inner);
        wants.iter().any(|prefix| payload.starts_with(prefix))
    }

    fn subscribe(&self, prefix: &[u8]) {
        let mut wants = self.wants.lock().unwrap_or_else(PoisonError::into_inner);
        if wants.len() < MOST_SUBSCRIPTIONS {
            wants.push(prefix.to_vec());
        }
    }

    /// Each subscription is cancelled by itself, even of two alike.
    fn cancel(&self, prefix: &[u8]) {
        let mut wants = self.wants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = wants.iter().position(|wanted| wanted == prefix) {
            wants.swap_remove(at);
        }
    }
}

impl Sender {
    fn new(kind: SocketType, place: Place, endpoint: Endpoint) -> Self {
        let shared = Arc::new(Shared {
            kind,
            ids: Ids::new(),
            peers: Mutex::default(),
            arrived: Notify::new(),
            next: AtomicUsize::new(0),
        });
        let mut peers = JoinSet::new();
        peers.spawn({
            let shared = Arc::clone(&shared);
            place.serve_each(move |stream| Arc::clone(&shared).serve(stream))
        });
        Sender { shared, endpoint, _peers: peers }
    }

    fn encode(&self, call: &Call) -> Result<Vec<u8>, CallError> {
        let mut payload = Vec::with_capacity(128);
        let id = self.shared.ids.id(self.shared.ids.next());
        write_call(&mut payload, &id, &call.method, call.params.as_positional()?)?;
        Ok(payload)
    }
}

/// Hands `payload` to a peer; false where it cannot be sent to that one.
fn deliver(peer: &Receiver, payload: &[u8]) -> bool {
    let write = |out: &mut Vec<u8>| {
        write_message(out, &[], |out| {
            out.extend_from_slice(payload);
            Ok::<_, std::convert::Infallible>(())
        })
    };
    !peer.link.is_full() && peer.link.send(Flush::Wake, write).is_ok()
}

impl Shared {
    fn peers(&self) -> Vec<Arc<Receiver>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn serve(self: Arc<Self>, stream: Stream) -> Result<(), LinkError> {
        let (link, mut inbox) = Link::establish(stream, self.kind, SUBSCRIPTION).await?;
        let all = if self.kind == SocketType::Push { vec![Vec::new()] } else { vec![] };
        let peer = Arc::new(Receiver { link, wants: Mutex::new(all) });
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&peer));
        self.arrived.notify_waiters();
        let ended = self.listen_to(&peer, &mut inbox).await;
        peer.link.close();
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| !Arc::ptr_eq(other, &peer));
        ended
    }

    /// Reads what a peer subscribes to: before ZMTP 3.1 that was a message.
    async fn listen_to(&self, peer: &Receiver, inbox: &mut Inbox) -> Result<(), LinkError> {
        loop {
            while let Some(incoming) = inbox.next()? {
                match incoming {
                    Incoming::Command(Command::Subscribe(prefix))
                    | Incoming::Message { payload: [1, prefix @ ..], .. } => peer.subscribe(prefix),
                    Incoming::Command(Command::Cancel(prefix))
                    | Incoming::Message { payload: [0, prefix @ ..], .. } => peer.cancel(prefix),
                    Incoming::Command(command) => peer.link.on_command(command),
                    Incoming::Message { .. } | Incoming::TooLarge { .. } => {}
                }
                self.arrived.notify_waiters();
            }
            peer.link.fill(inbox).await?;
        }
    }
}

/// Sends each call to one peer, to each in turn.
pub struct Pusher(Sender);

impl Pusher {
    /// Waits for peers at `endpoint`. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        let (place, bound) = Place::bind(endpoint).await?;
        Ok(Pusher(Sender::new(SocketType::Push, place, bound)))
    }

    /// Connects to `endpoint`, as soon as somebody listens there. Must be called inside a Tokio runtime.
    #[must_use]
    pub fn connect(endpoint: &Endpoint) -> Self {
        Pusher(Sender::new(SocketType::Push, Place::Connected(endpoint.clone()), endpoint.clone()))
    }

    /// Where it is bound or connects to.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Sends a call, as soon as there is a peer that takes it. Nobody tells whether it was executed.
    ///
    /// # Errors
    /// What has no form in MessagePack.
    pub async fn push(&self, call: &Call) -> Result<(), CallError> {
        let payload = self.0.encode(call)?;
        let shared = &self.0.shared;
        loop {
            let arrived = shared.arrived.notified();
            let peers = shared.peers();
            let begin = shared.next.fetch_add(1, Ordering::Relaxed);
            let turn = |turn: usize| peers.get(begin.wrapping_add(turn) % peers.len().max(1));
            if (0..peers.len()).filter_map(turn).any(|peer| deliver(peer, &payload)) {
                return Ok(());
            }
            match peers.first() {
                // All are full, the first one perhaps not for long.
                Some(peer) => drop(peer.link.room().await),
                None => arrived.await,
            }
        }
    }

    /// Waits until everything is handed to the operating system.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] where a connection has ended before.
    pub async fn flush(&self) -> Result<(), CallError> {
        for peer in self.0.shared.peers() {
            peer.link
                .written()
                .await
                .map_err(|error| CallError::new(ErrorKind::Undeliverable, error.to_string()))?;
        }
        Ok(())
    }
}

/// Sends each call to every peer that has subscribed. One that does not read fast enough misses some.
pub struct Publisher(Sender);

impl Publisher {
    /// As [`Pusher::bind`].
    ///
    /// # Errors
    /// The operating system's.
    pub async fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        let (place, bound) = Place::bind(endpoint).await?;
        Ok(Publisher(Sender::new(SocketType::Pub, place, bound)))
    }

    /// As [`Pusher::connect`].
    #[must_use]
    pub fn connect(endpoint: &Endpoint) -> Self {
        Publisher(Sender::new(SocketType::Pub, Place::Connected(endpoint.clone()), endpoint.clone()))
    }

    /// Where it is bound or connects to.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Waits until at least `subscribers` peers want everything.
    pub async fn subscribed(&self, subscribers: usize) {
        loop {
            let arrived = self.0.shared.arrived.notified();
            if self.0.shared.peers().iter().filter(|peer| peer.wants(b"")).count() >= subscribers {
                return;
            }
            arrived.await;
        }
    }

    /// Sends a call; gives the number of peers that it went to.
    ///
    /// # Errors
    /// What has no form in MessagePack.
    pub fn publish(&self, call: &Call) -> Result<usize, CallError> {
        let payload = self.0.encode(call)?;
        let peers = self.0.shared.peers();
        Ok(peers.iter().filter(|peer| peer.wants(&payload) && deliver(peer, &payload)).count())
    }
}

/// The receiving end of either kind.
struct Executor {
    kind: SocketType,
    dispatcher: Dispatcher,
    limits: Limits,
    dropped: Tally,
}

impl Executor {
    fn new(kind: SocketType, dispatcher: Dispatcher, limits: Limits) -> Self {
        let dropped = Tally::new("dropped a message", "messages were dropped");
        Executor { kind, dispatcher, limits, dropped }
    }

    async fn run(self, place: Place, stop: CancellationToken) {
        let executor = Arc::new(self);
        stop.run_until_cancelled(place.serve_each(|stream| Arc::clone(&executor).serve(stream))).await;
        executor.dropped.sum_up();
    }

    /// Executes the calls of one peer, one after the other.
    async fn serve(self: Arc<Self>, stream: Stream) -> Result<(), LinkError> {
        let limits = MessageLimits { octets: self.limits.max_body, frames: MAX_FRAMES };
        let (link, mut inbox) = Link::establish(stream, self.kind, limits).await?;
        if self.kind == SocketType::Sub {
            let subscribe = |out: &mut Vec<u8>| {
                subscribe_to_all(out, link.peer_minor());
                Ok::<_, std::convert::Infallible>(())
            };
            let _ = link.send(Flush::Own, subscribe);
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
            tracing::warn!("a call that nobody waits for has failed: {error}");
        }
    }
}

/// Executes the calls of pushers.
pub struct Puller(Place, Endpoint);

impl Puller {
    /// Waits for peers at `endpoint`.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        Place::bind(endpoint).await.map(|(place, bound)| Puller(place, bound))
    }

    /// Connects to `endpoint`, as soon as somebody listens there.
    #[must_use]
    pub fn connect(endpoint: &Endpoint) -> Self {
        Puller(Place::Connected(endpoint.clone()), endpoint.clone())
    }

    /// Where it is bound or connects to.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.1
    }

    /// Executes calls until `stop`, those of one peer in their order. Errors go to the log.
    pub async fn run(self, dispatcher: Dispatcher, limits: Limits, stop: CancellationToken) {
        Executor::new(SocketType::Pull, dispatcher, limits).run(self.0, stop).await;
    }
}

/// Executes the calls of publishers.
pub struct Subscriber(Place, Endpoint);

impl Subscriber {
    /// As [`Puller::bind`].
    ///
    /// # Errors
    /// The operating system's.
    pub async fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        Place::bind(endpoint).await.map(|(place, bound)| Subscriber(place, bound))
    }

    /// As [`Puller::connect`].
    #[must_use]
    pub fn connect(endpoint: &Endpoint) -> Self {
        Subscriber(Place::Connected(endpoint.clone()), endpoint.clone())
    }

    /// Where it is bound or connects to.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.1
    }

    /// As [`Puller::run`].
    pub async fn run(self, dispatcher: Dispatcher, limits: Limits, stop: CancellationToken) {
        Executor::new(SocketType::Sub, dispatcher, limits).run(self.0, stop).await;
    }
}
