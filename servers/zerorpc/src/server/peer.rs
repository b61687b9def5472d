//! One peer of a server: its connection and the channels that are open on it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use calculator::{CallError, Value};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::state::ServerState;
use crate::heartbeat::{Due, Heartbeat};
use crate::wire::{ChannelEvent, Event, HEARTBEAT, Id, MORE, OwnedId, write_event};
use crate::zmtp::wire::{DELIMITER, write_message};
use crate::zmtp::{Flush, Link, SendError};

/// Bounds the credit of a channel, and its debt after negative credit.
const MAX_CREDIT: i64 = 1 << 32;

/// A peer.
pub(super) struct Peer {
    pub(super) link: Link,
    /// The channels of calls whose handlers wait. A call that is answered without waiting has none. Each peer has its
    /// own map; zerorpc-python has one for all peers, so that one peer can interfere with the calls of another.
    channels: Mutex<HashMap<ChannelKey, Channel>>,
    /// Whether reading is paused until a call finishes. Heartbeats are not read meanwhile, so they may be missing.
    pub(super) paused: AtomicBool,
    /// Whether a part of a message has been received since the last tick.
    pub(super) received_part: AtomicBool,
    /// Permits for calls of this peer whose handlers wait.
    pub(super) call_permits: Arc<Semaphore>,
    /// Permits for streams of this peer. They are separate from those for calls, because a stream may wait for credit
    /// that the peer has yet to send.
    pub(super) stream_permits: Arc<Semaphore>,
}

/// The envelope in which a call arrived, which proxies use to distinguish their own peers, and the id of the call.
type ChannelKey = (Box<[u8]>, OwnedId);

struct Channel {
    heartbeat: Heartbeat,
    peer_lost: CancellationToken,
    /// Whether heartbeats of the peer also give credit.
    before_v3: bool,
    /// How many events may be sent.
    credit: i64,
    /// The task that waits for credit.
    credit_waker: Option<Waker>,
}

/// A guard that keeps a channel open until it is dropped.
pub(super) struct OpenChannel {
    state: Arc<ServerState>,
    peer: Arc<Peer>,
    key: ChannelKey,
    /// Cancelled when the peer is lost.
    pub(super) peer_lost: CancellationToken,
}

impl Drop for OpenChannel {
    fn drop(&mut self) {
        self.peer.with_channels(|channels| channels.remove(&self.key));
        self.state.open_channels.fetch_sub(1, Ordering::Relaxed);
    }
}

impl OpenChannel {
    /// Waits for credit for one event, and spends it.
    pub(super) async fn spend_credit(&self) {
        std::future::poll_fn(|context| self.poll_spend_credit(context)).await;
    }

    fn poll_spend_credit(&self, context: &mut Context<'_>) -> Poll<()> {
        self.peer.with_channels(|channels| match channels.get_mut(&self.key) {
            Some(channel) if channel.credit <= 0 => {
                channel.credit_waker = Some(context.waker().clone());
                Poll::Pending
            }
            Some(channel) => {
                channel.credit -= 1;
                Poll::Ready(())
            }
            None => Poll::Ready(()),
        })
    }

    /// The id of the channel.
    pub(super) fn id(&self) -> Id<'_> {
        self.key.1.borrow()
    }

    /// The envelope in which the call arrived.
    pub(super) fn envelope(&self) -> &[u8] {
        &self.key.0
    }
}

/// Where and how to reply to a call.
#[derive(Clone, Copy)]
pub(super) struct ReplyTo<'a> {
    pub(super) envelope: &'a [u8],
    pub(super) id: Id<'a>,
    pub(super) method: &'a str,
    /// Whether the caller speaks version 1.
    pub(super) v1: bool,
}

impl<'a> ReplyTo<'a> {
    /// Reports `error` as the result of the call.
    pub(super) fn error_event(&self, error: &'a CallError) -> ChannelEvent<'a> {
        ChannelEvent::Error { method: self.method, error, v1: self.v1 }
    }
}

impl Peer {
    /// A peer that may hold `permits` permits for calls, and as many for streams.
    pub(super) fn new(link: Link, permits: usize) -> Self {
        Peer {
            link,
            channels: Mutex::default(),
            paused: AtomicBool::new(false),
            received_part: AtomicBool::new(false),
            call_permits: Arc::new(Semaphore::new(permits)),
            stream_permits: Arc::new(Semaphore::new(permits)),
        }
    }

