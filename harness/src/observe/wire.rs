//! Bytes on the wire, as the kernel counted them on this process's sockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sys::{self, SocketStats};

/// Bytes in each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Traffic {
    /// From the client to the server or broker.
    pub up: f64,
    /// From the server or broker to the client.
    pub down: f64,
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

    /// Bytes carried since `earlier`, per call of `calls`. Sockets that were opened since count from their start.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // 2⁵³ bytes are out of a trial's reach.
    pub fn since(&self, earlier: &Snapshot, calls: u64) -> Traffic {
        let mut traffic = Traffic::default();
        for (key, now) in &self.sockets {
            let then = earlier.sockets.get(key);
            traffic.up += (now.sent - then.map_or(0, |then| then.sent.min(now.sent))) as f64;
            traffic.down += (now.received - then.map_or(0, |then| then.received.min(now.received))) as f64;
        }
        let calls = calls.max(1) as f64;
        Traffic { up: traffic.up / calls, down: traffic.down / calls }
    }

    /// Whether every connection of this snapshot is still there in `later`: what a closed one carried is lost.
    #[must_use]
    pub fn is_alive_in(&self, later: &Snapshot) -> bool {
        self.sockets.keys().all(|key| later.sockets.contains_key(key))
    }

    /// Whether the connection of `socket` was there.
    #[must_use]
    pub fn contains(&self, socket: &SocketStats) -> bool {
        self.sockets.contains_key(&(socket.local, socket.peer))
    }

    /// The sockets themselves, for the options they really have.
    pub fn sockets(&self) -> impl Iterator<Item = &SocketStats> {
        self.sockets.values()
    }
}
