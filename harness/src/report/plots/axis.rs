//! Axes: the position of each value, and the ticks.

/// A linear or logarithmic axis, with its ends in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    from: f64,
    to: f64,
}

impl Axis {
    /// A linear axis from 0 to the largest of `values`.
    pub(super) fn linear(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let high = values.filter(|v| v.is_finite()).fold(0.0, f64::max);
        Axis { low: 0.0, high: if high > 0.0 { high } else { 1.0 }, logarithmic: false, from, to }
    }

    /// An axis around `values`, without a zero: linear, or logarithmic where the largest value is a multiple of the smallest.
    /// It spans at least 6 % of the values, so that small differences look small.
    pub(super) fn around(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        const MAX_LINEAR_RATIO: f64 = 4.0;
        const MIN_SPAN: f64 = 0.06;
        let logarithmic = Axis::logarithmic(values.clone(), from, to);
        let (low, high) = values
            .filter(|v| v.is_finite() && *v > 0.0)
            .fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), v| (low.min(v), high.max(v)));
        if low > high || high > MAX_LINEAR_RATIO * low {
            return logarithmic;
        }
        let middle = f64::midpoint(low, high);
        let half = (0.58 * (high - low)).max(MIN_SPAN / 2.0 * middle);
        Axis { low: middle - half, high: middle + half, logarithmic: false, from, to }
    }

    /// A logarithmic axis that contains all positive `values`.
    pub(super) fn logarithmic(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        const MARGIN: f64 = 1.15;
        let (low, high) = values
            .filter(|v| v.is_finite() && *v > 0.0)
            .fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), v| (low.min(v), high.max(v)));
        let (low, high) = if low <= high { (low / MARGIN, high * MARGIN) } else { (1.0, 10.0) };
        Axis { low, high, logarithmic: true, from, to }
    }

    /// The position of `value`; values beyond the axis are at its end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            // Not the logarithm of the quotient, which may be too large for a number.
            (value.max(f64::MIN_POSITIVE).ln() - self.low.ln()) / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        self.from + share * (self.to - self.from)
    }

    /// Whether `value` lies below the axis.
    pub(super) fn is_below(&self, value: f64) -> bool {
        value < self.low
    }

    /// The values of the ticks, in ascending order.
    pub(super) fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            let all = |steps: &[f64]| -> Vec<f64> {
                decades(self.low, self.high)
                    .flat_map(|decade| steps.iter().map(move |step| step * decade))
                    .filter(|tick| (self.low..=self.high).contains(tick))
                    .collect()
            };
            let candidates = [(all(&[1.0]), 4), (all(&[1.0, 3.0]), 4), (all(&[1.0, 2.0, 5.0]), 3)];
            if let Some((ticks, _)) = candidates.into_iter().find(|(ticks, enough)| ticks.len() >= *enough) {
                return ticks;
            }
        }
        even_ticks(self.low, self.high)
    }
}

fn decades(low: f64, high: f64) -> impl Iterator<Item = f64> {
    #[allow(clippy::cast_possible_truncation)] // Logarithms of doubles are within ±324.
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    (first..=last).map(|power| 10_f64.powi(power))
}

/// About five round numbers from `low` to `high`.
fn even_ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let decade = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade).into_iter().find(|step| *step >= rough);
    let Some(step) = step.filter(|step| step.is_finite() && *step > 0.0) else { return vec![] };
    let mut tick = (low / step).ceil() * step;
    let mut ticks = Vec::new();
    while tick <= high && ticks.len() < 10 {
        ticks.push(tick);
        tick += step;
    }
    ticks
}

