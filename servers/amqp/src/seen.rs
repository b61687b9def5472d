//! The messages that came last.

use std::collections::hash_map::RandomState;
use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher;

/// How many identities are kept. oslo.messaging's listeners keep 16; ours may have as many messages unacknowledged as
/// it prefetches, all of which the broker delivers again after a lost connection.
const KEPT: usize = 1_024;

/// Recognises a message that the broker delivers again because its acknowledgement got lost.
///
/// Of an identity, which a peer chooses, only a keyed hash is kept: the chance of mistaking one message for another is
/// that of 64 random bits being equal.
#[derive(Default)]
pub(crate) struct Seen {
    hasher: RandomState,
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Seen {
    /// Whether `identity` is among the last ones.
    pub(crate) fn contains(&self, identity: &str) -> bool {
        self.known.contains(&self.hasher.hash_one(identity))
    }

    /// Keeps `identity`; whether it was not among the last ones.
    pub(crate) fn insert(&mut self, identity: &str) -> bool {
        let hash = self.hasher.hash_one(identity);
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_recognised() {
        let mut seen = Seen::default();
        assert!((0..=KEPT).all(|i| seen.insert(&i.to_string())));
        assert!((1..=KEPT).all(|i| !seen.insert(&i.to_string()) && seen.contains(&i.to_string())));
        assert!(!seen.contains("0"));
        assert_eq!((seen.known.len(), seen.order.len()), (KEPT, KEPT));
    }
}
