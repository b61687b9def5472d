//! Comma-separated values (RFC 4180): a row for each trial with its settings and figures, as the record has them. Quantiles
//! are there even if few calls lie beyond them.

use super::{ExportError, Format, unwritable};
use crate::record::{Latency, Record, ServerCalls, Trial, Used};

pub(super) struct Csv;

/// A column: its name, with the unit, and the cell of a trial. A figure that was not observed is empty.
type Column = (&'static str, fn(&Record, &Trial) -> String);

const COLUMNS: [Column; 50] = [
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
    ("service_p50_ns", |_, trial| nanos(trial.service.as_ref().and_then(|service| service.p50))),
    ("service_p99_ns", |_, trial| nanos(trial.service.as_ref().and_then(|service| service.p99))),
    ("schedule_lag_p99_ns", |_, trial| nanos(trial.schedule_lag.as_ref().and_then(|lag| lag.p99))),
    ("sent_per_second", |_, trial| figure(trial.sent_per_second)),
    ("generator_limit_per_second", |_, trial| figure(trial.generator_limit)),
    ("client_cpu_ns", |_, trial| used(trial.client, |used| used.cpu_ns)),
    ("server_cpu_ns", |_, trial| used(trial.server, |used| used.cpu_ns)),
    ("broker_cpu_ns", |_, trial| used(trial.broker, |used| used.cpu_ns)),
    ("client_peak_rss_bytes", |_, trial| used(trial.client, |used| used.peak_rss)),
    ("server_peak_rss_bytes", |_, trial| used(trial.server, |used| used.peak_rss)),
    ("client_run_queue_ns", |_, trial| nanos(trial.client.and_then(|used| used.run_queue_ns))),
    ("server_run_queue_ns", |_, trial| nanos(trial.server.and_then(|used| used.run_queue_ns))),
    ("broker_run_queue_ns", |_, trial| nanos(trial.broker.and_then(|used| used.run_queue_ns))),
    ("others_share", |_, trial| figure(trial.others)),
    ("stolen_share", |_, trial| figure(trial.stolen)),
    ("executor", |_, trial| trial.executor.as_ref().map(ToString::to_string).unwrap_or_default()),
    ("connection", |_, trial| trial.connection.to_string()),
    ("work", |_, trial| trial.work.as_ref().map(ToString::to_string).unwrap_or_default()),
    ("server_calls", |_, trial| {
        let calls =
            |server: &ServerCalls| server.calls.map_or_else(|| "-".to_owned(), |calls| calls.to_string());
        trial.servers.iter().map(calls).collect::<Vec<_>>().join(" ")
    }),
];

fn latency(trial: &Trial, of: fn(&Latency) -> Option<u64>) -> String {
    nanos(trial.latency.as_ref().and_then(of))
}

fn used(used: Option<Used>, of: fn(&Used) -> u64) -> String {
    nanos(used.as_ref().map(of))
}

fn nanos(number: Option<u64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

fn figure(number: Option<f64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

impl Format for Csv {
    fn export(&self, record: &Record) -> Result<String, ExportError> {
        if record.trials.is_empty() {
            return Err(ExportError::Nothing("trial"));
        }
        rows(COLUMNS.map(|(name, _)| name), &record.trials, |trial| {
            COLUMNS.map(|(_, cell)| cell(record, trial))
        })
    }
}

/// A row of `names`, and one with the cells of each of `items`.
pub(super) fn rows<T, const N: usize>(
    names: [&str; N],
    items: &[T],
    cells: impl Fn(&T) -> [String; N],
) -> Result<String, ExportError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(names).map_err(unwritable)?;
    for item in items {
        writer.write_record(cells(item)).map_err(unwritable)?;
    }
    let bytes = writer.into_inner().map_err(unwritable)?;
    String::from_utf8(bytes).map_err(unwritable)
}
