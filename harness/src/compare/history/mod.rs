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
mod series;
mod tables;
#[cfg(test)]
mod tests;
mod words;

use serde::Serialize;

use super::{Metric, Origin, settings};
use crate::record::Record;
use crate::report::Document;
use crate::stats::{ERROR_RATE, MIN_CHANGE, MIN_CLUSTER, Search, error_each};

pub use changes::Change;
pub use filter::{Filter, FilterError, MetricKind};
pub use folder::{Folder, FolderError, LeftOut};
pub use series::{Point, Series};

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
        let wanted = folder.records.iter().filter(|record| filter.has_scenario(&record.scenario.name));
        let grouped: Vec<(Vec<&Record>, Vec<Series>)> = grouped(wanted)
            .into_iter()
            .map(|records| {
                let series = series::all(&records, filter);
                (records, series)
            })
            .filter(|(_, series)| !series.is_empty())
            .collect();
        if grouped.is_empty() {
            return Err(FilterError::Nothing);
        }
        let method = Method::new(tested(grouped.iter().flat_map(|(_, series)| series)));
        let mut groups: Vec<Group> = Vec::new();
        for (index, (records, series)) in grouped.iter().enumerate() {
            let earlier = grouped[..index].iter().map(|(records, _)| records.as_slice());
            groups.push(group(records, series, earlier, method.search()));
        }
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
/// nothing that separates them.
fn grouped<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<Vec<&'a Record>> {
    let mut groups: Vec<Vec<&Record>> = Vec::new();
    for record in records {
        let fits = |other: &&Record| {
            other.scenario.name == record.scenario.name && settings::separating(other, record).is_empty()
        };
        match groups.iter_mut().find(|group| group.iter().all(fits)) {
            Some(group) => group.push(record),
            None => groups.push(vec![record]),
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.last().map(|record| record.started.clone())));
    groups
}

fn group<'a>(
    records: &[&Record],
    series: &[Series],
    earlier: impl Iterator<Item = &'a [&'a Record]>,
    search: Search,
) -> Group {
    let first = records[0];
    let entry =
        |series: &Series| Entry { changes: changes::of(series, records, search), series: series.clone() };
    let unlike = earlier
        .filter(|other| other[0].scenario.name == first.scenario.name)
        .flat_map(|other| settings::separating(other[0], first))
        .map(|setting| format!("{} is {}, not {}", setting.name, setting.new, setting.base));
    let mut different: Vec<String> = Vec::new();
    for setting in unlike {
        if !different.contains(&setting) {
            different.push(setting);
        }
    }
    let processor = first.machine.processor.as_ref().unwrap_or(&first.machine.architecture);
    Group {
        scenario: first.scenario.name.clone(),
        machine: format!("{processor}, {} cores", first.machine.cores),
        unlike: different,
        records: records.iter().map(|record| Origin::of(record)).collect(),
        series: series.iter().map(entry).collect(),
    }
}
