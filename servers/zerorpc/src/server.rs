//! The serving end: a ROUTER socket and one loop that reads it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use calculator::{Call, CallError, Dispatcher, ErrorKind, Limits, Method, Params, Value};
use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zeromq::{
    RouterRecvHalf, RouterSendHalf, RouterSocket, Socket, SocketRecv, SocketSend, ZmqError, ZmqMessage,
};

use crate::heartbeat::{self, DEFAULT_PERIOD, Due, Heartbeat};
use crate::wire::{Event, HEARTBEAT, Id, Ids, MORE, OwnedId, encode_error, encode_heartbeat, encode_ok};
use crate::{HeartbeatPeriod, introspection};

/// How long calls in hand may take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(4);

/// What a server can be told.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    /// What it accepts: `max_body` for a whole message, `max_in_flight` for calls whose handlers wait.
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
    socket: RouterSocket,
    address: SocketAddr,
    dispatcher: Dispatcher,
    options: ServerOptions,
}

impl Server {
    /// Binds; port 0 picks one. Connections are accepted from here on and calls answered once [`run`](Server::run) is
    /// polled. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn bind(
        listen: SocketAddr,
        dispatcher: Dispatcher,
        options: ServerOptions,
    ) -> io::Result<Server> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let mut socket = RouterSocket::new();
        socket.bind_listener(listener).await.map_err(|error| match error {
            ZmqError::Network(error) => error,
            other => io::Error::other(other),
        })?;
        Ok(Server { socket, address, dispatcher, options })
    }

    /// What a client connects to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// Serves until `stop`, then finishes the calls in hand, for at most 4 s, and returns.
    pub async fn run(self, stop: CancellationToken) {
        let (sender, receiver) = self.socket.split();
        let serving = Arc::new(Serving {
            dispatcher: self.dispatcher,
            limits: self.options.limits,
            sender,
            ids: Ids::new(),
            channels: Mutex::default(),
            opened: Notify::new(),
            tick: AtomicU32::new(0),
            paused: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
        });
        let mut calls = JoinSet::new();
        // In a set, so that it ends with this future, on whatever way.
        let mut beating = JoinSet::new();
        if let Some(period) = self.options.heartbeat {
            beating.spawn(beat(Arc::clone(&serving), period));
        }
        stop.run_until_cancelled(receive(&serving, receiver, &mut calls)).await;
        let finished = tokio::time::timeout(GRACE, async { while calls.join_next().await.is_some() {} });
        if finished.await.is_err() {
            tracing::warn!("{} calls still run {} s after the stop", calls.len(), GRACE.as_secs());
        }
        // The socket's own tasks write what was sent; each is ready, and runs before this one does again.
        tokio::task::yield_now().await;
        beating.shutdown().await;
        let dropped = serving.dropped.load(Ordering::Relaxed);
        if dropped > 0 {
            tracing::info!("dropped {dropped} messages that were no events of an open channel and no calls");
        }
    }
}

/// What all calls of a server share.
struct Serving {
    dispatcher: Dispatcher,
    limits: Limits,
    sender: RouterSendHalf,
    ids: Ids,
    /// The channels of calls whose handlers wait. A call that is answered at once never gets in here.
    channels: Mutex<HashMap<ChannelKey, Channel>>,
    /// Told when a channel opens.
    opened: Notify,
    /// Quarter periods during which a channel was open.
    tick: AtomicU32,
    /// Whether reading waits for a call to finish: heartbeats then wait unread, and their absence means nothing.
    paused: AtomicBool,
    dropped: AtomicU64,
}

/// The peer's identity and the id of the event that opened the channel. zerorpc-python keys by the id alone, which
/// lets one peer reach into the calls of another.
type ChannelKey = (Bytes, OwnedId);

struct Channel {
    heartbeat: Heartbeat,
    route: Vec<Bytes>,
    lost: CancellationToken,
}

/// A channel of [`Serving::channels`] that ends with its call.
struct OpenChannel<'a> {
    serving: &'a Serving,
    key: ChannelKey,
    lost: CancellationToken,
}

impl Drop for OpenChannel<'_> {
    fn drop(&mut self) {
        self.serving.with_channels(|channels| channels.remove(&self.key));
    }
}

