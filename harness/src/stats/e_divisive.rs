//! Finds changes of level in a series of values: E-divisive with a permutation test.
//!
//! The method is that of D. S. Matteson and N. A. James, "A nonparametric approach for multiple change point analysis of
//! multivariate data", *Journal of the American Statistical Association* 109 (2014), which MongoDB uses for its performance
//! tests (D. Daly et al., ICPE 2020). Apache Otava (Hunter) has the same statistic with a t-test. This is what is specific
//! here:
//!
//! - The statistic is the energy distance of the two parts of a cluster, with the exponent α = 1, times `mn / (m + n)` for
//!   parts of m and n values. The second part may end before the cluster does (κ in the article).
//! - Both parts have at least [`MIN_CLUSTER`] values. In each cluster the two smallest values are replaced by the third
//!   smallest, and the two largest by the third largest, so that fewer than [`MIN_CLUSTER`] outliers in one direction, of
//!   whatever size, are never a level. In long series they do not hide a level of at least five other values, but they can
//!   hide a shorter one. The order of the values has no influence on this, so the permutation test remains valid.
//! - A split is significant if the statistic of at most a few of many random permutations, within all clusters at once,
//!   reaches it: p = (1 + number of those) / (1 + number of permutations). This p-value is exact for values that can be
//!   exchanged (B. Phipson and G. K. Smyth, *Statistical Applications in Genetics and Molecular Biology* 9, 2010).
//! - Neighbouring levels whose medians differ by less than a smallest change are joined again.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::quantile::median;

/// The smallest number of values that can be a level.
pub const MIN_CLUSTER: usize = 3;

/// The smallest change of level that is reported, as a share. A linker that places the same code elsewhere changes a median
/// by about 1 %.
pub const MIN_CHANGE: f64 = 0.02;

/// How many permutations may reach the statistic of a change that is significant at the level.
const MAX_EXCEEDANCES: u32 = 3;

/// How changes are searched for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// The probability of reporting a change in a series that has none.
    pub level: f64,
    /// The seed of the permutations.
    pub seed: u64,
}

/// A change of level in a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangePoint {
    /// How many values lie before the change.
    pub at: usize,
    /// The median from the previous change on.
    pub before: f64,
    /// The median up to the next change.
    pub after: f64,
    /// The p-value of the permutation test.
    pub p: f64,
}

impl Search {
    /// The number of permutations of a test.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn permutations(self) -> u32 {
        (f64::from(MAX_EXCEEDANCES + 1) / self.level).ceil().min(f64::from(u32::MAX)) as u32 - 1
    }

    /// The smallest number of values in which a change is found: one in the middle, larger than all noise. Its p-value is at
    /// most half of the level, so that six of seven tests with random permutations find it.
    #[must_use]
    pub fn values_needed(self) -> usize {
        let enough = |count: &usize| smallest_p(*count, count / 2) <= self.level / 2.0;
        (2 * MIN_CLUSTER..MAX_NEEDED).find(enough).unwrap_or(MAX_NEEDED)
    }

    /// The same for a change near the end of `count` values: the smallest number of values that must follow it. `None` if there
    /// are too few values for any change.
    #[must_use]
    pub fn values_needed_after(self, count: usize) -> Option<usize> {
        (MIN_CLUSTER..=count / 2).find(|after| smallest_p(count, *after) <= self.level / 2.0)
    }

    /// The changes of level in `series`, in order of time. The values must be positive and finite; they are compared as
    /// ratios. The same series always has the same changes.
    ///
    /// For a series without a change, the probability that any is reported is at most the level, whatever the distribution
    /// of its values, if their order is random. A series that drifts has changes: a slope is reported as steps.
    #[must_use]
    pub fn change_points(self, series: &[f64]) -> Vec<ChangePoint> {
        if series.len() < self.values_needed()
            || !series.iter().all(|value| *value > 0.0 && value.is_finite())
        {
            return vec![];
        }
        let logs: Vec<f64> = series.iter().map(|value| value.ln()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut found: Vec<Border> = Vec::new();
        loop {
            let mut clusters: Vec<_> =
                clusters(&logs, &found).map(|(start, values)| (start, clipped(values))).collect();
            let splits = clusters.iter().filter_map(|(start, values)| Some((*start, best_split(values)?)));
            let best = splits.max_by(|a, b| a.1.statistic.total_cmp(&b.1.statistic));
            let Some((start, split)) = best.filter(|(_, split)| split.statistic > 0.0) else { break };
            let Some(p) = self.p_value(&mut clusters, split.statistic, &mut rng) else { break };
            found.push(Border { at: start + split.at, p });
            found.sort_by_key(|border| border.at);
        }
        with_levels(series, found)
    }

    /// The p-value of `statistic` if it is significant. The test ends as soon as it cannot be any more.
    fn p_value(
        self,
        clusters: &mut [(usize, Vec<f64>)],
        statistic: f64,
        rng: &mut ChaCha8Rng,
    ) -> Option<f64> {
        // The rounding of sums must not decide whether equal statistics are equal.
        let reached = statistic * (1.0 - 1e-9);
        let mut exceeded = 0;
        for _ in 0..self.permutations() {
            let is_reached = clusters.iter_mut().fold(false, |reaches, (_, values)| {
                values.shuffle(rng);
                reaches || best_split(values).is_some_and(|split| split.statistic >= reached)
            });
            exceeded += u32::from(is_reached);
            if exceeded > MAX_EXCEEDANCES {
                return None;
            }
        }
        Some(f64::from(exceeded + 1) / (f64::from(self.permutations()) + 1.0)).filter(|p| *p <= self.level)
    }
}

