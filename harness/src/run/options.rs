//! The options of a run.

use std::path::PathBuf;
use std::sync::Arc;

use super::targets::Targets;
use crate::observe::Live;
use crate::stacks::{BrokerUrls, ServerOptions};

/// The options of a run, apart from its scenario.
pub struct Options {
    /// The seed of the arguments and of the order of the trials.
    pub seed: u64,
    /// The options of servers.
    pub server: ServerOptions,
    /// The options of the second server of an A/A pair; where they differ, the pair measures the difference.
    pub twin: ServerOptions,
    /// Servers that are already running.
    pub targets: Targets,
    /// The URLs of brokers to use instead of private ones.
    pub brokers: BrokerUrls,
    /// Stacks and protocols that must not be skipped.
    pub require: Vec<String>,
    /// Whether to count the instructions and allocations of a call at each server.
    pub counts: bool,
    /// The file that the record is written to after every block.
    pub file: PathBuf,
    /// The file that it is written to where that fails.
    pub fallback: Option<PathBuf>,
    /// The id of the run, for its record.
    pub id: String,
    /// Where calls are published as they end; `None` without a view of the run.
    pub live: Option<Arc<Live>>,
}
