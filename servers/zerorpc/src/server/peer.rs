//! One peer of a server: its connection and the channels that are open on it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use calculator::{CallError, ErrorKind, Value};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Serving;
use super::call::{Began, begin};
use crate::heartbeat::{Due, Heartbeat};
use crate::wire::{Event, HEARTBEAT, Id, MORE, OwnedId, Say, write_event};
use crate::zmtp::wire::{DELIMITER, write_message};
use crate::zmtp::{Filled, Flush, Inbox, Incoming, Link, LinkError, SendError};

/// The most that a peer may have granted or, by negative grants, taken back.
const MOST_CREDIT: i64 = 1 << 32;

/// A peer.
pub(super) struct Peer {
    pub(super) link: Link,
    /// The channels of calls whose handlers wait. A call that is answered at once never gets in here. They belong to the
    /// peer: zerorpc-python has one map for all, which lets one peer reach into the calls of another.
    channels: Mutex<HashMap<ChannelKey, Channel>>,
    /// Whether reading waits for a call to finish: heartbeats then wait unread, and their absence means nothing.
    pub(super) paused: AtomicBool,
    /// Permits for calls of this peer whose handlers wait.
    pub(super) waiting: Arc<Semaphore>,
    /// Permits for streams of this peer. They are apart from those for calls, because a stream may wait for what its
    /// caller has yet to send.
    pub(super) streaming: Arc<Semaphore>,
}

/// The envelope in which a call came, by which proxies tell their own peers apart, and the id of the call.
type ChannelKey = (Box<[u8]>, OwnedId);

struct Channel {
    heartbeat: Heartbeat,
    lost: CancellationToken,
    /// Whether the peer's heartbeats are grants of events, too.
    before_v3: bool,
    /// How many events the peer lets come.
    credit: i64,
    /// Who waits for more of it.
    creditor: Option<Waker>,
}

/// A channel of [`Peer::channels`] that ends with its call.
pub(super) struct OpenChannel {
    serving: Arc<Serving>,
    peer: Arc<Peer>,
    key: ChannelKey,
    pub(super) lost: CancellationToken,
}

impl Drop for OpenChannel {
    fn drop(&mut self) {
        self.peer.with_channels(|channels| channels.remove(&self.key));
        self.serving.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl OpenChannel {
    /// Waits until the peer lets another event come, and counts that one.
    pub(super) async fn credit(&self) {
        std::future::poll_fn(|context| self.poll_credit(context)).await;
    }

    fn poll_credit(&self, context: &mut Context<'_>) -> Poll<()> {
        self.peer.with_channels(|channels| match channels.get_mut(&self.key) {
            Some(channel) if channel.credit <= 0 => {
                channel.creditor = Some(context.waker().clone());
                Poll::Pending
            }
            Some(channel) => {
                channel.credit -= 1;
                Poll::Ready(())
            }
            None => Poll::Ready(()),
        })
    }

    /// The channel's id.
    pub(super) fn id(&self) -> Id<'_> {
        self.key.1.borrow()
    }

    /// The envelope in which its call came.
    pub(super) fn envelope(&self) -> &[u8] {
        &self.key.0
    }
}

impl Peer {
    pub(super) fn new(link: Link, share: usize) -> Self {
        Peer {
            link,
            channels: Mutex::default(),
            paused: AtomicBool::new(false),
            waiting: Arc::new(Semaphore::new(share)),
            streaming: Arc::new(Semaphore::new(share)),
        }
    }

