//! Simulated tables with the noise of a real run: how often a table contains a false statement, and how often it states a
//! difference that is there.
//!
//! A simulated block is a block of the real run, chosen at random with replacement: the noise of all stacks in that
//! block is kept together, so that disturbances which several stacks have in common stay in common. δ follows from the A/A
//! pairs of the same blocks, as it does in a real table: their halves were measured next to each other, which two stacks of a
//! block were not, so the noise of stacks would make it too large.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::interval::{Interval, ratio_interval};
use super::quantile::median;
use super::statement::{ByBlock, Comparison, Comparisons, Statement, delta, error_each, ratio};

/// The noise of a measurement: the logarithm of each stack's speed in each block, less its median over the blocks.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    blocks: Vec<NoiseOfBlock>,
}

/// The noise of a block.
#[derive(Clone, Debug, PartialEq)]
struct NoiseOfBlock {
    /// A value for each stack.
    stacks: Vec<f64>,
    /// The ratio of the halves of each A/A pair.
    same: Vec<f64>,
}

/// Whose noise a simulated stack has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// That of any real stack, chosen anew in each block. All simulated stacks have the same distribution, so that the true
    /// ratio of two of them is known exactly.
    AnyStack,
    /// That of one real stack, which is chosen anew for each table, another one for each simulated stack while there are any. So
    /// simulated stacks differ in how noisy they are, and two of them have as much noise in common as two real ones.
    OneStack,
}

/// A table to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// The number of stacks.
    pub stacks: usize,
    /// The number of blocks.
    pub blocks: u32,
    /// By how much the first stack is faster than all others, as a share; these are equally fast.
    pub effect: f64,
    /// Whose noise the stacks have.
    pub source: Source,
}

/// What simulated tables stated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The number of tables.
    pub tables: u32,
    /// How many contain a statement that is false: *faster* with an interval that does not contain the true ratio, or *no
    /// difference above δ* where there is one.
    pub with_false_statement: u32,
    /// How many state that the first stack is faster than the second.
    pub with_effect_stated: u32,
}

impl Noise {
    /// The noise of `speeds`, one for each stack, and of `same`, the ratio of the halves of each A/A pair, in the blocks that
    /// all of them have; `None` without such a block.
    #[must_use]
    pub fn of(speeds: &[ByBlock], same: &[ByBlock]) -> Option<Self> {
        let first = speeds.first()?;
        let is_common = |block: &&u32| {
            speeds.iter().chain(same).all(|figures| figures.get(block).is_some_and(|it| it.ln().is_finite()))
        };
        let common: Vec<u32> = first.keys().filter(is_common).copied().collect();
        let of_stack = |speeds: &ByBlock| -> Option<Vec<f64>> {
            let common = common.iter().filter_map(|block| speeds.get(block));
            let logs: Vec<f64> = common.map(|speed| speed.ln()).collect();
            let middle = median(&logs)?;
            Some(logs.into_iter().map(|log| log - middle).collect())
        };
        let by_stack: Vec<Vec<f64>> = speeds.iter().map(of_stack).collect::<Option<_>>()?;
        let blocks = common.iter().enumerate().map(|(position, block)| NoiseOfBlock {
            stacks: by_stack.iter().map(|logs| logs[position]).collect(),
            same: same.iter().filter_map(|ratios| ratios.get(block).copied()).collect(),
        });
        Some(Noise { blocks: blocks.collect() })
    }

    /// Simulates `count` tables. `seed` determines the result.
    #[must_use]
    pub fn simulate(&self, table: Table, count: u32, seed: u64) -> Outcome {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut outcome = Outcome::default();
        for _ in 0..count {
            let drawn = self.draw(table, &mut rng);
            let compared = Comparisons::new(&drawn.speeds.iter().collect::<Vec<_>>(), &drawn.same);
            let is_false = |pair: &Comparison| {
                let factor = if pair.stacks[0] == 0 { drawn.first } else { 1.0 };
                let (low, high) = self.true_ratio(pair.stacks, &drawn.stacks);
                is_false(pair, compared.delta, (factor * low, factor * high))
            };
            outcome.tables += 1;
            outcome.with_false_statement += u32::from(compared.pairs.iter().any(is_false));
            let first = compared.between(0, 1).map(|pair| pair.statement);
            outcome.with_effect_stated += u32::from(first == Some(Statement::Faster));
        }
        outcome
    }

