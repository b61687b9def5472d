//! What is counted and, without filling it, told in the log.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts things of one kind that a peer should not do. The log has the first, the tenth, the hundredth and so on: a
/// peer that does nothing else shall not fill it.
pub(crate) struct Tally {
    /// What is done with them, and their name in singular and plural.
    names: (&'static str, &'static str),
    count: AtomicU64,
}

impl Tally {
    /// Of what is told as `dropped a message`, with `("dropped a message", "messages were dropped")`.
    pub(crate) fn new(one: &'static str, many: &'static str) -> Self {
        Tally { names: (one, many), count: AtomicU64::new(0) }
    }

    /// Counts one.
    pub(crate) fn add(&self, reason: impl Display) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        match count {
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
        if count > 1 {
            tracing::warn!("{count} {} in all", self.names.1);
        }
    }
}
