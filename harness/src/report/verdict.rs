//! Which differences are real: the statements about the stacks of a measurement, and the verdict on the fastest protocol.

use std::fmt;

use super::stack_summary::StackSummary;
use super::text;
use crate::load::Load;
use crate::stats::{ByBlock, Comparison, Comparisons, Interval, Statement};

/// The statements about all pairs of ranked stacks of a measurement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranking {
    /// The names of the ranked stacks, the fastest first.
    pub stacks: Vec<String>,
    /// The statements; their positions are those in [`stacks`](Self::stacks).
    pub comparisons: Comparisons,
}

impl Ranking {
    /// Compares the ranked ones of `stacks`, which are in order. `same` are the ratios of the A/A pairs.
    pub(super) fn new(stacks: &[StackSummary], load: Load, same: &[Interval]) -> Self {
        let all_own = stacks.iter().all(StackSummary::is_own_service);
        let ranked: Vec<_> = stacks.iter().filter(|stack| is_ranked(stack, all_own)).collect();
        let speeds: Vec<ByBlock> = ranked.iter().map(|stack| speeds(&stack.ranking_figure, load)).collect();
        Ranking {
            stacks: ranked.iter().map(|stack| stack.stack.clone()).collect(),
            comparisons: Comparisons::new(&speeds.iter().collect::<Vec<_>>(), same),
        }
    }

    /// The comparison of two ranked stacks, in this order.
    #[must_use]
    pub fn between(&self, a: &str, b: &str) -> Option<Comparison> {
        self.comparisons.between(self.position(a)?, self.position(b)?)
    }

    /// The comparison of a ranked stack with the next slower one.
    #[must_use]
    pub fn with_next(&self, stack: &str) -> Option<Comparison> {
        let position = self.position(stack)?;
        self.comparisons.between(position, position + 1)
    }

    fn position(&self, stack: &str) -> Option<usize> {
        self.stacks.iter().position(|ranked| ranked == stack)
    }
}

/// Figures by block as speeds, of which more is faster: a latency becomes its inverse.
pub(super) fn speeds(figures: &ByBlock, load: Load) -> ByBlock {
    let speed = |figure: f64| if load.is_for_latency() { 1.0 / figure } else { figure };
    figures.iter().map(|(block, figure)| (*block, speed(*figure))).collect()
}

/// Whether `stack` takes part in the ranking. Left out are floors, servers that were already running elsewhere unless
/// `with_unplaced`, stacks with
/// a block whose figure falls among calls without an answer, and with several callers those whose server is not known
/// to have been saturated.
fn is_ranked(stack: &StackSummary, with_unplaced: bool) -> bool {
    let is_finite = stack.ranking_figure.values().all(|figure| figure.is_finite());
    let is_measured = is_finite && !stack.ranking_figure.is_empty();
    is_measured
        && stack.obstacle().is_none()
        && !stack.kind.is_floor()
        && (with_unplaced || !stack.is_unplaced)
}

/// What may be said about the fastest protocol.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// A protocol is the fastest in both rankings, by these margins.
    Fastest {
        /// The protocol.
        protocol: String,
        /// The lead of its stack over the second stack of each ranking, once where both rankings have the same second stack.
        margins: Vec<Margin>,
    },
    /// A protocol leads both rankings, but in at least one of them the lead is not stated.
    Undecided {
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
    /// One of the two fastest stacks of a ranking cannot be compared with others: its server was already running on other
    /// cores, say.
    NotRanked {
        /// The stack.
        stack: String,
    },
    /// There are too few blocks.
    TooFewBlocks {
        /// The number of blocks that a statement takes.
        needed: usize,
    },
    /// One of the rankings has fewer than two stacks.
    NothingToCompare,
}

/// How much faster the fastest stack was than another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Margin {
    /// The speed as a multiple of that of the other stack.
    pub ratio: Interval,
    /// The other stack.
    pub to: String,
}

impl Verdict {
    /// The verdict from two rankings of the same protocols, the fastest stack first. It names a protocol only where
    /// both rankings do, and where in both the lead over the second stack is stated.
    pub(super) fn of(usual: &[&StackSummary], minimal: &[&StackSummary], statements: &Ranking) -> Self {
        let ([first, second, ..], [minimal_first, minimal_second, ..]) = (usual, minimal) else {
            return Verdict::NothingToCompare;
        };
        let leaders = [first, second, minimal_first, minimal_second];
        if let Some(left_out) = leaders.into_iter().find(|stack| statements.position(&stack.stack).is_none())
        {
            return Verdict::NotRanked { stack: left_out.stack.clone() };
        }
        let lead = |first: &StackSummary, second: &StackSummary| {
            let comparison = statements.between(&first.stack, &second.stack)?;
            Some((comparison.statement, comparison.ratio?))
        };
        let (Some((usual_statement, with_usual)), Some((minimal_statement, with_minimal))) =
            (lead(first, second), lead(minimal_first, minimal_second))
        else {
            return Verdict::TooFewBlocks { needed: statements.comparisons.blocks_needed };
        };
        let protocol = first.kind.protocol_name().to_owned();
        if !first.kind.has_protocol_of(minimal_first.kind) {
            let minimal = minimal_first.kind.protocol_name().to_owned();
            return Verdict::RankingsDisagree { usual: protocol, minimal };
        }
        if [usual_statement, minimal_statement] != [Statement::Faster; 2] {
            return Verdict::Undecided { protocol };
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
                write!(f, "{protocol} is the fastest, with usual and with minimal libraries: faster than ")?;
                for (index, Margin { ratio, to }) in margins.iter().enumerate() {
                    let and = if index == 0 { "" } else { " and than " };
                    write!(f, "{and}{to} by {}", text::lead(ratio))?;
                }
                write!(f, ".")
            }
            Verdict::Undecided { protocol } => write!(
                f,
                "No verdict on the fastest protocol: {protocol} leads both rankings, but in at least one of them its lead \
                 over the second stack is not certain."
            ),
            Verdict::RankingsDisagree { usual, minimal } => write!(
                f,
                "No verdict on the fastest protocol: it is {usual} with usual libraries and {minimal} with minimal ones."
            ),
            Verdict::NotRanked { stack } => write!(
                f,
                "No verdict on the fastest protocol: {stack} is among the fastest, but it is not ranked, because it \
                 cannot be compared with the other stacks."
            ),
            Verdict::TooFewBlocks { needed } => {
                write!(f, "No verdict on the fastest protocol: it needs {needed} blocks with valid trials.")
            }
            Verdict::NothingToCompare => write!(
                f,
                "No verdict on the fastest protocol: it needs two protocols, each with a usual and a minimal library."
            ),
        }
    }
}
