//! What the gate asks Git.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The variables with which Git tells a hook which repository it works on, in place of the one around the current folder.
const VARIABLES_OF_HOOKS: [&str; 6] =
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"];

/// Lets `command` work on the repository around its folder, even if the gate runs in a hook of another one.
pub(super) fn forget_hook(command: &mut Command) -> &mut Command {
    for name in VARIABLES_OF_HOOKS {
        command.env_remove(name);
    }
    command
}

/// What Git prints for `arguments` in `folder`. It has a separate process group, so that Ctrl-C lets it come to its end.
///
/// # Errors
/// What it prints on standard error.
pub(super) fn git(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments).stdin(Stdio::null()).process_group(0);
    match forget_hook(&mut command).output() {
        Ok(output) if output.status.success() => Ok(trimmed(&output.stdout)),
        Ok(output) => Err(trimmed(&output.stderr)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err("git is not installed".to_owned()),
        Err(error) => Err(format!("git: {error}")),
    }
}

fn trimmed(text: &[u8]) -> String {
    String::from_utf8_lossy(text).trim().to_owned()
}
