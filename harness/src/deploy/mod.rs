//! Where servers and brokers run: child processes, placements, cores kept awake.

mod child;
mod placement;
pub mod rabbitmq;
mod server;
pub mod warm;

pub(crate) use child::PipedChild;
pub use placement::{Cores, NotEnoughCores, Placement};
pub use server::{ServerError, ServerProcess, port_of};

use std::io;
use std::path::PathBuf;

/// Names the program that serves and keeps cores awake, where that is not the running program itself: in tests and
/// benchmarks.
pub const PROGRAM_VARIABLE: &str = "RPCBENCH_PROGRAM";

/// The `rpcbench` program: the running one unless [`PROGRAM_VARIABLE`] names another.
///
/// # Errors
/// When the system does not tell which program is running.
pub fn own_program() -> io::Result<PathBuf> {
    std::env::var_os(PROGRAM_VARIABLE).map_or_else(std::env::current_exe, |path| Ok(path.into()))
}
