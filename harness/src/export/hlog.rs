//! The interval log of HdrHistogram (version 1.3), which HistogramLogAnalyzer and HdrHistogram's plotter read: an interval
//! for each valid trial, with the tag `MEASUREMENT/STACK`.

use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::{ExportError, Format, unwritable};
use crate::record::{Record, Status};

/// The largest values are written as milliseconds; the histograms hold nanoseconds.
const NANOS_PER_MILLI: f64 = 1e6;

pub(super) struct Hlog;

impl Format for Hlog {
    fn export(&self, record: &Record) -> Result<String, ExportError> {
        let started = record.started.parse::<jiff::Timestamp>().map_err(|_| {
            ExportError::Write(format!(
                "the start of the run, `{}`, is not a time as in RFC 3339",
                record.started
            ))
        })?;
        let started = SystemTime::from(started);
        let (mut out, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
        let mut log = IntervalLogWriterBuilder::new()
            .add_comment(&format!(
                "rpcbench {}, run {}; values in nanoseconds",
                record.scenario.name, record.id
            ))
            .with_start_time(started)
            .with_base_time(started)
            .with_max_value_divisor(NANOS_PER_MILLI)
            .begin_log_with(&mut out, &mut serializer)
            .map_err(|error| unwritable(format!("{error:?}")))?;
        let valid = record.trials.iter().filter(|trial| trial.status == Status::Valid && !trial.twin);
        let mut written = 0;
        for (trial, latency) in valid.filter_map(|trial| Some((trial, trial.latency.as_ref()?))) {
            // A tag ends at a comma, and a line at white space.
            let name: String = format!("{}/{}", trial.measurement, trial.stack)
                .chars()
                .map(|c| if c == ',' || c.is_whitespace() { '_' } else { c })
                .collect();
            let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
            log.write_histogram(
                &latency.histogram()?,
                seconds(trial.at_seconds),
                seconds(trial.measured_seconds),
                Tag::new(&name),
            )
            .map_err(|error| unwritable(format!("{error:?}")))?;
            written += 1;
        }
        if written == 0 {
            return Err(ExportError::Nothing("valid trial with latencies"));
        }
        String::from_utf8(out).map_err(unwritable)
    }
}
