//! The result of a search for the highest rate that a stack holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Status, Trial};
use crate::load::Rate;
use crate::scenario::Search;

/// The result of a search for one stack: the highest rate that it holds lies between `held` and `failed`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchResult {
    /// The search of the scenario that it belongs to.
    pub search: String,
    /// The stack.
    pub stack: String,
    /// The highest rate that held, in calls per second; absent where none did.
    pub held: Option<Rate>,
    /// The lowest rate that did not; absent where every rate held.
    pub failed: Option<Rate>,
    /// The rates that were tried, in that order. A rate that failed is tried again; two of three trials decide.
    pub probes: Vec<Probe>,
}

/// One trial of a rate.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Calls per second.
    pub rate: Rate,
    /// Whether 99 of 100 calls were answered in time and every slot was sent.
    pub held: bool,
    /// The 99th percentile of the response times in nanoseconds; absent where it falls among calls without an answer.
    pub p99: Option<u64>,
    /// Why it did not hold; empty where it did.
    pub reason: String,
    /// What the client's process used, as a share of a core; absent where it is not observable.
    pub client: Option<f64>,
    /// What the processes of server and broker used together, as a share of a core; absent where it is not observable.
    pub server: Option<f64>,
}

impl Probe {
    /// The outcome of `trial`, a trial of `search` at `rate`.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn of(trial: &Trial, search: &Search, rate: Rate) -> Self {
        let p99 = trial.latency.as_ref().and_then(|latency| latency.p99);
        let in_time = p99.is_some_and(|p99| u128::from(p99) <= search.p99.as_nanos());
        let reason = if trial.status != Status::Valid {
            trial.complaint().unwrap_or("the trial does not count").to_owned()
        } else if trial.counts.not_sent > 0 {
            format!(
                "{} of {} slots were not sent: too many calls in flight",
                trial.counts.not_sent, trial.counts.slots
            )
        } else if in_time {
            String::new()
        } else {
            p99.map_or_else(
                || "more than 1 of 100 calls was not answered".to_owned(),
                |p99| format!("p99 was {:.1} ms", p99 as f64 / 1e6),
            )
        };
        let broker = trial.broker.map_or(0.0, |broker| broker.utilisation);
        Probe {
            rate,
            held: reason.is_empty(),
            p99,
            reason,
            client: trial.client.map(|client| client.utilisation),
            server: trial.server.map(|server| server.utilisation + broker),
        }
    }
}

impl SearchResult {
    /// The range in which the highest rate lies, in words.
    #[must_use]
    pub fn range(&self) -> String {
        match (self.held.map(Rate::get), self.failed.map(Rate::get)) {
            (Some(held), Some(failed)) => format!("holds {held} calls/s, not {failed}"),
            (Some(held), None) => format!("holds {held} calls/s, and a higher rate cannot be tried"),
            (None, Some(failed)) => format!("does not hold {failed} calls/s"),
            (None, None) => "nothing was tried".to_owned(),
        }
    }

    /// Whether the client limited the rate: at the highest rate that held, the client's core was busier than the server's.
    #[must_use]
    pub fn is_client_bound(&self) -> bool {
        let nearest = self.probes.iter().filter(|probe| probe.held).max_by_key(|probe| probe.rate);
        nearest.and_then(|probe| Some(probe.client? > probe.server?)).unwrap_or(false)
    }
}
