//! A report as data: sentences and tables with typed cells.
//!
//! The terminal, Markdown and HTML renderers show the same [`Report`](super::Report). All that a table shows
//! is here as a value; only `text` turns values into digits.

use schemars::JsonSchema;
use serde::Serialize;

use super::chart::Charts;
use super::stack::StackKind;
use crate::claims::{Estimate, Outcome, Verdict};
use crate::record::{CheckFailure, Label};
use crate::scenario::Condition;
use crate::stats::{Interval, Statement};

/// A claim and the verdict on it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ClaimReport {
    /// The name of the claim.
    pub name: String,
    /// The claim, in a sentence.
    pub statement: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict with its numbers, in words.
    pub sentence: String,
    /// The conditions, for programs.
    pub conditions: Vec<ConditionReport>,
    /// A row for each condition.
    pub table: Table,
}

/// A condition of a claim and its figure.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ConditionReport {
    /// The condition, with its threshold.
    pub condition: Condition,
    /// The figure: times in microseconds; absent where there is none.
    pub estimate: Option<Estimate>,
    /// Why there is no figure.
    pub obstacle: Option<String>,
    /// Whether the condition is true.
    pub outcome: Outcome,
}

/// The tables of the codecs.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CodecTables {
    /// A table for each measurement, with a row for each format.
    pub measurements: Vec<Table>,
    /// What each format consists of.
    pub formats: Table,
}

impl CodecTables {
    /// All tables.
    pub fn all(&self) -> impl Iterator<Item = &Table> {
        self.measurements.iter().chain([&self.formats])
    }
}

/// Sentences and tables that can be shown as plain text, Markdown or HTML.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// The subject.
    pub title: String,
    /// When, where and how its figures were measured, a line each.
    pub circumstances: Vec<String>,
    /// The answer, in sentences.
    pub answer: Vec<String>,
    /// What a reader must know before reading any figure.
    pub warnings: Vec<String>,
    /// The tables.
    pub tables: Vec<Table>,
    /// The figures that an HTML page shows below the tables, in groups.
    pub charts: Vec<Charts>,
    /// What is left if a reader of an HTML page hides the rows of less interest, as the label of a check box; absent where there is
    /// nothing to hide.
    pub filter: Option<&'static str>,
}

/// The tables of a measurement of the scenario.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct MeasurementTables {
    /// The name of the measurement.
    pub name: String,
    /// A row for each stack.
    pub stacks: Table,
    /// The statements about all pairs of stacks, for programs.
    pub comparisons: PairStatements,
    /// The statements about all pairs of stacks; absent where the blocks allow none.
    pub statements: Option<Table>,
    /// Stacks whose server was reached by two routes; absent where there are none.
    pub variants: Option<Table>,
    /// The share of the calls that each server executed; absent where every stack has one server.
    pub servers: Option<Table>,
    /// Where the messages arrived that have no answer; absent for calls.
    pub deliveries: Option<Table>,
    /// The calls of each operation of a mix; absent where all calls were of one operation.
    pub operations: Option<Table>,
}

/// The statements about the stacks of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PairStatements {
    /// What is compared: median latency, or calls per second and core of the server.
    pub quantity: &'static str,
    /// δ, a share: the difference that a statement about two stacks is about.
    pub delta: f64,
    /// The smallest number of blocks with which a statement is possible.
    pub blocks_needed: usize,
    /// Every pair of ranked stacks.
    pub pairs: Vec<PairStatement>,
    /// The A/A pairs: stacks that were measured twice, against themselves. Their δ is [`MIN_DELTA`](crate::stats::MIN_DELTA).
    pub same: Vec<PairStatement>,
}

/// Two stacks and the statement about them.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PairStatement {
    /// The stacks.
    pub stacks: [String; 2],
    /// The speed of the first one as a multiple of that of the second; absent where there are too few blocks.
    pub ratio: Option<Interval>,
    /// The statement about the first one and the second.
    pub statement: Statement,
}

