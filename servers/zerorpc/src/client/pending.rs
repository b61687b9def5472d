//! The calls of a connection that wait for replies, and the replies that have arrived for them.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::task::{Context, Waker};

use calculator::{CallError, ErrorKind, Value};

use crate::heartbeat::Heartbeat;

/// All pending calls of a connection.
#[derive(Default)]
pub(super) struct PendingCalls {
    /// Whether no more calls may be sent on the connection, because it has ended or seems lost.
    pub(super) closed: bool,
    /// By the counter value of the call's id.
    pub(super) calls: HashMap<u32, PendingCall, BuildHasherDefault<CounterHasher>>,
}

/// A call that was sent, and whose caller has neither taken the reply nor dropped the call.
pub(super) struct PendingCall {
    pub(super) heartbeat: Heartbeat,
    /// The task that waits for a reply.
    pub(super) waker: Option<Waker>,
    pub(super) received: ReplyBuffer,
}

impl PendingCall {
    /// Whether the last reply to the call has arrived, so that the server has closed its channel. The caller may not have
    /// taken it yet.
    pub(super) fn has_ended(&self) -> bool {
        match &self.received {
            ReplyBuffer::Reply(reply) => reply.is_some(),
            ReplyBuffer::Queue(queue) => queue.ended,
        }
    }

    /// Registers the task of `context` to be woken by the next reply.
    pub(super) fn wake_on_reply(&mut self, context: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => self.waker = Some(context.waker().clone()),
        }
    }
}

/// The buffer for the replies to a call.
pub(super) enum ReplyBuffer {
    /// The reply to a call with one result.
    Reply(Option<Result<Value, CallError>>),
    /// Replies to a call whose result may be a stream.
    Queue(Box<ReplyQueue>),
}

/// Replies that have not been taken yet.
pub(super) struct ReplyQueue {
    pub(super) replies: VecDeque<StreamReply>,
    /// The maximum number of items that may wait.
    slots: usize,
    /// Whether the server is older than version 3, which uses one event both as heartbeat and as credit. `None` until
    /// its first event shows its version.
    pub(super) before_v3: Option<bool>,
    ended: bool,
}

/// A reply to a call whose result may be a stream.
pub(super) enum StreamReply {
    /// The only result, of a method that does not stream.
    Value(Value),
    /// An item of the stream.
    Item(Value),
    /// The end of the stream.
    Done,
    /// The error that ends the call.
    Failed(CallError),
}

impl ReplyQueue {
    pub(super) fn new(slots: usize) -> Self {
        ReplyQueue { replies: VecDeque::new(), slots, before_v3: None, ended: false }
    }

    /// Appends a reply, unless the call has ended. An item that exceeds the slots ends the call with an error.
    pub(super) fn push(&mut self, reply: StreamReply) {
        if self.ended {
            return;
        }
        self.ended = !matches!(reply, StreamReply::Item(_));
        // The slots are for items; the reply that ends the call does not need one.
        if self.replies.len() >= self.slots && !self.ended {
            let message = format!("the server sent more items than the {} it had credit for", self.slots);
            return self.push(StreamReply::Failed(CallError::new(ErrorKind::Malformed, message)));
        }
        self.replies.push_back(reply);
    }
}

/// Hashes counter values of this client's own ids. No peer chooses them, so a fast hash is safe.
#[derive(Default)]
pub(super) struct CounterHasher(u64);

impl Hasher for CounterHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u32(&mut self, count: u32) {
        // Fibonacci hashing, because the map uses the top bits as a tag.
        self.0 = u64::from(count).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
