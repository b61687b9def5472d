//! The runtime of commands that make a few calls.

use super::output::Failure;

/// A current-thread runtime.
///
/// # Errors
/// Where the system refuses one.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::could_not_run)
}
