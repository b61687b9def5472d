//! The state of a connection, which its tasks share with the calls on it.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use calculator::{CallError, ErrorKind, Limits, Value};

use super::pending::{PendingCall, PendingCalls, ReplyBuffer, StreamReply};
use crate::heartbeat::{Due, Heartbeat, is_lost, is_silent, lost_remote_message};
use crate::wire::{
    ChannelEvent, ERR, Event, HEARTBEAT, Id, Ids, MORE, STREAM, STREAM_DONE, write_call, write_event,
};
use crate::zmtp::wire::{DELIMITER, write_message};
use crate::zmtp::{Flush, Link, SendError};

/// The state of a connection: the link, and the calls that wait for replies.
pub(super) struct Session {
    limits: Limits,
    ids: Ids,
    /// Quarters of a heartbeat period since the connection was opened.
    tick: AtomicU32,
    /// The tick at which something was last received.
    last_heard: AtomicU32,
    /// Whether a part of a message has been received since the last tick.
    received_part: AtomicBool,
    link: Link,
    pending: Mutex<PendingCalls>,
}

/// Detects a server that sends nothing after a call, although the caller has dropped the call, so that no heartbeat is due.
/// Without it, a connection that is lost without a trace would be kept as long as no caller waits for more than a few
/// heartbeat periods.
pub(super) struct SilenceDetector {
    /// The id that was upcoming at the last tick. It shows whether something has been sent since.
    upcoming: u32,
    /// The tick at which something was sent that the server has answered in no way.
    unanswered_since: Option<u32>,
}

impl SilenceDetector {
    pub(super) fn new(session: &Session) -> Self {
        SilenceDetector { upcoming: session.ids.upcoming(), unanswered_since: None }
    }

    /// Whether the server has been silent for too long at tick `now`. A server that works on a call sends heartbeats.
    fn is_silent(&mut self, upcoming: u32, last_heard: u32, now: u32) -> bool {
        if std::mem::replace(&mut self.upcoming, upcoming) != upcoming {
            // Sent during the tick that has just ended.
            self.unanswered_since.get_or_insert(now.wrapping_sub(1));
        }
        // A reply in the same tick is assumed to have followed. The next call shows it if that is wrong.
        self.unanswered_since.take_if(|since| last_heard.wrapping_sub(*since) <= u32::MAX / 2);
        self.unanswered_since.is_some_and(|since| is_lost(since, now))
    }
}

/// Why a call was not sent.
pub(super) enum CallNotSent {
    /// The connection has ended. The call can be sent on another connection.
    Closed,
    /// The call cannot be encoded, or the outbox is full.
    Refused(CallError),
}

