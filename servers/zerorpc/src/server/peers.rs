//! The peers that a server is connected to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::peer::Peer;

/// The peers that a server is connected to.
#[derive(Default)]
pub(super) struct Peers {
    peers: Mutex<BTreeMap<u64, Arc<Peer>>>,
    next_number: AtomicU64,
}

impl Peers {
    /// Adds a peer until the result is dropped, which also closes its connection.
    pub(super) fn register<'a>(&'a self, peer: &'a Arc<Peer>) -> PeerRegistration<'a> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        self.with_peers(|peers| peers.insert(number, Arc::clone(peer)));
        PeerRegistration { peers: self, number, peer }
    }

    pub(super) fn all(&self) -> Vec<Arc<Peer>> {
        self.with_peers(|peers| peers.values().cloned().collect())
    }

    /// Stops reading from all peers.
    pub(super) fn stop_reading(&self) {
        self.with_peers(|peers| peers.values().for_each(|peer| peer.link.stop_reading()));
    }

    fn with_peers<T>(&self, action: impl FnOnce(&mut BTreeMap<u64, Arc<Peer>>) -> T) -> T {
        action(&mut self.peers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Membership in [`Peers`].
pub(super) struct PeerRegistration<'a> {
    peers: &'a Peers,
    number: u64,
    peer: &'a Peer,
}

impl Drop for PeerRegistration<'_> {
    fn drop(&mut self) {
        self.peer.link.close();
        self.peers.with_peers(|peers| peers.remove(&self.number));
    }
}