/// Moves the `wanted` positions apart until neighbours are at least `gap` from each other, inside `from..=to` where
/// there is enough space, and keeps their order.
#[allow(clippy::cast_precision_loss)]
pub(super) fn spread_out(wanted: &[f64], gap: f64, from: f64, to: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    // Runs of positions that touch: where the run begins, and its members.
    let mut runs: Vec<(f64, Vec<usize>)> = Vec::new();
    for index in order {
        runs.push((wanted[index], vec![index]));
        while let [.., before, last] = runs.as_slice() {
            if before.0 + before.1.len() as f64 * gap <= last.0 {
                break;
            }
            let mut joined = before.1.clone();
            joined.extend(&last.1);
            // A run is centred at the mean of the positions that its members want.
            let mean = joined.iter().map(|member| wanted[*member]).sum::<f64>() / joined.len() as f64;
            let start = mean - (joined.len() - 1) as f64 * gap / 2.0;
            let latest = to - (joined.len() - 1) as f64 * gap;
            runs.truncate(runs.len() - 2);
            runs.push((start.min(latest).max(from), joined));
        }
    }
    let mut positions = wanted.to_vec();
    for (start, members) in runs {
        for (position, member) in members.into_iter().enumerate() {
            positions[member] = start + position as f64 * gap;
        }
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn there_are_enough_ticks_and_they_are_round() {
        let ticks = |axis: Axis| axis.ticks();
        assert_eq!(
            ticks(Axis::linear([163_000.0].into_iter(), 0.0, 1.0)),
            [0.0, 50_000.0, 100_000.0, 150_000.0]
        );
        assert_eq!(
            ticks(Axis::logarithmic([0.2, 5_000.0].into_iter(), 0.0, 1.0)),
            [1.0, 10.0, 100.0, 1_000.0]
        );
        assert_eq!(
            ticks(Axis::logarithmic([5.2, 230.0].into_iter(), 0.0, 1.0)),
            [5.0, 10.0, 20.0, 50.0, 100.0, 200.0]
        );
        assert!(ticks(Axis::logarithmic([11.0, 19.0].into_iter(), 0.0, 1.0)).len() >= 3);
    }

    #[test]
    fn an_axis_without_values_is_still_finite() {
        for axis in [Axis::linear([].into_iter(), 5.0, 9.0), Axis::logarithmic([0.0].into_iter(), 5.0, 9.0)] {
            assert!((5.0..=9.0).contains(&axis.at(0.0)));
            assert!((5.0..=9.0).contains(&axis.at(f64::INFINITY)));
            assert!(axis.ticks().iter().all(|tick| tick.is_finite()));
        }
    }

    #[test]
    fn values_beyond_the_axis_are_at_its_ends() {
        let axis = Axis::logarithmic([0.1, 3.0].into_iter(), 100.0, 500.0);
        for (value, end) in [(0.0, 100.0), (1e-300, 100.0), (f64::MAX, 500.0), (f64::INFINITY, 500.0)] {
            assert!((axis.at(value) - end).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn an_axis_around_values_shows_small_differences_small_and_large_ones_logarithmically() {
        let ends = |axis: Axis| (axis.low, axis.high);
        let (low, high) = ends(Axis::around([100.0, 100.1].into_iter(), 0.0, 1.0));
        assert!(high - low > 5.9 && low < 100.0 && high > 100.1);
        let (low, high) = ends(Axis::around([100.0, 150.0].into_iter(), 0.0, 1.0));
        assert!(low > 90.0 && high < 160.0);
        assert!(Axis::around([1.0, 5.0].into_iter(), 0.0, 1.0).logarithmic);
        assert!(Axis::around([f64::NAN].into_iter(), 0.0, 1.0).at(3.0).is_finite());
    }

    proptest! {
        #[test]
        fn positions_that_are_moved_apart_keep_their_order(wanted in prop::collection::vec(0.0_f64..300.0, 0..15)) {
            let positions = spread_out(&wanted, 16.0, 0.0, 300.0);
            let mut sorted = positions.clone();
            sorted.sort_by(f64::total_cmp);
            prop_assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] >= 16.0 - 1e-6));
            prop_assert!(sorted.iter().all(|position| (0.0..=300.0).contains(position)));
            for (a, b) in wanted.iter().zip(&positions).flat_map(|a| wanted.iter().zip(&positions).map(move |b| (a, b))) {
                prop_assert!(a.0 >= b.0 || a.1 <= b.1);
            }
        }
    }
}
