//! Recognition of redelivered messages.

use std::collections::hash_map::RandomState;
use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher;

/// How many ids are kept. oslo.messaging's listeners keep 16. A server here may have as many unacknowledged messages as
/// it prefetches, all of which the broker redelivers after a lost connection.
const CAPACITY: usize = 1_024;

/// Recognises a message that the broker delivers again because its acknowledgement was lost.
///
/// It keeps the last [`CAPACITY`] ids. As peers choose the ids, only a keyed 64-bit hash of each is kept; two different
/// ids collide with a probability of 2⁻⁶⁴.
#[derive(Default)]
pub(super) struct Deduplicator {
    hasher: RandomState,
    known: HashSet<u64>,
    /// The same hashes, oldest first.
    order: VecDeque<u64>,
}

impl Deduplicator {
    /// Whether `unique_id` is among the last ids.
    pub(super) fn contains(&self, unique_id: &str) -> bool {
        self.known.contains(&self.hasher.hash_one(unique_id))
    }

    /// Adds `unique_id`. Returns `false` if it was among the last ids.
    pub(super) fn insert(&mut self, unique_id: &str) -> bool {
        let hash = self.hasher.hash_one(unique_id);
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > CAPACITY
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
    fn recognises_the_last_ids_and_forgets_older_ones() {
        let mut deduplicator = Deduplicator::default();
        assert!((0..=CAPACITY).all(|i| deduplicator.insert(&i.to_string())));
        assert!((1..=CAPACITY).all(|i| !deduplicator.insert(&i.to_string())));
        assert!((1..=CAPACITY).all(|i| deduplicator.contains(&i.to_string())));
        assert!(!deduplicator.contains("0"));
        assert_eq!((deduplicator.known.len(), deduplicator.order.len()), (CAPACITY, CAPACITY));
    }
}
