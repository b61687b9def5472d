//! The changes of a series, and what else changed with them.

use serde::Serialize;

use super::series::{Point, Series};
use crate::compare::figures::Metric;
use crate::compare::settings::{self, Setting};
use crate::record::Record;
use crate::stacks::{at_the_place_of, base_name};
use crate::stats::{Search, median};

/// A change of level between two records of a group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The position in its group of the last record before the change.
    pub last_before: usize,
    /// The position of the first record after it.
    pub first_after: usize,
    /// The level from the previous change on.
    pub before: f64,
    /// The level up to the next change.
    pub after: f64,
    /// The level after the change as a multiple of that before.
    pub ratio: f64,
    /// The p-value of the permutation test; absent for bytes, which are exact.
    pub p: Option<f64>,
    /// Whether the change is for the worse.
    pub is_worse: bool,
    /// The settings that differ between the two records.
    pub settings: Vec<Setting>,
}

/// The changes of `series`, a series of the group `records`.
pub(super) fn of(series: &Series, records: &[&Record], search: Search) -> Vec<Change> {
    if series.metric == Metric::Bytes {
        of_bytes(series, records)
    } else {
        of_timings(series, records, search)
    }
}

fn of_timings(series: &Series, records: &[&Record], search: Search) -> Vec<Change> {
    let values: Vec<f64> = series.points.iter().map(|point| point.value).collect();
    let found = search.change_points(&values).into_iter();
    found
        .map(|found| {
            let both = [&series.points[found.at - 1], &series.points[found.at]];
            change(series, records, both, [found.before, found.after], Some(found.p))
        })
        .collect()
}

/// Where the bytes of two consecutive records with exact bytes differ.
fn of_bytes(series: &Series, records: &[&Record]) -> Vec<Change> {
    let exact: Vec<_> =
        series.points.iter().filter_map(|point| Some((point, &point.bytes.as_ref()?.hops))).collect();
    let differing = exact.windows(2).filter(|pair| pair[0].1 != pair[1].1);
    let of_pair = |pair: &[(&Point, _)]| {
        let both = [pair[0].0, pair[1].0];
        change(series, records, both, both.map(|point| point.value), None)
    };
    differing.map(of_pair).collect()
}

fn change(
    series: &Series,
    records: &[&Record],
    both: [&Point; 2],
    [before, after]: [f64; 2],
    p: Option<f64>,
) -> Change {
    let [last_before, first_after] = both.map(|point| point.record);
    // A multiple changes with the floor, too.
    let floor = series.floor.as_ref().map(|floor| at_the_place_of(floor, &series.stack));
    let is_wanted = |stack: &str| {
        stack == series.stack || stack == base_name(&series.stack) || Some(stack) == floor.as_deref()
    };
    Change {
        last_before,
        first_after,
        before,
        after,
        ratio: after / before,
        p,
        is_worse: (after > before) == series.metric.is_cost(),
        settings: settings::differing_for(records[last_before], records[first_after], is_wanted),
    }
}

/// The levels of `series` between its changes: the first and the last position of a record, and the value.
pub(super) fn levels(series: &Series, changes: &[Change]) -> Vec<(usize, usize, f64)> {
    let (Some(first), Some(last)) = (series.points.first(), series.points.last()) else { return vec![] };
    let Some(first_change) = changes.first() else {
        let values: Vec<f64> = series.points.iter().map(|point| point.value).collect();
        return median(&values).map(|value| (first.record, last.record, value)).into_iter().collect();
    };
    let starts = changes.iter().map(|change| (change.first_after, change.after));
    let starts = std::iter::once((first.record, first_change.before)).chain(starts);
    let ends = changes.iter().map(|change| change.last_before).chain([last.record]);
    starts.zip(ends).map(|((start, value), end)| (start, end, value)).collect()
}
