//! Statistics: pure functions, no I/O.

mod bootstrap;
mod steady;
mod ties;

pub use bootstrap::{BLOCKS_FOR_A_VERDICT, CONFIDENCE, Interval, ratio_interval};
pub use steady::{Shift, shift};
pub use ties::letters;

use hdrhistogram::Histogram;

/// The median of `values`; the mean of the two in the middle where their number is even. `None` where there are none.
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

/// The smallest and the largest of `values`.
#[must_use]
pub fn range(values: &[f64]) -> Option<(f64, f64)> {
    let least = values.iter().copied().min_by(f64::total_cmp)?;
    let most = values.iter().copied().max_by(f64::total_cmp)?;
    Some((least, most))
}

/// The value below which the share `q` (0 to 1) of all events lies, where `missing` of them never ended and count as
/// later than any that did: the value of rank ⌈q·n⌉ (nearest rank), n counting the missing. `None` where that rank
/// belongs to a missing event, or there is no event at all.
#[must_use]
pub fn quantile_with_missing(histogram: &Histogram<u64>, missing: u64, q: f64) -> Option<u64> {
    let seen = histogram.len();
    let all = seen + missing;
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rank = ((q * all as f64).ceil() as u64).clamp(1, all.max(1));
    if rank > seen {
        return None;
    }
    // Counted out: the library's own quantile goes by way of a share in floating point and can miss by one event.
    let mut counted = 0;
    histogram.iter_recorded().find_map(|step| {
        counted += step.count_since_last_iteration();
        (counted >= rank).then(|| step.value_iterated_to())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::new_histogram;
    use proptest::prelude::*;

    #[test]
    fn medians_of_odd_even_and_none() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn events_that_never_ended_are_later_than_all_others() {
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
        fn a_quantile_is_that_of_the_sorted_values(
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
        }
    }
}
