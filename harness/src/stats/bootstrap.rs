//! How sure a ratio is: the bootstrap of the median.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::median;

/// The share of runs whose interval holds the truth.
pub const CONFIDENCE: f64 = 0.99;
/// Fewer blocks than this give no verdict: an interval from fewer promises more than it keeps.
pub const BLOCKS_FOR_A_VERDICT: usize = 10;
/// How many samples are drawn. The bounds of an interval then repeat to within a hundredth of its width.
const RESAMPLES: usize = 2_000;

/// A ratio and the interval that holds the true one with [`CONFIDENCE`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The least.
    pub low: f64,
    /// The median of the blocks.
    pub median: f64,
    /// The greatest.
    pub high: f64,
}

impl Interval {
    /// Whether the interval holds 1: no difference has been shown.
    #[must_use]
    pub fn holds_one(&self) -> bool {
        self.low <= 1.0 && 1.0 <= self.high
    }

    /// The greater distance of a bound from the median, as a share of it: a true difference of this size or more would
    /// have been seen.
    #[must_use]
    pub fn half_width(&self) -> f64 {
        (self.high / self.median).max(self.median / self.low) - 1.0
    }
}

/// The median of positive `ratios`, one a block, with the percentile bootstrap interval of the median of their
/// logarithms (Efron 1979; the logarithm makes a ratio and its inverse mirror images). `None` for fewer than
/// [`BLOCKS_FOR_A_VERDICT`] ratios, or where one is not positive and finite. The same ratios give the same interval.
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
    fn too_few_or_impossible_ratios_give_no_interval() {
        assert_eq!(ratio_interval(&[1.0; 9]), None);
        assert!(ratio_interval(&[1.0; 10]).is_some());
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut ratios = [1.0; 10];
            ratios[3] = bad;
            assert_eq!(ratio_interval(&ratios), None);
        }
    }

    #[test]
    fn equal_stacks_are_seldom_called_different_and_different_ones_are_found() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let wrong = (0..200).filter(|_| !run(&mut rng, 12, 1.0, 0.02).holds_one()).count();
        // The percentile bootstrap of a median of twelve is wrong in some 1 to 2 of 100 runs at this level.
        assert!(wrong <= 10, "{wrong} of 200 pairs of equals were called different");
        let found = (0..50).filter(|_| !run(&mut rng, 12, 1.05, 0.02).holds_one()).count();
        assert!(found >= 47, "{found} of 50 true differences of 5 % were found");
    }

    #[test]
    fn the_half_width_is_what_could_have_been_seen() {
        let interval = Interval { low: 0.98, median: 1.0, high: 1.03 };
        assert!((interval.half_width() - 0.03).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn an_interval_holds_its_median_and_mirrors_with_the_ratio(
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
