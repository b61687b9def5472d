//! The settings of one trial.

use std::num::NonZeroU32;

use calculator::{Executor, Work};

use super::model::Measurement;
use super::servers::SlowServers;
use super::trial_times::TrialTimes;
use crate::deploy::{Cores, Placement};
use crate::load::{AgreedTimes, ConnectionUse, Load, Operation, share};
use crate::observe::LiveTrial;
use crate::stacks::{Exchange, OptionValues, Stack, Way};

/// The settings of one trial.
#[derive(Clone)]
pub struct TrialSpec {
    /// The stack.
    pub stack: &'static Stack,
    /// The name of the measurement that it belongs to.
    pub measurement: String,
    /// What is called.
    pub operation: Operation,
    /// How the client sends.
    pub way: Way,
    /// The load.
    pub load: Load,
    /// The number of connections.
    pub connections: NonZeroU32,
    /// Whether they stay open. If each call opens one, `connections` is the number of callers that do not share any.
    pub connection: ConnectionUse,
    /// Where client and server run.
    pub placement: Placement,
    /// The cores that follow from it.
    pub cores: Cores,
    /// Whether the cores are kept awake.
    pub warm: bool,
    /// How long its calls take.
    pub times: TrialTimes,
    /// The trial is made in the first so many blocks.
    pub blocks: u32,
    /// How the server runs handlers, if the measurement sets it.
    pub executor: Option<Executor>,
    /// What handlers do before they answer, if the measurement sets it.
    pub work: Option<Work>,
    /// The number of servers.
    pub servers: NonZeroU32,
    /// The servers whose handlers do other work.
    pub slow: Option<SlowServers>,
    /// The exchange through which calls go.
    pub exchange: Option<Exchange>,
    /// The options of the servers that the measurement sets.
    pub options: OptionValues,
    /// Whether this is the second half of an A/A pair.
    pub twin: bool,
    /// Counts the trials of the same stack that are alive at the same time, from 0.
    pub instance: usize,
    /// One agent's share of the trial; `None` if the run has no agents.
    pub share: Option<AgentShare>,
    /// The number of slices in which it is measured, in turn with others of the measurement; 1 if it is measured in one piece.
    pub slices: u32,
    /// Whether the trial, an open loop of a floor, first finds the limit of the load generator over its connections.
    pub finds_generator_limit: bool,
}

/// The number of the agent that runs a share of a trial, and the agreed times of the trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentShare {
    /// The agent's number, from 1.
    pub agent: u32,
    /// The agreed times of the trial.
    pub agreed: AgreedTimes,
}

impl TrialSpec {
    /// The trial of `measurement` for `stack` on `cores` in every block, as one part: neither the second of a pair nor one
    /// agent's share.
    #[must_use]
    pub fn new(stack: &'static Stack, measurement: &Measurement, cores: &Cores, times: TrialTimes) -> Self {
        let connections = match (measurement.load, measurement.connections) {
            (Load::Closed(callers), Some(connections)) if stack.multiplexes => connections.min(callers),
            _ => measurement.max_connections(),
        };
        TrialSpec {
            stack,
            measurement: measurement.name.clone(),
            operation: measurement.operation,
            way: measurement.way,
            load: measurement.load,
            connections,
            connection: measurement.connection,
            placement: measurement.placement,
            cores: cores.clone(),
            warm: measurement.warm && measurement.placement == Placement::Split && !cores.client.is_empty(),
            times,
            blocks: u32::MAX,
            executor: measurement.executor,
            work: measurement.work,
            servers: measurement.servers,
            slow: measurement.slow,
            exchange: measurement.exchange,
            options: measurement.options.clone(),
            twin: false,
            instance: 0,
            share: None,
            slices: 1,
            finds_generator_limit: false,
        }
    }

    /// This trial, for a view of the run.
    #[must_use]
    pub fn live_trial(&self) -> LiveTrial {
        let cores = self.cores.client.iter().chain(&self.cores.server).copied().collect();
        LiveTrial { name: format!("{} {}", self.stack.name, self.measurement), cores }
    }

    /// Whether the client sends in another way than the one of a plain measurement: without an answer, or through an exchange.
    #[must_use]
    pub fn sends_otherwise(&self) -> bool {
        !self.way.is_call() || self.exchange.is_some()
    }

    /// The share that agent number `agent` (from 1) of `of` agents has in this trial: its part of the load and of the
    /// connections, at least one connection. `None` if the load has fewer callers, or calls per second, than agents.
    #[must_use]
    pub fn share(&self, agent: u32, of: NonZeroU32, agreed: AgreedTimes) -> Option<Self> {
        let index = agent.checked_sub(1)?;
        let connections =
            NonZeroU32::new(share(self.connections.get(), index, of)).unwrap_or(NonZeroU32::MIN);
        Some(TrialSpec {
            load: self.load.share(index, of)?,
            connections,
            share: Some(AgentShare { agent, agreed }),
            // All agents would have to find it at the same time.
            finds_generator_limit: false,
            ..self.clone()
        })
    }
}
