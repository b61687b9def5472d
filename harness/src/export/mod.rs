//! A record in the formats of other tools, a file for each.

mod bmf;
mod codecs;
mod csv;
mod gha;
mod hlog;
mod junit;
mod metrics;
mod timelines;
mod topologies;

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::record::{HistogramError, Record};

/// A format that other tools read.
trait Format {
    /// `record` in this format.
    fn export(&self, record: &Record) -> Result<String, ExportError>;
}

/// Why a record cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A histogram cannot be read.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
    /// The record has nothing that this format can hold.
    #[error("the record has no {0}")]
    Nothing(&'static str),
    /// The library that writes the format refuses a value.
    #[error("cannot write the format: {0}")]
    Write(String),
}

/// What a library that writes a format says.
fn unwritable(error: impl std::fmt::Display) -> ExportError {
    ExportError::Write(error.to_string())
}

/// `value` as JSON on several lines.
fn json(value: &impl Serialize) -> Result<String, ExportError> {
    Ok(serde_json::to_string_pretty(value).map_err(unwritable)? + "\n")
}

/// The formats by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Comma-separated values: a row for each trial
    Csv,
    /// Comma-separated values: a row for each topology of each stack in each block
    CsvTopologies,
    /// Comma-separated values: a row for each tenth of a second of each timeline of each stack
    CsvTimelines,
    /// Comma-separated values: a row for each format of codecs in each block
    CsvCodecs,
    /// Bencher Metric Format, JSON
    Bmf,
    /// github-action-benchmark, JSON: metrics of which less is better (customSmallerIsBetter)
    Gha,
    /// github-action-benchmark, JSON: metrics of which more is better (customBiggerIsBetter)
    GhaBigger,
    /// JUnit XML: a test case for each stack in each measurement, failed where a trial is not valid
    Junit,
    /// HdrHistogram interval log: the latencies of each valid trial
    Hlog,
}

impl Kind {
    fn format(self) -> &'static dyn Format {
        match self {
            Kind::Csv => &csv::Csv,
            Kind::CsvTopologies => &topologies::Topologies,
            Kind::CsvTimelines => &timelines::Timelines,
            Kind::CsvCodecs => &codecs::Codecs,
            Kind::Bmf => &bmf::Bmf,
            Kind::Gha => &gha::Gha { bigger_is_better: false },
            Kind::GhaBigger => &gha::Gha { bigger_is_better: true },
            Kind::Junit => &junit::Junit,
            Kind::Hlog => &hlog::Hlog,
        }
    }

    /// `record` in this format.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn export(self, record: &Record) -> Result<String, ExportError> {
        self.format().export(record)
    }
}
