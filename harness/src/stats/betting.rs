//! A sequential test of a location, which may be looked at after every value.

/// The shares of their wealth that bettors stake on every value.
const STAKES: [f64; 4] = [0.25, 0.5, 0.75, 0.95];
/// The widths of scores, as multiples of the scale. The narrow one decides sooner where values hardly vary. The wide ones decide
/// sooner where they vary by several times the scale: there, nearly every narrow score is −1 or 1.
const WIDTHS: [f64; 3] = [1.0, 4.0, 8.0];

/// Evidence that the location of independent values is greater than a bound.
///
/// Each value `x` gives a score for each of three widths (1, 4 and 8 times the scale): (x − bound) ÷ width, limited to −1
/// and 1. So an outlier counts no more than a value one width from the bound. The tested locations are Huber's (P. J.
/// Huber, "Robust estimation of a location parameter", *Annals of Mathematical Statistics* 35, 1964): for each width, the
/// number for which the scores balance. If the distribution is symmetric, all three are its median. If none is greater than
/// the bound, no expected score is positive, and no bettor who stakes a share of his wealth on each score gains on average.
/// The mean wealth of several bettors who began with 1 is therefore an e-value at any time: whatever the distribution, the
/// probability that it *ever* reaches 1 ÷ α is at most α (J. Ville, *Étude critique de la notion de collectif*, 1939; I.
/// Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", *Journal of the Royal Statistical
/// Society B* 86, 2024). So the test may stop as soon as the answer is clear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    bound: f64,
    /// The narrowest width. Negative where evidence for a location *below* the bound is collected.
    scale: f64,
    /// Of the bettor with each width and stake.
    wealth: [[f64; STAKES.len()]; WIDTHS.len()],
}

impl Evidence {
    /// Collects evidence that the location is above `bound`. The scores have the widths `scale`, 4 × `scale` and 8 × `scale`.
    #[must_use]
    pub fn above(bound: f64, scale: f64) -> Self {
        Evidence { bound, scale, wealth: [[1.0; STAKES.len()]; WIDTHS.len()] }
    }

    /// Collects evidence that the location is below `bound`. The scores have the widths `scale`, 4 × `scale` and 8 × `scale`.
    #[must_use]
    pub fn below(bound: f64, scale: f64) -> Self {
        Evidence::above(bound, -scale)
    }

    /// Adds a value. One that is not a number counts against the evidence.
    pub fn push(&mut self, value: f64) {
        let difference = (value - self.bound) / self.scale;
        for (of_width, width) in self.wealth.iter_mut().zip(WIDTHS) {
            let score = if difference.is_nan() { -1.0 } else { (difference / width).clamp(-1.0, 1.0) };
            for (wealth, stake) in of_width.iter_mut().zip(STAKES) {
                *wealth *= 1.0 + stake * score;
            }
        }
    }

    /// The e-value: the mean wealth.
    #[must_use]
    pub fn e_value(&self) -> f64 {
        self.mean_wealth(|_| 1.0)
    }

    /// The e-value after `further` values that all are wholly on the side of the evidence: what it can reach at most.
    #[must_use]
    pub fn e_value_at_most(&self, further: u32) -> f64 {
        self.mean_wealth(|stake| (1.0 + stake).powf(f64::from(further)))
    }

    /// The mean wealth of the bettors if it grows by a factor that depends on the stake.
    #[allow(clippy::cast_precision_loss)]
    fn mean_wealth(&self, growth: impl Fn(f64) -> f64) -> f64 {
        let of_stake = |(wealth, stake): (&f64, f64)| wealth * growth(stake);
        let sum: f64 =
            self.wealth.iter().flat_map(|of_width| of_width.iter().zip(STAKES).map(of_stake)).sum();
        sum / (STAKES.len() * WIDTHS.len()) as f64
    }
}

/// The greatest bound above which the location of `values` lies with an e-value of `enough`, in the sense of [`Evidence`]
/// with `scale`. The probability that it is *ever* above all three locations, at any number of values, is at most 1 ÷ `enough`.
/// `None` while there is no such bound.
#[must_use]
pub fn lower_bound(values: &[f64], scale: f64, enough: f64) -> Option<f64> {
    let has_enough = |bound| {
        let mut evidence = Evidence::above(bound, scale);
        values.iter().for_each(|value| evidence.push(*value));
        evidence.e_value() >= enough
    };
    // Beyond these, the evidence no longer depends on the bound.
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let widest = scale * WIDTHS.into_iter().fold(1.0, f64::max);
    let mut with = finite().reduce(f64::min)? - widest;
    let mut without = finite().reduce(f64::max)? + widest;
    if !has_enough(with) {
        return None;
    }
    // The evidence falls as the bound rises, so the last bound with enough can be bracketed.
    for _ in 0..STEPS {
        let middle = f64::midpoint(with, without);
        if has_enough(middle) { with = middle } else { without = middle }
    }
    Some(with)
}

