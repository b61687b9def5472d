//! Finds the program that child processes run.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::process::Command;

use crate::sys;

/// Environment variable with the path of the `rpcbench` program, for callers other than that program.
pub const PROGRAM_VARIABLE: &str = "RPCBENCH_PROGRAM";

/// A command that begins with the words of `wrapper`, such as those of a profiler, and `program`.
pub(super) fn command_line(wrapper: &[OsString], program: &OsStr) -> Command {
    let mut words = wrapper.iter().map(OsString::as_os_str).chain([program]);
    let mut command = Command::new(words.next().unwrap_or(program));
    command.args(words);
    command
}

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
