//! Bytes on the wire, as the kernel counts them on the sockets of this process.

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

/// Payload carried in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Payload bytes; retransmitted bytes count once.
    pub bytes: u64,
    /// TCP segments with payload.
    pub segments: u64,
}

impl AddAssign for Flow {
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.segments += other.segments;
    }
}

/// Payload that the sockets of one end have sent and received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketTraffic {
    /// From this end.
    pub sent: Flow,
    /// To this end.
    pub received: Flow,
}

/// The counters of a set of sockets at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    sockets: BTreeMap<(SocketAddr, SocketAddr), SocketStats>,
}

impl Snapshot {
    /// A snapshot of all sockets of this process that are connected to `port`; `None` where the system does not report
    /// them. Takes some 20 µs per socket, so don't call it inside a timed section.
    #[must_use]
    pub fn take(port: u16) -> Option<Self> {
        let sockets = sys::sockets()?;
        Some(Self::of(sockets.into_iter().filter(|socket| socket.peer.port() == port)))
    }

    /// A snapshot of `sockets`, for example those that a control port reported.
    #[must_use]
    pub fn of(sockets: impl IntoIterator<Item = SocketStats>) -> Self {
        Snapshot {
            sockets: sockets.into_iter().map(|socket| ((socket.local, socket.peer), socket)).collect(),
        }
    }

    /// The payload carried since `earlier`. Sockets opened since then count from the beginning; what a socket carried
    /// that has been closed since then is lost, see [`Self::has_the_sockets_of`].
    #[must_use]
    pub fn since(&self, earlier: &Snapshot) -> SocketTraffic {
        let mut traffic = SocketTraffic::default();
        for (key, now) in &self.sockets {
            let of = |figure: fn(&SocketStats) -> u64| {
                figure(now).saturating_sub(earlier.sockets.get(key).map_or(0, figure))
            };
            traffic.sent += Flow { bytes: of(|s| s.sent), segments: of(|s| s.segments_sent) };
            traffic.received += Flow { bytes: of(|s| s.received), segments: of(|s| s.segments_received) };
        }
        traffic
    }

    /// Whether `other` has exactly the same sockets as this snapshot.
    #[must_use]
    pub fn has_the_sockets_of(&self, other: &Snapshot) -> bool {
        self.sockets.keys().eq(other.sockets.keys())
    }

    /// This snapshot without the sockets of `others`.
    #[must_use]
    pub fn without(mut self, others: &Snapshot) -> Self {
        self.sockets.retain(|key, _| !others.sockets.contains_key(key));
        self
    }

    /// The sockets, to read their actual options.
    pub fn sockets(&self) -> impl Iterator<Item = &SocketStats> {
        self.sockets.values()
    }
}
