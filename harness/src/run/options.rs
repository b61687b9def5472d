//! The options of a run.

use std::path::PathBuf;

use calculator::Executor;

use super::targets::Targets;

/// The options of a run, beside its scenario.
pub struct Options {
    /// The seed of the arguments and of the order of the trials.
    pub seed: u64,
    /// How servers run handlers.
    pub executor: Executor,
    /// Threads of a server's runtime.
    pub workers: usize,
    /// Further arguments for servers, such as faults.
    pub server_arguments: Vec<String>,
    /// Further arguments for the server of the second stack of an A/A pair.
    pub twin_arguments: Vec<String>,
    /// Servers that are already running.
    pub targets: Targets,
    /// The URL of a broker to use instead of a private one.
    pub broker: Option<String>,
    /// Stacks and protocols that must not be skipped.
    pub require: Vec<String>,
    /// The folder that the record is written to after every block.
    pub folder: PathBuf,
    /// The id of the run, for its record.
    pub id: String,
}
