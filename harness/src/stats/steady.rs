//! Whether a series has settled.

/// The probability of seeing a change where there is none.
const SIGNIFICANCE: f64 = 0.01;
/// Changes of the median smaller than this are of no consequence for a warm-up: a machine drifts by as much.
const SMALLEST: f64 = 0.03;

/// A change of level in a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// How many values lie before the change.
    pub at: usize,
    /// The median after the change over the median before.
    pub ratio: f64,
}

/// The change of level in `series` (one value or more, in order of time) where there is one that is unlikely to be
/// chance (Pettitt's test at 1 %) and larger than 3 %.
///
/// The test counts, for each place in the series, how many more of the later values are greater than earlier ones than
/// smaller. It asks nothing of the values' distribution, so that outliers do not matter. K is the greatest such count
/// and p ≈ 2·exp(−6K² / (n³ + n²)) (A. N. Pettitt, "A non-parametric approach to the change-point problem", Applied
/// Statistics 28, 1979).
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn shift(series: &[f64]) -> Option<Shift> {
    let surplus = |at: usize| -> i64 {
        let (before, after) = series.split_at(at);
        before.iter().flat_map(|b| after.iter().map(move |a| a.total_cmp(b) as i64)).sum()
    };
    let (at, k) = (1..series.len()).map(|at| (at, surplus(at).unsigned_abs())).max_by_key(|(_, k)| *k)?;
    let n = series.len() as f64;
    let p = 2.0 * (-6.0 * (k as f64).powi(2) / (n.powi(3) + n.powi(2))).exp();
    let (before, after) = series.split_at(at);
    let ratio = super::median(after)? / super::median(before)?;
    let matters = ratio.ln().abs() > (1.0 + SMALLEST).ln();
    (p < SIGNIFICANCE && matters).then_some(Shift { at, ratio })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn a_step_is_found_where_it_is() {
        let series: Vec<f64> = (0..20).map(|i| if i < 7 { 30.0 } else { 20.0 } + f64::from(i % 3)).collect();
        let found = shift(&series).unwrap();
        assert_eq!(found.at, 7);
        assert!((found.ratio - 21.0 / 31.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn a_slope_is_a_change_and_an_outlier_is_none() {
        let slope: Vec<f64> = (0..20).map(|i| 20.0 + f64::from(i)).collect();
        assert!(shift(&slope).is_some());
        let outlier: Vec<f64> =
            (0..20).map(|i| if i == 4 { 900.0 } else { 20.0 + f64::from(i % 2) }).collect();
        assert_eq!(shift(&outlier), None);
    }

    #[test]
    fn a_change_too_small_to_matter_is_none() {
        let series: Vec<f64> = (0..20).map(|i| if i < 10 { 20.0 } else { 20.2 }).collect();
        assert_eq!(shift(&series), None);
    }

    #[test]
    fn nothing_and_one_value_have_not_changed() {
        assert_eq!((shift(&[]), shift(&[1.0])), (None, None));
    }

    #[test]
    fn noise_is_taken_for_a_change_as_rarely_as_the_test_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut noise = || (0..20).map(|_| rng.random_range(10.0..30.0)).collect::<Vec<f64>>();
        let found = (0..2_000).filter(|_| shift(&noise()).is_some()).count();
        assert!(found <= 40, "{found} of 2,000");
    }
}
