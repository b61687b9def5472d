//! The calls of a connection that are in flight, and what has come for them.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::task::{Context, Waker};

use calculator::{CallError, ErrorKind, Value};

use crate::heartbeat::Heartbeat;

/// All of them, by the counts of their ids.
#[derive(Default)]
pub(super) struct Calls {
    /// Whether the connection has ended: no call is sent on it any more.
    pub(super) closed: bool,
    pub(super) in_flight: HashMap<u32, InFlight, BuildHasherDefault<CountHasher>>,
}

/// One of them.
pub(super) struct InFlight {
    pub(super) heartbeat: Heartbeat,
    /// Who waits for what comes next.
    pub(super) waker: Option<Waker>,
    pub(super) got: Got,
}

impl InFlight {
    /// Has the task of `context` woken for what comes next.
    pub(super) fn wait(&mut self, context: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => self.waker = Some(context.waker().clone()),
        }
    }
}

/// What has come for a call.
pub(super) enum Got {
    /// Of a call with one answer.
    Answer(Option<Result<Value, CallError>>),
    /// Of a call that may be answered by a stream.
    Events(Box<Events>),
}

/// Events that were not fetched yet.
pub(super) struct Events {
    pub(super) queue: VecDeque<Received>,
    /// How many may wait.
    slots: usize,
    /// Whether the server knows a grant of events as a heartbeat only; told by its first event.
    pub(super) before_v3: Option<bool>,
    ended: bool,
}

/// An event of a call that may be answered by a stream.
pub(super) enum Received {
    /// The one answer.
    Value(Value),
    /// An item of a stream.
    Item(Value),
    /// The end of a stream.
    Done,
    /// Why there is nothing more.
    Failed(CallError),
}

impl Events {
    pub(super) fn new(slots: usize) -> Self {
        Events { queue: VecDeque::new(), slots, before_v3: None, ended: false }
    }

    pub(super) fn push(&mut self, received: Received) {
        if self.ended {
            return;
        }
        self.ended = !matches!(received, Received::Item(_));
        // The end has a place of its own.
        if self.queue.len() >= self.slots && !self.ended {
            let message = format!("the server sent more than the {} items that were let come", self.slots);
            return self.push(Received::Failed(CallError::new(ErrorKind::Malformed, message)));
        }
        self.queue.push_back(received);
    }
}

/// Hashes the counts of this end's own ids, which nobody else chooses.
#[derive(Default)]
pub(super) struct CountHasher(u64);

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