/// A message's way back and its payload.
struct Incoming {
    /// What a reply is preceded by: the peer's identity, and whatever envelope the peer put before the delimiter.
    route: VecDeque<Bytes>,
    payload: Bytes,
}

impl Incoming {
    /// Takes a message apart as zerorpc-python's `events.py` does: the payload comes last, the frame before it is not
    /// looked at, and a peer that sends no delimiter is still answered with one.
    fn new(message: ZmqMessage) -> Option<Self> {
        let mut route = message.into_vecdeque();
        let payload = route.pop_back()?;
        if route.len() > 1 {
            route.pop_back();
        }
        Some(Incoming { route, payload })
    }
}

/// Reads messages for ever. Where handlers cannot run beside this loop anyway, each call is begun in place, and only
/// one whose handler waits becomes a task: at the rates measured here, a task for each call is a cost one can see.
async fn receive(serving: &Arc<Serving>, mut receiver: RouterRecvHalf, calls: &mut JoinSet<()>) {
    let alone = tokio::runtime::Handle::current().metrics().num_workers() == 1;
    loop {
        let message = match receiver.recv().await {
            Ok(message) => message,
            Err(error) => {
                tracing::error!("the socket has failed: {error}");
                return;
            }
        };
        let Some(incoming) = serving.accept(message) else { continue };
        let mut work = Box::pin(handle(Arc::clone(serving), incoming));
        if alone && poll_once(work.as_mut()).await.is_some() {
            continue;
        }
        calls.spawn(work);
        while calls.try_join_next().is_some() {}
        if calls.len() >= serving.limits.max_in_flight {
            serving.paused.store(true, Ordering::Relaxed);
            calls.join_next().await;
            serving.paused.store(false, Ordering::Relaxed);
        }
    }
}

/// Polls `future` once; `None` where it is not ready.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

/// Handles one message: a call, or an event on a channel that is open.
async fn handle(serving: Arc<Serving>, incoming: Incoming) {
    let Incoming { route, payload } = incoming;
    let max_depth = serving.limits.max_depth;
    let event = match Event::decode(&payload, max_depth) {
        Ok(event) => event,
        Err(error) => return serving.drop_message(error),
    };
    if let Some(channel) = event.response_to {
        return serving.on_channel(route, &event, channel);
    }
    let Some(id) = event.message_id else {
        return serving.drop_message("a call without a message_id");
    };
    let result = match event.call_args(max_depth) {
        Ok(Ok(args)) => match serving.execute(&route, &event, id, args).await {
            Some(result) => result,
            None => return,
        },
        Ok(Err(refused)) => Err(refused),
        Err(error) => return serving.drop_message(error),
    };
    let reply_id = serving.ids.id(serving.ids.next());
    let reply = match &result {
        Ok(value) => encode_ok(&reply_id, id, value),
        Err(error) => encode_error(&reply_id, &event, id, error),
    };
    match reply.or_else(|error| encode_error(&reply_id, &event, id, &error)) {
        Ok(reply) => serving.send(route, reply).await,
        Err(error) => tracing::warn!("a reply that cannot be encoded was not sent: {error}"),
    }
}

impl Serving {
    /// Takes a message apart, unless it is longer than the limit.
    fn accept(&self, message: ZmqMessage) -> Option<Incoming> {
        let size: usize = message.iter().map(Bytes::len).sum();
        if size > self.limits.max_body {
            self.drop_message(format_args!("{size} bytes; the limit is {}", self.limits.max_body));
            return None;
        }
        Incoming::new(message)
    }

    /// Executes a call; `None` where its caller was lost meanwhile, so that nobody is there to be answered.
    async fn execute(
        &self,
        route: &VecDeque<Bytes>,
        event: &Event<'_>,
        id: Id<'_>,
        args: Vec<Value>,
    ) -> Option<Result<Value, CallError>> {
        if let Some(answer) = introspection::answer(self.dispatcher.service(), &event.name, &args) {
            return Some(answer);
        }
        let method = match Method::from_name(&event.name) {
            Some(method) => method.name().into(),
            None => event.name.to_string().into(),
        };
        let call = Call { method, params: Params::Positional(args) };
        let mut handler = std::pin::pin!(AssertUnwindSafe(self.dispatcher.call(call)).catch_unwind());
        let finished = match poll_once(handler.as_mut()).await {
            Some(finished) => finished,
            None => {
                let channel = self.open(route, event, id)?;
                tokio::select! {
                    finished = handler => finished,
                    () = channel.lost.cancelled() => {
                        tracing::debug!("the caller of `{}` was lost", event.name);
                        return None;
                    }
                }
            }
        };
        let panicked = |_| Err(CallError::new(ErrorKind::Internal, "the handler panicked"));
        Some(finished.unwrap_or_else(panicked))
    }

