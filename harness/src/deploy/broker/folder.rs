//! The folder of a broker, and the process that removes it if the guard is killed.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use nix::sys::statvfs::statvfs;

use super::error::BrokerError;
use crate::deploy::program::own_program;
use crate::sys;

/// Name of the hidden subcommand that runs [`sweeper_main`].
pub const SWEEPER_SUBCOMMAND: &str = "__broker-sweeper";

/// The beginning of the name of every folder.
const PREFIX: &str = "rpcbench-broker-";

/// The free space that a broker needs. It blocks publishers while less than 50 MB are free (`disk_free_limit`).
const REQUIRED_SPACE_BYTES: u64 = 64 << 20;

/// How often to try to remove a folder, and the pause between two attempts: a process that was killed may still write.
const MAX_SWEEPS: u32 = 500;
const SWEEP_INTERVAL: Duration = Duration::from_millis(20);

/// A folder that only its owner can access. It is removed when dropped, and by a *sweeper* process, which waits for the end
/// of a pipe, when this process is killed.
pub(super) struct Folder {
    path: PathBuf,
    sweeper: Child,
}

impl Folder {
    /// Creates a folder below the folder for temporary files.
    ///
    /// # Errors
    /// [`BrokerError::Folder`] and [`BrokerError::Space`]; [`BrokerError::Guard`] if the sweeper does not start.
    pub(super) fn create() -> Result<Self, BrokerError> {
        let path = std::env::temp_dir().join(format!("{PREFIX}{:016x}", rand::random::<u64>()));
        let failed = |source| BrokerError::Folder { path: path.clone(), source };
        let mut command = Command::new(own_program()?);
        command
            .arg(SWEEPER_SUBCOMMAND)
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        sys::continue_with_parent(&mut command);
        // Before the folder exists, so that nothing is left whenever this process is killed.
        let folder = Folder { path: path.clone(), sweeper: command.spawn()? };
        DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
        let space = statvfs(&path).map_err(|error| failed(error.into()))?;
        #[allow(clippy::useless_conversion, reason = "these types differ between systems")]
        let free = u64::from(space.blocks_available()).saturating_mul(u64::from(space.fragment_size()));
        if free < REQUIRED_SPACE_BYTES {
            let path = std::env::temp_dir();
            return Err(BrokerError::Space { path, free: free >> 20, required: REQUIRED_SPACE_BYTES >> 20 });
        }
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a new file with this name, which only its owner can read: Erlang rejects any other cookie file.
    ///
    /// # Errors
    /// [`BrokerError::Folder`].
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), BrokerError> {
        let path = self.path.join(name);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|source| BrokerError::Folder { path, source })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.path);
        // Its input ends, and it finds nothing to remove. A stopped process must continue to notice that.
        drop(self.sweeper.stdin.take());
        sys::continue_child(&self.sweeper);
        let _ = self.sweeper.wait();
    }
}

/// Removes the folder of a broker whose processes have ended or were killed. Gives up after some 10 s.
pub(super) fn remove(path: &Path) {
    for _ in 0..MAX_SWEEPS {
        match fs::remove_dir_all(path) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => std::thread::sleep(SWEEP_INTERVAL),
        }
    }
}

/// The main function of a sweeper: waits until standard input ends, and removes `folder`, the folder of a broker.
#[must_use]
pub fn sweeper_main(folder: &Path) -> ExitCode {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if !name.starts_with(PREFIX) {
        return ExitCode::from(2);
    }
    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
    remove(folder);
    if folder.exists() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
