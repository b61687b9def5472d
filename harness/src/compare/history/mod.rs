//! Many records in order of time, with the changes of level marked.
//!
//! Records are of one history if they have the same scenario, hardware and settings of what was measured; otherwise they
//! form several groups. A series is a metric of one stack over the records of a group. Changes of timings are found by
//! [E-divisive](Search), such that at most one history in a hundred contains a change that is none; bytes are exact, so each
//! of their changes is certain.

mod changes;
mod charts;
mod filter;
mod folder;
mod parallel;
mod series;
mod tables;
#[cfg(test)]
mod tests;
mod words;

use jiff::Timestamp;
use serde::Serialize;

use super::{Metric, Origin, settings};
use crate::record::Record;
use crate::report::Document;
use crate::stats::{ERROR_RATE, MIN_CHANGE, MIN_CLUSTER, Search, error_each};

pub use changes::Change;
pub use filter::{Filter, FilterError, MetricKind};
pub use folder::{Folder, FolderError, LeftOut, record_files};
pub use series::{Point, Series, Unplaced};

use folder::Dated;

/// The seed of the permutations: the same records always have the same changes.
const SEED: u64 = 2014;

/// The history of the records in a folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct History {
    /// How changes of timings were searched for.
    pub method: Method,
    /// The records that are comparable with each other, a group each; that with the newest record is first.
    pub groups: Vec<Group>,
    /// The files that are not used.
    pub left_out: Vec<LeftOut>,
}

/// How changes of timings were searched for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Method {
    /// The probability that a history without changes has one is at most this.
    pub error_rate: f64,
    /// The number of series that share this error.
    pub series: usize,
    /// The level of each of these series: the error divided by their number (Bonferroni).
    pub level: f64,
    /// The number of permutations of a test.
    pub permutations: u32,
    /// The seed of the permutations.
    pub seed: u64,
    /// The smallest change that is reported, as a share.
    pub min_change: f64,
    /// The smallest number of records in which a change is found.
    pub records_needed: usize,
}

/// Records that are comparable with each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// The name of the scenario.
    pub scenario: String,
    /// The processor and the number of cores.
    pub machine: String,
    /// What keeps the records from being compared with those of the groups before that have the same scenario, a few words each.
    pub unlike: Vec<String>,
    /// The records, in order of time.
    pub records: Vec<Origin>,
    /// When the run of each record began.
    #[serde(skip)]
    started: Vec<Timestamp>,
    /// The timings that are left out because the server ran on other or unknown cores.
    pub unplaced: Vec<Unplaced>,
    /// The series.
    pub series: Vec<Entry>,
}

/// A series and its changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// The series.
    #[serde(flatten)]
    pub series: Series,
    /// The changes of level, in order of time.
    pub changes: Vec<Change>,
}

impl Method {
    fn new(series: usize) -> Self {
        let search = Search { level: error_each(series), seed: SEED };
        Method {
            error_rate: ERROR_RATE,
            series,
            level: search.level,
            permutations: search.permutations(),
            seed: search.seed,
            min_change: MIN_CHANGE,
            records_needed: search.values_needed(),
        }
    }

    fn search(&self) -> Search {
        Search { level: self.level, seed: self.seed }
    }
}

impl History {
    /// The history of the records in `folder`, of the series that `filter` selects.
    ///
    /// # Errors
    /// When no record has what `filter` wants.
    pub fn new(folder: &Folder, filter: &Filter) -> Result<Self, FilterError> {
        filter.check(&folder.records)?;
        let wanted = folder.records.iter().filter(|dated| filter.has_scenario(&dated.record.scenario.name));
        let found: Vec<Comparable<'_>> = grouped(wanted)
            .into_iter()
            .map(|records| Comparable::new(&records, filter))
            .filter(|group| !group.series.is_empty() || !group.unplaced.is_empty())
            .collect();
        if found.is_empty() {
            return Err(FilterError::Nothing);
        }
        let all: Vec<(&[&Record], &Series)> = found
            .iter()
            .flat_map(|group| group.series.iter().map(|series| (group.records.as_slice(), series)))
            .collect();
        let method = Method::new(tested(all.iter().map(|(_, series)| *series)));
        let search = method.search();
        let changes = parallel::map(&all, |(records, series)| changes::of(series, records, search));
        let mut changes = changes.into_iter();
        let unlike: Vec<_> = (0..found.len()).map(|index| found[index].unlike(&found[..index])).collect();
        let groups = found.into_iter().zip(unlike);
        let groups = groups.map(|(group, unlike)| group.with(unlike, changes.by_ref())).collect();
        Ok(History { method, groups, left_out: folder.left_out.clone() })
    }

