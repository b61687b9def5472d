//! The result of a search for the highest rate that a stack holds.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CheckName, Status, Trial};
use crate::load::Rate;
use crate::scenario::Search;
use crate::stats::Saturation;

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
    /// The part of [`server`](Self::server) that the broker's process used; absent where there is none, or it is not
    /// observable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<f64>,
    /// The shares of a core that client and server used of what they could have used, as in
    /// [`Trial::utilisations`]; absent where that is not known, and in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<[f64; 2]>,
    /// The check of the audit that the trial did not pass; absent where it passed all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_check: Option<CheckName>,
}

/// What kept a stack from a rate that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The client saturated its core.
    Client,
    /// The server saturated its core.
    Server,
    /// Broker and server saturated their core, and the broker used more of it than the server.
    Broker,
    /// Both ends saturated their cores.
    BothEnds,
    /// The load generator fell behind its schedule although neither end was saturated.
    Generator,
    /// Neither end was saturated: calls waited for something else.
    Neither,
}

impl Limit {
    /// The limit in a few words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Limit::Client => "the client",
            Limit::Server => "the server",
            Limit::Broker => "the broker",
            Limit::BothEnds => "both ends",
            Limit::Generator => "the load generator",
            Limit::Neither => "neither end",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Probe {
    /// The outcome of `trial`, a trial of `search` at `rate`. `is_brokered` states whether the calls passed through a broker.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn of(trial: &Trial, search: &Search, rate: Rate, is_brokered: bool) -> Self {
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
        let broker = trial.broker.map(|broker| broker.utilisation);
        let failed_check = trial.audit.iter().find(|check| !check.passed).map(|check| check.name);
        Probe {
            rate,
            held: reason.is_empty(),
            p99,
            reason,
            client: trial.client.map(|client| client.utilisation),
            server: trial.serving(false).map(|serving| serving.utilisation),
            broker,
            ends: trial.utilisations(is_brokered),
            failed_check,
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

    /// What kept the stack from the lowest rate that failed, by what client and server used in the failed trials of that
    /// rate. `None` where no rate failed, or it is not known what the ends used of what they could have used.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        let failed: Vec<&Probe> = self.failures().collect();
        let used = failed.iter().filter_map(|probe| probe.ends);
        Some(match Saturation::of(&used.collect::<Vec<_>>())? {
            Saturation::Both => Limit::BothEnds,
            Saturation::Client => Limit::Client,
            Saturation::Server if failed.iter().all(|probe| is_mostly_broker(probe)) => Limit::Broker,
            Saturation::Server => Limit::Server,
            Saturation::Neither => {
                let fell_behind = |probe: &&Probe| probe.failed_check == Some(CheckName::Generator);
                if failed.iter().any(fell_behind) { Limit::Generator } else { Limit::Neither }
            }
        })
    }

    /// The failed trials of the lowest rate that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Probe> {
        self.probes.iter().filter(|probe| !probe.held && Some(probe.rate) == self.failed)
    }
}

/// Whether the broker used more than the server.
fn is_mostly_broker(probe: &Probe) -> bool {
    probe.broker.zip(probe.server).is_some_and(|(broker, both)| broker > both - broker)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::Cores;
    use crate::record::{Used, sample};
    use crate::scenario::Scenario;

    /// The limit of a search whose failed trials used these shares of client, server and broker together, and broker.
    fn limit(failures: &[(f64, f64, Option<f64>)], check: Option<CheckName>) -> Option<Limit> {
        let probe = |rate, held, (client, server, broker)| Probe {
            rate: Rate::new(rate).unwrap(),
            held,
            p99: None,
            reason: String::new(),
            client: Some(client),
            server: Some(server),
            broker,
            ends: Some([client, server]),
            failed_check: check.filter(|_| !held),
        };
        let held = probe(1_000, true, (0.99, 0.1, None));
        let failures = failures.iter().map(|used| probe(1_050, false, *used));
        let result = SearchResult {
            search: "capacity".to_owned(),
            stack: "rest".to_owned(),
            held: Rate::new(1_000),
            failed: Rate::new(1_050),
            probes: std::iter::once(held).chain(failures).collect(),
        };
        result.limit()
    }

    #[test]
    fn the_limit_is_the_end_that_was_saturated_when_the_rate_failed() {
        assert_eq!(limit(&[(0.97, 0.5, None), (0.96, 0.5, None)], None), Some(Limit::Client));
        assert_eq!(limit(&[(0.5, 0.97, None), (0.5, 0.93, None)], None), Some(Limit::Server));
        assert_eq!(limit(&[(0.3, 0.97, Some(0.7))], None), Some(Limit::Broker));
        assert_eq!(limit(&[(0.3, 0.97, Some(0.4))], None), Some(Limit::Server));
        assert_eq!(limit(&[(0.95, 0.97, None)], None), Some(Limit::BothEnds));
        assert_eq!(limit(&[], None), None);
    }

    #[test]
    fn what_the_ends_could_have_used_decides_and_not_their_shares_alone() {
        let search = Scenario::load("saturation").unwrap().searches.remove(0);
        let used = |utilisation| Some(Used { utilisation, ..Used::default() });
        let of = |trial: Trial, is_brokered| {
            let trial = Trial { client: used(0.5), server: used(0.5), ..trial };
            Probe::of(&trial, &search, Rate::ONE, is_brokered)
        };
        // On one core, both ends together have saturated it.
        assert_eq!(of(sample::trial("rest", [1, 1]), false).ends, Some([1.0, 1.0]));
        assert_eq!(of(sample::trial("rest", [0, 1]), false).ends, Some([0.5, 0.5]));
        // The cores, or the broker, are not known.
        let free = Trial { cores: Cores::default(), ..sample::trial("rest", [0, 1]) };
        assert_eq!(of(free, false).ends, None);
        assert_eq!(of(sample::trial("amqp", [0, 1]), true).ends, None);
    }

    #[test]
    fn an_idle_client_is_never_the_limit() {
        // The client is busier than the server, but far from busy.
        assert_eq!(limit(&[(0.02, 0.01, None), (0.02, 0.01, None)], None), Some(Limit::Neither));
        let late = Some(CheckName::Generator);
        assert_eq!(limit(&[(0.4, 0.3, None)], late), Some(Limit::Generator));
        assert_eq!(limit(&[(0.4, 0.97, None)], late), Some(Limit::Server));
    }
}
