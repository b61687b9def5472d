//! Everything that a report shows, as data.

use schemars::JsonSchema;
use serde::Serialize;

use super::call_bytes::CallBytes;
use super::decision::DecisionTable;
use super::model::{ClaimReport, CodecTables, MeasurementTables, Table};
use super::overview::Overview;

/// Everything that a report shows, except its figures.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// The name of the scenario.
    pub name: String,
    /// The question that the scenario asks.
    pub question: String,
    /// When, where and how the run was measured, in a line.
    pub circumstances: String,
    /// The answer in short, a recommendation for each need, and what to know about the figures.
    pub overview: Overview,
    /// The answer to the question: a sentence for each of [`Report::claims`], and one or two for each further subject.
    pub answer: Vec<String>,
    /// What a reader must know before reading any figure.
    pub warnings: Vec<String>,
    /// Conditions that were not equal for all stacks.
    pub asymmetries: Vec<String>,
    /// All stacks side by side; absent where no two stacks were measured.
    pub decision: Option<DecisionTable>,
    /// The service level objectives of the scenario; absent where there are none.
    pub slos: Option<Table>,
    /// The claims of the scenario.
    pub claims: Vec<ClaimReport>,
    /// The verdicts on [`Report::claims`], a row for each; absent where there are fewer than two.
    #[serde(skip)]
    pub verdicts: Option<Table>,
    /// A table for each search: the highest rate that each stack sustains.
    pub capacities: Vec<Table>,
    /// Where a stack overtakes another as the payload grows, a table for each series of payloads.
    pub crossings: Vec<Table>,
    /// The codecs; absent where there are none.
    pub codecs: Option<CodecTables>,
    /// A table for each timeline: what became of the calls while servers ended and started, or of those of each stage.
    pub timelines: Vec<Table>,
    /// For each of [`Report::timelines`] the response times over time; absent where the rate was fixed.
    pub over_time: Vec<Option<Table>>,
    /// Tables of the topologies: connections, memory and the time to set up.
    pub topologies: Vec<Table>,
    /// The measurements, in the order of the scenario.
    pub measurements: Vec<MeasurementTables>,
    /// A table for each operation whose bytes were counted.
    pub ledgers: Vec<Table>,
    /// What the columns of [`Report::ledgers`] mean.
    pub ledger_note: String,
    /// The bytes of one call of each stack, cut into parts.
    pub calls: Vec<CallBytes>,
    /// A table for each of [`Report::calls`], with a row for each part.
    #[serde(skip)]
    pub call_tables: Vec<Table>,
    /// How the bytes were captured; absent where they were not.
    pub calls_note: Option<String>,
    /// Where the time of a call goes; absent where the record does not say.
    pub call_time: Option<Table>,
    /// What was measured where, and how to repeat it.
    pub trust: Table,
    /// How far each block was from the median block; absent where there is only one.
    pub stability: Option<Table>,
    /// Runtimes, socket options, libraries and the like of each stack.
    pub fairness: Table,
    /// How many conformance checks each stack passed.
    pub conformance: Table,
    /// What each stack consists of.
    pub stacks: Table,
    /// Every setting in force, and the machine.
    pub settings: Table,
}
