//! Why a run failed.

use std::path::PathBuf;

use super::counts::CountError;
use super::targets::TargetError;
use crate::scenario::PlanError;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The scenario cannot be carried out.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A stack that must be measured cannot be.
    #[error("{stack} is required: {reason}")]
    Required {
        /// The stack.
        stack: &'static str,
        /// Why it cannot be measured.
        reason: String,
    },
    /// A server that was already running answers, but does not conform.
    #[error("{stack} at {address}: {reason}")]
    Target {
        /// The stack.
        stack: &'static str,
        /// The server's URL, without credentials.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// A server that was already running does not answer an operation of one's own as the scenario expects.
    #[error("{stack} at {address}: {reason}")]
    Operation {
        /// The stack.
        stack: &'static str,
        /// The server's URL, without credentials.
        address: String,
        /// Which operation, what was expected, and what came instead.
        reason: String,
    },
    /// A server that was already running gives no correct answer, at least not yet.
    #[error("{stack} at {address}: {reason}")]
    Unreachable {
        /// The stack.
        stack: &'static str,
        /// The server's URL, without credentials.
        address: String,
        /// What happened instead.
        reason: String,
    },
    /// A server that was already running did not become ready.
    #[error(transparent)]
    NotReady(#[from] TargetError),
    /// The instructions and allocations of a call cannot be counted.
    #[error("{stack} cannot be counted: {source}")]
    Count {
        /// The stack.
        stack: &'static str,
        /// Why.
        source: Box<CountError>,
    },
    /// Every stack but the floors was skipped.
    #[error("nothing could be measured: {stack}: {reason}")]
    Nothing {
        /// The first stack that was skipped.
        stack: String,
        /// Why.
        reason: String,
    },
    /// The run was ended before its first trial was over.
    #[error("nothing was measured, and no record is written")]
    NothingMeasured,
    /// The record cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// Why a record was not saved as planned, while the run goes on.
#[derive(Debug, thiserror::Error)]
pub enum SaveProblem {
    /// The folder of the file was removed.
    #[error("the folder {} was removed; it was created again for the record", folder.display())]
    FolderRemoved {
        /// The folder.
        folder: PathBuf,
    },
    /// The file cannot be written, and the fallback was.
    #[error("{reason}; wrote {} instead", fallback.display())]
    Fallback {
        /// Why the file cannot be written.
        reason: RunError,
        /// The file that was written.
        fallback: PathBuf,
    },
    /// The file cannot be written.
    #[error("{reason}; the record is kept in memory, and writing it is tried again later")]
    Unsaved {
        /// Why the file cannot be written.
        reason: RunError,
    },
}
