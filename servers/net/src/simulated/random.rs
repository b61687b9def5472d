//! Random numbers and the trace of a simulated network. Both follow from its seed.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

/// The state that all links of a network share.
#[derive(Debug)]
pub(super) struct Shared {
    random: ChaCha8Rng,
    trace: Trace,
    /// The time of the first event.
    started: Option<Instant>,
}

/// What has happened in a network, in order. Two runs from the same seed have equal traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// A hash (FNV-1a) of all events.
    pub hash: u64,
    /// The number of events.
    pub len: u64,
    /// The events, if [`Network::record_events`](super::Network::record_events) was called.
    pub events: Option<Vec<TraceEvent>>,
}

/// Something that happened on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceEvent {
    /// The time since the first event.
    pub at: Duration,
    /// The number of the connection, counted from 0 for each listener.
    pub connection: u64,
    /// Whether it happened at the server's end.
    pub at_server: bool,
    /// What happened.
    pub action: Action,
}

/// What happened on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It was opened.
    Opened,
    /// This number of bytes was written.
    Wrote(usize),
    /// This number of bytes was read; 0 at the end of the stream.
    Read(usize),
    /// The direction from this end was closed.
    Closed,
    /// This end was dropped.
    Dropped,
    /// The connection was reset.
    Reset,
    /// The connection became half-open.
    Lost,
}

impl fmt::Display for TraceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.at_server { "server" } else { "client" };
        write!(f, "{:>12.6} s  #{:<4} {end}  ", self.at.as_secs_f64(), self.connection)?;
        match self.action {
            Action::Opened => f.write_str("opened"),
            Action::Wrote(bytes) => write!(f, "wrote {bytes} bytes"),
            Action::Read(bytes) => write!(f, "read {bytes} bytes"),
            Action::Closed => f.write_str("closed its direction"),
            Action::Dropped => f.write_str("dropped"),
            Action::Reset => f.write_str("reset"),
            Action::Lost => f.write_str("lost silently"),
        }
    }
}

impl Shared {
    pub(super) fn new(seed: u64) -> Self {
        Shared {
            random: ChaCha8Rng::seed_from_u64(seed),
            trace: Trace { hash: 0xcbf2_9ce4_8422_2325, len: 0, events: None },
            started: None,
        }
    }

    pub(super) fn trace(&self) -> Trace {
        self.trace.clone()
    }

    pub(super) fn record_events(&mut self) {
        self.trace.events.get_or_insert_default();
    }

    /// Sixteen random bytes.
    pub(super) fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.random.fill_bytes(&mut bytes);
        bytes
    }

    pub(super) fn duration(&mut self, range: &RangeInclusive<Duration>) -> Duration {
        if range.start() >= range.end() { *range.start() } else { self.random.random_range(range.clone()) }
    }

    /// A number from 1 to `max`, which is 1 if `max` is 0.
    pub(super) fn up_to(&mut self, max: usize) -> usize {
        self.random.random_range(1..=max.max(1))
    }

    pub(super) fn record(&mut self, connection: u64, end: usize, action: Action) {
        let now = Instant::now();
        let at = now - *self.started.get_or_insert(now);
        let (kind, bytes) = match action {
            Action::Opened => (0, 0),
            Action::Wrote(bytes) => (1, bytes),
            Action::Read(bytes) => (2, bytes),
            Action::Closed => (3, 0),
            Action::Dropped => (4, 0),
            Action::Reset => (5, 0),
            Action::Lost => (6, 0),
        };
        let numbers = [at.as_nanos(), connection.into(), end as u128, kind, bytes as u128];
        for byte in numbers.into_iter().flat_map(u128::to_le_bytes) {
            self.trace.hash = (self.trace.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.trace.len += 1;
        if let Some(events) = &mut self.trace.events {
            events.push(TraceEvent { at, connection, at_server: end == 1, action });
        }
    }
}