/// A series of as many values that is still too short for a level would need a level below 10⁻²⁰⁰.
const MAX_NEEDED: usize = 700;

/// The p-value of a change that is larger than all noise, `after` values before the end of `count` values: as many values
/// are at one of the two ends in two of the equally probable arrangements.
#[allow(clippy::cast_precision_loss)]
fn smallest_p(count: usize, after: usize) -> f64 {
    let arrangements = (1..=after).map(|k| ((count - after + k) as f64 / k as f64).ln()).sum::<f64>().exp();
    2.0 / arrangements
}

/// The border between two clusters.
#[derive(Clone, Copy)]
struct Border {
    at: usize,
    p: f64,
}

/// The parts of `series` between borders, each with its start.
fn clusters<'a>(series: &'a [f64], borders: &[Border]) -> impl Iterator<Item = (usize, &'a [f64])> {
    let starts = std::iter::once(0).chain(borders.iter().map(|border| border.at)).collect::<Vec<_>>();
    let ends: Vec<_> = starts[1..].iter().copied().chain([series.len()]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| (start, &series[start..end]))
}

/// The values with those beyond the third smallest and the third largest moved to these.
fn clipped(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    if sorted.len() < 2 * MIN_CLUSTER {
        return values.to_vec();
    }
    let (low, high) = (sorted[MIN_CLUSTER - 1], sorted[sorted.len() - MIN_CLUSTER]);
    values.iter().map(|value| value.clamp(low, high)).collect()
}

/// A split of a cluster, and its statistic.
#[derive(Clone, Copy, Debug)]
struct Split {
    at: usize,
    statistic: f64,
}

/// The split of `values` with the largest statistic: between those before it and those from it to some end, which need not be
/// the end of the cluster. So a level that does not last is not compared with what follows it. `None` if there are too few
/// values.
#[allow(clippy::cast_precision_loss)]
fn best_split(values: &[f64]) -> Option<Split> {
    let count = values.len();
    let pairs = |size: usize| size as f64 * (size as f64 - 1.0) / 2.0;
    let distance = |a: usize, b: usize| (values[a] - values[b]).abs();
    // The sum of the distances of each value to all values before it, and to those before the split.
    let to_earlier: Vec<f64> = (0..count).map(|at| (0..at).map(|other| distance(at, other)).sum()).collect();
    let mut to_first = vec![0.0; count];
    let mut best: Option<Split> = None;
    let mut within_first = 0.0;
    for at in 1..=count.saturating_sub(MIN_CLUSTER) {
        within_first += to_earlier[at - 1];
        for (end, sum) in to_first.iter_mut().enumerate().skip(at) {
            *sum += distance(end, at - 1);
        }
        if at < MIN_CLUSTER {
            continue;
        }
        let (mut between, mut within_second) = (0.0, 0.0);
        for end in at..count {
            between += to_first[end];
            within_second += to_earlier[end] - to_first[end];
            let size = end + 1 - at;
            if size < MIN_CLUSTER {
                continue;
            }
            let product = (at * size) as f64;
            let energy = 2.0 * between / product - within_first / pairs(at) - within_second / pairs(size);
            let statistic = product / (at + size) as f64 * energy;
            if best.is_none_or(|best| statistic > best.statistic) {
                best = Some(Split { at, statistic });
            }
        }
    }
    best
}

