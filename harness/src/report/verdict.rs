//! Which differences are real: ratios within a block, over enough blocks.

use std::collections::BTreeMap;

use super::summary::Row;
use crate::stats::{BLOCKS_FOR_A_VERDICT, Interval, letters, median, ratio_interval};

/// A figure of each block that counts, by the block's number.
pub type ByBlock = BTreeMap<u32, f64>;

/// The ratio of `a` to `b` within each block that both have, with its interval; `None` where there are too few blocks
/// for a verdict.
#[must_use]
pub fn ratio(a: &ByBlock, b: &ByBlock) -> Option<Interval> {
    let ratios: Vec<f64> = a.iter().filter_map(|(block, a)| Some(a / b.get(block)?)).collect();
    ratio_interval(&ratios)
}

/// What a table can say of the differences in it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resolution {
    /// Half of the pairs of stacks would have shown a true difference of this share or less.
    pub smallest_difference: Option<f64>,
}

/// Gives each of `rows` that is ranked its letters: two with a letter in common could not be told apart. Rows of too
/// few blocks, with a block whose figure falls among calls without an answer, floors, servers that were already running,
/// and those whose client saturated first have none.
pub(super) fn name_ties(rows: &mut [Row]) -> Resolution {
    let ranked: Vec<usize> = (0..rows.len()).filter(|row| is_ranked(&rows[*row])).collect();
    let mut half_widths = Vec::new();
    let mut tied = vec![vec![false; ranked.len()]; ranked.len()];
    for (b, row_b) in ranked.iter().enumerate() {
        for (a, row_a) in ranked[..b].iter().enumerate() {
            let interval = ratio(&rows[*row_a].figure_by_block, &rows[*row_b].figure_by_block);
            half_widths.extend(interval.map(|interval| interval.half_width()));
            // Two that have too few blocks in common could not be told apart either.
            let is_tie = interval.is_none_or(|interval| interval.contains_one());
            tied[a][b] = is_tie;
            tied[b][a] = is_tie;
        }
    }
    if ranked.len() > 1 {
        for (row, letters) in ranked.iter().zip(letters(ranked.len(), |a, b| tied[a][b])) {
            rows[*row].ties = Some(letters);
        }
    }
    Resolution { smallest_difference: median(&half_widths) }
}

fn is_ranked(row: &Row) -> bool {
    let finite = row.figure_by_block.values().filter(|figure| figure.is_finite()).count();
    let enough = finite == row.figure_by_block.len() && finite >= BLOCKS_FOR_A_VERDICT;
    enough && !row.protocol.is_floor() && !row.is_client_bound() && !row.is_elsewhere
}
