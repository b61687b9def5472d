//! Sending calls without replies.

use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use calculator::{Call, CallError, ErrorKind};
use net::Endpoint;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::peer_source::PeerSource;
use crate::wire::{Ids, write_call};
use crate::zmtp::wire::{Command, MessageLimits, SocketType, write_message};
use crate::zmtp::{Flush, Inbox, Incoming, Link, LinkError, Transport};

/// Limits on the messages of a receiving peer, which are subscriptions.
const SUBSCRIPTION_LIMITS: MessageLimits = MessageLimits { bytes: 4 << 10, frames: 1 };

/// How many subscriptions a peer may have. More are ignored.
const MAX_SUBSCRIPTIONS: usize = 1_024;

/// The common part of [`Pusher`] and [`Publisher`].
struct Sender {
    shared: Arc<Shared>,
    endpoint: Endpoint,
    /// The task that serves the peers. Dropping the set ends it.
    _serving: JoinSet<()>,
}

/// The state of a sender, which it shares with the tasks of its peers.
struct Shared {
    kind: SocketType,
    ids: Ids,
    peers: Mutex<Vec<Arc<Receiver>>>,
    /// Notified when a peer has connected or changed its subscriptions.
    changed: Notify,
    /// The index of the peer that receives the next push.
    next_turn: AtomicUsize,
}

/// A peer that receives.
struct Receiver {
    link: Link,
    /// The prefixes of the messages that the peer has subscribed to. A PULL peer has the empty one.
    subscriptions: Mutex<Vec<Vec<u8>>>,
}

impl Receiver {
    /// Whether the peer has subscribed to a message with this payload.
    fn is_subscribed_to(&self, payload: &[u8]) -> bool {
        let subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        subscriptions.iter().any(|prefix| payload.starts_with(prefix))
    }

    fn subscribe(&self, prefix: &[u8]) {
        let mut subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        if subscriptions.len() < MAX_SUBSCRIPTIONS {
            subscriptions.push(prefix.to_vec());
        }
    }

    /// Cancels one subscription. A second, equal subscription remains.
    fn cancel(&self, prefix: &[u8]) {
        let mut subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = subscriptions.iter().position(|other| other == prefix) {
            subscriptions.swap_remove(at);
        }
    }

    /// Queues a message; false if the peer's outbox is too full or its connection has ended.
    fn try_send(&self, payload: &[u8]) -> bool {
        let write = |out: &mut Vec<u8>| {
            write_message(out, &[], |out| {
                out.extend_from_slice(payload);
                Ok::<_, Infallible>(())
            })
        };
        !self.link.is_congested() && self.link.send(Flush::WakeReader, write).is_ok()
    }
}

impl Sender {
    fn new(kind: SocketType, peers: PeerSource) -> Self {
        let endpoint = peers.endpoint().clone();
        let shared = Arc::new(Shared {
            kind,
            ids: Ids::new(),
            peers: Mutex::default(),
            changed: Notify::new(),
            next_turn: AtomicUsize::new(0),
        });
        let mut serving = JoinSet::new();
        serving.spawn({
            let shared = Arc::clone(&shared);
            peers.serve_each(move |transport| Arc::clone(&shared).serve(transport))
        });
        Sender { shared, endpoint, _serving: serving }
    }

    fn encode(&self, call: &Call) -> Result<Vec<u8>, CallError> {
        let mut payload = Vec::with_capacity(128);
        let id = self.shared.ids.id(self.shared.ids.next());
        write_call(&mut payload, &id, &call.method, call.params.as_positional()?)?;
        Ok(payload)
    }
}

