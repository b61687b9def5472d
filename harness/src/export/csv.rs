//! Comma-separated values (RFC 4180): a row for each trial, a column for each setting and figure.

use super::{ExportError, Format};
use crate::record::{Latency, Record, Trial, Used};
use crate::report::Summary;

pub(super) struct Csv;

/// A column: its name, with the unit, and the cell of a trial. A figure that was not observed is empty.
type Column = (&'static str, fn(&Record, &Trial) -> String);

const COLUMNS: [Column; 37] = [
    ("run", |record, _| record.id.clone()),
    ("started", |record, _| record.started.clone()),
    ("scenario", |record, _| record.scenario.name.clone()),
    ("measurement", |_, trial| trial.measurement.clone()),
    ("stack", |_, trial| trial.stack.clone()),
    ("operation", |_, trial| trial.operation.to_string()),
    ("load", |_, trial| trial.load.to_string()),
    ("connections", |_, trial| trial.connections.to_string()),
    ("placement", |_, trial| trial.placement.name().to_owned()),
    ("block", |_, trial| trial.block.to_string()),
    ("position", |_, trial| trial.position.to_string()),
    ("twin", |_, trial| trial.twin.to_string()),
    ("status", |_, trial| format!("{:?}", trial.status).to_lowercase()),
    ("complaint", |_, trial| trial.complaint().unwrap_or_default().to_owned()),
    ("labels", |_, trial| trial.labels.iter().map(|label| label.name()).collect::<Vec<_>>().join(" ")),
    ("at_seconds", |_, trial| trial.at_seconds.to_string()),
    ("measured_seconds", |_, trial| trial.measured_seconds.to_string()),
    ("started_calls", |_, trial| trial.counts.started.to_string()),
    ("right", |_, trial| trial.counts.right.to_string()),
    ("wrong", |_, trial| trial.counts.wrong.to_string()),
    ("failed", |_, trial| trial.counts.errors().to_string()),
    ("timed_out", |_, trial| trial.counts.timed_out.to_string()),
    ("unfinished", |_, trial| trial.counts.unfinished.to_string()),
    ("calls_per_second", |_, trial| trial.throughput.to_string()),
    ("min_ns", |_, trial| latency(trial, |latency| Some(latency.min))),
    ("p50_ns", |_, trial| latency(trial, |latency| latency.p50)),
    ("p90_ns", |_, trial| latency(trial, |latency| latency.p90)),
    ("p95_ns", |_, trial| latency(trial, |latency| latency.p95)),
    ("p99_ns", |_, trial| latency(trial, |latency| latency.p99)),
    ("p99_9_ns", |_, trial| latency(trial, |latency| latency.p999)),
    ("max_ns", |_, trial| latency(trial, |latency| Some(latency.max))),
    ("client_cpu_ns", |_, trial| used(trial.client, |used| used.cpu_ns)),
    ("server_cpu_ns", |_, trial| used(trial.server, |used| used.cpu_ns)),
    ("broker_cpu_ns", |_, trial| used(trial.broker, |used| used.cpu_ns)),
    ("client_peak_rss_bytes", |_, trial| used(trial.client, |used| used.peak_rss)),
    ("server_peak_rss_bytes", |_, trial| used(trial.server, |used| used.peak_rss)),
    ("stolen_share", |_, trial| trial.stolen.map_or_else(String::new, |share| share.to_string())),
];

fn latency(trial: &Trial, of: fn(&Latency) -> Option<u64>) -> String {
    trial.latency.as_ref().and_then(of).map_or_else(String::new, |nanos| nanos.to_string())
}

fn used(used: Option<Used>, of: fn(&Used) -> u64) -> String {
    used.as_ref().map(of).map_or_else(String::new, |figure| figure.to_string())
}

impl Format for Csv {
    fn export(&self, record: &Record, _summary: &Summary) -> Result<String, ExportError> {
        if record.trials.is_empty() {
            return Err(ExportError::Nothing("trial"));
        }
        let failed = |error: &dyn std::fmt::Display| ExportError::Write(error.to_string());
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(COLUMNS.map(|(name, _)| name)).map_err(|error| failed(&error))?;
        for trial in &record.trials {
            let cells = COLUMNS.map(|(_, cell)| cell(record, trial));
            writer.write_record(cells).map_err(|error| failed(&error))?;
        }
        let bytes = writer.into_inner().map_err(|error| failed(&error))?;
        String::from_utf8(bytes).map_err(|error| failed(&error))
    }
}
