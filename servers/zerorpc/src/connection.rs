//! One DEALER socket and the calls in flight on it.

use std::collections::HashMap;
use std::future::Future;
use std::hash::{BuildHasherDefault, Hasher};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use calculator::{CallError, ClientOptions, ErrorKind, Limits, Value};
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use zeromq::{
    DealerRecvHalf, DealerSendHalf, DealerSocket, Socket, SocketEvent, SocketOptions, SocketRecv, SocketSend,
    ZmqError, ZmqMessage,
};

use crate::HeartbeatPeriod;
use crate::heartbeat::{self, Due, Heartbeat, lost_remote};
use crate::wire::{Event, HEARTBEAT, Id, Ids, MORE, encode_call, encode_heartbeat};

/// A connection to a server. It serves until its peer closes it or is lost, and is then replaced: a socket of this
/// library neither reconnects nor ends a receive when its peer has gone.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    tasks: [AbortHandle; 2],
}

impl Drop for Connection {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What the connection's tasks and its calls share.
struct Shared {
    limits: Limits,
    ids: Ids,
    /// Quarter heartbeat periods since the start.
    tick: AtomicU32,
    sender: Mutex<Option<DealerSendHalf>>,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    closed: bool,
    in_flight: HashMap<u32, InFlight, BuildHasherDefault<CountHasher>>,
}

struct InFlight {
    heartbeat: Heartbeat,
    state: State,
}

enum State {
    Waiting(Option<Waker>),
    Answered(Result<Value, CallError>),
}

/// Hashes the counts of this end's own ids, which nobody else chooses.
#[derive(Default)]
struct CountHasher(u64);

impl Hasher for CountHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = self.0 << 8 | u64::from(*octet);
        }
    }

    fn write_u32(&mut self, count: u32) {
        // Fibonacci hashing: the table takes its tag from the top bits.
        self.0 = u64::from(count).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Why a call was not sent.
pub(crate) enum NotSent {
    /// The connection has ended: another one may deliver the call.
    Closed,
    /// The call itself, or its queue.
    Refused(CallError),
}

impl Connection {
    /// Connects within `options.timeout`.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] where nobody listens or no URL is given, [`ErrorKind::Timeout`] where it takes too
    /// long.
    pub(crate) async fn open(
        url: &str,
        options: &ClientOptions,
        period: HeartbeatPeriod,
    ) -> Result<Self, CallError> {
        let opened = tokio::time::timeout(options.timeout, connect(url));
        let Ok(opened) = opened.await else {
            let message = format!("{url} did not answer the handshake in time");
            return Err(CallError::new(ErrorKind::Timeout, message));
        };
        let (socket, events) = opened?;
        let (sender, receiver) = socket.split();
        let shared = Arc::new(Shared {
            limits: options.limits,
            ids: Ids::new(),
            tick: AtomicU32::new(0),
            sender: Mutex::new(Some(sender)),
            calls: Mutex::default(),
        });
        let reading = tokio::spawn(read(Arc::clone(&shared), receiver)).abort_handle();
        let guarding = tokio::spawn(guard(Arc::clone(&shared), events, period, reading.clone()));
        Ok(Connection { shared, tasks: [reading, guarding.abort_handle()] })
    }

    /// Sends a call and gives its answer to wait for.
    pub(crate) fn start(&self, method: &str, args: &[Value]) -> Result<Answer<'_>, NotSent> {
        let shared = &*self.shared;
        let count = shared.ids.next();
        let payload = encode_call(&shared.ids.id(count), method, args).map_err(NotSent::Refused)?;
        let heartbeat = Heartbeat::new(shared.tick.load(Ordering::Relaxed), false);
        let registered = shared.with_calls(|calls| {
            if !calls.closed {
                calls.in_flight.insert(count, InFlight { heartbeat, state: State::Waiting(None) });
            }
            !calls.closed
        });
        if !registered {
            return Err(NotSent::Closed);
        }
        // From here on the entry goes when this is dropped.
        let answer = Answer { shared, count, taken: false };
        match shared.send(payload) {
            Sent::Queued => Ok(answer),
            Sent::Full => {
                let message = "the socket's queue is full: the server does not read";
                Err(NotSent::Refused(CallError::new(ErrorKind::Undeliverable, message)))
            }
            Sent::Failed => {
                shared.close("the connection was lost");
                Err(NotSent::Closed)
            }
        }
    }
}

/// Connects a socket, and tells what happens to its connection.
async fn connect(url: &str) -> Result<(DealerSocket, impl Stream<Item = SocketEvent> + use<>), CallError> {
    let undeliverable = |reason: &dyn std::fmt::Display| {
        CallError::new(ErrorKind::Undeliverable, format!("cannot connect to {url}: {reason}"))
    };
    // The library tries for ever where nobody listens. A call shall fail instead, as with every other protocol, so the
    // first attempt is made without it.
    if let Some(address) = url.strip_prefix("tcp://") {
        TcpStream::connect(address).await.map_err(|error| undeliverable(&error))?;
    } else if !url.starts_with("ipc://") {
        return Err(undeliverable(&"give tcp://HOST:PORT or ipc://PATH"));
    }
    let mut options = SocketOptions::default();
    options.no_connect_timeout();
    let mut socket = DealerSocket::with_options(options);
    let events = socket.monitor();
    socket.connect(url).await.map_err(|error: ZmqError| undeliverable(&error))?;
    Ok((socket, events))
}

/// What became of a message.
enum Sent {
    Queued,
    Full,
    Failed,
}

