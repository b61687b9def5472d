//! A figure over the blocks of a run.

use std::collections::BTreeSet;

use crate::record::Trial;
use crate::stats::{median, range};

/// A figure over the blocks of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The median of the blocks.
    pub median: f64,
    /// The smallest block.
    pub min: f64,
    /// The largest block.
    pub max: f64,
    /// The number of blocks.
    pub blocks: usize,
}

impl Spread {
    /// The spread of the finite ones of `values`, each with its block. Ratios to zero, for example, are not finite.
    pub(super) fn of(values: &[(u32, f64)]) -> Option<Self> {
        let finite: Vec<_> = values.iter().filter(|(_, value)| value.is_finite()).collect();
        let blocks = finite.iter().map(|(block, _)| *block).collect::<BTreeSet<_>>().len();
        let values: Vec<_> = finite.iter().map(|(_, value)| *value).collect();
        let (min, max) = range(&values)?;
        Some(Spread { median: median(&values)?, min, max, blocks })
    }

    /// The spread of what `figure` returns for each of `trials`.
    pub(super) fn over_blocks(trials: &[&Trial], figure: impl Fn(&Trial) -> Option<f64>) -> Option<Self> {
        let values = trials.iter().filter_map(|trial| Some((trial.block, figure(trial)?)));
        Spread::of(&values.collect::<Vec<_>>())
    }

    /// The smallest and the largest block; `None` where there is only one block, which has no range.
    #[must_use]
    pub fn range(&self) -> Option<(f64, f64)> {
        (self.blocks > 1).then_some((self.min, self.max))
    }

    /// The same spread in another unit.
    #[must_use]
    pub fn map(self, convert: impl Fn(f64) -> f64) -> Self {
        Spread { median: convert(self.median), min: convert(self.min), max: convert(self.max), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_block_has_no_range_however_many_trials_it_has() {
        let of = |values: &[(u32, f64)]| Spread::of(values).unwrap();
        assert_eq!(of(&[(0, 1.0), (0, 3.0)]).range(), None);
        assert_eq!(of(&[(0, 1.0), (1, 3.0)]).range(), Some((1.0, 3.0)));
        // A block whose figure is not finite has no figure.
        assert_eq!(of(&[(0, 1.0), (1, f64::INFINITY)]).range(), None);
        assert_eq!(Spread::of(&[]), None);
    }
}
