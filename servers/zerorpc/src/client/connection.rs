//! One DEALER connection and the calls in flight on it.

use std::fmt::Display;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use calculator::{CallError, ClientOptions, ErrorKind, Limits, Value};
use tokio::task::AbortHandle;

use super::answer::{Answer, Channel};
use super::in_flight::{Calls, Events, Got, InFlight, Received};
use crate::heartbeat::{self, Due, Heartbeat, is_silent, lost_remote};
use crate::wire::{ERR, Event, HEARTBEAT, Id, Ids, MORE, STREAM, STREAM_DONE, Say, write_call, write_event};
use crate::zmtp::wire::{DELIMITER, MessageLimits, SocketType, write_message};
use crate::zmtp::{EndpointError, Flush, Inbox, Incoming, Link, LinkError, SendError};
use crate::{HeartbeatPeriod, Library, MAX_FRAMES};

/// A connection to a server. It serves until its peer closes it or is lost, and is then replaced.
pub(super) struct Connection {
    shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What the connection's tasks and its calls share.
pub(super) struct Shared {
    limits: Limits,
    ids: Ids,
    /// Quarter heartbeat periods since the start.
    tick: AtomicU32,
    /// At which of them something last came.
    heard: AtomicU32,
    link: Link,
    calls: Mutex<Calls>,
}

/// Why a call was not sent.
pub(super) enum NotSent {
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
    pub(super) async fn open(
        url: &str,
        options: &ClientOptions,
        period: HeartbeatPeriod,
        library: Library,
    ) -> Result<Self, CallError> {
        let connecting = connect(url, options.limits.max_body, library);
        let connecting = tokio::time::timeout(options.timeout, connecting);
        let timed_out =
            || CallError::new(ErrorKind::Timeout, format!("{url} did not answer the handshake in time"));
        let (link, inbox) = connecting.await.map_err(|_| timed_out())?.map_err(|error| match error {
            ConnectError::Link(LinkError::HandshakeTimeout) => timed_out(),
            error => CallError::new(ErrorKind::Undeliverable, format!("cannot connect to {url}: {error}")),
        })?;
        let shared = Arc::new(Shared {
            limits: options.limits,
            ids: Ids::new(),
            tick: AtomicU32::new(0),
            heard: AtomicU32::new(0),
            link,
            calls: Mutex::default(),
        });
        let mut tasks = vec![tokio::spawn(read(Arc::clone(&shared), inbox)).abort_handle()];
        if let Some(period) = period {
            tasks.push(tokio::spawn(beat(Arc::clone(&shared), period)).abort_handle());
        }
        Ok(Connection { shared, tasks })
    }

    /// Sends a call and gives its answer to wait for.
    pub(super) fn start(&self, method: &str, args: &[Value]) -> Result<Answer<'_>, NotSent> {
        let count = self.shared.start(method, args, Got::Answer(None))?;
        Ok(Answer::new(&self.shared, count))
    }

    /// Sends a call whose answer may be a stream, of which `slots` items may wait to be fetched.
    pub(super) fn start_stream(
        self: &Arc<Self>,
        method: &str,
        args: &[Value],
        slots: usize,
    ) -> Result<Channel, NotSent> {
        let got = Got::Events(Box::new(Events::new(slots)));
        let count = self.shared.start(method, args, got)?;
        Ok(Channel::new(Arc::clone(self), count))
    }

    /// What its calls need of it.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}

#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Link(#[from] LinkError),
}

async fn connect(url: &str, max_body: usize, library: Library) -> Result<(Link, Inbox), ConnectError> {
    let stream = library.connect(&url.parse()?).await?;
    let limits = MessageLimits { octets: max_body, frames: MAX_FRAMES };
    Ok(match library {
        Library::Own => Link::establish(stream, SocketType::Dealer, limits).await?,
        #[cfg(any(feature = "zeromq", feature = "libzmq"))]
        _ => Link::over(stream, limits),
    })
}