    /// Opens the channel of a call whose handler waits; `None` where the peer has one of that id open already.
    fn open(&self, route: &VecDeque<Bytes>, event: &Event<'_>, id: Id<'_>) -> Option<OpenChannel<'_>> {
        let key = (route.front()?.clone(), id.to_owned());
        let lost = CancellationToken::new();
        let channel = Channel {
            heartbeat: Heartbeat::new(self.tick.load(Ordering::Relaxed), event.is_v1()),
            route: route.iter().cloned().collect(),
            lost: lost.clone(),
        };
        self.with_channels(|channels| match channels.entry(key.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(channel);
                self.opened.notify_one();
                Some(OpenChannel { serving: self, key, lost })
            }
            Entry::Occupied(_) => {
                self.drop_message("a call with the id of one in flight");
                None
            }
        })
    }

    /// Handles an event on a channel. A call with one result leaves a peer nothing to say but that it lives, and that
    /// more events may come than the one reply.
    fn on_channel(&self, mut route: VecDeque<Bytes>, event: &Event<'_>, id: Id<'_>) {
        let Some(identity) = route.pop_front() else { return };
        let key = (identity, id.to_owned());
        let now = self.tick.load(Ordering::Relaxed);
        let open = self.with_channels(|channels| {
            let channel = channels.get_mut(&key)?;
            if event.name == HEARTBEAT {
                channel.heartbeat.heard(now);
            }
            Some(())
        });
        if open.is_none() || (event.name != HEARTBEAT && event.name != MORE) {
            self.drop_message(format_args!("`{}` on a channel that expects none", event.name));
        }
    }

    fn with_channels<T>(&self, action: impl FnOnce(&mut HashMap<ChannelKey, Channel>) -> T) -> T {
        action(&mut self.channels.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends an event to where a call came from. Where that peer has gone there is nobody to tell.
    async fn send(&self, mut route: VecDeque<Bytes>, payload: Bytes) {
        route.push_back(Bytes::new());
        route.push_back(payload);
        let Ok(message) = ZmqMessage::try_from(route) else { return };
        if let Err(error) = self.sender.clone().send(message).await {
            tracing::debug!("an event was not delivered: {error}");
        }
    }

    fn drop_message(&self, reason: impl std::fmt::Display) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        tracing::debug!("dropped a message: {reason}");
    }

    /// What is due on the open channels: gives up the lost ones, and tells where to send a heartbeat.
    fn due(&self, now: u32) -> Vec<(Vec<Bytes>, OwnedId)> {
        let paused = self.paused.load(Ordering::Relaxed);
        let mut beats = Vec::new();
        self.with_channels(|channels| {
            for ((_, id), channel) in channels {
                if paused {
                    channel.heartbeat.heard(now);
                }
                match channel.heartbeat.due(now) {
                    Due::Nothing => {}
                    Due::Beat => beats.push((channel.route.clone(), id.clone())),
                    Due::Lost => channel.lost.cancel(),
                }
            }
        });
        beats
    }
}

/// Sends the heartbeats of all open channels, for ever. While none is open the timer rests: an armed one costs a little
/// each time that the runtime goes to sleep, which is after every call.
async fn beat(serving: Arc<Serving>, period: Duration) {
    let mut ticks = heartbeat::ticks(period);
    loop {
        if serving.with_channels(|channels| channels.is_empty()) {
            serving.opened.notified().await;
            ticks.reset();
        }
        ticks.tick().await;
        let now = serving.tick.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        for (route, channel) in serving.due(now) {
            match encode_heartbeat(&serving.ids.id(serving.ids.next()), channel.borrow()) {
                Ok(payload) => serving.send(route.into(), payload).await,
                Err(error) => tracing::warn!("a heartbeat cannot be encoded: {error}"),
            }
        }
    }
}