    fn with_channels<T>(&self, action: impl FnOnce(&mut HashMap<ChannelKey, Channel>) -> T) -> T {
        action(&mut self.channels.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens a channel for a call; `None` if one with that id is already open.
    pub(super) fn open_channel(
        self: &Arc<Self>,
        state: &Arc<ServerState>,
        call: &Event<'_>,
        id: Id<'_>,
        envelope: &[u8],
    ) -> Option<OpenChannel> {
        let key = (Box::from(envelope), id.to_owned());
        let peer_lost = CancellationToken::new();
        let channel = Channel {
            heartbeat: Heartbeat::new(state.tick.load(Ordering::Relaxed), call.is_v1()),
            peer_lost: peer_lost.clone(),
            before_v3: call.is_before_v3(),
            credit: 1,
            credit_waker: None,
        };
        self.with_channels(|channels| match channels.entry(key.clone()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(entry) => {
                entry.insert(channel);
                state.open_channels.fetch_add(1, Ordering::Relaxed);
                state.channel_opened.notify_one();
                Some(OpenChannel { state: Arc::clone(state), peer: Arc::clone(self), key, peer_lost })
            }
        })
    }

    /// Handles an event on a channel: a heartbeat or credit.
    pub(super) fn handle_channel_event(
        &self,
        state: &ServerState,
        event: &Event<'_>,
        id: Id<'_>,
        envelope: &[u8],
    ) {
        let now = state.tick.load(Ordering::Relaxed);
        // The key of the map owns its bytes. Copying them is acceptable, because only heartbeats and credit get here.
        let key = (envelope.into(), id.to_owned());
        let is_heartbeat = event.name == HEARTBEAT;
        let is_open = self.with_channels(|channels| {
            let Some(channel) = channels.get_mut(&key) else { return false };
            if is_heartbeat {
                channel.heartbeat.record_heartbeat(now);
            } else {
                channel.heartbeat.record_event(now);
            }
            if event.name == MORE || is_heartbeat && channel.before_v3 {
                let credit = event.credit().unwrap_or(0);
                channel.credit = channel.credit.saturating_add(credit).clamp(-MAX_CREDIT, MAX_CREDIT);
                if let Some(waker) = channel.credit_waker.take_if(|_| channel.credit > 0) {
                    waker.wake();
                }
            }
            true
        });
        if !is_heartbeat && event.name != MORE {
            state.dropped.add(format_args!("`{}` on a channel that does not expect it", event.name));
        } else if !is_open {
            state.late_events.add(format_args!("`{}` on a channel that is not open", event.name));
        }
    }

    /// Sends an event on a channel. A peer whose outbox is full is disconnected.
    pub(super) fn send_event(
        &self,
        state: &ServerState,
        flush: Flush,
        envelope: &[u8],
        channel: Id<'_>,
        event: ChannelEvent<'_>,
    ) -> Result<(), SendError<CallError>> {
        let id = state.ids.id(state.ids.next());
        let sent = self.link.send(flush, |out| {
            write_message(out, &[envelope, DELIMITER], |out| write_event(out, &id, channel, event))
        });
        if let Err(SendError::Full) = &sent {
            state.dropped.add("the peer does not read what is sent to it");
            self.link.close();
        }
        sent
    }

    /// Replies to a call. A result that cannot be encoded is replaced by that error.
    pub(super) fn reply(
        &self,
        state: &ServerState,
        flush: Flush,
        to: ReplyTo<'_>,
        result: &Result<Value, CallError>,
    ) {
        let event = match result {
            Ok(value) => ChannelEvent::Result(value),
            Err(error) => to.error_event(error),
        };
        if let Err(SendError::Encode(error)) = self.send_event(state, flush, to.envelope, to.id, event) {
            let event = to.error_event(&error);
            if let Err(SendError::Encode(error)) = self.send_event(state, flush, to.envelope, to.id, event) {
                tracing::warn!("a reply that cannot be encoded was not sent: {error}");
            }
        }
    }

    /// Cancels the channels whose peer is lost at tick `now`, and sends the heartbeats that are due.
    pub(super) fn on_tick(&self, state: &ServerState, now: u32) {
        let paused = self.paused.load(Ordering::Relaxed);
        let received_part = self.received_part.swap(false, Ordering::Relaxed);
        let is_transferring = self.link.take_partial_write() || received_part;
        let (mut heartbeats, mut lost) = (Vec::new(), Vec::new());
        self.with_channels(|channels| {
            for (key, channel) in channels {
                if paused {
                    channel.heartbeat.record_heartbeat(now);
                }
                if is_transferring {
                    channel.heartbeat.record_transfer(now);
                }
                match channel.heartbeat.due(now) {
                    Due::Nothing => {}
                    Due::Heartbeat => heartbeats.push(key.clone()),
                    Due::PeerLost => lost.push((key.clone(), channel.peer_lost.clone())),
                }
            }
        });
        // The order of a hash map is random. Simulations need one that is the same in each run.
        lost.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        lost.iter().for_each(|(_, peer_lost)| peer_lost.cancel());
        heartbeats.sort_unstable();
        for (envelope, id) in heartbeats {
            // A heartbeat can always be encoded. If it cannot be sent, the connection has ended, and its channels with
            // it.
            let _ =
                self.send_event(state, Flush::WakeReader, &envelope, id.borrow(), ChannelEvent::Heartbeat);
        }
    }
}
