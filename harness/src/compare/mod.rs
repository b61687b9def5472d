//! Two records side by side: which settings, bytes and timings differ. And many records in order of time: [`history`].
//!
//! Bytes of a call are exact, so they are equal or not. Timings are compared by the three [statements](Statement) that a
//! report makes, but of two runs at different times: what the runs did not share, such as the layout of the linked
//! programs or the neighbours on the machine, is not in the intervals. What differs between machines and moments is
//! reduced by comparing multiples of the floor, measured in the same block, where both records have that floor.

mod bytes;
pub(crate) mod counts;
mod figures;
pub mod history;
mod ratios;
mod settings;
mod tables;
mod timings;

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::record::{HistogramError, Record};
use crate::report::{Document, Summary};
#[cfg(doc)]
use crate::stats::Statement;

pub use bytes::{BytesComparison, CallBytes};
pub use counts::CountsComparison;
pub use figures::Metric;
pub use settings::{Setting, SettingKind};
pub use timings::{MeasurementComparison, TimingComparison};

/// The comparison of two records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The record that the other one is compared with.
    pub base: Origin,
    /// The other record.
    pub new: Origin,
    /// The settings that differ.
    pub settings: Vec<Setting>,
    /// The bytes of a call of each stack that both records have.
    pub bytes: Vec<BytesComparison>,
    /// The instructions and allocations of a call of each stack for which both records have them.
    pub counts: Vec<CountsComparison>,
    /// The timings of each measurement that both records have.
    pub measurements: Vec<MeasurementComparison>,
    /// What only one of the records has, a sentence each.
    pub missing: Vec<String>,
    /// The warnings of both records' reports.
    pub warnings: Vec<String>,
}

/// Where a record comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The id of the run.
    pub id: String,
    /// The name of the scenario.
    pub scenario: String,
    /// When the run began: RFC 3339, UTC.
    pub started: String,
    /// The commit of the program that measured; absent where it is not known.
    pub revision: Option<String>,
}

impl Origin {
    fn of(record: &Record) -> Self {
        Origin {
            id: record.id.clone(),
            scenario: record.scenario.name.clone(),
            started: record.started.clone(),
            revision: record.tool.build.revision(),
        }
    }

    /// The run in a few words.
    fn describe(&self) -> String {
        let revision = self.revision.as_ref().map_or_else(String::new, |revision| format!(", {revision}"));
        format!("{} {} of {}{revision}", self.scenario, self.id, self.started)
    }
}

/// Why two records cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// Settings differ that decide what the figures mean.
    #[error(
        "the records are not comparable: {}; to compare them nevertheless, use --across {}",
        sentences(.0),
        options(.0)
    )]
    Settings(Vec<Setting>),
    /// The records have nothing in common.
    #[error("the records have no stack with the same measurement or operation in common")]
    NothingInCommon,
    /// A histogram cannot be read.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
}

/// The warnings of the first and of the second record's report; those that both have, once.
fn warnings(summaries: &[Summary; 2]) -> Vec<String> {
    let [base, new] = summaries.each_ref().map(|summary| &summary.warnings);
    let both =
        base.iter().filter(|warning| new.contains(warning)).map(|warning| format!("Both records: {warning}"));
    let only = |which: &'static str, all: &Vec<String>, other: &Vec<String>| -> Vec<String> {
        let only = all.iter().filter(|warning| !other.contains(warning));
        only.map(|warning| format!("The {which} record: {warning}")).collect()
    };
    both.chain(only("first", base, new)).chain(only("second", new, base)).collect()
}

fn sentences(settings: &[Setting]) -> String {
    let sentences: Vec<_> = settings
        .iter()
        .map(|setting| {
            format!("{} is {} in the first and {} in the second", setting.name, setting.base, setting.new)
        })
        .collect();
    sentences.join("; ")
}

fn options(settings: &[Setting]) -> String {
    let mut names: Vec<_> = settings.iter().map(|setting| setting.kind.name()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(",")
}

impl Comparison {
    /// Compares `new` with `base`. Settings of the kinds `across` may differ.
    ///
    /// # Errors
    /// [`CompareError`].
    pub fn new(base: &Record, new: &Record, across: &[SettingKind]) -> Result<Self, CompareError> {
        let settings = settings::differing(base, new);
        let decisive = |setting: &&Setting| setting.kind.is_decisive() && !across.contains(&setting.kind);
        let decisive: Vec<_> = settings.iter().filter(decisive).cloned().collect();
        if !decisive.is_empty() {
            return Err(CompareError::Settings(decisive));
        }
        let summaries = [Summary::new(base)?, Summary::new(new)?];
        let bytes = bytes::compare(base, new);
        let counts = counts::compare(base, new);
        let measurements = timings::compare([base, new], [&summaries[0], &summaries[1]]);
        if bytes.is_empty() && measurements.is_empty() {
            return Err(CompareError::NothingInCommon);
        }
        Ok(Comparison {
            base: Origin::of(base),
            new: Origin::of(new),
            missing: [settings::missing(base, new), bytes::missing(base, new), timings::missing([base, new])]
                .concat(),
            warnings: warnings(&summaries),
            settings,
            bytes,
            counts,
            measurements,
        })
    }

    /// The comparison in sentences and tables.
    #[must_use]
    pub fn document(&self) -> Document {
        tables::document(self)
    }
}