impl MeasurementTables {
    /// The tables that follow the first one.
    pub fn further(&self) -> impl Iterator<Item = &Table> {
        let of_stacks = self.statements.iter().chain(&self.variants).chain(&self.servers);
        of_stacks.chain(&self.deliveries).chain(&self.operations)
    }
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Table {
    /// The subject of the table.
    pub title: String,
    /// Under which conditions, or in which order; starts in lower case and has no full stop.
    pub subtitle: Option<String>,
    /// The columns. The first one names the row.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
    /// A remark below the table, without a full stop.
    pub note: Option<String>,
    /// What is shown instead of rows where there are none.
    pub empty: Option<&'static str>,
    /// Whether adjacent rows with equal first cells belong together, so that the first cell is shown once.
    pub is_grouped: bool,
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Column {
    /// The name of the column for programs; unique in its table.
    pub key: &'static str,
    /// The heading, with the unit where that is not obvious.
    pub heading: &'static str,
    /// The meaning of the column, in half a sentence; empty where the heading is sufficient.
    pub meaning: &'static str,
    /// The unit of the numbers; absent in a column of text.
    pub unit: Option<Unit>,
    /// The direction in which the bytes travel, where the table has columns for both.
    pub direction: Option<Direction>,
    /// The alignment of the cells.
    pub alignment: Alignment,
    /// Whether plain text and Markdown show ranges in this column. They have space for few.
    pub has_inline_range: bool,
    /// Whether the column holds long text.
    pub is_wide: bool,
}

/// The alignment of the cells of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Alignment {
    /// Left, for text.
    Left,
    /// Right, for numbers.
    Right,
}

/// A unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Calls per second.
    CallsPerSecond,
    /// Bytes.
    Bytes,
    /// Kibibytes.
    Kibibytes,
    /// TCP segments with payload.
    Packets,
    /// Percent of a core.
    Percent,
    /// None: one quantity as a multiple of another.
    Ratio,
    /// None: a number of things.
    Count,
}

/// A direction of travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From client to server.
    ToServer,
    /// From server to client.
    ToClient,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Row {
    /// One cell per column. Where there are fewer, the last one spans the columns that remain.
    pub cells: Vec<Cell>,
    /// The kind of the stack that the row is about, where it is marked as in figures.
    #[serde(skip)]
    pub stack: Option<StackKind>,
    /// Whether the row is of less interest than others: a floor, or a setting in which no stacks differ.
    pub is_muted: bool,
}

/// A cell of a table. Numbers are in the unit of the column.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cell {
    /// Blank: the column does not apply to the row.
    Empty,
    /// There is no value.
    Missing,
    /// The stack was not measured, for this reason.
    NotMeasured(String),
    /// Text.
    Text(String),
    /// A number.
    Quantity(Quantity),
    /// Two numbers: towards the server and back, or of client and server.
    Pair([Option<f64>; 2]),
    /// A range. Without `high` it has no upper bound, without `low` no lower one.
    Range {
        /// The lower bound.
        low: Option<f64>,
        /// The upper bound.
        high: Option<f64>,
    },
    /// A part of a total: `3 of 5`.
    Share {
        /// The part.
        part: usize,
        /// The total.
        whole: usize,
    },
    /// A statement about two stacks.
    Statement {
        /// The statement.
        statement: Statement,
        /// The speed of the first stack as a multiple of that of the second.
        ratio: Option<Interval>,
        /// The difference that the statement is about, as a share.
        delta: f64,
    },
    /// What a reader must know to read the row correctly.
    Notes(Vec<Note>),
    /// Names of stacks.
    Stacks {
        /// All names.
        names: Vec<String>,
        /// A summary to show instead where there are too many names to list.
        shorthand: Option<String>,
    },
    /// Conformance checks that did not pass.
    FailedChecks(Vec<CheckFailure>),
}

/// A number, with its range where it was measured in several blocks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Quantity {
    /// The number: the median of the blocks, where there are several.
    pub value: f64,
    /// The smallest and the largest block.
    pub range: Option<(f64, f64)>,
    /// Whether the number varied between calls.
    pub is_approximate: bool,
    /// Whether the true number may be larger.
    pub is_lower_bound: bool,
}

impl Quantity {
    /// A number without a range.
    #[must_use]
    pub fn new(value: f64) -> Self {
        Quantity { value, range: None, is_approximate: false, is_lower_bound: false }
    }
}

