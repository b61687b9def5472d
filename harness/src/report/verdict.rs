//! Which differences are real: ratios within a block, over enough blocks.

use std::fmt;

use super::stack_summary::{ByBlock, StackSummary};
use crate::stats::{BLOCKS_FOR_A_VERDICT, CONFIDENCE, Interval, letters, median, ratio_interval};

/// The ratio of `a` to `b` within each block that both have, with its interval; `None` where there are too few blocks
/// for a verdict.
#[must_use]
pub fn ratio(a: &ByBlock, b: &ByBlock) -> Option<Interval> {
    let ratios: Vec<f64> = a.iter().filter_map(|(block, a)| Some(a / b.get(block)?)).collect();
    ratio_interval(&ratios)
}

/// How small a difference between stacks a measurement can show.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resolution {
    /// In half of the pairs of stacks, a true difference of this share or more would have been detected.
    pub smallest_difference: Option<f64>,
}

/// Gives letters to each of `stacks` that is ranked: two that share a letter are not distinguishable.
pub(super) fn assign_letters(stacks: &mut [StackSummary]) -> Resolution {
    let ranked: Vec<usize> = (0..stacks.len()).filter(|stack| is_ranked(&stacks[*stack])).collect();
    let mut half_widths = Vec::new();
    let mut tied = vec![vec![false; ranked.len()]; ranked.len()];
    for (b, stack_b) in ranked.iter().enumerate() {
        for (a, stack_a) in ranked[..b].iter().enumerate() {
            let interval = ratio(&stacks[*stack_a].ranking_figure, &stacks[*stack_b].ranking_figure);
            half_widths.extend(interval.map(|interval| interval.half_width()));
            // Two stacks with too few blocks in common are not distinguishable either.
            let is_tie = interval.is_none_or(|interval| interval.contains_one());
            tied[a][b] = is_tie;
            tied[b][a] = is_tie;
        }
    }
    if ranked.len() > 1 {
        for (stack, letters) in ranked.iter().zip(letters(ranked.len(), |a, b| tied[a][b])) {
            stacks[*stack].letters = Some(letters);
        }
    }
    Resolution { smallest_difference: median(&half_widths) }
}

/// Whether `stack` takes part in the ranking. Left out are floors, client-bound stacks, servers that were already
/// running elsewhere, and stacks with too few blocks or with a block whose figure falls among calls without an answer.
fn is_ranked(stack: &StackSummary) -> bool {
    let finite = stack.ranking_figure.values().filter(|figure| figure.is_finite()).count();
    let has_enough = finite == stack.ranking_figure.len() && finite >= BLOCKS_FOR_A_VERDICT;
    has_enough && !stack.kind.is_floor() && !stack.is_client_bound() && !stack.is_unplaced
}

/// What may be said about the fastest protocol.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// A protocol is the fastest in both rankings, by these margins.
    Fastest {
        /// The protocol.
        protocol: String,
        /// The ratio of its stack to the second stack of each ranking, once where both rankings have the same second stack.
        margins: Vec<Margin>,
    },
    /// A protocol leads both rankings, but in at least one of them not distinguishably.
    NotDistinguishable {
        /// The protocol.
        protocol: String,
    },
    /// The rankings disagree.
    RankingsDisagree {
        /// The fastest protocol with usual libraries.
        usual: String,
        /// The fastest protocol with minimal libraries.
        minimal: String,
    },
    /// There are too few blocks.
    TooFewBlocks,
    /// One of the rankings has fewer than two stacks.
    NothingToCompare,
}

/// How much time the fastest stack took, as a ratio to that of another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Margin {
    /// The ratio.
    pub ratio: Interval,
    /// The other stack.
    pub to: String,
}

impl Verdict {
    /// The verdict from two rankings of the same protocols, the fastest stack first. It names a protocol only where
    /// both rankings do, and where in both the interval of its ratio to the second stack lies below 1.
    pub(super) fn of(usual: &[&StackSummary], minimal: &[&StackSummary]) -> Self {
        let ([first, second, ..], [minimal_first, minimal_second, ..]) = (usual, minimal) else {
            return Verdict::NothingToCompare;
        };
        let to_second = |first: &StackSummary, second: &StackSummary| {
            ratio(&first.ranking_figure, &second.ranking_figure)
        };
        let (Some(with_usual), Some(with_minimal)) =
            (to_second(first, second), to_second(minimal_first, minimal_second))
        else {
            return Verdict::TooFewBlocks;
        };
        let protocol = first.kind.protocol_name().to_owned();
        if !first.kind.has_protocol_of(minimal_first.kind) {
            let minimal = minimal_first.kind.protocol_name().to_owned();
            return Verdict::RankingsDisagree { usual: protocol, minimal };
        }
        if with_usual.high >= 1.0 || with_minimal.high >= 1.0 {
            return Verdict::NotDistinguishable { protocol };
        }
        let margin = |ratio, to: &StackSummary| Margin { ratio, to: to.stack.clone() };
        let mut margins = vec![margin(with_usual, second)];
        if second.stack != minimal_second.stack {
            margins.push(margin(with_minimal, minimal_second));
        }
        Verdict::Fastest { protocol, margins }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Fastest { protocol, margins } => {
                write!(f, "{protocol} is the fastest, with usual and with minimal libraries: it took ")?;
                for (index, Margin { ratio, to }) in margins.iter().enumerate() {
                    let and = if index == 0 { "" } else { " and " };
                    let interval = if index == 0 {
                        format!("{:.0} % interval ", 100.0 * CONFIDENCE)
                    } else {
                        String::new()
                    };
                    write!(f, "{and}{:.2} times as long as {to} ", ratio.median)?;
                    write!(f, "({interval}{:.2}–{:.2})", ratio.low, ratio.high)?;
                }
                write!(f, ".")
            }
            Verdict::NotDistinguishable { protocol } => write!(
                f,
                "No verdict on the fastest protocol: {protocol} leads both rankings, but is not distinguishable from the \
                 second stack in at least one of them."
            ),
            Verdict::RankingsDisagree { usual, minimal } => write!(
                f,
                "No verdict on the fastest protocol: it is {usual} with usual libraries and {minimal} with minimal ones."
            ),
            Verdict::TooFewBlocks => {
                write!(f, "No verdict on the fastest protocol: fewer than {BLOCKS_FOR_A_VERDICT} blocks.")
            }
            Verdict::NothingToCompare => write!(
                f,
                "No verdict on the fastest protocol: it takes two protocols, each with usual and minimal libraries."
            ),
        }
    }
}
