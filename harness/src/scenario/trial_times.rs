//! How long the calls of a trial take.

use std::time::Duration;

/// How long the calls of a trial take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialTimes {
    /// The minimum length of the warm-up, whose calls do not count.
    pub warmup: Duration,
    /// The length of the measured window; of a trial in slices, the sum of theirs.
    pub measure: Duration,
}
