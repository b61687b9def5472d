//! The highest rate that each stack sustains, as found by a search.

use super::describe;
use super::model::{Cell, Column, Row, Table, Unit};
use crate::load::Rate;
use crate::record::{Probe, Record, SearchResult};
use crate::scenario::{Measurement, Search};
use crate::stats::carries_quantile;

const COLUMNS: [Column; 7] = [
    Column::text("stack", "stack"),
    Column::number("rate", "calls/s sustained–failed", Unit::CallsPerSecond)
        .meaning("the highest rate that was sustained, and the lowest that was not"),
    Column::number("p99", "p99 ms", Unit::Milliseconds).meaning("at the highest sustained rate"),
    Column::number("utilisation", "client server %", Unit::Percent)
        .meaning("of a core, at the highest sustained rate"),
    Column::text("limit", "limited by").meaning(
        "the end that was saturated when the lowest rate failed; `neither end` where calls waited although both had \
         headroom",
    ),
    Column::number("failed-utilisation", "then client server %", Unit::Percent)
        .meaning("of a core, when that rate failed"),
    Column::text("reason", "what failed").wide(),
];

/// A search of the scenario, and its result for each stack.
pub(super) struct Capacity<'a> {
    pub search: &'a Search,
    /// The stacks, the highest rate first; at least one.
    pub found: Vec<&'a SearchResult>,
    /// How long calls counted in each trial, in seconds.
    seconds: f64,
}

/// The searches of `record` that found something.
pub(super) fn capacities(record: &Record) -> Vec<Capacity<'_>> {
    let searches = record.scenario.searches.iter().map(|search| Capacity::new(search, record));
    searches.filter(|capacity| !capacity.found.is_empty()).collect()
}

impl<'a> Capacity<'a> {
    fn new(search: &'a Search, record: &'a Record) -> Self {
        let mut found: Vec<_> = record.searches.iter().filter(|found| found.search == search.name).collect();
        found.sort_by_key(|found| std::cmp::Reverse(found.held));
        Capacity { search, found, seconds: record.scenario.measure.as_secs_f64() }
    }

    /// The conditions of its trials, at any rate.
    pub(super) fn measurement(&self) -> Measurement {
        self.search.measurement_at(Rate::ONE)
    }

    /// What was searched for.
    pub(super) fn question(&self) -> String {
        let search = self.search;
        format!(
            "the highest rate ({}, {} arrivals, {} connections) at which 99 of 100 calls were answered within {} of \
             their scheduled send time; {}",
            search.operation,
            search.arrivals,
            search.connections,
            humantime::format_duration(search.p99),
            describe::placement(&self.measurement()),
        )
    }

    /// The table of the search.
    pub(super) fn table(&self) -> Table {
        Table {
            title: self.search.name.clone(),
            subtitle: Some(self.question()),
            columns: COLUMNS.to_vec(),
            rows: self.found.iter().map(|found| row(found, self.seconds)).collect(),
            ..Table::default()
        }
    }
}

/// The highest rate that was sustained and the lowest that was not, in calls per second.
pub(super) fn bounds(found: &SearchResult) -> (Option<f64>, Option<f64>) {
    let rate = |rate: Option<Rate>| rate.map(|rate| f64::from(rate.get()));
    (rate(found.held), rate(found.failed))
}

/// The row of `found`, from trials in which calls counted for `seconds`.
#[allow(clippy::cast_precision_loss)]
fn row(found: &SearchResult, seconds: f64) -> Row {
    let (low, high) = bounds(found);
    let best = found.probes.iter().filter(|probe| probe.held).max_by_key(|probe| probe.rate);
    let carries_p99 = |probe: &&Probe| carries_quantile(f64::from(probe.rate.get()) * seconds, 0.99);
    let p99 = best.filter(carries_p99).and_then(|probe| probe.p99).map(|nanos| nanos as f64 / 1e6);
    let percent = |share: Option<f64>| share.map(|share| 100.0 * share);
    let last_failure = found.failures().last();
    let busy = |probe: &Probe| Cell::Pair([percent(probe.client), percent(probe.server)]);
    Row::new(vec![
        found.stack.as_str().into(),
        Cell::Range { low, high },
        Cell::optional(p99),
        best.map_or(Cell::Empty, busy),
        found.limit().map_or(Cell::Missing, |limit| limit.name().into()),
        last_failure.map_or(Cell::Empty, busy),
        last_failure.map_or(Cell::Empty, |probe| probe.reason.as_str().into()),
    ])
}
