//! How steady each stack was over the time of a run: the figure of each block against the stack's median.

use std::collections::BTreeMap;

use super::model::{Cell, Column, Row, Table, Unit};
use super::stack_summary::StackSummary;
use super::summary::{MeasurementSummary, Summary};
use super::text;
use crate::record::{Label, Record, Status, Trial};
use crate::scenario::Measurement;
use crate::stats::median;

/// The blocks of a measurement.
pub(super) struct Stability<'a> {
    pub measurement: &'a Measurement,
    /// The numbers of the blocks, from 0, in ascending order.
    pub blocks: Vec<u32>,
    /// When the first and the last block began, in seconds since the start of the run.
    pub began: [f64; 2],
    /// In the order of the measurement.
    pub stacks: Vec<StackStability>,
}

/// A stack in the blocks of a measurement.
pub(super) struct StackStability {
    pub stack: String,
    /// A cell for each block; `None` where the stack has no trial.
    pub cells: Vec<Option<BlockCell>>,
}

/// A stack in a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct BlockCell {
    /// By which share it was slower than in its median block; below 0 if it was faster. Absent where it has no figure.
    pub slower: Option<f64>,
    pub state: BlockState,
}

/// Whether the trials of a stack in a block count; the worst of them decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BlockState {
    /// They do.
    Quiet,
    /// They do, and are labelled as disturbed or starved.
    Disturbed,
    /// They do not.
    LeftOut,
}

/// The stability of each measurement of `record`.
pub(super) fn all<'a>(record: &Record, summary: &'a Summary) -> Vec<Stability<'a>> {
    summary.measurements.iter().filter_map(|measurement| Stability::new(record, measurement)).collect()
}

impl<'a> Stability<'a> {
    /// `None` unless there are several blocks to compare.
    fn new(record: &Record, summary: &'a MeasurementSummary) -> Option<Self> {
        let measurement = &summary.measurement;
        let trials: Vec<_> =
            record.trials.iter().filter(|trial| trial.measurement == measurement.name).collect();
        let mut began: BTreeMap<u32, f64> = BTreeMap::new();
        for trial in &trials {
            let first = began.entry(trial.block).or_insert(trial.at_seconds);
            *first = first.min(trial.at_seconds);
        }
        let blocks: Vec<u32> = began.keys().copied().collect();
        let ends = [*began.values().next()?, *began.values().next_back()?];
        let of_stack = |stack: &StackSummary| {
            let own: Vec<_> = trials.iter().copied().filter(|trial| trial.stack == stack.stack).collect();
            StackStability { stack: stack.stack.clone(), cells: cells(&own, &blocks) }
        };
        let stacks: Vec<_> = summary.stacks.iter().map(of_stack).collect();
        (blocks.len() > 1).then_some(Stability { measurement, blocks, began: ends, stacks })
    }

    /// What is compared with its median.
    pub(super) fn quantity(&self) -> &'static str {
        if self.measurement.load.is_for_latency() { "median latency" } else { "calls per second" }
    }
}

/// How long the calls of `trial` took, in any unit: the median latency, or the inverse of the calls per second.
fn slowness(trial: &Trial) -> Option<f64> {
    let slowness = if trial.load.is_for_latency() { trial.median_latency()? } else { 1.0 / trial.throughput };
    (slowness.is_finite() && slowness > 0.0).then_some(slowness)
}

fn state(trial: &Trial) -> BlockState {
    let is_disturbed = trial.labels.iter().any(|label| matches!(label, Label::Disturbed | Label::Starved));
    match trial.status {
        Status::Valid if is_disturbed => BlockState::Disturbed,
        Status::Valid => BlockState::Quiet,
        Status::Invalid | Status::Failed => BlockState::LeftOut,
    }
}

/// The cells of the trials of a stack. Both halves of an A/A pair count, and so does each of the trials that it has in a block.
#[allow(clippy::cast_precision_loss)]
fn cells(trials: &[&Trial], blocks: &[u32]) -> Vec<Option<BlockCell>> {
    let of_block = |block: &u32| {
        let own: Vec<_> = trials.iter().filter(|trial| trial.block == *block).collect();
        let state = own.iter().map(|trial| state(trial)).max()?;
        let logs: Vec<_> = own.iter().filter_map(|trial| Some(slowness(trial)?.ln())).collect();
        let mean = (!logs.is_empty()).then(|| (logs.iter().sum::<f64>() / logs.len() as f64).exp());
        Some((mean, state))
    };
    let all: Vec<_> = blocks.iter().map(of_block).collect();
    let counted = all.iter().flatten().filter(|(_, state)| *state != BlockState::LeftOut);
    let usual = median(&counted.filter_map(|(mean, _)| *mean).collect::<Vec<_>>());
    let cell = |(mean, state): (Option<f64>, BlockState)| BlockCell {
        slower: mean.zip(usual).map(|(mean, usual)| mean / usual - 1.0).filter(|slower| slower.is_finite()),
        state,
    };
    all.into_iter().map(|block| block.map(cell)).collect()
}

const COLUMNS: [Column; 7] = [
    Column::text("measurement", "measurement"),
    Column::text("stack", "stack"),
    Column::text("within-1", "within 1 %")
        .right_aligned()
        .meaning("blocks within 1 % of the stack's median block"),
    Column::text("within-3", "within 3 %")
        .right_aligned()
        .meaning("blocks within 3 % of the stack's median block"),
    Column::text("slowest", "slowest block").right_aligned(),
    Column::number("disturbed", "disturbed", Unit::Count)
        .meaning("blocks with a trial that is labelled disturbed or starved"),
    Column::number("left-out", "left out", Unit::Count).meaning("blocks with a trial that does not count"),
];

/// The figures of the heat maps, for readers who cannot see them.
pub(super) fn table(all: &[Stability<'_>]) -> Table {
    let rows =
        all.iter().flat_map(|stability| stability.stacks.iter().map(move |stack| row(stability, stack)));
    Table {
        title: "Steadiness".to_owned(),
        subtitle: Some("each block of a stack compared with its median block".to_owned()),
        columns: COLUMNS.to_vec(),
        rows: rows.collect(),
        is_grouped: true,
        ..Table::default()
    }
}

#[allow(clippy::cast_precision_loss)]
fn row(stability: &Stability<'_>, stack: &StackStability) -> Row {
    let cells: Vec<_> = stack.cells.iter().flatten().collect();
    let within = |share: f64| Cell::Share {
        part: cells.iter().filter(|cell| cell.slower.is_some_and(|slower| slower.abs() <= share)).count(),
        whole: cells.len(),
    };
    let count = |state| Cell::number(cells.iter().filter(|cell| cell.state == state).count() as f64);
    let slowest = stack.slowest(&stability.blocks).map_or(Cell::Missing, |(block, slower)| {
        Cell::Text(format!("{} (block {})", text::signed_percent(slower), block + 1))
    });
    Row::new(vec![
        stability.measurement.name.as_str().into(),
        stack.stack.as_str().into(),
        within(0.01),
        within(0.03),
        slowest,
        count(BlockState::Disturbed),
        count(BlockState::LeftOut),
    ])
}

impl StackStability {
    /// The slowest of `blocks`, and by which share it was slower than the median block.
    pub(super) fn slowest(&self, blocks: &[u32]) -> Option<(u32, f64)> {
        let known =
            self.cells.iter().zip(blocks).filter_map(|(cell, block)| Some((*block, cell.as_ref()?.slower?)));
        known.max_by(|a, b| a.1.total_cmp(&b.1))
    }
}
