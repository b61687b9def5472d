//! What a record of several load generators holds of each of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Record, Status, Trial, Used};
use crate::sys::Machine;

/// A load generator of several that called the same servers at the same times. The record that one of them writes is
/// partial: it holds this one agent, and its load is this agent's share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Its number, from 1.
    pub number: u32,
    /// How many agents the run has.
    pub of: u32,
    /// When the calls of the first trial were to begin: RFC 3339, UTC.
    pub start: String,
    /// The time in seconds between the end of one trial's window and the first calls of the next.
    pub gap: f64,
    /// The machine it ran on.
    pub machine: Machine,
    /// The clock that the start was taken from; absent where it was the machine's own, of which nobody knows how far it
    /// is from another's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ReferenceClock>,
}

/// A server's clock, as an agent knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferenceClock {
    /// Where the server was asked.
    pub name: String,
    /// How often it was asked each time; the exchange with the least round trip counts.
    pub exchanges: u32,
    /// What was found before the first trial.
    pub start: ClockOffset,
    /// What was found after the last trial, by the same clock of the agent, which is not set in between; absent where
    /// the server did not answer any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<ClockOffset>,
}

/// By how much a clock is ahead of the agent's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockOffset {
    /// Nanoseconds; negative where it is behind.
    pub offset_ns: i64,
    /// By how much that may be wrong in either direction: half of the least round trip.
    pub bound_ns: u64,
}

impl ReferenceClock {
    /// By how much the agent's idea of the clock may have been wrong during the run.
    #[must_use]
    pub fn error_ns(&self) -> u64 {
        let later = self
            .end
            .map_or(0, |end| end.bound_ns.saturating_add(end.offset_ns.abs_diff(self.start.offset_ns)));
        self.start.bound_ns.max(later)
    }
}

/// What one agent did in a trial of several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentPart {
    /// The agent's number, from 1.
    pub agent: u32,
    /// How much later than agreed its first call was made, in nanoseconds; absent where none was.
    #[serde(alias = "late_ns")]
    pub start_delay_ns: Option<u64>,
    /// The calls it started that count.
    pub started: u64,
    /// Those answered rightly.
    pub right: u64,
    /// The median of its latencies in nanoseconds.
    pub p50: Option<u64>,
    /// The 99th percentile of its latencies in nanoseconds.
    pub p99: Option<u64>,
    /// The 99th percentile of its generator's schedule_lag in nanoseconds; absent in a closed loop.
    #[serde(default, alias = "lateness_p99", skip_serializing_if = "Option::is_none")]
    pub schedule_lag_p99: Option<u64>,
    /// What its process used.
    pub client: Option<Used>,
    /// Whether its part counts.
    pub status: Status,
    /// Why it does not; empty where it does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl AgentPart {
    /// What agent number `agent` did in `trial`, which holds nobody else's calls.
    #[must_use]
    pub fn new(trial: &Trial, agent: u32, start_delay_ns: Option<u64>) -> Self {
        let latency = trial.latency.as_ref();
        AgentPart {
            agent,
            start_delay_ns,
            started: trial.counts.started,
            right: trial.counts.right,
            p50: latency.and_then(|latency| latency.p50),
            p99: latency.and_then(|latency| latency.p99),
            schedule_lag_p99: trial.schedule_lag.as_ref().and_then(|schedule_lag| schedule_lag.p99),
            client: trial.client,
            status: trial.status,
            reason: trial.complaint().unwrap_or_default().to_owned(),
        }
    }
}

/// How far apart the agents of a run began the same trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartSpread {
    /// The greatest difference over all trials, in nanoseconds, by the clocks of the agents.
    pub greatest_ns: u64,
    /// By how much that may be wrong, in nanoseconds; `None` where an agent went by its own clock alone.
    pub bound_ns: Option<u64>,
    /// Whether it may be more than a tenth of a trial.
    pub is_wide: bool,
}

/// The part of a window, 1 in so many, by which agents may begin apart before a reader is warned.
const WIDE: u128 = 10;

impl StartSpread {
    /// The spread in `record`; `None` where it has fewer than two agents.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        if record.agents.len() < 2 {
            return None;
        }
        let spread = |trial: &Trial| {
            let late = || trial.agents.iter().filter_map(|part| part.start_delay_ns);
            Some(late().max()? - late().min()?)
        };
        let greatest_ns = record.trials.iter().filter_map(spread).max().unwrap_or(0);
        let errors: Option<Vec<u64>> =
            record.agents.iter().map(|agent| agent.clock.as_ref().map(ReferenceClock::error_ns)).collect();
        let bound_ns = errors.map(|mut errors| {
            // Two clocks are the furthest apart where one is wrong this way and the other that way.
            errors.sort_unstable();
            errors.iter().rev().take(2).fold(0, |sum: u64, error| sum.saturating_add(*error))
        });
        let most = u128::from(greatest_ns) + u128::from(bound_ns.unwrap_or(0));
        let is_wide = most * WIDE > record.scenario.measure.as_nanos();
        Some(StartSpread { greatest_ns, bound_ns, is_wide })
    }

    /// The spread in words.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn sentence(&self) -> String {
        let millis = |nanos: u64| format!("{:.3} ms", nanos as f64 / 1e6);
        let greatest = millis(self.greatest_ns);
        let known = match self.bound_ns {
            Some(bound) => format!(
                "the agents began each trial within {greatest} of each other, by clocks known to ± {}",
                millis(bound)
            ),
            None => format!(
                "the agents began each trial within {greatest} of each other, each by its own clock: how far those are \
                 apart is not known (give the agents --clock)"
            ),
        };
        if self.is_wide {
            format!("{known}: that may be more than a tenth of a trial; look for what held an agent up")
        } else {
            known
        }
    }
}