impl Shared {
    pub(super) fn with_calls<T>(&self, action: impl FnOnce(&mut Calls) -> T) -> T {
        action(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Registers and sends a call; gives the count of its id.
    fn start(&self, method: &str, args: &[Value], got: Got) -> Result<u32, NotSent> {
        let count = self.ids.next();
        let heartbeat = Heartbeat::new(self.tick.load(Ordering::Relaxed), false);
        let others = self.with_calls(|calls| {
            if calls.closed {
                return Err(NotSent::Closed);
            }
            let others = calls.in_flight.len();
            calls.in_flight.insert(count, InFlight { heartbeat, waker: None, got });
            Ok(others)
        })?;
        // A lone call is written at once. Where several are in flight, more are probably about to be sent, and all of
        // them go in one write.
        let flush = if others == 0 { Flush::Now } else { Flush::Wake };
        let id = self.ids.id(count);
        let sent = self
            .link
            .send(flush, |out| write_message(out, &[DELIMITER], |out| write_call(out, &id, method, args)));
        sent.map(|()| count).map_err(|error| {
            self.forget(count);
            match error {
                SendError::Closed => NotSent::Closed,
                SendError::Encode(error) => NotSent::Refused(error),
                SendError::Full => {
                    let message = "too much waits to be sent: the server does not read";
                    NotSent::Refused(CallError::new(ErrorKind::Undeliverable, message))
                }
            }
        })
    }

    pub(super) fn forget(&self, count: u32) {
        self.with_calls(|calls| calls.in_flight.remove(&count));
    }

    /// Sends an event on the channel of a call. Where the connection has ended, its calls are told so.
    pub(super) fn say(&self, count: u32, flush: Flush, says: Say<'_>) {
        let (id, channel) = (self.ids.id(self.ids.next()), self.ids.id(count));
        let sent = self.link.send(flush, |out| {
            write_message(out, &[DELIMITER], |out| write_event(out, &id, Id::Bin(&channel), says))
        });
        if let Err(error) = sent {
            tracing::debug!("an event was not sent: {error:?}");
        }
    }

    /// Ends the connection and every call in flight on it. What the server did with those, nobody knows.
    fn close(&self, reason: &str) {
        let in_flight = self.with_calls(|calls| {
            calls.closed = true;
            calls.in_flight.keys().copied().collect::<Vec<_>>()
        });
        self.link.close();
        for count in in_flight {
            self.fail(count, CallError::new(ErrorKind::Undeliverable, reason));
        }
    }

    fn fail(&self, count: u32, error: CallError) {
        self.hand_over(count, |got| match got {
            Got::Answer(answer) => {
                answer.get_or_insert(Err(error));
            }
            Got::Events(events) => events.push(Received::Failed(error)),
        });
    }

    /// Gives a call what has come for it. What comes too late finds nobody.
    fn hand_over(&self, count: u32, give: impl FnOnce(&mut Got)) {
        let now = self.tick.load(Ordering::Relaxed);
        let waker = self.with_calls(|calls| {
            let call = calls.in_flight.get_mut(&count)?;
            call.heartbeat.spoke(now);
            give(&mut call.got);
            call.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Handles a message from the server.
    fn receive(&self, payload: &[u8]) {
        let Some((event, count)) = self.event(payload) else { return };
        let max_depth = self.limits.max_depth;
        if event.name == HEARTBEAT || event.name == MORE {
            let now = self.tick.load(Ordering::Relaxed);
            return self.with_calls(|calls| {
                let Some(call) = calls.in_flight.get_mut(&count) else { return };
                if event.name == HEARTBEAT {
                    call.heartbeat.heard(now);
                }
                if let Got::Events(events) = &mut call.got {
                    events.before_v3.get_or_insert(event.is_before_v3());
                }
            });
        }
        // Decoded outside the lock. Which of the two is asked for, the event's name tells for nearly every call.
        let mut item = (event.name == STREAM).then(|| event.item(max_depth));
        let mut reply = if item.is_some() { None } else { Some(event.reply(max_depth)) };
        self.hand_over(count, |got| match got {
            Got::Answer(answer) => {
                let reply = reply.take().unwrap_or_else(|| event.reply(max_depth));
                answer.get_or_insert(reply);
            }
            Got::Events(events) => {
                events.before_v3.get_or_insert(event.is_before_v3());
                events.push(match (item.take(), reply.take()) {
                    (Some(Ok(item)), _) => Received::Item(item),
                    _ if event.name == STREAM_DONE => Received::Done,
                    (_, Some(Ok(value))) => Received::Value(value),
                    (Some(Err(error)), _) | (_, Some(Err(error))) => Received::Failed(error),
                    (None, None) => Received::Done,
                });
            }
        });
    }

    /// Decodes an event, and finds which of this end's calls it is for.
    fn event<'a>(&self, payload: &'a [u8]) -> Option<(Event<'a>, u32)> {
        let dropped = |reason: &dyn Display| tracing::debug!("dropped a message: {reason}");
        let event = Event::decode(payload, self.limits.max_depth).inspect_err(|error| dropped(error)).ok()?;
        let count = event.response_to.and_then(|id| self.ids.count(id));
        if count.is_none() {
            dropped(&format_args!("`{}` answers no call of this client", event.name));
        }
        Some((event, count?))
    }

    /// Handles a message above the limit, of which only the first octets are here.
    fn refuse(&self, head: &[u8]) {
        let Some((event, count)) = self.event(head) else { return };
        let message = format!("a reply above the limit of {} octets", self.limits.max_body);
        let kind = if event.name == ERR { ErrorKind::Internal } else { ErrorKind::TooLarge };
        self.fail(count, CallError::new(kind, message));
    }

    /// Sends the heartbeats that are due at tick `now` and fails the calls whose channels are lost; false when the whole
    /// connection is.
    fn beat(&self, now: u32, period: std::time::Duration) -> bool {
        let (mut beats, mut lost) = (Vec::new(), Vec::new());
        self.with_calls(|calls| {
            for (count, call) in &mut calls.in_flight {
                match call.heartbeat.due(now) {
                    Due::Nothing => {}
                    Due::Beat => beats.push(*count),
                    Due::Lost => lost.push(*count),
                }
            }
        });
        for count in beats {
            self.say(count, Flush::Wake, Say::Alive);
        }
        for count in &lost {
            self.fail(*count, CallError::new(ErrorKind::Undeliverable, lost_remote(period)));
        }
        lost.is_empty() || !is_silent(self.heard.load(Ordering::Relaxed), now)
    }
}

/// Reads replies until the connection ends.
async fn read(shared: Arc<Shared>, mut inbox: Inbox) {
    let reason = loop {
        match handle(&shared, &mut inbox).await {
            Ok(()) => {}
            Err(error) => break error,
        }
        match shared.link.fill(&mut inbox).await {
            Ok(_) => shared.heard.store(shared.tick.load(Ordering::Relaxed), Ordering::Relaxed),
            Err(error) => break error,
        }
    };
    shared.close(&format!("the connection was lost: {reason}"));
}

/// Handles what has come.
async fn handle(shared: &Shared, inbox: &mut Inbox) -> Result<(), LinkError> {
    while let Some(incoming) = inbox.next()? {
        match incoming {
            Incoming::Message { payload, .. } => shared.receive(payload),
            Incoming::Command(command) => shared.link.on_command(command),
            Incoming::TooLarge { head, .. } => shared.refuse(head),
        }
        tokio::task::consume_budget().await;
    }
    Ok(())
}

/// Sends heartbeats until the server is lost.
async fn beat(shared: Arc<Shared>, period: std::time::Duration) {
    let mut ticks = heartbeat::ticks(period);
    loop {
        ticks.tick().await;
        let now = shared.tick.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if shared.link.is_closed() {
            return;
        }
        if !shared.beat(now, period) {
            return shared.close(&lost_remote(period));
        }
    }
}
