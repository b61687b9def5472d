//! Topologies: several clients that each call every one of several servers.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::count;
use crate::deploy::Placement;
use crate::load::Operation;
use crate::stacks::{MAX_INSTANCES, Stack, hint, nearest};

/// The largest number of clients.
const MAX_CLIENTS: u32 = 256;
/// File descriptors that a process needs for other things than the connections of a topology: pipes to its children, files.
const OTHER_DESCRIPTORS: u64 = 200;
/// The most connections that a client or a server has to a broker.
const MAX_BROKER_CONNECTIONS: u64 = 2;

/// One topology of each stack: clients that each call every server once, over connections that stay open. The connections are
/// counted, with the memory that they take and the time until every first call is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// A short name for tables and figures; unique among the topologies.
    #[schemars(example = &"8 × 8")]
    pub name: String,
    /// The number of clients: 1 to 256. Each connects separately, as a component of a system does; all are in the process of
    /// the harness.
    #[serde(deserialize_with = "count::deserialize")]
    #[schemars(example = 8)]
    pub clients: NonZeroU32,
    /// The number of servers: 1 to 32, each a process.
    #[serde(deserialize_with = "count::deserialize")]
    #[schemars(example = 8)]
    pub servers: NonZeroU32,
    /// The operation to call, as in a measurement.
    #[schemars(example = &"add")]
    pub operation: Operation,
    /// Which cores clients and servers use.
    #[schemars(example = &"split")]
    pub placement: Placement,
    /// The stacks, of those of the scenario; by default all that have a server. Floors take part only if the scenario lists them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["rest", "amqp"])]
    pub stacks: Vec<String>,
    /// The number of blocks; by default that of the scenario.
    #[serde(default, deserialize_with = "count::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(example = 2)]
    pub blocks: Option<NonZeroU32>,
}

/// Why a topology cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("the topology `{topology}`: {reason}")]
pub struct TopologyError {
    topology: String,
    reason: TopologyProblem,
}

/// What is wrong with a topology.
#[derive(Debug, thiserror::Error)]
enum TopologyProblem {
    #[error("it has 1 to {MAX_CLIENTS} clients")]
    Clients,
    #[error("it has 1 to {MAX_INSTANCES} servers")]
    Servers,
    #[error(
        "its connections take up to {needed} file descriptors, and a process may have {allowed} (`ulimit -Hn`); take fewer \
         clients or servers, or raise the limit"
    )]
    Descriptors { needed: u64, allowed: u64 },
    #[error("it calls {0}, which has no example call")]
    Operation(Operation),
    #[error("the scenario has no stack `{0}`{1}")]
    Stack(String, String),
    #[error("another topology has this name")]
    SameName,
}

impl Topology {
    /// The number of pairs of a client and a server.
    #[must_use]
    pub fn pairs(&self) -> u64 {
        u64::from(self.clients.get()) * u64::from(self.servers.get())
    }

    /// Whether `stack` takes part in this topology of a scenario with the stacks `all`.
    #[must_use]
    pub fn includes(&self, all: &[String], stack: &Stack) -> bool {
        let listed = if self.stacks.is_empty() { all } else { &self.stacks };
        stack.has_server()
            && self.operation.may_be_called_on(stack)
            && listed.iter().any(|it| it == stack.name)
    }

    /// Checks each of `topologies`, which are those of a scenario with `stacks`. `open_files` is the largest number of file
    /// descriptors that a process may have, where that is known.
    ///
    /// # Errors
    /// [`TopologyError`].
    pub(super) fn check_all(
        topologies: &[Topology],
        stacks: &[&Stack],
        open_files: Option<u64>,
    ) -> Result<(), TopologyError> {
        let mut names = BTreeSet::new();
        for topology in topologies {
            let unique = if names.insert(&topology.name) { Ok(()) } else { Err(TopologyProblem::SameName) };
            unique
                .and_then(|()| topology.check(stacks, open_files))
                .map_err(|reason| TopologyError { topology: topology.name.clone(), reason })?;
        }
        Ok(())
    }

    fn check(&self, stacks: &[&Stack], open_files: Option<u64>) -> Result<(), TopologyProblem> {
        if self.clients.get() > MAX_CLIENTS {
            return Err(TopologyProblem::Clients);
        }
        if usize::try_from(self.servers.get()).is_ok_and(|servers| servers > MAX_INSTANCES) {
            return Err(TopologyProblem::Servers);
        }
        let (needed, allowed) = (self.descriptors(), open_files.unwrap_or(u64::MAX));
        if needed > allowed {
            return Err(TopologyProblem::Descriptors { needed, allowed });
        }
        if self.operation.example(1).is_none() {
            return Err(TopologyProblem::Operation(self.operation));
        }
        let names = || stacks.iter().map(|stack| stack.name);
        match self.stacks.iter().find(|listed| names().all(|name| name != **listed)) {
            Some(unknown) => Err(TopologyProblem::Stack(unknown.clone(), hint(nearest(unknown, names())))),
            None => Ok(()),
        }
    }

    /// The most file descriptors that one of the processes needs.
    fn descriptors(&self) -> u64 {
        let to_broker = u64::from(self.clients.get() + self.servers.get()) * MAX_BROKER_CONNECTIONS;
        self.pairs() + to_broker + OTHER_DESCRIPTORS
    }
}