impl Session {
    pub(super) fn new(link: Link, limits: Limits) -> Self {
        Session {
            limits,
            ids: Ids::new(),
            tick: AtomicU32::new(0),
            last_heard: AtomicU32::new(0),
            received_part: AtomicBool::new(false),
            link,
            pending: Mutex::default(),
        }
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    pub(super) fn with_pending<T>(&self, action: impl FnOnce(&mut PendingCalls) -> T) -> T {
        action(&mut self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Registers and sends a call, and returns the counter value of its id. `received` determines which replies it
    /// accepts.
    pub(super) fn send_call(
        &self,
        method: &str,
        args: &[Value],
        received: ReplyBuffer,
    ) -> Result<u32, CallNotSent> {
        let count = self.ids.next();
        let heartbeat = Heartbeat::new(self.tick.load(Ordering::Relaxed), false);
        let others = self.with_pending(|pending| {
            if pending.closed {
                return Err(CallNotSent::Closed);
            }
            let others = pending.calls.len();
            pending.calls.insert(count, PendingCall { heartbeat, waker: None, received });
            Ok(others)
        })?;
        // A single call is written immediately. When several are in flight, more are probably about to be sent, and one
        // write can take all of them.
        let flush = if others == 0 { Flush::Now } else { Flush::WakeReader };
        let id = self.ids.id(count);
        let sent = self
            .link
            .send(flush, |out| write_message(out, &[DELIMITER], |out| write_call(out, &id, method, args)));
        sent.map(|()| count).map_err(|error| {
            self.forget(count);
            match error {
                SendError::Closed => CallNotSent::Closed,
                SendError::Encode(error) => CallNotSent::Refused(error),
                SendError::Full => {
                    let message = "too many bytes wait to be sent: the server does not read";
                    CallNotSent::Refused(CallError::new(ErrorKind::Undeliverable, message))
                }
            }
        })
    }

    /// Removes a call. Replies to it are ignored from now on.
    pub(super) fn forget(&self, count: u32) {
        self.with_pending(|pending| pending.calls.remove(&count));
    }

    /// Sends an event on the channel of a call. A failure is only logged: when the connection ends, its calls fail
    /// anyway.
    pub(super) fn send_event(&self, count: u32, flush: Flush, event: ChannelEvent<'_>) {
        let (id, channel) = (self.ids.id(self.ids.next()), self.ids.id(count));
        let sent = self.link.send(flush, |out| {
            write_message(out, &[DELIMITER], |out| write_event(out, &id, Id::Bin(&channel), event))
        });
        if let Err(error) = sent {
            tracing::debug!("an event was not sent: {error:?}");
        }
    }

    /// Ends the connection and fails every pending call. It is unknown whether the server has executed these calls.
    pub(super) fn close(&self, reason: &str) {
        let counts = self.with_pending(|pending| {
            pending.closed = true;
            pending.calls.keys().copied().collect::<Vec<_>>()
        });
        self.link.close();
        for count in counts {
            self.fail(count, CallError::new(ErrorKind::Undeliverable, reason));
        }
    }

    fn fail(&self, count: u32, error: CallError) {
        self.deliver(count, |received| match received {
            ReplyBuffer::Reply(reply) => {
                reply.get_or_insert(Err(error));
            }
            ReplyBuffer::Queue(queue) => queue.push(StreamReply::Failed(error)),
        });
    }

    /// Stores something received for a call by `store`, and wakes its caller. Does nothing if the call has ended.
    fn deliver(&self, count: u32, store: impl FnOnce(&mut ReplyBuffer)) {
        let now = self.tick.load(Ordering::Relaxed);
        let waker = self.with_pending(|pending| {
            let call = pending.calls.get_mut(&count)?;
            call.heartbeat.record_event(now);
            store(&mut call.received);
            call.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Records that the server is alive.
    pub(super) fn record_heard(&self) {
        self.last_heard.store(self.tick.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Records that a part of a message has been received.
    pub(super) fn record_transfer(&self) {
        self.received_part.store(true, Ordering::Relaxed);
    }

    /// Handles a message from the server.
    pub(super) fn handle_message(&self, payload: &[u8]) {
        let Some((event, count)) = self.decode(payload) else { return };
        let max_depth = self.limits.max_depth;
        if event.name == HEARTBEAT || event.name == MORE {
            let now = self.tick.load(Ordering::Relaxed);
            return self.with_pending(|pending| {
                let Some(call) = pending.calls.get_mut(&count) else { return };
                if event.name == HEARTBEAT {
                    call.heartbeat.record_heartbeat(now);
                }
                if let ReplyBuffer::Queue(queue) = &mut call.received {
                    queue.before_v3.get_or_insert(event.is_before_v3());
                }
            });
        }
        // Decoded outside the lock. For nearly every call, the name of the event shows which of the two will be needed.
        let mut item = (event.name == STREAM).then(|| event.item(max_depth));
        let mut reply = if item.is_some() { None } else { Some(event.reply(max_depth)) };
        self.deliver(count, |received| match received {
            ReplyBuffer::Reply(stored) => {
                let reply = reply.take().unwrap_or_else(|| event.reply(max_depth));
                stored.get_or_insert(reply);
            }
            ReplyBuffer::Queue(queue) => {
                queue.before_v3.get_or_insert(event.is_before_v3());
                queue.push(match (item.take(), reply.take()) {
                    (Some(Ok(item)), _) => StreamReply::Item(item),
                    _ if event.name == STREAM_DONE => StreamReply::Done,
                    (_, Some(Ok(value))) => StreamReply::Value(value),
                    (Some(Err(error)), _) | (_, Some(Err(error))) => StreamReply::Failed(error),
                    (None, None) => StreamReply::Done,
                });
            }
        });
    }

    /// Handles a message above the limits, of which only the first bytes are known.
    pub(super) fn handle_too_large(&self, head: &[u8]) {
        let Some((event, count)) = self.decode(head) else { return };
        let message = format!("a reply above the limit of {} bytes", self.limits.max_body);
        let kind = if event.name == ERR { ErrorKind::Internal } else { ErrorKind::TooLarge };
        self.fail(count, CallError::new(kind, message));
    }

    /// Decodes an event and finds the call that it belongs to, by the counter value of its id. An event that belongs to
    /// no call of this client is dropped.
    fn decode<'a>(&self, payload: &'a [u8]) -> Option<(Event<'a>, u32)> {
        let log_dropped = |reason: &dyn Display| tracing::debug!("dropped a message: {reason}");
        let event =
            Event::decode(payload, self.limits.max_depth).inspect_err(|error| log_dropped(error)).ok()?;
        let count = event.response_to.and_then(|id| self.ids.count(id));
        if count.is_none() {
            log_dropped(&format_args!("`{}` belongs to no call of this client", event.name));
        }
        Some((event, count?))
    }

    /// Advances the clock of the heartbeats by one tick, sends those that are due, and fails the calls whose channels
    /// are lost. Returns false when the whole connection is lost.
    pub(super) fn on_tick(&self, period: Duration, silence: &mut SilenceDetector) -> bool {
        let now = self.tick.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let received_part = self.received_part.swap(false, Ordering::Relaxed);
        let is_transferring = self.link.take_partial_write() || received_part;
        if is_transferring {
            self.record_heard();
        }
        if silence.is_silent(self.ids.upcoming(), self.last_heard.load(Ordering::Relaxed), now) {
            // The calls on this connection may still be answered. The next one opens another connection.
            self.with_pending(|pending| pending.closed = true);
        }
        let (mut heartbeats, mut lost) = (Vec::new(), Vec::new());
        self.with_pending(|pending| {
            // A server does not answer heartbeats on a channel that it has closed.
            for (count, call) in pending.calls.iter_mut().filter(|(_, call)| !call.has_ended()) {
                if is_transferring {
                    call.heartbeat.record_transfer(now);
                }
                match call.heartbeat.due(now) {
                    Due::Nothing => {}
                    Due::Heartbeat => heartbeats.push(*count),
                    Due::PeerLost => lost.push(*count),
                }
            }
        });
        for count in heartbeats {
            self.send_event(count, Flush::WakeReader, ChannelEvent::Heartbeat);
        }
        for count in &lost {
            self.fail(*count, CallError::new(ErrorKind::Undeliverable, lost_remote_message(period)));
        }
        lost.is_empty() || !is_silent(self.last_heard.load(Ordering::Relaxed), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ticks of `ticks` at which the server counts as silent. `sent` and `heard` are those at which something was sent
    /// and heard.
    fn silent_at(start: u32, ticks: u32, sent: &[u32], heard: &[u32]) -> Vec<u32> {
        let mut silence = SilenceDetector { upcoming: 0, unanswered_since: None };
        let (mut upcoming, mut last_heard) = (0, start);
        let is_silent = |tick: &u32| {
            upcoming += u32::from(sent.contains(tick));
            if heard.contains(tick) {
                last_heard = start.wrapping_add(*tick);
            }
            silence.is_silent(upcoming, last_heard, start.wrapping_add(*tick + 1))
        };
        (0..ticks).filter(is_silent).collect()
    }

    #[test]
    fn a_server_that_sends_nothing_after_a_call_is_silent() {
        for start in [0, u32::MAX - 5] {
            assert_eq!(silent_at(start, 17, &[2], &[]), [15, 16], "from {start}");
            // Further calls do not extend the time.
            assert_eq!(silent_at(start, 17, &[2, 6, 9], &[1]), [15, 16]);
        }
    }

    #[test]
    fn a_server_that_answers_or_is_not_called_is_not_silent() {
        for start in [0, u32::MAX - 5] {
            assert!(silent_at(start, 60, &[], &[]).is_empty());
            assert!(silent_at(start, 60, &[2], &[2]).is_empty());
            assert!(silent_at(start, 60, &[2, 20, 40], &[5, 30, 45]).is_empty());
        }
    }
}