/// The smallest bound below which the location of `values` lies with an e-value of `enough`: the mirror image of
/// [`lower_bound`].
#[must_use]
pub fn upper_bound(values: &[f64], scale: f64, enough: f64) -> Option<f64> {
    let mirrored: Vec<f64> = values.iter().map(|value| -value).collect();
    lower_bound(&mirrored, scale, enough).map(|bound| -bound)
}

/// How often the bracket of a bound is halved: to less than a millionth of the range of the values.
const STEPS: u32 = 24;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// A value with the noise of rounds: symmetric around `location`, and in nine of ten cases within `spread` of it.
    fn noisy(rng: &mut ChaCha8Rng, location: f64, spread: f64) -> f64 {
        let tail = if rng.random_bool(0.1) { 20.0 } else { 1.0 };
        location + tail * spread * (rng.random::<f64>() + rng.random::<f64>() - 1.0)
    }

    /// The share of `series` in which the evidence for more than 0.01 ever reaches 1 ÷ 0.01 within `values` values.
    fn share_found(location: f64, spread: f64, series: u32, values: u32) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let found = (0..series).filter(|_| {
            let mut evidence = Evidence::above(0.01, 0.01);
            (0..values).any(|_| {
                evidence.push(noisy(&mut rng, location, spread));
                evidence.e_value() >= 100.0
            })
        });
        f64::from(u32::try_from(found.count()).unwrap()) / f64::from(series)
    }

    #[test]
    fn looking_after_every_value_claims_what_is_false_in_at_most_one_series_of_a_hundred() {
        for (spread, series, values) in [(0.01, 4_000, 1_000), (0.08, 1_500, 500)] {
            let share = share_found(0.01, spread, series, values);
            assert!(share <= 0.01, "{spread}: {share}");
            assert_eq!(share_found(0.0, spread, series, values), 0.0);
        }
    }

    #[test]
    fn a_location_beyond_the_bound_is_found() {
        assert!(share_found(0.02, 0.01, 1_000, 35) > 0.9);
        assert_eq!(share_found(0.05, 0.01, 1_000, 35), 1.0);
    }

    #[test]
    fn a_location_beyond_the_bound_is_found_where_values_vary_by_several_times_the_scale() {
        // The narrowest width alone finds it in 75 %.
        let share = share_found(0.02, 0.08, 500, 300);
        assert!(share > 0.78, "{share}");
    }

    #[test]
    fn it_takes_eleven_certain_values_for_one_in_three_hundred() {
        let mut evidence = Evidence::below(0.01, 0.01);
        assert_eq!(evidence.e_value(), 1.0);
        for _ in 0..10 {
            assert!(evidence.e_value() < 300.0);
            evidence.push(-1.0);
        }
        assert!(evidence.e_value_at_most(1) >= 300.0);
        evidence.push(-f64::INFINITY);
        assert!(evidence.e_value() >= 300.0, "{}", evidence.e_value());
    }

    #[test]
    fn a_value_that_is_not_a_number_is_no_evidence() {
        for mut evidence in [Evidence::above(0.0, 1.0), Evidence::below(0.0, 1.0)] {
            evidence.push(f64::NAN);
            assert!(evidence.e_value() < 1.0);
        }
    }

    #[test]
    fn nothing_can_be_said_about_few_values() {
        for values in [&[][..], &[0.5; 6], &[f64::NAN; 20], &[f64::INFINITY; 20]] {
            assert_eq!(lower_bound(values, 0.01, 100.0), None, "{values:?}");
            assert_eq!(upper_bound(values, 0.01, 100.0), None, "{values:?}");
        }
        assert!(lower_bound(&[0.5; 20], 0.01, 100.0).is_some_and(|bound| bound < 0.5));
        assert!(upper_bound(&[0.5; 20], 0.01, 100.0).is_some_and(|bound| bound > 0.5));
    }

    proptest! {
        /// A bound has evidence exactly if the interval excludes it, so the interval never contradicts a decision.
        #[test]
        fn bounds_agree_with_the_evidence(
            values in prop::collection::vec(-0.05..0.05_f64, 0..40),
            bound in -0.06..0.06_f64,
            enough in [2.0..500.0_f64, 2.0..500.0],
        ) {
            let low = lower_bound(&values, 0.01, enough[0]).unwrap_or(f64::NEG_INFINITY);
            let high = upper_bound(&values, 0.01, enough[1]).unwrap_or(f64::INFINITY);
            prop_assert!(low < high);
            let e_value = |mut evidence: Evidence| {
                values.iter().for_each(|value| evidence.push(*value));
                evidence.e_value()
            };
            // Not where the bracket of the bound has not been narrowed enough.
            if (bound - low).abs() > 1e-6 && (bound - high).abs() > 1e-6 {
                prop_assert_eq!(e_value(Evidence::above(bound, 0.01)) >= enough[0], bound < low);
                prop_assert_eq!(e_value(Evidence::below(bound, 0.01)) >= enough[1], bound > high);
            }
        }
    }
}
