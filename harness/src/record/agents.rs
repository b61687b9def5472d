//! The agents of a run in its record: several load generators that called the same servers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Record, Status, Trial, Used};
use crate::sys::Machine;

/// One of several load generators that called the same servers at the same times. The record that an agent writes is
/// partial: it holds only that agent, and its loads are that agent's shares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// The number of the agent, from 1.
    pub number: u32,
    /// How many agents the run has.
    pub of: u32,
    /// When the calls of the first trial were to begin: RFC 3339, UTC.
    pub start: String,
    /// The time in seconds between the end of one trial's window and the first calls of the next.
    pub gap: f64,
    /// The machine it ran on.
    pub machine: Machine,
    /// The clock that determined the start; absent for the machine's own clock, whose difference from the others' is
    /// unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ReferenceClock>,
}

/// The clock of a server, and its offset as an agent measured it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferenceClock {
    /// The address of the server's control port.
    pub name: String,
    /// The number of exchanges of each measurement; the one with the shortest round trip counts.
    pub exchanges: u32,
    /// The offset before the first trial.
    pub start: ClockOffset,
    /// The offset after the last trial, from the same monotonic clock of the agent; absent if the server did not answer any
    /// more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<ClockOffset>,
}

/// How far a clock is ahead of the agent's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockOffset {
    /// Nanoseconds; negative if the clock is behind.
    pub offset_ns: i64,
    /// The largest possible error in either direction, in nanoseconds: half of the shortest round trip.
    pub bound_ns: u64,
}

impl ReferenceClock {
    /// The largest error of the agent's estimate of the clock during the run, in nanoseconds.
    #[must_use]
    pub fn error_ns(&self) -> u64 {
        let later = self
            .end
            .map_or(0, |end| end.bound_ns.saturating_add(end.offset_ns.abs_diff(self.start.offset_ns)));
        self.start.bound_ns.max(later)
    }
}

/// One agent's part of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentPart {
    /// The agent's number, from 1.
    pub agent: u32,
    /// How much later than agreed the agent made its first call, in nanoseconds; absent if it made none.
    #[serde(alias = "late_ns")]
    pub start_delay_ns: Option<u64>,
    /// The calls it started that count.
    pub started: u64,
    /// Calls that got a correct answer.
    pub right: u64,
    /// The median of its latencies in nanoseconds.
    pub p50: Option<u64>,
    /// The 99th percentile of its latencies in nanoseconds.
    pub p99: Option<u64>,
    /// The 99th percentile of its generator's schedule lag in nanoseconds; absent in a closed loop.
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
    /// The part of agent number `agent` in `trial`, which holds the calls of this agent only.
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

/// How far apart the agents of a run began the same trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartSpread {
    /// The greatest difference over all trials, in nanoseconds, by the clocks of the agents.
    pub greatest_ns: u64,
    /// The largest possible error of that, in nanoseconds; `None` if an agent had no reference clock.
    pub bound_ns: Option<u64>,
    /// Whether it may be more than a tenth of a trial.
    pub is_wide: bool,
}

/// A spread of more than one part in this many of a window is wide, so that the reader is warned.
const WIDE_FRACTION: u128 = 10;

impl StartSpread {
    /// The spread in `record`; `None` if it has fewer than two agents.
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
            // Two clocks are furthest apart when their errors have opposite signs.
            errors.sort_unstable();
            errors.iter().rev().take(2).fold(0, |sum: u64, error| sum.saturating_add(*error))
        });
        let most = u128::from(greatest_ns) + u128::from(bound_ns.unwrap_or(0));
        let scenario = &record.scenario;
        let windows = scenario.measurements.iter().map(|measurement| scenario.times_of(measurement).measure);
        let shortest = windows.min().unwrap_or(scenario.measure);
        let is_wide = most * WIDE_FRACTION > shortest.as_nanos();
        Some(StartSpread { greatest_ns, bound_ns, is_wide })
    }

    /// Describes the spread in a sentence.
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
