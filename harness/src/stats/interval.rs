//! A confidence interval for the median of ratios that assumes nothing about their distribution.

use schemars::JsonSchema;
use serde::Serialize;

use super::quantile::median;

/// A ratio with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Interval {
    /// The lower bound.
    pub low: f64,
    /// The estimate: the median over the blocks, or the ratio of two medians.
    pub median: f64,
    /// The upper bound.
    pub high: f64,
}

impl Interval {
    /// Whether the interval contains 1, so that no difference has been shown.
    #[must_use]
    pub fn contains_one(&self) -> bool {
        self.low <= 1.0 && 1.0 <= self.high
    }

    /// The largest difference from 1 that the interval contains, as a share: 0.02 for 0.99–1.02, and also for
    /// 1 ÷ 1.02–1.01.
    #[must_use]
    pub fn largest_difference(&self) -> f64 {
        self.high.max(1.0 / self.low).max(1.0) - 1.0
    }

    /// The interval of the inverse ratio.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Interval { low: 1.0 / self.high, median: 1.0 / self.median, high: 1.0 / self.low }
    }
}

/// The median of `ratios`, one for each block, with an interval that fails to contain the true median with a probability
/// of at most `error`.
///
/// The bounds are order statistics, the k-th smallest and the k-th largest ratio (W. R. Thompson, *Annals of Mathematical
/// Statistics* 7, 1936). The number of blocks whose ratio lies below the true median has the binomial distribution
/// with probability ½, whatever the distribution of the ratios, so the interval is exact or conservative for blocks
/// that are independent; outliers of any size count as one block each.
///
/// `None` if there are too few ratios, see [`blocks_needed`], or if one is negative or not a number.
#[must_use]
pub(super) fn ratio_interval(ratios: &[f64], error: f64) -> Option<Interval> {
    if !ratios.iter().all(|ratio| *ratio >= 0.0) {
        return None;
    }
    let rank = rank(ratios.len(), error)?;
    let mut sorted = ratios.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    // The middle of two ratios is taken on logarithms, so that the results for a ratio and for its inverse mirror
    // each other.
    let logs: Vec<f64> = sorted.iter().map(|ratio| ratio.ln()).collect();
    let middle = median(&logs)?.exp();
    Some(Interval { low: sorted[rank - 1], median: middle, high: sorted[sorted.len() - rank] })
}

/// The median of `values` with an interval that fails to contain the true median with a probability of at most `error`: as for
/// ratios, the k-th smallest and the k-th largest value. `None` if there are too few values, or if one is negative or not a
/// number.
#[must_use]
pub fn interval_of_median(values: &[f64], error: f64) -> Option<Interval> {
    ratio_interval(values, error)
}

/// The ratio of the median of `new` to that of `base`, two samples that were not taken together, with an interval that
/// fails to contain the true ratio with a probability of at most `error`.
///
/// Each median has an interval of order statistics, as a [`ratio`](super::ratio) has, with half of the error. If both contain
/// their medians, the ratio lies between the quotients of opposite ends (Bonferroni's inequality).
///
/// `None` if one of the samples is too small, or contains a value that is not a positive, finite number.
#[must_use]
pub fn ratio_of_medians(base: &[f64], new: &[f64], error: f64) -> Option<Interval> {
    let is_positive = |value: &f64| *value > 0.0 && value.is_finite();
    if !base.iter().chain(new).all(is_positive) {
        return None;
    }
    let (base, new) = (ratio_interval(base, error / 2.0)?, ratio_interval(new, error / 2.0)?);
    Some(Interval { low: new.low / base.high, median: new.median / base.median, high: new.high / base.low })
}

/// The smallest number of blocks for which there is an interval with this probability of an error.
#[must_use]
pub fn blocks_needed(error: f64) -> usize {
    (1..=MAX_BLOCKS_NEEDED).find(|blocks| rank(*blocks, error).is_some()).unwrap_or(MAX_BLOCKS_NEEDED)
}

/// For 200 blocks, the smallest and the largest ratio enclose the median with a probability of 1 - 2⁻¹⁹⁹.
const MAX_BLOCKS_NEEDED: usize = 200;

