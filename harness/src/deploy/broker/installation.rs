//! The programs of a broker, and what differs between brokers.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use futures_util::future::BoxFuture;
use tokio::process::Command;

use super::error::BrokerError;
use super::folder::Folder;
use super::line::{NodeInfo, NodeTls};
use crate::sys;

/// The user of all private brokers.
pub(super) const USER: &str = "rpcbench";

/// The programs of a broker.
pub(super) trait Installation: Send + Sync {
    /// The broker's program or start script.
    fn program(&self) -> &Path;

    /// Ports that are free now, as many as the broker listens on. Clients connect to the first one.
    ///
    /// # Errors
    /// When too few are free.
    fn free_ports(&self) -> io::Result<Vec<u16>>;

    /// Writes the files that the broker reads when it starts, so that it accepts [`USER`] with `password` only.
    ///
    /// # Errors
    /// [`BrokerError::Folder`].
    fn write_files(&self, folder: &Folder, ports: &[u16], password: &str) -> Result<(), BrokerError>;

    /// Where the broker accepts TLS; `None` if it does not.
    fn tls(&self, _ports: &[u16]) -> Option<NodeTls> {
        None
    }

    /// The process that the broker needs beside it, and the port on which that listens before the broker is waited for.
    fn helper(&self, _folder: &Path, _ports: &[u16]) -> Option<(Command, u16)> {
        None
    }

    /// The broker itself.
    fn broker(&self, folder: &Path, ports: &[u16]) -> Command;

    /// Connects to the broker as a client, and disconnects.
    ///
    /// # Errors
    /// Why that was not possible, for people.
    fn handshake<'a>(&'a self, info: &'a NodeInfo) -> BoxFuture<'a, Result<(), String>>;

    /// Whether a line that the broker printed says that a port is in use. The process that uses it may end meanwhile.
    fn names_a_taken_port(&self, line: &str) -> bool;
}

/// The first file with the name `program` in `folders`.
pub(super) fn find_in(folders: &[PathBuf], program: &str) -> Option<PathBuf> {
    folders.iter().map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// A command that runs in `folder` with a minimal environment, so that settings for another broker have no effect. `path` is
/// the search path.
pub(super) fn base_command(program: &Path, path: &OsStr, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", folder)
        .env("LANG", "C.UTF-8")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // The guard starts these processes on its main thread. They end with it if it is killed.
    sys::kill_with_parent(command.as_std_mut());
    command
}