impl Shared {
    fn peers(&self) -> Vec<Arc<Receiver>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serves one connection. Messages can be sent to its peer at the same time.
    async fn serve(self: Arc<Self>, transport: Transport) -> Result<(), LinkError> {
        let (link, mut inbox) = Link::establish(transport, self.kind, SUBSCRIPTION_LIMITS).await?;
        let subscriptions = if self.kind == SocketType::Push { vec![Vec::new()] } else { vec![] };
        let peer = Arc::new(Receiver { link, subscriptions: Mutex::new(subscriptions) });
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&peer));
        self.changed.notify_waiters();
        let ended = self.read_subscriptions(&peer, &mut inbox).await;
        peer.link.close();
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| !Arc::ptr_eq(other, &peer));
        ended
    }

    /// Reads subscriptions until the connection ends. Before ZMTP 3.1 they were messages.
    async fn read_subscriptions(&self, peer: &Receiver, inbox: &mut Inbox) -> Result<(), LinkError> {
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
                self.changed.notify_waiters();
            }
            peer.link.fill(inbox).await?;
        }
    }
}

/// Sends each call to one of its peers, in turn.
pub struct Pusher(Sender);

impl Pusher {
    /// Binds to `endpoint`, to which pullers connect. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub async fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        Ok(Pusher(Sender::new(SocketType::Push, PeerSource::bind(endpoint).await?)))
    }

    /// Connects to a puller at `endpoint`, retrying until it listens. Must be called inside a Tokio runtime.
    #[must_use]
    pub fn connect(endpoint: &Endpoint) -> Self {
        Pusher(Sender::new(SocketType::Push, PeerSource::Connected(endpoint.clone())))
    }

    /// The endpoint that is bound or connected to.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Sends a call, waiting for a peer that can take it. There is no confirmation that it was executed.
    ///
    /// # Errors
    /// The errors of [`write_call`](crate::wire::write_call).
    pub async fn push(&self, call: &Call) -> Result<(), CallError> {
        let payload = self.0.encode(call)?;
        let shared = &self.0.shared;
        loop {
            let changed = shared.changed.notified();
            let peers = shared.peers();
            let first = shared.next_turn.fetch_add(1, Ordering::Relaxed);
            let peer_at = |turn: usize| peers.get(first.wrapping_add(turn) % peers.len().max(1));
            if (0..peers.len()).filter_map(peer_at).any(|peer| peer.try_send(&payload)) {
                return Ok(());
            }
            match peers.first() {
                // All outboxes are full. Waiting for any of them is enough.
                Some(peer) => drop(peer.link.space_available().await),
                None => changed.await,
            }
        }
    }

    /// Waits until the operating system has taken all calls.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] if a connection has ended before.
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

/// Sends each call to every peer that has subscribed to it. A peer that reads too slowly misses some.
pub struct Publisher(Sender);

impl Publisher {
    /// Binds to `endpoint`, to which subscribers connect. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub async fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        Ok(Publisher(Sender::new(SocketType::Pub, PeerSource::bind(endpoint).await?)))
    }

    /// Connects to a subscriber at `endpoint`, retrying until it listens. Must be called inside a Tokio runtime.
    #[must_use]
    pub fn connect(endpoint: &Endpoint) -> Self {
        Publisher(Sender::new(SocketType::Pub, PeerSource::Connected(endpoint.clone())))
    }

    /// The endpoint that is bound or connected to.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Waits until at least `subscribers` peers have subscribed to all messages.
    pub async fn subscribed(&self, subscribers: usize) {
        loop {
            let changed = self.0.shared.changed.notified();
            let peers = self.0.shared.peers();
            if peers.iter().filter(|peer| peer.is_subscribed_to(b"")).count() >= subscribers {
                return;
            }
            changed.await;
        }
    }

    /// Sends a call and returns the number of peers that it was sent to.
    ///
    /// # Errors
    /// The errors of [`write_call`](crate::wire::write_call).
    pub fn publish(&self, call: &Call) -> Result<usize, CallError> {
        let payload = self.0.encode(call)?;
        let peers = self.0.shared.peers();
        let sent = peers.iter().filter(|peer| peer.is_subscribed_to(&payload) && peer.try_send(&payload));
        Ok(sent.count())
    }
}