/// A remark on a row.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    /// A label of the trials.
    Label(Label),
    /// The server was already running, and this run did not choose its cores.
    Unplaced,
    /// The median latency as a multiple of that of the protocol's own floor.
    RatioToFloor {
        /// The multiple.
        ratio: f64,
        /// The floor.
        floor: &'static str,
    },
    /// Calls that did not get a correct answer.
    NotCorrect {
        /// How many.
        calls: u64,
        /// How many were started.
        started: u64,
    },
    /// Trials that are not valid.
    LeftOut {
        /// How many.
        trials: usize,
        /// Why the first of them is not valid.
        reason: String,
    },
    /// Any other remark.
    Text(String),
}

impl Direction {
    /// The direction in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Direction::ToServer => "towards the server",
            Direction::ToClient => "towards the client",
        }
    }

    /// The direction as an arrow: up to the server, down to the client.
    #[must_use]
    pub fn arrow(self) -> char {
        match self {
            Direction::ToServer => '↑',
            Direction::ToClient => '↓',
        }
    }
}

impl Column {
    /// A column of text.
    #[must_use]
    pub const fn text(key: &'static str, heading: &'static str) -> Self {
        Column {
            key,
            heading,
            meaning: "",
            unit: None,
            direction: None,
            alignment: Alignment::Left,
            has_inline_range: false,
            is_wide: false,
        }
    }

    /// A column of numbers.
    #[must_use]
    pub const fn number(key: &'static str, heading: &'static str, unit: Unit) -> Self {
        Column { unit: Some(unit), ..Column::text(key, heading).right_aligned() }
    }

    /// The same column with an explanation.
    #[must_use]
    pub const fn meaning(self, meaning: &'static str) -> Self {
        Column { meaning, ..self }
    }

    /// The same column, aligned to the right.
    #[must_use]
    pub const fn right_aligned(self) -> Self {
        Column { alignment: Alignment::Right, ..self }
    }

    /// The same column, with ranges in plain text too.
    #[must_use]
    pub const fn with_inline_range(self) -> Self {
        Column { has_inline_range: true, ..self }
    }

    /// The same column for bytes that travel in `direction`.
    #[must_use]
    pub const fn travelling(self, direction: Direction) -> Self {
        Column { direction: Some(direction), ..self }
    }

    /// The same column for long text.
    #[must_use]
    pub const fn wide(self) -> Self {
        Column { is_wide: true, ..self }
    }
}

impl Row {
    /// A row of `cells`.
    #[must_use]
    pub fn new(cells: Vec<Cell>) -> Self {
        Row { cells, stack: None, is_muted: false }
    }

    /// The row of a stack that was not measured.
    #[must_use]
    pub fn not_measured(stack: &str, reason: &str) -> Self {
        Row::new(vec![Cell::from(stack), Cell::NotMeasured(reason.to_owned())])
    }
}

impl Cell {
    /// A number without a range.
    #[must_use]
    pub fn number(value: f64) -> Self {
        Cell::Quantity(Quantity::new(value))
    }

    /// A number without a range, where there is one.
    #[must_use]
    pub fn optional(value: Option<f64>) -> Self {
        value.map_or(Cell::Missing, Cell::number)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl Table {
    /// The rows, each with the number of rows in its group where it is the first of one: always 1 unless the table
    /// is grouped, and `None` for the other rows of a group.
    pub fn grouped_rows(&self) -> impl Iterator<Item = (&Row, Option<usize>)> {
        self.rows.iter().enumerate().map(|(index, row)| {
            let same_group = |other: &&Row| self.is_grouped && other.cells.first() == row.cells.first();
            let is_first = index == 0 || !same_group(&&self.rows[index - 1]);
            let size = self.rows[index..].iter().take_while(same_group).count().max(1);
            (row, is_first.then_some(size))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_rows_with_equal_first_cells_form_a_group() {
        let rows = ["a", "a", "b", "a"].map(|name| Row::new(vec![name.into()])).to_vec();
        let mut table = Table { rows, ..Table::default() };
        let sizes = |table: &Table| table.grouped_rows().map(|(_, size)| size).collect::<Vec<_>>();
        assert_eq!(sizes(&table), [Some(1); 4]);
        table.is_grouped = true;
        assert_eq!(sizes(&table), [Some(2), None, Some(1), Some(1)]);
    }
}
