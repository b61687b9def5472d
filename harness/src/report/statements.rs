//! The statements about all pairs of stacks of a measurement, as a table.

use super::model::{Cell, Column, PairStatement, PairStatements, Row, Table};
use super::summary::{MeasurementSummary, SelfComparison};
use super::text;
use super::verdict::Ranking;
use crate::stats::{Comparison, ERROR_RATE, MIN_DELTA, Statement};

const COLUMNS: [Column; 4] = [
    Column::text("stack", "stack"),
    Column::text("faster", "faster than").wide(),
    Column::text("no-difference", "no difference above δ from").wide(),
    Column::text("undecided", "undecided").wide(),
];

/// The cell that shows `comparison`, one of `ranking`.
pub(super) fn statement(comparison: &Comparison, ranking: &Ranking) -> Cell {
    Cell::Statement {
        statement: comparison.statement,
        ratio: comparison.ratio,
        delta: ranking.comparisons.delta,
    }
}

/// The statements about all pairs of stacks of `summary`, and about its A/A pairs.
pub(super) fn pairs(summary: &MeasurementSummary) -> PairStatements {
    let ranking = &summary.ranking;
    let pair = |pair: &Comparison| PairStatement {
        stacks: pair.stacks.map(|position| ranking.stacks[position].clone()),
        ratio: pair.ratio,
        statement: pair.statement,
    };
    let same = |pair: &SelfComparison| {
        // The ratio of an A/A pair is one of figures; statements are about speeds.
        let is_time = summary.measurement.load.is_for_latency();
        let ratio = pair.ratio.map(|ratio| if is_time { ratio.inverse() } else { ratio });
        PairStatement {
            stacks: [pair.stack.clone(), pair.stack.clone()],
            ratio,
            statement: Statement::of(ratio, MIN_DELTA),
        }
    };
    PairStatements {
        quantity: summary.compared_quantity(),
        delta: ranking.comparisons.delta,
        blocks_needed: ranking.comparisons.blocks_needed,
        pairs: ranking.comparisons.pairs.iter().map(pair).collect(),
        same: summary.pairs.iter().map(same).collect(),
    }
}

/// The table of `summary`; `None` where the blocks allow no statement.
pub(super) fn table(summary: &MeasurementSummary) -> Option<Table> {
    let ranking = &summary.ranking;
    let is_possible = ranking.comparisons.pairs.iter().any(|pair| pair.ratio.is_some());
    is_possible.then(|| Table {
        title: "Which differences are certain".to_owned(),
        subtitle: Some(format!(
            "{}; at most one such table in {:.0} contains a false statement",
            summary.compared_quantity(),
            1.0 / ERROR_RATE
        )),
        columns: COLUMNS.to_vec(),
        rows: (0..ranking.stacks.len()).map(|stack| row(ranking, stack)).collect(),
        note: Some(delta(summary)),
        ..Table::default()
    })
}

/// The stacks about which each statement is made with the stack at position `stack`.
fn row(ranking: &Ranking, stack: usize) -> Row {
    let others = |statement: Statement| {
        let positions = (0..ranking.stacks.len()).filter(|other| {
            ranking.comparisons.between(stack, *other).is_some_and(|pair| pair.statement == statement)
        });
        stacks(ranking, stack, &positions.collect::<Vec<_>>())
    };
    Row::new(vec![
        ranking.stacks[stack].as_str().into(),
        others(Statement::Faster),
        others(Statement::NoDifference),
        others(Statement::Undecided),
    ])
}

/// The names of the stacks at `positions`, in short where these are all the stacks below `stack`, or all from one on.
fn stacks(ranking: &Ranking, stack: usize, positions: &[usize]) -> Cell {
    let Some(first) = positions.first() else { return Cell::Empty };
    let names = positions.iter().map(|position| ranking.stacks[*position].clone()).collect();
    let is_rest = positions.len() > 2 && positions.iter().copied().eq(*first..ranking.stacks.len());
    let shorthand = if *first == stack + 1 {
        "all below".to_owned()
    } else {
        format!("{} and all below it", ranking.stacks[*first])
    };
    Cell::Stacks { names, shorthand: is_rest.then_some(shorthand) }
}

/// The value of δ and its reason.
fn delta(summary: &MeasurementSummary) -> String {
    let delta = summary.ranking.comparisons.delta;
    let reason = if delta > MIN_DELTA {
        "the largest difference of a stack from itself that this measurement permits"
    } else if summary.pairs.iter().any(|pair| pair.ratio.is_some()) {
        "no stack differed more from itself in this measurement"
    } else {
        "no stack was compared with itself, so noise that is common to all blocks would not be noticed"
    };
    format!("δ is {}: {reason}", text::percent(delta))
}
