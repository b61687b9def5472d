//! Finds a change of level in a series of values.

use super::quantile::median;

/// Probability of reporting a change in a series that has none.
const SIGNIFICANCE: f64 = 0.01;
/// Smaller relative changes of the median are ignored: a machine drifts by as much anyway.
const SMALLEST_CHANGE: f64 = 0.03;

/// A change of level in a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// How many values lie before the change.
    pub at: usize,
    /// The median after the change divided by the median before it.
    pub ratio: f64,
}

/// Finds the change of level in `series` (in order of time), provided that it is significant at 1 % and larger than 3 %.
///
/// Pettitt's test: for each position in the series, count the pairs of an earlier and a later value, +1 if the later one
/// is greater and −1 if it is smaller. K is the largest absolute sum, and p ≈ 2·exp(−6K² / (n³ + n²)). The test makes no
/// assumption about the distribution of the values and is robust against outliers (A. N. Pettitt, "A non-parametric
/// approach to the change-point problem", Applied Statistics 28, 1979).
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn find_shift(series: &[f64]) -> Option<Shift> {
    let sum_of_signs = |at: usize| -> i64 {
        let (before, after) = series.split_at(at);
        before.iter().flat_map(|b| after.iter().map(move |a| a.total_cmp(b) as i64)).sum()
    };
    let (at, k) =
        (1..series.len()).map(|at| (at, sum_of_signs(at).unsigned_abs())).max_by_key(|(_, k)| *k)?;
    let n = series.len() as f64;
    let p = 2.0 * (-6.0 * (k as f64).powi(2) / (n.powi(3) + n.powi(2))).exp();
    let (before, after) = series.split_at(at);
    let ratio = median(after)? / median(before)?;
    let is_large = ratio.ln().abs() > (1.0 + SMALLEST_CHANGE).ln();
    (p < SIGNIFICANCE && is_large).then_some(Shift { at, ratio })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn finds_the_position_and_the_size_of_a_step() {
        let series: Vec<f64> = (0..20).map(|i| if i < 7 { 30.0 } else { 20.0 } + f64::from(i % 3)).collect();
        let found = find_shift(&series).unwrap();
        assert_eq!(found.at, 7);
        assert!((found.ratio - 21.0 / 31.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn a_slope_is_a_change_and_an_outlier_is_not() {
        let slope: Vec<f64> = (0..20).map(|i| 20.0 + f64::from(i)).collect();
        assert!(find_shift(&slope).is_some());
        let outlier: Vec<f64> =
            (0..20).map(|i| if i == 4 { 900.0 } else { 20.0 + f64::from(i % 2) }).collect();
        assert_eq!(find_shift(&outlier), None);
    }

    #[test]
    fn ignores_a_small_change() {
        let series: Vec<f64> = (0..20).map(|i| if i < 10 { 20.0 } else { 20.2 }).collect();
        assert_eq!(find_shift(&series), None);
    }

    #[test]
    fn series_of_no_or_one_value_have_no_change() {
        assert_eq!((find_shift(&[]), find_shift(&[1.0])), (None, None));
    }

    #[test]
    fn false_positives_are_as_rare_as_the_significance_level() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut noise = || (0..20).map(|_| rng.random_range(10.0..30.0)).collect::<Vec<f64>>();
        let found = (0..2_000).filter(|_| find_shift(&noise()).is_some()).count();
        assert!(found <= 40, "{found} of 2,000");
    }
}
