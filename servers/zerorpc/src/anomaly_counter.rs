//! Counting the misbehaviour of peers without flooding the log.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts anomalies of one kind. Only the 1st, 10th, 100th and so on is logged as a warning, the others at debug level,
/// so that a misbehaving peer cannot flood the log.
pub(crate) struct AnomalyCounter {
    /// The description of the event, in the singular and the plural.
    names: (&'static str, &'static str),
    /// The number of events that is normal and logged at debug level only.
    expected: u64,
    count: AtomicU64,
}

impl AnomalyCounter {
    /// A counter of anomalies that are logged as `singular`, such as `dropped a message`, or as a number of `plural`,
    /// such as `messages were dropped`.
    pub(crate) fn new(singular: &'static str, plural: &'static str) -> Self {
        AnomalyCounter { names: (singular, plural), expected: 0, count: AtomicU64::new(0) }
    }

    /// A counter of events of which up to `expected` are normal.
    pub(crate) fn above(expected: u64, singular: &'static str, plural: &'static str) -> Self {
        AnomalyCounter { expected, ..Self::new(singular, plural) }
    }

    /// Counts one event, which happened because of `reason`.
    pub(crate) fn add(&self, reason: impl Display) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let (singular, plural) = self.names;
        match count {
            _ if count <= self.expected => tracing::debug!("{singular}: {reason}"),
            1 => tracing::warn!("{singular}: {reason}"),
            _ if count == 10_u64.pow(count.ilog10()) => {
                tracing::warn!("{count} {plural} so far; the last: {reason}");
            }
            _ => tracing::debug!("{singular}: {reason}"),
        }
    }

    /// Logs the total if there were more than one, and more than expected.
    pub(crate) fn log_total(&self) {
        let count = self.count.load(Ordering::Relaxed);
        if count > self.expected.max(1) {
            tracing::warn!("{count} {} in all", self.names.1);
        }
    }
}
