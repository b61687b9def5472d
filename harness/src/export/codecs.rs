//! Comma-separated values (RFC 4180): a row for each format of codecs in each block, as the record has them.

use super::csv::rows;
use super::{ExportError, Format};
use crate::record::{CodecTime, CodecTrial, Record};

pub(super) struct Codecs;

/// A column: its name, with the unit, and the cell of a trial. A figure that was not observed is empty.
type Column = (&'static str, fn(&Record, &CodecTrial) -> String);

const COLUMNS: [Column; 15] = [
    ("run", |record, _| record.id.clone()),
    ("started", |record, _| record.started.clone()),
    ("scenario", |record, _| record.scenario.name.clone()),
    ("measurement", |_, trial| trial.measurement.clone()),
    ("operation", |_, trial| trial.operation.to_string()),
    ("format", |_, trial| trial.format.to_string()),
    ("block", |_, trial| trial.block.to_string()),
    ("status", |_, trial| format!("{:?}", trial.status).to_lowercase()),
    ("complaint", |_, trial| trial.complaint().unwrap_or_default().to_owned()),
    ("call_bytes", |_, trial| trial.call_bytes.to_string()),
    ("result_bytes", |_, trial| trial.result_bytes.to_string()),
    ("encode_ns", |_, trial| time(trial.encode)),
    ("decode_ns", |_, trial| time(trial.decode)),
    ("others_share", |_, trial| share(trial.others)),
    ("stolen_share", |_, trial| share(trial.stolen)),
];

fn time(time: Option<CodecTime>) -> String {
    share(time.map(|time| time.ns))
}

fn share(number: Option<f64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

impl Format for Codecs {
    fn export(&self, record: &Record) -> Result<String, ExportError> {
        if record.codecs.is_empty() {
            return Err(ExportError::Nothing("codec"));
        }
        rows(COLUMNS.map(|(name, _)| name), &record.codecs, |trial| {
            COLUMNS.map(|(_, cell)| cell(record, trial))
        })
    }
}