/// The changes at `borders`, without those between levels that differ by less than [`MIN_CHANGE`]: the smallest is taken out
/// first, and the levels on both sides of it become one.
fn with_levels(series: &[f64], mut borders: Vec<Border>) -> Vec<ChangePoint> {
    loop {
        let levels: Vec<f64> = clusters(series, &borders).filter_map(|(_, values)| median(values)).collect();
        let changes: Vec<_> = borders
            .iter()
            .zip(levels.windows(2))
            .map(|(border, levels)| ChangePoint {
                at: border.at,
                before: levels[0],
                after: levels[1],
                p: border.p,
            })
            .collect();
        let size = |change: &ChangePoint| (change.after / change.before).ln().abs();
        let smallest = (0..changes.len()).min_by(|a, b| size(&changes[*a]).total_cmp(&size(&changes[*b])));
        match smallest {
            Some(index) if size(&changes[index]) < (1.0 + MIN_CHANGE).ln() => {
                borders.remove(index);
            }
            _ => return changes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::Rng;

    const SEARCH: Search = Search { level: 0.01, seed: 1 };

    /// `levels` with the number of values at each, and noise of 0.4 %.
    fn steps(levels: &[(usize, f64)]) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let values = levels.iter().flat_map(|(count, level)| std::iter::repeat_n(*level, *count));
        values.map(|level| level * rng.random_range(0.996..1.004)).collect()
    }

    fn positions(series: &[f64]) -> Vec<usize> {
        SEARCH.change_points(series).iter().map(|change| change.at).collect()
    }

    /// The statistic of the split of the first `end` of `values` at `at`, directly from its definition.
    fn statistic_by_definition(values: &[f64], at: usize, end: usize) -> f64 {
        let mean = |a: &[f64], b: &[f64]| {
            let all: Vec<f64> = a.iter().flat_map(|a| b.iter().map(move |b| (a - b).abs())).collect();
            all.iter().sum::<f64>() / all.len() as f64
        };
        // Within a part, pairs of a value with itself do not count.
        let within = |part: &[f64]| mean(part, part) * part.len() as f64 / (part.len() as f64 - 1.0);
        let (first, second) = (&values[..at], &values[at..end]);
        let energy = 2.0 * mean(first, second) - within(first) - within(second);
        (first.len() * second.len()) as f64 / end as f64 * energy
    }

    /// Every split of `values` with its statistic.
    fn splits_by_definition(values: &[f64]) -> Vec<(usize, f64)> {
        let ends = |at: usize| at + MIN_CLUSTER..=values.len();
        let all = (MIN_CLUSTER..values.len()).flat_map(|at| ends(at).map(move |end| (at, end)));
        all.map(|(at, end)| (at, statistic_by_definition(values, at, end))).collect()
    }

    #[test]
    fn the_statistic_is_that_of_the_definition() {
        let values = [3.0, 1.0, 2.0, 7.0, 9.0, 8.5, 4.0];
        let all = splits_by_definition(&values);
        assert_eq!(all.len(), 3);
        let expected = all.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        let best = best_split(&values).unwrap();
        assert_eq!((best.at, expected.0), (3, 3));
        assert!((best.statistic - expected.1).abs() < 1e-9);
        assert!(best_split(&values[..5]).is_none());
    }

    #[test]
    fn two_outliers_do_not_hide_a_level_of_five_others_in_a_long_series_but_one_of_three() {
        const SEEDS: u64 = 20;
        // The number of seeds that find a rise after `before` values, with outliers before it or in it.
        let found = |before: usize, after: usize, outliers: [(usize, f64); 2]| {
            let mut series = steps(&[(before, 20.0), (after, 21.0)]);
            for (at, factor) in outliers {
                series[at] *= factor;
            }
            let seeds = (0..SEEDS).map(|seed| Search { seed, ..SEARCH });
            // Outliers at the border may belong to either level.
            let is_found = |search: &Search| {
                search.change_points(&series).iter().any(|change| change.at.abs_diff(before) <= 3)
            };
            seeds.filter(is_found).count()
        };
        assert!(found(30, 5, [(4, 1e6), (11, 1e6)]) >= 17);
        for second in [32, 34] {
            assert!(found(30, 7, [(31, 1e-6), (second, 1e-6)]) >= 17);
            assert!(found(30, 7, [(31, 1e-6), (second, 1e6)]) >= 17);
        }
        assert_eq!(found(16, 3, [(4, 1e6), (11, 1e6)]), 0);
    }

    #[test]
    fn clipping_keeps_the_order_of_time() {
        assert_eq!(clipped(&[3.0, 1.0, 2.0]), [3.0, 1.0, 2.0]);
        assert_eq!(clipped(&[9.0, 1.0, 5.0, 2.0, 8.0, 6.0, 7.0]), [7.0, 5.0, 5.0, 5.0, 7.0, 6.0, 7.0]);
    }

    #[test]
    fn finds_the_positions_and_the_sizes_of_steps() {
        let found = SEARCH.change_points(&steps(&[(7, 30.0), (13, 20.0)]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].at, 7);
        assert!((found[0].after / found[0].before * 1.5 - 1.0).abs() < 0.005, "{found:?}");
        assert!(found[0].p <= SEARCH.level);
        assert_eq!(positions(&steps(&[(12, 10.0), (10, 11.0), (9, 10.4), (12, 12.0)])), [12, 22, 31]);
        // Back to the same level.
        assert_eq!(positions(&steps(&[(15, 10.0), (8, 10.5), (15, 10.0)])), [15, 23]);
    }

    #[test]
    fn outliers_are_no_change_and_do_not_hide_one() {
        let mut series = steps(&[(30, 20.0)]);
        series[4] *= 100.0;
        series[5] *= 1.1;
        series[29] /= 50.0;
        assert_eq!(positions(&series), Vec::<usize>::new());
        let mut series = steps(&[(16, 20.0), (14, 21.0)]);
        series[4] *= 100.0;
        series[25] /= 100.0;
        assert_eq!(positions(&series), [16]);
    }

    #[test]
    fn a_slope_is_reported_as_steps() {
        let slope: Vec<f64> = (0..40).map(|i| 20.0 + f64::from(i)).collect();
        let found = SEARCH.change_points(&slope);
        assert!(found.len() > 1 && found.iter().all(|change| change.after > change.before), "{found:?}");
    }

    #[test]
    fn changes_below_the_smallest_one_are_left_out() {
        assert_eq!(
            positions(&steps(&[(20, 20.0), (20, 20.0 * (1.0 + MIN_CHANGE / 2.0))])),
            Vec::<usize>::new()
        );
        assert_eq!(positions(&steps(&[(20, 20.0), (20, 20.0 * (1.0 + 2.0 * MIN_CHANGE))])), [20]);
        // Two small steps are one change where their sum is large enough, unless each of them is too small.
        let stairs = steps(&[(20, 20.0), (20, 20.3), (20, 21.2)]);
        assert_eq!(positions(&stairs), [40]);
    }

    #[test]
    fn the_numbers_of_values_that_a_change_takes_are_exact() {
        assert_eq!((SEARCH.permutations(), SEARCH.values_needed()), (399, 11));
        // Two of the 462 arrangements of eleven values have the largest statistic.
        assert!((smallest_p(11, 5) - 2.0 / 462.0).abs() < 1e-9);
        let found = |series: &[f64]| {
            let seeds = (0..100).map(|seed| Search { seed, ..SEARCH });
            seeds.filter(|search| !search.change_points(series).is_empty()).count()
        };
        for (before, after) in [(6, 5), (16, 3), (8, 4)] {
            let series = [vec![1.0; before], vec![2.0; after]].concat();
            assert_eq!(SEARCH.values_needed_after(before + after), Some(after));
            let found = found(&series);
            assert!(found >= 85, "{found} of 100 with {before} and {after}");
        }
        assert_eq!(found(&[vec![1.0; 5], vec![2.0; 5]].concat()), 0, "too few to be looked at");
        assert_eq!(SEARCH.values_needed_after(10), None);
        let strict = Search { level: 0.01 / 200.0, seed: 1 };
        assert_eq!((strict.values_needed(), strict.values_needed_after(30)), (19, Some(5)));
    }

    #[test]
    fn series_that_are_short_constant_or_not_positive_have_no_change() {
        for series in [vec![], vec![1.0], vec![1.0; 40], [vec![1.0; 20], vec![0.0; 20]].concat()] {
            assert_eq!(SEARCH.change_points(&series), vec![]);
        }
        assert_eq!(SEARCH.change_points(&[vec![1.0; 20], vec![f64::NAN; 20]].concat()), vec![]);
    }

    #[test]
    fn false_positives_are_as_rare_as_the_level() {
        // Most values repeat within 0.4 %, some are off by 10 %, and some by a factor of 100.
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut noise = || {
            let rare: f64 = rng.random();
            let size = if rare < 0.02 {
                100.0
            } else if rare < 0.12 {
                1.1
            } else {
                1.002
            };
            10.0 * if rng.random() { size } else { 1.0 / size } * rng.random_range(0.998..1.002)
        };
        let mut series = || (0..20).map(|_| noise()).collect::<Vec<f64>>();
        let search = Search { level: 0.05, seed: 5 };
        let found = (0..1_000).filter(|_| !search.change_points(&series()).is_empty()).count();
        // 1,000 × 5 % and three standard deviations.
        assert!(found <= 70, "{found} of 1,000");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_clear_step_is_found_where_it_is(
            before in 8_usize..25,
            after in 8_usize..25,
            ratio in 1.05_f64..3.0,
            is_rise: bool,
            scale in 1e-3_f64..1e9,
        ) {
            let ratio = if is_rise { ratio } else { 1.0 / ratio };
            let series = steps(&[(before, scale), (after, scale * ratio)]);
            let found = SEARCH.change_points(&series);
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(found[0].at, before);
            prop_assert!((found[0].after / found[0].before / ratio - 1.0).abs() < 0.01);
        }

        #[test]
        fn the_best_split_is_the_best_by_the_definition(values in prop::collection::vec(-50_i32..50, 0..24)) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let all = splits_by_definition(&values);
            let best = best_split(&values);
            prop_assert_eq!(best.is_some(), !all.is_empty());
            if let Some(best) = best {
                let largest = all.iter().map(|(_, statistic)| *statistic).fold(f64::NEG_INFINITY, f64::max);
                prop_assert!((best.statistic - largest).abs() < 1e-9, "{best:?}, not {largest}");
                // Of several equally good splits any may be chosen.
                prop_assert!(all.iter().any(|(at, statistic)| *at == best.at && largest - statistic < 1e-9));
            }
        }

        #[test]
        fn levels_are_at_least_as_long_as_a_cluster_and_differ(
            series in prop::collection::vec(0.5_f64..2.0, 0..40),
            jump in 0_usize..40,
        ) {
            let series: Vec<f64> =
                series.iter().enumerate().map(|(at, value)| if at < jump { *value } else { 10.0 * value }).collect();
            let found = SEARCH.change_points(&series);
            let ends: Vec<_> =
                [0].into_iter().chain(found.iter().map(|change| change.at)).chain([series.len()]).collect();
            prop_assert!(found.is_empty() || ends.windows(2).all(|pair| pair[1] - pair[0] >= MIN_CLUSTER));
            for change in &found {
                prop_assert!((change.after / change.before).ln().abs() >= (1.0 + MIN_CHANGE).ln() - 1e-12);
            }
            prop_assert_eq!(found, SEARCH.change_points(&series));
        }
    }
}
