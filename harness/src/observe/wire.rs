//! Bytes on the wire, as the kernel counted them on this process's sockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::AddAssign;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sys::{self, SocketStats};

/// Bytes, or packets, in each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Traffic {
    /// From the client to the server or broker.
    pub up: f64,
    /// From the server or broker to the client.
    pub down: f64,
}

/// What was carried in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Payload bytes, retransmissions not counted twice.
    pub bytes: u64,
    /// Segments with payload.
    pub segments: u64,
}

impl AddAssign for Flow {
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.segments += other.segments;
    }
}

/// What the sockets of one end have carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Away from this end.
    pub sent: Flow,
    /// Towards this end.
    pub received: Flow,
}

/// The sockets of this process that lead to given ports, and what they had carried, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    sockets: BTreeMap<(SocketAddr, SocketAddr), SocketStats>,
}

impl Snapshot {
    /// Looks at the sockets of this process whose other end listens on `port`; `None` where the system does not tell.
    /// Takes some 20 µs a socket, so never inside a timed section.
    #[must_use]
    pub fn take(port: u16) -> Option<Self> {
        let sockets = sys::sockets()?;
        Some(Self::of(sockets.into_iter().filter(|socket| socket.peer.port() == port)))
    }

    /// A snapshot of `sockets`, which may be those of another process.
    #[must_use]
    pub fn of(sockets: impl IntoIterator<Item = SocketStats>) -> Self {
        Snapshot {
            sockets: sockets.into_iter().map(|socket| ((socket.local, socket.peer), socket)).collect(),
        }
    }

    /// What was carried since `earlier`. Sockets that were opened since count from their start.
    #[must_use]
    pub fn since(&self, earlier: &Snapshot) -> Carried {
        let mut carried = Carried::default();
        for (key, now) in &self.sockets {
            let of = |figure: fn(&SocketStats) -> u64| {
                figure(now).saturating_sub(earlier.sockets.get(key).map_or(0, figure))
            };
            carried.sent += Flow { bytes: of(|s| s.sent), segments: of(|s| s.segments_sent) };
            carried.received += Flow { bytes: of(|s| s.received), segments: of(|s| s.segments_received) };
        }
        carried
    }

    /// Whether `later` has exactly the connections of this snapshot: what a closed one carried is lost.
    #[must_use]
    pub fn has_the_sockets_of(&self, later: &Snapshot) -> bool {
        self.sockets.keys().eq(later.sockets.keys())
    }

    /// The same without the connections of `others`.
    #[must_use]
    pub fn without(mut self, others: &Snapshot) -> Self {
        self.sockets.retain(|key, _| !others.sockets.contains_key(key));
        self
    }

    /// The sockets themselves, for the options they really have.
    pub fn sockets(&self) -> impl Iterator<Item = &SocketStats> {
        self.sockets.values()
    }
}
