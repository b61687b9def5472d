//! The decision table as data.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::Serialize;

use crate::report::model::Unit;
use crate::report::stack::StackKind;
use crate::stats::{Interval, Statement};

/// A row for each stack and a column for each figure. In every column less is better. Each stack can be the baseline of
/// which the figures of the others are shown as multiples.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DecisionTable {
    /// The columns: the measurements in the order of the scenario, then the CPU time and the bytes of a call.
    pub columns: Vec<DecisionColumn>,
    /// The stacks, in ascending order of the first column.
    pub rows: Vec<DecisionRow>,
}

/// A figure that all stacks have.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DecisionColumn {
    /// The name for programs and URLs, unique in the table: lower-case letters, digits and hyphens.
    pub key: String,
    /// The heading: the name of the measurement, or what is counted.
    pub heading: String,
    /// The quantity.
    pub quantity: &'static str,
    /// Under which conditions it was measured.
    pub conditions: String,
    /// The unit of the cells.
    pub unit: Unit,
    /// δ of the statements about this column, a share; absent where none are made.
    pub delta: Option<f64>,
    /// The position of the measurement in the report; absent for bytes, which are counted separately.
    pub measurement: Option<usize>,
    /// The position of the row that is the baseline unless the reader chooses another: the floor, or the best stack
    /// where the floor was not measured.
    pub baseline: Option<usize>,
}

/// A stack.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DecisionRow {
    /// The name.
    pub stack: String,
    /// Its protocol and role.
    #[serde(skip)]
    pub kind: StackKind,
    /// The name of its protocol.
    pub protocol: &'static str,
    /// Whether it uses the usual library, a minimal one, or both at once; empty where neither.
    pub libraries: Vec<&'static str>,
    /// The route to its server: the label of a variant, or `usual`.
    pub route: String,
    /// The language of its server; `not known` where the server was already running.
    pub language: &'static str,
    /// A cell for each column; `None` where the stack has no figure.
    pub cells: Vec<Option<DecisionCell>>,
}

/// The figure of a stack.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DecisionCell {
    /// The figure in the unit of the column: the median of the blocks, or a count.
    pub value: f64,
    /// The smallest and the largest block; absent where there is one block, or the figure was counted.
    pub range: Option<(f64, f64)>,
    /// The number of blocks; 0 where the figure was counted.
    pub blocks: usize,
    /// Its interval, in the same unit. All intervals of the tables of two runs are right at once with a probability of at least
    /// 1 - [`ERROR_RATE`](crate::stats::ERROR_RATE). Absent where there are too few blocks, or the figure cannot be compared.
    #[serde(skip)]
    pub interval: Option<Interval>,
    /// Whether the true figure may be smaller.
    pub is_upper_bound: bool,
    /// The best and the worst place that the stack can have among the stacks that are ranked; absent where it is not
    /// ranked.
    pub rank: Option<(usize, usize)>,
    /// The number of the group of neighbours that the stack belongs to, none of which certainly differ; absent where it
    /// is not in one.
    pub group: Option<usize>,
    /// The figure as a multiple of that of the column's own baseline.
    pub ratio: Option<DecisionRatio>,
    /// The figure as a multiple of that of each row.
    #[serde(skip)]
    pub ratios: Vec<Option<DecisionRatio>>,
}

/// A figure as a multiple of another one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DecisionRatio {
    /// The multiple: the median of those within each block.
    pub factor: f64,
    /// Its interval. Absent where there are too few blocks; of counted figures both bounds are the factor.
    pub interval: Option<Interval>,
    /// The smallest and the largest multiple within a block; absent where there is one block, or the figures were counted.
    pub range: Option<(f64, f64)>,
    /// The statement that the report makes about the two stacks; absent where one of them is not ranked.
    pub statement: Option<Statement>,
    /// On which side of the factor the true multiple lies, where one of the figures is a bound.
    pub bound: Option<Bound>,
}

/// On which side of a number the true one lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// It is at most this number.
    AtMost,
    /// It is at least this number.
    AtLeast,
}

impl DecisionRatio {
    /// A figure as a multiple of itself.
    pub(super) const SELF: DecisionRatio =
        DecisionRatio { factor: 1.0, interval: None, range: None, statement: None, bound: None };

    /// Whether the first figure is certainly less or certainly more than the second; `Equal` where neither is certain.
    #[must_use]
    pub fn order(&self) -> Ordering {
        let of_interval = side(self.interval.map(|interval| (interval.low, interval.high)));
        match (self.bound, self.statement) {
            // A bound is measured too: its whole interval must lie on the side of the true multiple.
            (Some(Bound::AtMost), _) => of_interval.min(Ordering::Equal),
            (Some(Bound::AtLeast), _) => of_interval.max(Ordering::Equal),
            (None, Some(Statement::Faster)) => Ordering::Less,
            (None, Some(Statement::Slower)) => Ordering::Greater,
            (None, Some(Statement::NoDifference | Statement::Undecided)) => Ordering::Equal,
            (None, None) => of_interval,
        }
    }

    /// Whether the difference is visible in the data: certain, or in all blocks alike where there are too few of them
    /// for an interval.
    #[must_use]
    pub fn is_visible(&self) -> bool {
        let in_all_blocks = self.interval.is_none() && self.bound.is_none() && side(self.range).is_ne();
        self.order().is_ne() || in_all_blocks
    }
}

/// On which side of 1 the whole range lies; `Equal` where 1 is in it, or there is no range.
fn side(range: Option<(f64, f64)>) -> Ordering {
    match range {
        Some((low, _)) if low > 1.0 => Ordering::Greater,
        Some((_, high)) if high < 1.0 => Ordering::Less,
        _ => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_orders_two_figures_only_on_its_side() {
        let ratio = |factor: f64, bound| {
            let interval = Some(Interval { low: 0.9 * factor, median: factor, high: 1.1 * factor });
            DecisionRatio { factor, interval, bound, ..DecisionRatio::SELF }
        };
        for (factor, bound, order) in [
            (0.5, Bound::AtMost, Ordering::Less),
            (2.0, Bound::AtMost, Ordering::Equal),
            (2.0, Bound::AtLeast, Ordering::Greater),
            (0.5, Bound::AtLeast, Ordering::Equal),
            (1.05, Bound::AtLeast, Ordering::Equal),
            (0.95, Bound::AtMost, Ordering::Equal),
        ] {
            assert_eq!(ratio(factor, Some(bound)).order(), order, "{factor} {bound:?}");
        }
    }

    #[test]
    fn a_statement_decides_before_the_interval_does() {
        let interval = Some(Interval { low: 1.002, median: 1.004, high: 1.006 });
        let ratio = |statement| DecisionRatio { factor: 1.004, interval, statement, ..DecisionRatio::SELF };
        assert_eq!(ratio(None).order(), Ordering::Greater);
        assert_eq!(ratio(Some(Statement::NoDifference)).order(), Ordering::Equal);
        assert_eq!(ratio(Some(Statement::Slower)).order(), Ordering::Greater);
        assert!(!ratio(Some(Statement::Undecided)).is_visible());
    }

    #[test]
    fn few_blocks_show_a_difference_only_where_all_of_them_agree() {
        let ratio = |low, high| DecisionRatio {
            factor: 1.2,
            range: Some((low, high)),
            statement: Some(Statement::Undecided),
            ..DecisionRatio::SELF
        };
        assert!(ratio(1.1, 1.3).is_visible() && !ratio(0.9, 1.3).is_visible());
        assert_eq!(ratio(1.1, 1.3).order(), Ordering::Equal);
    }
}