    /// The history in sentences, tables and figures.
    #[must_use]
    pub fn document(&self) -> Document {
        tables::document(self)
    }

    /// Every series with the group that it belongs to.
    fn entries(&self) -> impl Iterator<Item = (&Group, &Entry)> {
        self.groups.iter().flat_map(|group| group.series.iter().map(move |entry| (group, entry)))
    }
}

/// The number of series that share the error. One that is too short for any change takes no part of it, unless all are.
fn tested<'a>(series: impl Iterator<Item = &'a Series>) -> usize {
    let timings = series.filter(|series| series.metric != Metric::Bytes);
    let lengths: Vec<usize> = timings.map(|series| series.points.len()).collect();
    let long = lengths.iter().filter(|length| **length >= 2 * MIN_CLUSTER).count();
    if long > 0 { long } else { lengths.len() }
}

/// The records that are comparable with each other, in groups: each record joins the first group with whose records it has
/// nothing that separates them. The group with the newest record is first.
fn grouped<'a>(records: impl Iterator<Item = &'a Dated>) -> Vec<Vec<&'a Dated>> {
    let mut groups: Vec<Vec<&Dated>> = Vec::new();
    for dated in records {
        let fits = |other: &&Dated| {
            let (other, record) = (&other.record, &dated.record);
            other.scenario.name == record.scenario.name && settings::separating(other, record).is_empty()
        };
        match groups.iter_mut().find(|group| group.iter().all(fits)) {
            Some(group) => group.push(dated),
            None => groups.push(vec![dated]),
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.last().map(|dated| dated.started)));
    groups
}

/// The records of a group and their series, before changes are searched for.
struct Comparable<'a> {
    records: Vec<&'a Record>,
    started: Vec<Timestamp>,
    series: Vec<Series>,
    unplaced: Vec<Unplaced>,
}

impl<'a> Comparable<'a> {
    fn new(all: &[&'a Dated], filter: &Filter) -> Self {
        let records: Vec<_> = all.iter().map(|dated| &dated.record).collect();
        let (series, unplaced) = series::all(&records, filter);
        Comparable { records, started: all.iter().map(|dated| dated.started).collect(), series, unplaced }
    }

    /// What keeps the records from being compared with those of `earlier` groups of the same scenario, a few words each.
    fn unlike(&self, earlier: &[Self]) -> Vec<String> {
        let first = self.records[0];
        let mut unlike: Vec<String> = Vec::new();
        let others = earlier.iter().map(|other| other.records[0]);
        let others = others.filter(|other| other.scenario.name == first.scenario.name);
        for setting in others.flat_map(|other| settings::separating(other, first)) {
            let words = format!("{} is {}, not {}", setting.name, setting.new, setting.base);
            if !unlike.contains(&words) {
                unlike.push(words);
            }
        }
        unlike
    }

    /// The group with the changes of its series, which are the next of `changes`.
    fn with(self, unlike: Vec<String>, changes: impl Iterator<Item = Vec<Change>>) -> Group {
        let Record { scenario, machine, .. } = self.records[0];
        let entries = self.series.into_iter().zip(changes);
        Group {
            scenario: scenario.name.clone(),
            machine: machine.name(),
            unlike,
            records: self.records.iter().map(|record| Origin::of(record)).collect(),
            started: self.started,
            unplaced: self.unplaced,
            series: entries.map(|(series, changes)| Entry { series, changes }).collect(),
        }
    }
}
