//! The three statements that a table makes about its stacks, and the rate of errors that it keeps.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::interval::{Interval, blocks_needed, ratio_interval};

/// A figure of each block in which a stack has a valid trial, by the number of the block.
pub type ByBlock = BTreeMap<u32, f64>;

/// The probability that a table contains a false statement is at most this.
pub const ERROR_RATE: f64 = 0.01;

/// The smallest difference that any statement is about, as a share.
pub const MIN_DELTA: f64 = 0.01;

/// What a table says about two of its stacks. There is no other form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Statement {
    /// The first one is faster: the interval lies wholly above 1 + δ.
    Faster,
    /// The second one is faster: the interval lies wholly below 1 ÷ (1 + δ).
    Slower,
    /// There is no difference above δ: the interval lies wholly within these bounds.
    NoDifference,
    /// The blocks do not tell.
    Undecided,
}

impl Statement {
    /// The statement that follows from the interval of a ratio of speeds and from δ, a share.
    #[must_use]
    pub fn of(ratio: Option<Interval>, delta: f64) -> Self {
        let (low, high) = (1.0 / (1.0 + delta), 1.0 + delta);
        match ratio {
            Some(ratio) if ratio.low > high => Statement::Faster,
            Some(ratio) if ratio.high < low => Statement::Slower,
            Some(ratio) if ratio.low >= low && ratio.high <= high => Statement::NoDifference,
            _ => Statement::Undecided,
        }
    }

    /// The same statement about the two stacks in the other order.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Statement::Faster => Statement::Slower,
            Statement::Slower => Statement::Faster,
            other => other,
        }
    }
}

/// The ratio of `a` to `b` in each block that both have.
#[must_use]
pub fn ratios(a: &ByBlock, b: &ByBlock) -> ByBlock {
    a.iter().filter_map(|(block, a)| Some((*block, a / b.get(block)?))).collect()
}

/// The ratio of `a` to `b` over the blocks that both have, with an interval that is wrong with a probability of at most
/// `error`; `None` where there are too few blocks.
#[must_use]
pub fn ratio(a: &ByBlock, b: &ByBlock, error: f64) -> Option<Interval> {
    ratio_interval(&ratios(a, b).into_values().collect::<Vec<_>>(), error)
}

/// Two stacks of a table and the statement about them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The positions of the stacks in the table; the first one is smaller.
    pub stacks: [usize; 2],
    /// The speed of the first stack as a multiple of that of the second; `None` where there are too few blocks.
    pub ratio: Option<Interval>,
    /// The statement about the first stack and the second.
    pub statement: Statement,
}

/// The statements about all pairs of stacks in a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparisons {
    /// δ, a share: the difference that a statement is about. The larger of [`MIN_DELTA`] and the largest difference
    /// from 1 that the A/A pairs leave possible.
    pub delta: f64,
    /// Every pair of stacks.
    pub pairs: Vec<Comparison>,
    /// The smallest number of blocks with which a statement about one of these pairs is possible.
    pub blocks_needed: usize,
}

impl Comparisons {
    /// Compares all pairs of `speeds`, each with the speed of one stack in every block. `same` are the A/A pairs of the
    /// same table: ratios of a stack to itself.
    ///
    /// Every interval is wrong with a probability of at most [`ERROR_RATE`] divided by the number of pairs. By
    /// Bonferroni's inequality all of them are right at once, and with them all statements, with a probability of at
    /// least 1 − [`ERROR_RATE`].
    #[must_use]
    pub fn new(speeds: &[&ByBlock], same: &[Interval]) -> Self {
        let count = speeds.len() * speeds.len().saturating_sub(1) / 2;
        let error = error_each(count);
        let delta = delta(same);
        let pairs = (0..speeds.len()).flat_map(|a| (a + 1..speeds.len()).map(move |b| [a, b]));
        let compare = |stacks: [usize; 2]| {
            let ratio = ratio(speeds[stacks[0]], speeds[stacks[1]], error);
            Comparison { stacks, ratio, statement: Statement::of(ratio, delta) }
        };
        Comparisons { delta, pairs: pairs.map(compare).collect(), blocks_needed: blocks_for_pairs(count) }
    }

    /// The comparison of the stacks `a` and `b`, in this order; `None` if there is none.
    #[must_use]
    pub fn between(&self, a: usize, b: usize) -> Option<Comparison> {
        let found = self.pairs.iter().find(|pair| pair.stacks == [a.min(b), a.max(b)])?;
        let in_order = if a < b {
            *found
        } else {
            Comparison {
                stacks: [a, b],
                ratio: found.ratio.map(|ratio| ratio.inverse()),
                statement: found.statement.reversed(),
            }
        };
        Some(in_order)
    }
}

/// δ, a share: the larger of [`MIN_DELTA`] and the largest difference from 1 that `same`, the ratios of A/A pairs, leave
/// possible.
#[must_use]
pub fn delta<'a>(same: impl IntoIterator<Item = &'a Interval>) -> f64 {
    same.into_iter().map(Interval::largest_difference).fold(MIN_DELTA, f64::max)
}

/// The error that each of `count` intervals of a table may have, so that the table keeps [`ERROR_RATE`].
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn error_each(count: usize) -> f64 {
    ERROR_RATE / count.max(1) as f64
}

