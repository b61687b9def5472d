//! The server of NATS.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use calculator::ClientOptions;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::process::Command;

use super::error::BrokerError;
use super::folder::Folder;
use super::installation::{Installation, USER, base_command, find_in};
use super::line::NodeInfo;
use crate::deploy::ports::free_ports;
use crate::sys;

/// Environment variable with the path of the program; overrides the search path.
const SERVER_VARIABLE: &str = "RPCBENCH_NATS_SERVER";
/// Folders to search, in addition to the search path. Debian's package puts the program where only root's path leads.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin", "/usr/local/sbin"];
/// The largest payload, in bytes. The default, 1 MiB, would refuse the larger payloads of scenarios; this is the largest one of
/// which the program does not warn.
const MAX_PAYLOAD: u32 = 8 << 20;
const CONFIGURATION: &str = "nats.conf";
/// How long opening and closing a connection may take.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// The program `nats-server`.
pub(super) struct Nats {
    server: PathBuf,
}

impl Nats {
    /// Searches where `RPCBENCH_NATS_SERVER` points, and else the search path and the usual places.
    ///
    /// # Errors
    /// [`BrokerError::NotInstalled`] with what to install.
    pub(super) fn find() -> Result<Self, BrokerError> {
        let install = "apt install nats-server, brew install nats-server";
        if let Some(server) = sys::variable(SERVER_VARIABLE).map(PathBuf::from) {
            return if server.is_file() {
                Ok(Nats { server })
            } else {
                Err(BrokerError::NotInstalled(format!(
                    "{SERVER_VARIABLE} points to {}, which is not a file: install nats-server ({install}) and name it, \
                     or unset it",
                    server.display()
                )))
            };
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let folders: Vec<_> = env::split_paths(&path).chain(FOLDERS.map(PathBuf::from)).collect();
        let server = find_in(&folders, "nats-server").ok_or_else(|| {
            BrokerError::NotInstalled(format!(
                "no nats-server found: install it ({install}), set {SERVER_VARIABLE} to it, or give --broker URL"
            ))
        })?;
        Ok(Nats { server })
    }
}

impl Installation for Nats {
    fn program(&self) -> &Path {
        &self.server
    }

    fn free_ports(&self) -> io::Result<Vec<u16>> {
        Ok(free_ports::<1>()?.to_vec())
    }

    fn write_files(&self, folder: &Folder, ports: &[u16], password: &str) -> Result<(), BrokerError> {
        let port = ports.first().copied().unwrap_or_default();
        let store = serde_json::json!(folder.path().join("store"));
        // A superset of JSON. Everything else is the program's default: it stores nothing, and has neither a cluster nor a
        // port for monitoring.
        let text = format!(
            "listen: \"127.0.0.1:{port}\"\nmax_payload: {MAX_PAYLOAD}\nstore_dir: {store}\n\
             authorization: {{ user: {USER}, password: \"{password}\" }}\n"
        );
        folder.write(CONFIGURATION, &text)
    }

    fn broker(&self, folder: &Path, _: &[u16]) -> Command {
        let mut command = base_command(&self.server, "".as_ref(), folder);
        command.arg("--config").arg(CONFIGURATION);
        command
    }

    fn handshake<'a>(&'a self, info: &'a NodeInfo) -> BoxFuture<'a, Result<(), String>> {
        async {
            let broker: nats::Broker = info.url().parse().map_err(|error| format!("{error}"))?;
            let subject: nats::Subject = "ready".parse().map_err(|error| format!("{error}"))?;
            let options = ClientOptions { timeout: HANDSHAKE_DEADLINE, ..ClientOptions::default() };
            let connected = nats::bare::BareClient::connect(&broker, &subject, &options).await;
            connected.map(drop).map_err(|error| error.message)
        }
        .boxed()
    }

    fn names_a_taken_port(&self, line: &str) -> bool {
        line.contains("address already in use")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_recognised_by_what_the_program_prints() {
        let nats = Nats { server: PathBuf::new() };
        let line = "[1] 2026/01/01 00:00:00.000000 [FTL] Error listening on port: 127.0.0.1:1, \"listen tcp 127.0.0.1:1: \
                    bind: address already in use\"";
        assert!(nats.names_a_taken_port(line) && !nats.names_a_taken_port("no space left on device"));
    }
}
