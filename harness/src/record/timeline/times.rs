//! Times of a timeline in nanoseconds, and their quantiles.

use std::time::{Duration, Instant};

/// The time from `start` to `instant`.
pub(super) fn since(start: Instant, instant: Instant) -> u64 {
    nanos(instant.saturating_duration_since(start))
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The `q`-quantile (0 to 1) of the `responses` to `scheduled` calls, in ascending order, by nearest rank, where those that are
/// missing count as infinitely slow.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn quantile(responses: &[u64], scheduled: u64, q: f64) -> Option<u64> {
    let rank = (q * scheduled as f64).ceil() as usize;
    responses.get(rank.checked_sub(1)?).copied()
}

/// The median of the `responses` to `scheduled` calls, like [`quantile`].
pub(super) fn median(mut responses: Vec<u64>, scheduled: u64) -> Option<u64> {
    responses.sort_unstable();
    quantile(&responses, scheduled, 0.5)
}