    /// The smallest effect that the share `power` of tables states: that the first stack is faster than the second by as much,
    /// with all the pairs of `table` and δ from the A/A pairs. `None` where there are too few blocks for any statement. The effect
    /// of `table` is not used; `seed` determines the result.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
    pub fn detectable(&self, table: Table, power: f64, count: u32, seed: u64) -> Option<f64> {
        let error = error_each(table.stacks * table.stacks.saturating_sub(1) / 2);
        // Other stacks matter only as pairs that share the error.
        let two = Table { stacks: 2, effect: 0.0, ..table };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let stated_from = |_| {
            let drawn = self.draw(two, &mut rng);
            let low = ratio(drawn.speeds.first()?, drawn.speeds.get(1)?, error)?.low;
            // The effect multiplies the whole interval, which must lie beyond δ.
            Some((1.0 + delta(&drawn.same)) / low - 1.0)
        };
        let mut effects: Vec<f64> = (0..count).map(stated_from).collect::<Option<_>>()?;
        effects.sort_unstable_by(f64::total_cmp);
        effects.get(((power * effects.len() as f64).ceil() as usize).checked_sub(1)?).copied()
    }

    /// The speeds of the stacks of `table`, and the ratios of the A/A pairs in the same blocks.
    fn draw(&self, table: Table, rng: &mut ChaCha8Rng) -> Drawn {
        let (count, pairs) =
            self.blocks.first().map_or((0, 0), |block| (block.stacks.len(), block.same.len()));
        let mut stacks: Vec<usize> = (0..count).collect();
        match table.source {
            Source::AnyStack => stacks.clear(),
            Source::OneStack => stacks.shuffle(rng),
        }
        // The true ratio of the first two is the effect, whatever that of the medians of their noise.
        let (low, high) = self.true_ratio([0, 1], &stacks);
        let first = (1.0 + table.effect) / (low * high).sqrt();
        let mut speeds = vec![ByBlock::new(); table.stacks];
        let mut same = vec![Vec::new(); pairs];
        for block in 0..table.blocks {
            let noise = &self.blocks[rng.random_range(0..self.blocks.len())];
            for (stack, speeds) in speeds.iter_mut().enumerate() {
                let from = match table.source {
                    Source::AnyStack => rng.random_range(0..count),
                    Source::OneStack => stacks[stack % count],
                };
                let effect = if stack == 0 { first } else { 1.0 };
                speeds.insert(block, effect * noise.stacks[from].exp());
            }
            for (ratios, ratio) in same.iter_mut().zip(&noise.same) {
                ratios.push(*ratio);
            }
        }
        let error = error_each(pairs);
        let same = same.iter().filter_map(|ratios| ratio_interval(ratios, error)).collect();
        Drawn { stacks, first, speeds, same }
    }

    /// The true median of the ratio of two simulated stacks without an effect, which have the noise of these real `stacks`, or of any
    /// in turn if there are none. Any number between the two bounds is a median.
    fn true_ratio(&self, [a, b]: [usize; 2], stacks: &[usize]) -> (f64, f64) {
        if stacks.is_empty() {
            return (1.0, 1.0);
        }
        let [a, b] = [a, b].map(|stack| stacks[stack % stacks.len()]);
        let mut differences: Vec<f64> =
            self.blocks.iter().map(|block| block.stacks[a] - block.stacks[b]).collect();
        differences.sort_unstable_by(f64::total_cmp);
        let count = differences.len();
        let (lower, upper) = (differences[(count - 1) / 2], differences[count / 2]);
        // The rounding of sums must not make a true statement false.
        ((lower - 1e-12).exp(), (upper + 1e-12).exp())
    }
}

/// The stacks of a simulated table.
struct Drawn {
    /// The real stacks whose noise they have; empty for [`Source::AnyStack`].
    stacks: Vec<usize>,
    /// What the noise of the first one is multiplied with.
    first: f64,
    speeds: Vec<ByBlock>,
    /// The A/A pairs.
    same: Vec<Interval>,
}