/// The largest k, from 1, for which the k-th smallest and k-th largest of `count` values fail to enclose the median with a
/// probability of at most `error`: twice the probability of fewer than k heads in `count` tosses of a coin.
#[allow(clippy::cast_precision_loss)]
fn rank(count: usize, error: f64) -> Option<usize> {
    // The logarithm of the probability of `rank` heads; the probability itself may be too small for a number.
    let mut log_probability = -(count as f64) * std::f64::consts::LN_2;
    let mut fewer_heads = 0.0;
    let mut rank = 0;
    while 2 * rank < count {
        fewer_heads += log_probability.exp();
        if 2.0 * fewer_heads > error {
            break;
        }
        rank += 1;
        log_probability += ((count - rank + 1) as f64 / rank as f64).ln();
    }
    (rank > 0).then_some(rank)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, prop_assert, proptest};

    #[test]
    fn ranks_are_those_of_tables_of_the_sign_test() {
        // Two-sided 5 % and 1 %: critical values of the sign test are one less (Dixon and Mood, 1946).
        for (count, five_percent, one_percent) in [
            (5, None, None),
            (6, Some(1), None),
            (8, Some(1), Some(1)),
            (20, Some(6), Some(4)),
            (30, Some(10), Some(8)),
        ] {
            assert_eq!((rank(count, 0.05), rank(count, 0.01)), (five_percent, one_percent), "{count}");
        }
        assert_eq!(rank(0, 0.5), None);
        // The normal approximation, n/2 - 2.576 √n/2 = 2408.9.
        assert_eq!(rank(5_000, 0.01), Some(2_409));
    }

    #[test]
    fn the_blocks_needed_grow_with_the_logarithm_of_the_error() {
        assert_eq!(blocks_needed(0.05), 6);
        assert_eq!(blocks_needed(0.01), 8);
        assert_eq!(blocks_needed(0.01 / 45.0), 14);
        assert_eq!(blocks_needed(0.0), MAX_BLOCKS_NEEDED);
    }

    #[test]
    fn too_few_or_invalid_ratios_give_no_interval() {
        assert_eq!(ratio_interval(&[1.0; 7], 0.01), None);
        assert!(ratio_interval(&[1.0; 8], 0.01).is_some());
        assert_eq!(ratio_interval(&[], 0.01), None);
        for bad in [-1.0, f64::NAN] {
            let mut ratios = [1.0; 10];
            ratios[3] = bad;
            assert_eq!(ratio_interval(&ratios, 0.01), None);
        }
    }

    #[test]
    fn an_outlier_of_any_size_counts_as_one_block() {
        let mut ratios: Vec<f64> = (0..20).map(|i| 1.0 + 0.001 * f64::from(i)).collect();
        let before = ratio_interval(&ratios, 0.01).unwrap();
        ratios[19] = f64::INFINITY;
        ratios[0] = 0.0;
        assert_eq!(ratio_interval(&ratios, 0.01), Some(before));
    }

    #[test]
    fn the_largest_difference_is_measured_in_both_directions() {
        for (low, high) in [(0.99, 1.02), (1.0 / 1.02, 1.01)] {
            let interval = Interval { low, median: 1.0, high };
            assert!((interval.largest_difference() - 0.02).abs() < 1e-9);
        }
    }

    #[test]
    fn the_ratio_of_two_samples_spans_the_intervals_of_their_medians() {
        let base: Vec<f64> = (0..30).map(|i| 100.0 + f64::from(i)).collect();
        let new: Vec<f64> = base.iter().map(|value| 1.1 * value).rev().collect();
        // Half of 1 % leaves out the six smallest and the six largest of 30 values.
        let rank = rank(30, 0.005).unwrap();
        assert_eq!(rank, 7);
        let ratio = ratio_of_medians(&base, &new, 0.01).unwrap();
        assert!((ratio.median - 1.1).abs() < 1e-9);
        assert!((ratio.low - 1.1 * 106.0 / 123.0).abs() < 1e-9, "{ratio:?}");
        assert!((ratio.high - 1.1 * 123.0 / 106.0).abs() < 1e-9, "{ratio:?}");
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(ratio_of_medians(&[bad; 30], &new, 0.01), None);
        }
        assert_eq!(ratio_of_medians(&base[..8], &new, 0.01), None);
    }

    proptest! {
        #[test]
        fn an_interval_contains_its_median_and_mirrors_with_the_ratio(
            ratios in prop::collection::vec(0.1_f64..10.0, 8..40),
        ) {
            let interval = ratio_interval(&ratios, 0.01).unwrap();
            prop_assert!(interval.low <= interval.median && interval.median <= interval.high);
            let inverse: Vec<f64> = ratios.iter().map(|ratio| 1.0 / ratio).collect();
            let mirrored = ratio_interval(&inverse, 0.01).unwrap().inverse();
            prop_assert!((mirrored.low / interval.low - 1.0).abs() < 1e-9);
            prop_assert!((mirrored.median / interval.median - 1.0).abs() < 1e-9);
            prop_assert!((mirrored.high / interval.high - 1.0).abs() < 1e-9);
        }
    }
}
