//! Bytes on the wire.
//!
//! The kernel counts them on TCP sockets. It keeps no count for Unix sockets; there the streams of this program count the
//! bytes that they read and write.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::AddAssign;

use net::Endpoint;
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

/// Bytes that a process has sent and received over streams for which the kernel keeps no count: Unix sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamBytes {
    /// Bytes written.
    pub sent: u64,
    /// Bytes read.
    pub received: u64,
}

impl StreamBytes {
    /// The count of this process, including streams that have been closed. A Unix socket that a library opened itself is
    /// not counted.
    #[must_use]
    pub fn of_this_process() -> Self {
        let net::ByteCounts { sent, received } = net::bytes_counted();
        StreamBytes { sent, received }
    }

    /// The same bytes from the other end's point of view.
    #[must_use]
    pub fn seen_from_peer(self) -> Self {
        StreamBytes { sent: self.received, received: self.sent }
    }

    fn since(self, earlier: Self) -> Self {
        StreamBytes {
            sent: self.sent.saturating_sub(earlier.sent),
            received: self.received.saturating_sub(earlier.received),
        }
    }
}

/// Where the bytes that this process exchanges with a server are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteSource {
    /// By the kernel, on the TCP sockets that are connected to this port.
    Sockets(u16),
    /// By the streams of this process, for all Unix sockets and pipes together.
    Streams,
}

impl ByteSource {
    /// The source of byte counts for a server at `endpoint`; `None` in a simulated network.
    #[must_use]
    pub fn of(endpoint: &Endpoint) -> Option<Self> {
        match endpoint {
            Endpoint::Unix(_) | Endpoint::Pipes(_) => Some(ByteSource::Streams),
            other => other.port().map(ByteSource::Sockets),
        }
    }
}

/// The counters of a set of connections at one point in time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    sockets: BTreeMap<(SocketAddr, SocketAddr), SocketStats>,
    streams: StreamBytes,
}

impl Snapshot {
    /// A snapshot of the connections of this process that `source` counts; `None` where the system does not report its
    /// sockets. Takes some 20 µs per socket, so don't call it inside a timed section.
    #[must_use]
    pub fn take(source: ByteSource) -> Option<Self> {
        match source {
            ByteSource::Streams => Some(Self::of_streams(StreamBytes::of_this_process())),
            ByteSource::Sockets(port) => {
                Some(Self::of(sys::sockets()?.into_iter().filter(|socket| socket.peer.port() == port)))
            }
        }
    }

    /// A snapshot of the streams of a process.
    #[must_use]
    pub fn of_streams(streams: StreamBytes) -> Self {
        Snapshot { streams, ..Snapshot::default() }
    }

    /// A snapshot of `sockets`, for example those that a control port reported.
    #[must_use]
    pub fn of(sockets: impl IntoIterator<Item = SocketStats>) -> Self {
        Snapshot {
            sockets: sockets.into_iter().map(|socket| ((socket.local, socket.peer), socket)).collect(),
            ..Snapshot::default()
        }
    }

    /// The payload carried since `earlier`. Sockets that were opened since then count in full. The payload of sockets that
    /// were closed since then is lost; [`Self::has_the_sockets_of`] detects that.
    #[must_use]
    pub fn since(&self, earlier: &Snapshot) -> SocketTraffic {
        let StreamBytes { sent, received } = self.streams.since(earlier.streams);
        let mut traffic = SocketTraffic {
            sent: Flow { bytes: sent, segments: 0 },
            received: Flow { bytes: received, segments: 0 },
        };
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

    /// This snapshot without the sockets of `others` and without the bytes of its streams.
    #[must_use]
    pub fn without(mut self, others: &Snapshot) -> Self {
        self.streams = self.streams.since(others.streams);
        self.sockets.retain(|key, _| !others.sockets.contains_key(key));
        self
    }

    /// Whether there are no sockets, and no bytes of streams.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty() && self.streams == StreamBytes::default()
    }

    /// The sockets, to read their actual options.
    pub fn sockets(&self) -> impl Iterator<Item = &SocketStats> {
        self.sockets.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_on_the_sockets_of_a_port_or_by_streams() {
        let of = |endpoint: &str| ByteSource::of(&endpoint.parse().unwrap());
        assert_eq!(of("127.0.0.1:80"), Some(ByteSource::Sockets(80)));
        assert_eq!(of("[::1]:4242"), Some(ByteSource::Sockets(4242)));
        assert_eq!(of("unix:/tmp/socket"), Some(ByteSource::Streams));
    }

    #[test]
    fn a_snapshot_counts_streams_from_the_one_before() {
        let at = |sent, received| Snapshot::of_streams(StreamBytes { sent, received });
        let flow = |bytes| Flow { bytes, segments: 0 };
        let traffic = SocketTraffic { sent: flow(5), received: flow(3) };
        assert_eq!(at(15, 103).since(&at(10, 100)), traffic);
        assert_eq!(at(15, 103).without(&at(10, 100)).since(&Snapshot::default()), traffic);
        assert!(at(10, 100).without(&at(10, 100)).is_empty() && !at(0, 1).is_empty());
        assert_eq!(
            StreamBytes { sent: 1, received: 2 }.seen_from_peer(),
            StreamBytes { sent: 2, received: 1 }
        );
    }
}