/// Whether the statement of `pair` contradicts the truth: that the ratio of its stacks is any number between these two.
fn is_false(pair: &Comparison, delta: f64, (low, high): (f64, f64)) -> bool {
    let is_outside = |from: f64, to: f64| high < from || low > to;
    match (pair.statement, pair.ratio) {
        (Statement::Undecided, _) | (_, None) => false,
        (Statement::NoDifference, _) => is_outside(1.0 / (1.0 + delta), 1.0 + delta),
        (Statement::Faster | Statement::Slower, Some(ratio)) => is_outside(ratio.low, ratio.high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::MIN_DELTA;

    const TABLE: Table = Table { stacks: 10, blocks: 30, effect: 0.05, source: Source::AnyStack };

    fn noise(blocks: &[([f64; 2], f64)]) -> Noise {
        let of_block = |(stacks, same): &([f64; 2], f64)| NoiseOfBlock {
            stacks: stacks.to_vec(),
            same: vec![same.exp()],
        };
        Noise { blocks: blocks.iter().map(of_block).collect() }
    }

    #[test]
    fn a_false_statement_is_counted() {
        let noise = noise(&[([0.0, 0.0], 0.0); 12]);
        let pair = |low: f64, high: f64| {
            let ratio = Some(Interval { low, median: f64::midpoint(low, high), high });
            Comparison { stacks: [0, 1], ratio, statement: Statement::of(ratio, 0.01) }
        };
        let truth = (1.05, 1.05);
        assert!(!is_false(&pair(1.04, 1.06), 0.01, truth));
        assert!(is_false(&pair(1.06, 1.08), 0.01, truth));
        assert!(is_false(&pair(0.90, 0.95), 0.01, truth));
        assert!(is_false(&pair(0.995, 1.005), 0.01, truth));
        assert!(!is_false(&pair(0.9, 1.2), 0.01, truth));
        let table = Table { stacks: 2, effect: 0.05, ..TABLE };
        assert_eq!(
            noise.simulate(table, 50, 3),
            Outcome { tables: 50, with_false_statement: 0, with_effect_stated: 50 }
        );
    }

    #[test]
    fn a_detectable_effect_is_stated_by_as_many_tables_as_it_says() {
        let steps = [0.0, 0.002, -0.001, 0.004, -0.003, 0.03, 0.001, -0.05, 0.0, 0.002];
        let noise = noise(&steps.map(|step| ([step, -step / 2.0], step / 3.0)));
        let table = Table { stacks: 2, ..TABLE };
        let effect = noise.detectable(table, 0.8, 1_000, 3).unwrap();
        assert!(effect > MIN_DELTA, "{effect}");
        let stated = |effect| noise.simulate(Table { effect, ..table }, 1_000, 3).with_effect_stated;
        assert!(stated(effect + 1e-9) >= 800 && stated(effect - 1e-9) < 800, "{effect}");
        // More pairs take a larger effect, and more blocks than there are.
        assert!(noise.detectable(TABLE, 0.8, 1_000, 3).unwrap() >= effect);
        assert_eq!(noise.detectable(Table { blocks: 13, ..TABLE }, 0.8, 100, 3), None);
    }

    #[test]
    fn a_noisy_a_a_pair_hides_a_difference_that_a_quiet_one_does_not() {
        let detectable = |same: f64| {
            let noise = noise(&[([0.001, -0.001], same), ([0.0, 0.0], -same)]);
            noise.detectable(Table { stacks: 2, ..TABLE }, 0.8, 500, 3).unwrap()
        };
        let (quiet, noisy) = (detectable(0.002), detectable(0.05));
        assert!(quiet > MIN_DELTA && quiet < 0.015, "{quiet}");
        assert!(noisy > 0.05 && noisy < 0.06, "{noisy}");
    }

    #[test]
    fn noise_is_taken_from_the_blocks_that_all_stacks_and_pairs_have() {
        let speeds = [
            (0..5).map(|block| (block, 100.0)).collect(),
            ByBlock::from([(1, 1.0), (2, 7.0), (3, 4.0), (9, 1.0)]),
        ];
        let same = ByBlock::from([(1, 1.1), (3, 0.9), (4, 1.0)]);
        let noise = Noise::of(&speeds, &[same]).unwrap();
        assert_eq!(noise.blocks.iter().map(|block| block.same.clone()).collect::<Vec<_>>(), [[1.1], [0.9]]);
        let of_second: Vec<f64> = noise.blocks.iter().map(|block| block.stacks[1]).collect();
        let half = 2.0_f64.ln();
        assert!((of_second[0] + half).abs() < 1e-9 && (of_second[1] - half).abs() < 1e-9, "{of_second:?}");
        assert_eq!(Noise::of(&speeds, &[ByBlock::new()]), None);
        assert_eq!(Noise::of(&[], &[]), None);
        assert_eq!(Noise::of(&[ByBlock::new()], &[]), None);
    }
}
