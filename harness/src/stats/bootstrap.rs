//! A confidence interval for the median of ratios, by bootstrap.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::quantile::median;

/// The nominal coverage of an [`Interval`]: the share of runs in which it contains the true ratio.
pub const CONFIDENCE: f64 = 0.99;
/// Minimum number of blocks for a verdict. With fewer, the interval covers less often than it claims.
pub const BLOCKS_FOR_A_VERDICT: usize = 10;
/// Number of bootstrap samples. The bounds then repeat to within a hundredth of the interval's width.
const RESAMPLES: usize = 2_000;

/// A ratio with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower bound.
    pub low: f64,
    /// The median over the blocks.
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

    /// The larger of the two relative distances between the median and a bound. A true difference of at least this size
    /// would have been detected.
    #[must_use]
    pub fn half_width(&self) -> f64 {
        (self.high / self.median).max(self.median / self.low) - 1.0
    }
}

/// The median of `ratios`, one per block, with its percentile bootstrap interval at [`CONFIDENCE`] (B. Efron, 1979).
///
/// The interval is computed on logarithms, which makes the results for a ratio and for its inverse mirror images. `None`
/// if there are fewer than [`BLOCKS_FOR_A_VERDICT`] ratios, or if one is not positive and finite. Deterministic.
#[must_use]
pub fn ratio_interval(ratios: &[f64]) -> Option<Interval> {
    if ratios.len() < BLOCKS_FOR_A_VERDICT || !ratios.iter().all(|ratio| ratio.is_finite() && *ratio > 0.0) {
        return None;
    }
    let logs: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut sample = vec![0.0; logs.len()];
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            sample.fill_with(|| logs[rng.random_range(0..logs.len())]);
            median(&sample)
        })
        .collect();
    medians.sort_unstable_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let cut = ((1.0 - CONFIDENCE) / 2.0 * medians.len() as f64).floor() as usize;
    let (low, high) = (medians.get(cut)?, medians.get(medians.len() - 1 - cut)?);
    Some(Interval { low: low.exp(), median: median(&logs)?.exp(), high: high.exp() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, prop_assert, proptest};

    /// Normal numbers by Box and Muller (1958).
    fn normal(rng: &mut ChaCha8Rng) -> f64 {
        let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    fn run(rng: &mut ChaCha8Rng, blocks: usize, truth: f64, spread: f64) -> Interval {
        let ratios: Vec<f64> = (0..blocks).map(|_| truth * (spread * normal(rng)).exp()).collect();
        ratio_interval(&ratios).unwrap()
    }

    #[test]
    fn too_few_or_invalid_ratios_give_no_interval() {
        assert_eq!(ratio_interval(&[1.0; 9]), None);
        assert!(ratio_interval(&[1.0; 10]).is_some());
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut ratios = [1.0; 10];
            ratios[3] = bad;
            assert_eq!(ratio_interval(&ratios), None);
        }
    }

    #[test]
    fn equal_stacks_rarely_differ_and_true_differences_are_found() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let wrong = (0..200).filter(|_| !run(&mut rng, 12, 1.0, 0.02).contains_one()).count();
        // The percentile bootstrap of the median of twelve values errs in 1 to 2 of 100 runs at this level.
        assert!(wrong <= 10, "{wrong} of 200 equal pairs were reported as different");
        let found = (0..50).filter(|_| !run(&mut rng, 12, 1.05, 0.02).contains_one()).count();
        assert!(found >= 47, "{found} of 50 true differences of 5 % were found");
    }

    #[test]
    fn half_width_is_the_larger_relative_distance_to_a_bound() {
        let interval = Interval { low: 0.98, median: 1.0, high: 1.03 };
        assert!((interval.half_width() - 0.03).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn an_interval_contains_its_median_and_mirrors_with_the_ratio(
            ratios in prop::collection::vec(0.1_f64..10.0, 10..40),
        ) {
            let interval = ratio_interval(&ratios).unwrap();
            prop_assert!(interval.low <= interval.median && interval.median <= interval.high);
            let inverse: Vec<f64> = ratios.iter().map(|ratio| 1.0 / ratio).collect();
            let mirrored = ratio_interval(&inverse).unwrap();
            prop_assert!((mirrored.median * interval.median - 1.0).abs() < 1e-9);
        }
    }
}
