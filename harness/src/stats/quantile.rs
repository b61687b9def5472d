//! Medians, ranges and quantiles.

use hdrhistogram::Histogram;

/// The median of `values`: the middle one, or the mean of the middle two. `None` if there are no values.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// The smallest and the largest of `values`. `None` if there are no values.
#[must_use]
pub fn range(values: &[f64]) -> Option<(f64, f64)> {
    let smallest = values.iter().copied().min_by(f64::total_cmp)?;
    let largest = values.iter().copied().max_by(f64::total_cmp)?;
    Some((smallest, largest))
}

/// A high quantile is shown if at least this many calls lie beyond it; with fewer, chance decides it.
pub const MIN_CALLS_BEYOND: f64 = 10.0;

/// Whether `calls` calls are enough to show their quantile `q`. The median always is.
#[must_use]
pub fn carries_quantile(calls: f64, q: f64) -> bool {
    q <= 0.5 || (1.0 - q) * calls >= MIN_CALLS_BEYOND
}

/// The `q`-quantile (0 to 1) of the values in `histogram` and of `missing` further events that never ended, which count
/// as larger than all values.
///
/// It is the value of rank ⌈q·n⌉ (nearest rank), where n includes the missing events. `None` if that rank belongs to a
/// missing event, or if there are no events.
#[must_use]
pub fn quantile_with_missing(histogram: &Histogram<u64>, missing: u64, q: f64) -> Option<u64> {
    let rank = rank(histogram.len() + missing, q);
    steps(histogram).find(|(_, counted)| *counted >= rank).map(|(value, _)| value)
}

/// The rank of the `q`-quantile among `all` values, from 1 on. The library's own quantile takes a floating-point share of the
/// recorded values and can be off by one event.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn rank(all: u64, q: f64) -> u64 {
    ((q * all as f64).ceil() as u64).clamp(1, all.max(1))
}

/// Each distinct value in `histogram` in ascending order, with the number of values up to it.
fn steps(histogram: &Histogram<u64>) -> impl Iterator<Item = (u64, u64)> {
    histogram.iter_recorded().scan(0, |counted, step| {
        *counted += step.count_since_last_iteration();
        Some((step.value_iterated_to(), *counted))
    })
}

/// The values in a histogram in ascending order, of which any number of quantiles can be read. With [`quantile_with_missing`] for
/// each of them, looking through histograms would take most of the time of a report.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// Each distinct value, with the number of values up to it.
    steps: Vec<(u64, u64)>,
    missing: u64,
}

impl Distribution {
    /// The values in `histogram`, and `missing` further events that never ended, which count as larger than all values.
    #[must_use]
    pub fn new(histogram: &Histogram<u64>, missing: u64) -> Self {
        Distribution { steps: steps(histogram).collect(), missing }
    }

    /// The `q`-quantile, as [`quantile_with_missing`] defines it.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let all = self.steps.last().map_or(0, |(_, counted)| *counted) + self.missing;
        let rank = rank(all, q);
        let position = self.steps.partition_point(|(_, counted)| *counted < rank);
        self.steps.get(position).map(|(value, _)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::histogram::new_histogram;
    use proptest::prelude::*;

    #[test]
    fn median_of_odd_even_and_no_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn missing_events_count_as_larger_than_all_values() {
        let mut histogram = new_histogram();
        for value in 1..=90 {
            histogram.record(value).unwrap();
        }
        assert_eq!(quantile_with_missing(&histogram, 10, 0.5), Some(50));
        assert_eq!(quantile_with_missing(&histogram, 10, 0.9), Some(90));
        assert_eq!(quantile_with_missing(&histogram, 10, 0.91), None);
        assert_eq!(quantile_with_missing(&histogram, 0, 1.0), Some(90));
        assert_eq!(quantile_with_missing(&new_histogram(), 0, 0.5), None);
        assert_eq!(quantile_with_missing(&new_histogram(), 5, 0.5), None);
    }

    proptest! {
        #[test]
        fn a_quantile_is_the_value_of_that_rank_in_the_sorted_list(
            mut values in prop::collection::vec(1_u64..2_000, 1..300),
            missing in 0_u64..50,
            q in 0.001_f64..=1.0,
        ) {
            let mut histogram = new_histogram();
            for value in &values {
                histogram.record(*value).unwrap();
            }
            values.sort_unstable();
            let all = values.len() as u64 + missing;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let rank = (q * all as f64).ceil() as usize;
            let expected = values.get(rank.max(1) - 1).copied();
            prop_assert_eq!(quantile_with_missing(&histogram, missing, q), expected);
            prop_assert_eq!(Distribution::new(&histogram, missing).quantile(q), expected);
        }
    }
}
