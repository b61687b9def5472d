//! The highest rate that each stack holds, as every kind of report shows it.

use serde::Serialize;

use super::text::thousands;
use crate::load::Rate;
use crate::record::{Record, SearchResult};
use crate::scenario::Search;

/// A search, with a row for each stack: the highest rate first.
#[derive(Debug, Serialize)]
pub(super) struct Capacity {
    pub(super) name: String,
    /// What was searched for, in a sentence.
    pub(super) question: String,
    pub(super) rows: Vec<CapacityRow>,
}

/// What was found for a stack.
#[derive(Debug, Serialize)]
pub(super) struct CapacityRow {
    pub(super) stack: String,
    /// The range of the highest rate.
    pub(super) range: String,
    /// The p99 at the highest rate that held, in milliseconds.
    pub(super) p99: String,
    /// What the client's and the server's core were used for there, in percent.
    pub(super) busy: String,
    pub(super) note: String,
}

/// The columns of a table.
pub(super) const HEADINGS: [&str; 5] = ["stack", "calls/s held–failed", "p99 ms", "client server %", "notes"];

impl CapacityRow {
    /// One text for each of [`HEADINGS`].
    pub(super) fn cells(&self) -> [&str; 5] {
        [&self.stack, &self.range, &self.p99, &self.busy, &self.note]
    }

    fn of(searched: &SearchResult) -> Self {
        let rate =
            |rate: Option<Rate>| rate.map_or_else(|| "–".to_owned(), |rate| thousands(rate.get().into()));
        let best = searched.probes.iter().filter(|probe| probe.held).max_by_key(|probe| probe.rate);
        let percent =
            |share: Option<f64>| share.map_or_else(|| "–".to_owned(), |s| format!("{:.0}", 100.0 * s));
        #[allow(clippy::cast_precision_loss)]
        let p99 = best.and_then(|probe| probe.p99).map(|nanos| format!("{:.2}", nanos as f64 / 1e6));
        let mut notes = Vec::new();
        if searched.is_client_bound() {
            notes.push("client-bound: the client's core was the busier one".to_owned());
        }
        let mut that_failed = searched
            .probes
            .iter()
            .filter(|probe| !probe.held && Some(probe.rate) == searched.failed)
            .map(|probe| &probe.reason);
        notes.extend(that_failed.next_back().cloned());
        CapacityRow {
            stack: searched.stack.clone(),
            range: match (searched.held, searched.failed) {
                (Some(_), None) => format!("{} or more", rate(searched.held)),
                (None, Some(_)) => format!("less than {}", rate(searched.failed)),
                (held, failed) => format!("{}–{}", rate(held), rate(failed)),
            },
            p99: p99.unwrap_or_else(|| "–".to_owned()),
            busy: best.map_or_else(String::new, |p| format!("{} {}", percent(p.client), percent(p.server))),
            note: notes.join("; "),
        }
    }
}

/// The searches of `record`.
pub(super) fn capacities(record: &Record) -> Vec<Capacity> {
    let of_search = |search: &Search| {
        let mut found: Vec<_> = record.searches.iter().filter(|found| found.search == search.name).collect();
        found.sort_by_key(|found| std::cmp::Reverse(found.held));
        Capacity {
            name: search.name.clone(),
            question: format!(
                "the highest rate ({}, {} arrivals, {} connections) at which 99 of 100 calls were answered within {} of \
                 when they were due; {}",
                search.operation,
                search.arrivals,
                search.connections,
                humantime::format_duration(search.p99),
                super::text::placement(&search.at(Rate::ONE)),
            ),
            rows: found.into_iter().map(CapacityRow::of).collect(),
        }
    };
    record.scenario.searches.iter().map(of_search).filter(|capacity| !capacity.rows.is_empty()).collect()
}
