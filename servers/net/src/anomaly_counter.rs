//! Counting the misbehaviour of peers without flooding the log.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts anomalies of one kind. Only the 1st, 10th, 100th and so on is logged as a warning, the others at debug level,
/// so that a misbehaving peer cannot flood the log.
#[derive(Debug)]
pub struct AnomalyCounter {
    /// The description of the event, in the singular and the plural.
    names: (&'static str, &'static str),
    /// The number of events that is normal and logged at debug level only.
    expected: u64,
    count: AtomicU64,
}

impl AnomalyCounter {
    /// A counter of anomalies that are logged as `singular`, such as `dropped a message`, or as a number of `plural`,
    /// such as `messages were dropped`.
    #[must_use]
    pub const fn new(singular: &'static str, plural: &'static str) -> Self {
        AnomalyCounter::above(0, singular, plural)
    }

    /// A counter of events of which up to `expected` are normal.
    #[must_use]
    pub const fn above(expected: u64, singular: &'static str, plural: &'static str) -> Self {
        AnomalyCounter { names: (singular, plural), expected, count: AtomicU64::new(0) }
    }

    /// Counts one event, which happened because of `reason`.
    pub fn add(&self, reason: impl Display) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let (singular, plural) = self.names;
        match count {
            _ if !self.is_warning(count) => tracing::debug!("{singular}: {reason}"),
            1 => tracing::warn!("{singular}: {reason}"),
            _ => tracing::warn!("{count} {plural} so far; the last: {reason}"),
        }
    }

    /// Logs the total if there were more than one, and more than expected.
    pub fn log_total(&self) {
        let count = self.count.load(Ordering::Relaxed);
        if count > self.expected.max(1) {
            tracing::warn!("{count} {} in all", self.names.1);
        }
    }

    /// Whether the event with this number, which begins at 1, is logged as a warning.
    fn is_warning(&self, count: u64) -> bool {
        count > self.expected && count == 10_u64.pow(count.ilog10())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_logged_for_the_powers_of_ten_above_what_is_expected() {
        let warnings =
            |counter: AnomalyCounter| (1..=864_000).filter(|n| counter.is_warning(*n)).collect::<Vec<_>>();
        assert_eq!(warnings(AnomalyCounter::new("", "")), [1, 10, 100, 1_000, 10_000, 100_000]);
        assert_eq!(warnings(AnomalyCounter::above(99, "", "")), [100, 1_000, 10_000, 100_000]);
    }
}
