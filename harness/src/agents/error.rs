//! Why an agent could not run its share.

use std::num::NonZeroU32;

use crate::load::Load;
use crate::run::RunError;

/// Why an agent could not run its share.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The run itself failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The scenario has a search, whose next rate depends on all agents' last one.
    #[error(
        "scenario {scenario}: the search {search} chooses each rate by the outcome of the last one, which agents do not \
         share; give the rates with --load, or choose another scenario"
    )]
    Search {
        /// The scenario.
        scenario: String,
        /// The search.
        search: String,
    },
    /// The scenario has codecs, which are measured without a load.
    #[error(
        "scenario {scenario}: codecs are measured without sockets, so there is no load for agents to share; use `rpcbench \
         run`"
    )]
    Codecs {
        /// The scenario.
        scenario: String,
    },
    /// The scenario has a timeline, whose servers one process ends and starts.
    #[error(
        "scenario {scenario}: agents cannot share the timeline {timeline}, whose servers one process must end and start; \
         choose another scenario"
    )]
    Timeline {
        /// The scenario.
        scenario: String,
        /// The timeline.
        timeline: String,
    },
    /// The scenario has a topology, whose processes one process starts.
    #[error(
        "scenario {scenario}: agents cannot share the topology {topology}, whose servers and clients one process must start; \
         choose another scenario"
    )]
    Topology {
        /// The scenario.
        scenario: String,
        /// The topology.
        topology: String,
    },
    /// A load is too small to be shared.
    #[error("{load} cannot be shared by {of} agents: give each at least one caller, or one call a second")]
    Load {
        /// The load.
        load: Load,
        /// The number of agents.
        of: NonZeroU32,
    },
    /// The start had passed before the agent was ready.
    #[error("the start at {start} has passed already; agree on a later --at")]
    StartPassed {
        /// The start: RFC 3339, UTC.
        start: String,
    },
    /// The start passed before every server was checked.
    #[error("the start at {start} has passed while the servers were being checked; agree on a later --at")]
    StartPassedDuringChecks {
        /// The start: RFC 3339, UTC.
        start: String,
    },
    /// The agent cannot wait for its trials.
    #[error("there is no timer: {0}")]
    Timer(std::io::Error),
}
