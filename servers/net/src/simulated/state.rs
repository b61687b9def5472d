//! The state of a link and of its connections.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::random::Shared;

/// The default of [`Conditions::capacity`].
const CAPACITY: usize = 256 << 10;

/// How a link carries bytes when no fault is injected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// How long bytes take to arrive. A time is drawn for each write; bytes do not overtake each other.
    pub latency: RangeInclusive<Duration>,
    /// The maximum number of bytes of one read or write. The number is drawn for each of them. `None`: no limit.
    pub max_transfer: Option<usize>,
    /// Bytes in transit in one direction of a connection above which writing blocks.
    pub capacity: usize,
}

impl Default for Conditions {
    fn default() -> Self {
        Conditions { latency: Duration::ZERO..=Duration::ZERO, max_transfer: None, capacity: CAPACITY }
    }
}

/// How the connections of a server whose host has failed end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The client is never informed, as when a firewall has forgotten the connection.
    Silent,
    /// The next bytes of the client are answered with a reset, as when the host has started again.
    ResetOnWrite,
}

/// Refers to the state of a link.
#[derive(Clone, Debug)]
pub(super) struct LinkState {
    state: Arc<Mutex<State>>,
    shared: Arc<Mutex<Shared>>,
}

impl LinkState {
    pub(super) fn new(shared: &Arc<Mutex<Shared>>) -> Self {
        LinkState { state: Arc::default(), shared: Arc::clone(shared) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locked after the state, if both are locked.
    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes all tasks that wait for it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state);
        state.waiting.drain(..).for_each(Waker::wake);
        let directions = state.connections.values_mut().flat_map(|connection| &mut connection.directions);
        directions.for_each(Direction::wake);
        result
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) conditions: Conditions,
    pub(super) stalled: bool,
    pub(super) partitioned: bool,
    pub(super) is_bound: bool,
    /// The connections to be accepted.
    pub(super) queue: VecDeque<u64>,
    pub(super) connections: BTreeMap<u64, Connection>,
    pub(super) next_connection: u64,
    /// Tasks that accept or connect.
    pub(super) waiting: Vec<Waker>,
}

/// A connection until both ends are dropped or it is reset.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// The direction from the client, then that from the server.
    pub(super) directions: [Direction; 2],
    pub(super) lost: Option<Lost>,
}

/// The state of a half-open connection, on which nothing arrives any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lost {
    pub(super) loss: Loss,
    /// When the server's keepalive notices.
    pub(super) noticed_by_server: Instant,
    /// When the reset that answers a write arrives at the client.
    pub(super) reset_at: Option<Instant>,
}

impl Lost {
    /// The time at which the connection fails at `end`.
    pub(super) fn fails_at(&self, end: usize) -> Option<Instant> {
        if end == 1 { Some(self.noticed_by_server) } else { self.reset_at }
    }

    pub(super) fn has_failed(&self, end: usize, now: Instant) -> bool {
        self.fails_at(end).is_some_and(|at| at <= now)
    }

    /// Records a write at `end`, whose answer arrives at `answer`.
    pub(super) fn record_write(&mut self, end: usize, answer: Instant) {
        if end == 0 && self.loss == Loss::ResetOnWrite {
            self.reset_at.get_or_insert(answer);
        }
    }
}

/// How one direction of a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Closed,
    /// The writing end was dropped with unread bytes, which TCP reports by a reset.
    Reset,
}

/// The bytes from one end of a connection to the other.
#[derive(Debug, Default)]
pub(super) struct Direction {
    /// Each chunk with its time of arrival.
    pub(super) segments: VecDeque<(Instant, Bytes)>,
    pub(super) len: usize,
    /// The time at which the end of the stream arrives. `None` until the writing end is closed.
    pub(super) end: Option<(Instant, End)>,
    /// When the writing end learns that the reading end was dropped. `None` until then.
    pub(super) reader_dropped: Option<Instant>,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Direction {
    pub(super) fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }

    /// The time at which the next bytes, or the end of the stream, can be read.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.segments.front().map(|(at, _)| *at).or(self.end.map(|(at, _)| at))
    }
}

impl State {
    /// Whether nothing arrives at present.
    pub(super) fn is_held(&self) -> bool {
        self.stalled || self.partitioned
    }

    pub(super) fn connection(&mut self, number: u64) -> io::Result<&mut Connection> {
        self.connections.get_mut(&number).ok_or_else(|| ErrorKind::ConnectionReset.into())
    }

    /// Removes a connection whose ends are both dropped.
    pub(super) fn remove_if_over(&mut self, number: u64) {
        let is_over = |connection: &Connection| {
            connection.directions.iter().all(|direction| direction.reader_dropped.is_some())
        };
        if self.connections.get(&number).is_some_and(is_over) {
            self.connections.remove(&number);
        }
    }

    pub(super) fn remove(&mut self, number: u64) {
        if let Some(mut connection) = self.connections.remove(&number) {
            connection.directions.iter_mut().for_each(Direction::wake);
        }
    }
}
