//! Finds the program that child processes run.

use std::io;
use std::path::PathBuf;

use crate::sys;

/// Environment variable with the path of the `rpcbench` program, for callers other than that program.
pub const PROGRAM_VARIABLE: &str = "RPCBENCH_PROGRAM";

/// The `rpcbench` program, which is started again to serve, to keep cores awake and to guard a broker: the program that
/// [`PROGRAM_VARIABLE`] names, otherwise the running one. Cargo's tests and benchmarks run from the folder `deps`
/// beside it.
///
/// # Errors
/// When the system does not report which program is running.
pub fn own_program() -> io::Result<PathBuf> {
    if let Some(path) = sys::variable(PROGRAM_VARIABLE) {
        return Ok(path.into());
    }
    let running = std::env::current_exe()?;
    let name = format!("rpcbench{}", std::env::consts::EXE_SUFFIX);
    match running.parent() {
        Some(folder) if folder.ends_with("deps") => Ok(folder.with_file_name(name)),
        _ => Ok(running),
    }
}