    fn with_channels<T>(&self, action: impl FnOnce(&mut HashMap<ChannelKey, Channel>) -> T) -> T {
        action(&mut self.channels.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens the channel of a call; `None` where one of that id is open already.
    pub(super) fn open(
        self: &Arc<Self>,
        serving: &Arc<Serving>,
        event: &Event<'_>,
        id: Id<'_>,
        envelope: &[u8],
    ) -> Option<OpenChannel> {
        let key = (Box::from(envelope), id.to_owned());
        let lost = CancellationToken::new();
        let channel = Channel {
            heartbeat: Heartbeat::new(serving.tick.load(Ordering::Relaxed), event.is_v1()),
            lost: lost.clone(),
            before_v3: event.is_before_v3(),
            credit: 1,
            creditor: None,
        };
        self.with_channels(|channels| match channels.entry(key.clone()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(entry) => {
                entry.insert(channel);
                serving.open.fetch_add(1, Ordering::Relaxed);
                serving.opened.notify_one();
                Some(OpenChannel { serving: Arc::clone(serving), peer: Arc::clone(self), key, lost })
            }
        })
    }

    /// Handles an event on a channel: the peer lives, or lets more events come.
    pub(super) fn on_channel(&self, serving: &Serving, event: &Event<'_>, id: Id<'_>, envelope: &[u8]) {
        let now = serving.tick.load(Ordering::Relaxed);
        // The map's key owns its octets; a channel is looked up for heartbeats and grants only.
        let key = (envelope.into(), id.to_owned());
        let beats = event.name == HEARTBEAT;
        let is_open = self.with_channels(|channels| {
            let Some(channel) = channels.get_mut(&key) else { return false };
            if beats {
                channel.heartbeat.heard(now);
            } else {
                channel.heartbeat.spoke(now);
            }
            if event.name == MORE || beats && channel.before_v3 {
                let granted = event.grant().unwrap_or(0);
                channel.credit = channel.credit.saturating_add(granted).clamp(-MOST_CREDIT, MOST_CREDIT);
                if let Some(creditor) = channel.creditor.take_if(|_| channel.credit > 0) {
                    creditor.wake();
                }
            }
            true
        });
        if !beats && event.name != MORE {
            serving.dropped.add(format_args!("`{}` on a channel that expects none", event.name));
        } else if !is_open {
            serving.late.add(format_args!("`{}` on a channel that is not open", event.name));
        }
    }

    /// Sends an event; false where it cannot be told to the peer.
    pub(super) fn say(
        &self,
        serving: &Serving,
        flush: Flush,
        envelope: &[u8],
        channel: Id<'_>,
        says: Say<'_>,
    ) -> Result<(), SendError<CallError>> {
        let id = serving.ids.id(serving.ids.next());
        let sent = self.link.send(flush, |out| {
            write_message(out, &[envelope, DELIMITER], |out| write_event(out, &id, channel, says))
        });
        if let Err(SendError::Full) = &sent {
            serving.dropped.add("the peer reads nothing of what is sent to it");
            self.link.close();
        }
        sent
    }

    /// Answers a call.
    pub(super) fn reply(
        &self,
        serving: &Serving,
        flush: Flush,
        call: Asked<'_>,
        result: &Result<Value, CallError>,
    ) {
        let Asked { envelope, id, method, v1 } = call;
        let says = match result {
            Ok(value) => Say::Returned(value),
            Err(error) => Say::Failed { method, error, v1 },
        };
        if let Err(SendError::Encode(error)) = self.say(serving, flush, envelope, id, says) {
            let says = Say::Failed { method, error: &error, v1 };
            if let Err(SendError::Encode(error)) = self.say(serving, flush, envelope, id, says) {
                tracing::warn!("a reply that cannot be encoded was not sent: {error}");
            }
        }
    }

    /// Gives up the channels whose peer is lost at tick `now`, and sends the heartbeats that are due.
    pub(super) fn beat(&self, serving: &Serving, now: u32) {
        let paused = self.paused.load(Ordering::Relaxed);
        let mut beats = Vec::new();
        self.with_channels(|channels| {
            for (key, channel) in channels {
                if paused {
                    channel.heartbeat.heard(now);
                }
                match channel.heartbeat.due(now) {
                    Due::Nothing => {}
                    Due::Beat => beats.push(key.clone()),
                    Due::Lost => channel.lost.cancel(),
                }
            }
        });
        for (envelope, id) in beats {
            // An id that came in a message goes into one; where the peer has gone, there is nobody to tell.
            let _ = self.say(serving, Flush::Wake, &envelope, id.borrow(), Say::Alive);
        }
    }
}

/// A call as far as its reply needs to know it.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) envelope: &'a [u8],
    pub(super) id: Id<'a>,
    pub(super) method: &'a str,
    pub(super) v1: bool,
}

/// Reads from a peer and answers it, until either end stops.
pub(super) async fn converse(
    serving: &Arc<Serving>,
    peer: &Arc<Peer>,
    mut inbox: Inbox,
) -> Result<(), LinkError> {
    let mut calls = JoinSet::new();
    loop {
        while let Some(incoming) = inbox.next()? {
            match incoming {
                Incoming::Message { envelope, payload } => {
                    if let Began::Waits(waiting) = begin(serving, peer, envelope, payload).await {
                        waiting.spawn(serving, peer, &mut calls).await?;
                    }
                }
                Incoming::Command(command) => peer.link.on_command(command),
                Incoming::TooLarge { envelope, head } => refuse(serving, peer, envelope, head),
            }
            // A peer that never pauses shall not keep the others waiting.
            tokio::task::consume_budget().await;
        }
        if peer.link.fill(&mut inbox).await? == Filled::Halted {
            break;
        }
    }
    // Streams end with the stop; calls are finished.
    peer.link.flush_until(async { while calls.join_next().await.is_some() {} }).await?;
    peer.link.flush().await
}

/// Tells the caller, where it can be told, that its message is above a limit.
fn refuse(serving: &Serving, peer: &Peer, envelope: &[u8], head: &[u8]) {
    serving.dropped.add(format_args!("a message above the limit of {} octets", serving.limits.max_body));
    let Ok(event) = Event::decode(head, serving.limits.max_depth) else { return };
    if let (Some(id), None) = (event.message_id, event.response_to) {
        let message = format!("the message is above the limit of {} octets", serving.limits.max_body);
        let refused = Err(CallError::new(ErrorKind::TooLarge, message));
        let call = Asked { envelope, id, method: &event.name, v1: event.is_v1() };
        peer.reply(serving, Flush::Own, call, &refused);
    }
}
