//! Comma-separated values (RFC 4180): a row for each bin of each timeline of each stack in each block, as the record has them.

use super::csv::rows;
use super::{ExportError, Format};
use crate::record::{BIN_LENGTH, Record, TimelineBin, TimelineResult};

pub(super) struct Timelines;

/// A bin of a timeline, with its index.
type Bin<'a> = (&'a TimelineResult, usize, &'a TimelineBin);

/// A column: its name, with the unit, and the cell of a bin. A figure that was not observed is empty.
type Column = (&'static str, fn(&Record, &Bin<'_>) -> String);

const COLUMNS: [Column; 19] = [
    ("run", |record, _| record.id.clone()),
    ("started", |record, _| record.started.clone()),
    ("scenario", |record, _| record.scenario.name.clone()),
    ("timeline", |_, (result, ..)| result.timeline.clone()),
    ("stack", |_, (result, ..)| result.stack.clone()),
    ("block", |_, (result, ..)| result.block.to_string()),
    ("status", |_, (result, ..)| format!("{:?}", result.status).to_lowercase()),
    ("complaint", |_, (result, ..)| result.complaint.clone().unwrap_or_default()),
    ("from_ns", |_, (_, index, _)| (BIN_LENGTH.as_nanos() * *index as u128).to_string()),
    ("scheduled", |_, (_, _, bin)| bin.scheduled.to_string()),
    ("answered", |_, (_, _, bin)| number(bin.answered)),
    ("right", |_, (_, _, bin)| bin.right.to_string()),
    ("late", |_, (_, _, bin)| bin.late.to_string()),
    ("wrong", |_, (_, _, bin)| bin.wrong.to_string()),
    ("failed", |_, (_, _, bin)| bin.failures().to_string()),
    ("timed_out", |_, (_, _, bin)| bin.timed_out.to_string()),
    ("not_sent", |_, (_, _, bin)| bin.not_sent.to_string()),
    ("p50_ns", |_, (_, _, bin)| number(bin.p50_ns)),
    ("max_ns", |_, (_, _, bin)| number(bin.max_ns)),
];

fn number(number: Option<u64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

impl Format for Timelines {
    fn export(&self, record: &Record) -> Result<String, ExportError> {
        if record.timelines.is_empty() {
            return Err(ExportError::Nothing("timeline"));
        }
        let bins: Vec<Bin<'_>> = record
            .timelines
            .iter()
            .flat_map(|result| result.bins.iter().enumerate().map(move |(index, bin)| (result, index, bin)))
            .collect();
        rows(COLUMNS.map(|(name, _)| name), &bins, |bin| COLUMNS.map(|(_, cell)| cell(record, bin)))
    }
}
