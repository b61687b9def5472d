//! Why there is no private broker.

use std::io;
use std::path::PathBuf;

use crate::stacks::BrokerKind;

/// Why there is no private broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The broker, or a program that it needs, was not found.
    #[error("{0}")]
    NotInstalled(String),
    /// The broker was started but did not become ready. The reason ends with the last lines it printed.
    #[error("{0} did not start: {1}")]
    Start(BrokerKind, String),
    /// The folder for the broker's files cannot be used.
    #[error("cannot use {} for the broker's files: {source}; TMPDIR names another folder", path.display())]
    Folder {
        /// The folder, or the file in it that cannot be written.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The disk is nearly full.
    #[error(
        "{} has {free} MiB free, and a broker needs {required}: free some space, or set TMPDIR to another folder",
        path.display()
    )]
    Space {
        /// The folder for temporary files.
        path: PathBuf,
        /// The free space in MiB.
        free: u64,
        /// The space in MiB that a broker needs.
        required: u64,
    },
    /// A broker that this run did not start was to end.
    #[error("the broker was already running, and this run can neither end nor start it")]
    NotStarted,
    /// A broker without TLS is asked for where a stack needs one with it.
    #[error("a timeline that ends its broker has none with TLS")]
    NoTls,
    /// The broker ran, and ended during the run.
    #[error("{0} has ended during the run")]
    Ended(BrokerKind),
    /// The guard process could not be started, or ended without a message.
    #[error("cannot run the broker's guard process: {0}")]
    Guard(#[from] io::Error),
}