/// The smallest number of blocks with which a statement about one of `count` pairs of stacks is possible.
#[must_use]
pub fn blocks_for_pairs(count: usize) -> usize {
    blocks_needed(error_each(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn interval(low: f64, high: f64) -> Option<Interval> {
        Some(Interval { low, median: f64::midpoint(low, high), high })
    }

    #[test]
    fn statements_follow_from_the_interval_and_delta() {
        for (low, high, delta, statement) in [
            (1.02, 1.05, 0.01, Statement::Faster),
            (1.02, 1.05, 0.03, Statement::Undecided),
            (1.0, 1.05, 0.01, Statement::Undecided),
            (0.95, 0.98, 0.01, Statement::Slower),
            (0.995, 1.005, 0.01, Statement::NoDifference),
            (1.002, 1.005, 0.01, Statement::NoDifference),
            (1.0, 1.02, 0.01, Statement::Undecided),
            (0.5, 2.0, 0.01, Statement::Undecided),
        ] {
            let found = Statement::of(interval(low, high), delta);
            assert_eq!(found, statement, "{low} {high} {delta}");
            let inverse = interval(low, high).map(|ratio| ratio.inverse());
            assert_eq!(Statement::of(inverse, delta), statement.reversed());
        }
        assert_eq!(Statement::of(None, 0.01), Statement::Undecided);
    }

    fn steady(speed: f64, blocks: u32) -> ByBlock {
        (0..blocks).map(|block| (block, speed)).collect()
    }

    #[test]
    fn all_pairs_are_compared_in_either_order() {
        let speeds = [steady(1.2, 12), steady(1.1, 12), steady(1.1, 12)];
        let compared = Comparisons::new(&speeds.each_ref(), &[]);
        let statement = |a, b| compared.between(a, b).unwrap().statement;
        assert_eq!(compared.pairs.len(), 3);
        assert_eq!((statement(0, 1), statement(1, 0)), (Statement::Faster, Statement::Slower));
        assert_eq!((statement(1, 2), statement(2, 1)), (Statement::NoDifference, Statement::NoDifference));
        let ratio = compared.between(2, 0).unwrap().ratio.unwrap();
        assert!((ratio.median - 1.1 / 1.2).abs() < 1e-9);
        assert_eq!(compared.between(0, 3), None);
        assert_eq!(compared.between(1, 1), None);
    }

    #[test]
    fn too_few_blocks_decide_nothing() {
        let compared = |blocks| Comparisons::new(&[&steady(2.0, blocks), &steady(1.0, blocks)], &[]);
        assert_eq!(compared(7).pairs[0].statement, Statement::Undecided);
        assert_eq!(compared(7).blocks_needed, 8);
        assert_eq!(compared(8).pairs[0].statement, Statement::Faster);
        // More stacks take more blocks.
        let ten = [(); 10].map(|()| steady(1.0, 8));
        let compared = Comparisons::new(&ten.iter().collect::<Vec<_>>(), &[]);
        assert_eq!(compared.blocks_needed, 14);
        assert!(compared.pairs.iter().all(|pair| pair.statement == Statement::Undecided));
    }

    #[test]
    fn a_difference_within_the_noise_of_an_a_a_pair_is_not_stated() {
        let speeds = [steady(1.05, 12), steady(1.0, 12)];
        let compared = |same: &[Interval]| Comparisons::new(&speeds.each_ref(), same);
        assert_eq!(compared(&[]).pairs[0].statement, Statement::Faster);
        let noisy = interval(0.93, 1.01).unwrap();
        assert!((compared(&[noisy]).delta - (1.0 / 0.93 - 1.0)).abs() < 1e-9);
        assert_eq!(compared(&[noisy]).pairs[0].statement, Statement::NoDifference);
    }

    #[test]
    fn only_common_blocks_are_compared() {
        let (mut a, b) = (steady(2.0, 20), steady(1.0, 20));
        a.retain(|block, _| *block < 8);
        assert_eq!(ratio(&a, &b, 0.01).map(|ratio| ratio.median), Some(2.0));
        a.retain(|block, _| *block < 7);
        assert_eq!(ratio(&a, &b, 0.01), None);
        assert_eq!(ratio(&ByBlock::new(), &b, 0.01), None);
    }

    proptest! {
        #[test]
        fn statements_do_not_contradict_each_other(
            speeds in prop::collection::vec(prop::collection::vec(0.9_f64..1.1, 15), 2..6),
        ) {
            let speeds: Vec<ByBlock> = speeds.into_iter().map(|speeds| (0..).zip(speeds).collect()).collect();
            let compared = Comparisons::new(&speeds.iter().collect::<Vec<_>>(), &[]);
            for pair in &compared.pairs {
                let ratio = pair.ratio.unwrap();
                match pair.statement {
                    Statement::Faster => prop_assert!(ratio.low > 1.0),
                    Statement::Slower => prop_assert!(ratio.high < 1.0),
                    Statement::NoDifference => prop_assert!(ratio.largest_difference() <= compared.delta),
                    Statement::Undecided => prop_assert!(ratio.largest_difference() > compared.delta),
                }
            }
        }
    }
}
