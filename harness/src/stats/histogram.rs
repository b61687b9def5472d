//! Histograms of durations in nanoseconds, with three significant decimal digits.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest duration that is recorded as it is; longer ones are recorded as this one.
pub const MAX_DURATION: Duration = Duration::from_secs(120);
/// Significant decimal digits of the recorded values.
const SIGNIFICANT_DIGITS: u8 = 3;

/// A histogram from 1 ns to [`MAX_DURATION`] that never allocates after it was created.
#[must_use]
pub fn new_histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the bounds are constants that the library accepts")]
    Histogram::new_with_bounds(1, nanos(MAX_DURATION), SIGNIFICANT_DIGITS).expect("valid bounds")
}

/// Like [`new_histogram`], but it allocates as values are recorded: for histograms that are usually empty.
#[must_use]
pub fn growing_histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the number of digits is a constant that the library accepts")]
    let mut histogram = Histogram::new(SIGNIFICANT_DIGITS).expect("valid digits");
    histogram.auto(true);
    histogram
}

/// Records `duration`, limited to 1 ns to [`MAX_DURATION`].
pub fn record_duration(histogram: &mut Histogram<u64>, duration: Duration) {
    // Cannot fail: the value is within the bounds of `new_histogram`, and `growing_histogram` has none.
    // `saturating_record` would keep the latter from growing.
    let _ = histogram.record(nanos(duration.min(MAX_DURATION)).max(1));
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_recorded_within_the_bounds_and_to_three_digits() {
        for mut histogram in [new_histogram(), growing_histogram()] {
            for duration in [Duration::ZERO, Duration::from_micros(7), Duration::from_secs(9_999)] {
                record_duration(&mut histogram, duration);
            }
            assert_eq!((histogram.len(), histogram.min()), (3, 1));
            assert_eq!(histogram.value_at_quantile(0.5), histogram.highest_equivalent(7_000));
            assert!(histogram.max() >= nanos(MAX_DURATION) && histogram.max() < 2 * nanos(MAX_DURATION));
        }
    }
}