impl Shared {
    fn with_calls<T>(&self, action: impl FnOnce(&mut Calls) -> T) -> T {
        action(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn send(&self, payload: Bytes) -> Sent {
        let Ok(message) = ZmqMessage::try_from(vec![Bytes::new(), payload]) else { return Sent::Failed };
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = sender.as_mut() else { return Sent::Failed };
        // Sending queues the message for the socket's own task, and waits only where 100,000 wait before it.
        match sender.send(message).now_or_never() {
            Some(Ok(())) => Sent::Queued,
            Some(Err(error)) => {
                tracing::debug!("a message was not sent: {error}");
                Sent::Failed
            }
            None => Sent::Full,
        }
    }

    /// Ends the connection and every call in flight on it. What the server did with those, nobody knows.
    fn close(&self, reason: &str) {
        let in_flight = self.with_calls(|calls| {
            calls.closed = true;
            calls.in_flight.keys().copied().collect::<Vec<_>>()
        });
        for count in in_flight {
            self.answer(count, Err(CallError::new(ErrorKind::Undeliverable, reason)));
        }
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Gives a call its answer. A late or a second one is dropped.
    fn answer(&self, count: u32, result: Result<Value, CallError>) {
        let waker = self.with_calls(|calls| {
            let call = calls.in_flight.get_mut(&count)?;
            match &mut call.state {
                State::Answered(_) => None,
                State::Waiting(waker) => {
                    let waker = waker.take();
                    call.state = State::Answered(result);
                    waker
                }
            }
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Handles a message from the server.
    fn receive(&self, payload: &[u8]) {
        let event = match Event::decode(payload, self.limits.max_depth) {
            Ok(event) => event,
            Err(error) => return tracing::debug!("dropped a message: {error}"),
        };
        let Some(count) = event.response_to.and_then(|id| self.ids.count(id)) else {
            return tracing::debug!("dropped `{}`, which answers no call of this client", event.name);
        };
        if event.name == HEARTBEAT {
            let now = self.tick.load(Ordering::Relaxed);
            self.with_calls(|calls| {
                if let Some(call) = calls.in_flight.get_mut(&count) {
                    call.heartbeat.heard(now);
                }
            });
        } else if event.name != MORE {
            self.answer(count, self.read_reply(&event, payload.len()));
        }
    }

    fn read_reply(&self, event: &Event<'_>, size: usize) -> Result<Value, CallError> {
        if size > self.limits.max_body {
            let message = format!("a reply of {size} bytes; the limit is {}", self.limits.max_body);
            return Err(CallError::new(ErrorKind::TooLarge, message));
        }
        event.reply(self.limits.max_depth)
    }

    /// Sends the heartbeats that are due at tick `now`; false when the server is lost.
    fn beat(&self, now: u32) -> bool {
        let mut beats = Vec::new();
        let alive = self.with_calls(|calls| {
            calls.in_flight.iter_mut().all(|(count, call)| match call.heartbeat.due(now) {
                Due::Nothing => true,
                Due::Beat => {
                    beats.push(*count);
                    true
                }
                // An answer that was not fetched yet is not taken away again.
                Due::Lost => matches!(call.state, State::Answered(_)),
            })
        });
        for count in beats {
            let channel = self.ids.id(count);
            match encode_heartbeat(&self.ids.id(self.ids.next()), Id::Bin(&channel)) {
                Ok(payload) => drop(self.send(payload)),
                Err(error) => tracing::warn!("a heartbeat cannot be encoded: {error}"),
            }
        }
        alive
    }
}

/// Reads replies until the connection ends.
async fn read(shared: Arc<Shared>, mut receiver: DealerRecvHalf) {
    loop {
        match receiver.recv().await {
            Ok(message) => {
                if let Some(payload) = message.get(message.len().saturating_sub(1)) {
                    shared.receive(payload);
                }
            }
            Err(error) => return shared.close(&format!("the connection was lost: {error}")),
        }
    }
}

/// Ends the connection when its peer closes it or is lost, and sends heartbeats meanwhile.
async fn guard(
    shared: Arc<Shared>,
    mut events: impl Stream<Item = SocketEvent> + Unpin,
    period: HeartbeatPeriod,
    reading: AbortHandle,
) {
    let mut ticks = period.map(heartbeat::ticks);
    let mut tick = async || match &mut ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
    };
    let reason = loop {
        tokio::select! {
            event = events.next() => {
                if matches!(event, None | Some(SocketEvent::Disconnected(_))) {
                    break "the server has closed the connection".to_owned();
                }
            }
            () = tick() => {
                let now = shared.tick.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
                if !shared.beat(now) {
                    break lost_remote(period.unwrap_or_default());
                }
            }
        }
    };
    shared.close(&reason);
    // With the receiving half goes the socket.
    reading.abort();
}

/// A call's answer to come. Dropping it forgets the call; the answer is then ignored.
pub(crate) struct Answer<'a> {
    shared: &'a Shared,
    count: u32,
    taken: bool,
}

impl Future for Answer<'_> {
    type Output = Result<Value, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let count = self.count;
        let answered = self.shared.with_calls(|calls| match &mut calls.in_flight.get_mut(&count)?.state {
            State::Waiting(waker) => {
                match waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    None => *waker = Some(context.waker().clone()),
                }
                None
            }
            State::Answered(_) => calls.in_flight.remove(&count),
        });
        match answered {
            Some(InFlight { state: State::Answered(result), .. }) => {
                self.taken = true;
                Poll::Ready(result)
            }
            _ => Poll::Pending,
        }
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        if !self.taken {
            self.shared.with_calls(|calls| calls.in_flight.remove(&self.count));
        }
    }
}
