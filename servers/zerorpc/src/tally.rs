//! What is counted and, without filling it, told in the log.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts things of one kind that a peer should not do. The log has the first, the tenth, the hundredth and so on: a
/// peer that does nothing else shall not fill it.
pub(crate) struct Tally {
    /// What was done, for one and for many.
    names: (&'static str, &'static str),
    /// How many are nothing to speak of.
    usual: u64,
    count: AtomicU64,
}

impl Tally {
    /// Of what is told as `one`, such as `dropped a message`, and as a number of `many`, such as `messages were dropped`.
    pub(crate) fn new(one: &'static str, many: &'static str) -> Self {
        Tally { names: (one, many), usual: 0, count: AtomicU64::new(0) }
    }

    /// Of what well-behaved peers do, too, and that is told when it is more than `usual`.
    pub(crate) fn above(usual: u64, one: &'static str, many: &'static str) -> Self {
        Tally { usual, ..Self::new(one, many) }
    }

    /// Counts one.
    pub(crate) fn add(&self, reason: impl Display) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        match count {
            _ if count <= self.usual => tracing::debug!("{}: {reason}", self.names.0),
            1 => tracing::warn!("{}: {reason}", self.names.0),
            _ if count == 10_u64.pow(count.ilog10()) => {
                tracing::warn!("{count} {} so far; the last: {reason}", self.names.1);
            }
            _ => tracing::debug!("{}: {reason}", self.names.0),
        }
    }

    /// Tells how many there were, where there were several.
    pub(crate) fn sum_up(&self) {
        let count = self.count.load(Ordering::Relaxed);
        if count > self.usual.max(1) {
            tracing::warn!("{count} {} in all", self.names.1);
        }
    }
}
