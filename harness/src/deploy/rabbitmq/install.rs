//! Finds RabbitMQ and Erlang's port mapper on this machine.

use std::env;
use std::path::{Path, PathBuf};

use super::error::BrokerError;
use crate::sys;

/// Environment variable with the path of the broker's start script; overrides the usual places.
const SERVER_VARIABLE: &str = "RPCBENCH_RABBITMQ_SERVER";

/// The usual places of the start script. Debian's `/usr/sbin/rabbitmq-server` is not among them: that one switches to the
/// user `rabbitmq` and drops the environment, and with it the private folder and ports.
const SERVERS: [&str; 6] = [
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/homebrew/opt/rabbitmq/libexec/sbin/rabbitmq-server",
    "/usr/local/opt/rabbitmq/libexec/sbin/rabbitmq-server",
    "/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
    "/opt/homebrew/sbin/rabbitmq-server",
    "/usr/local/sbin/rabbitmq-server",
];

/// Folders to search for Erlang, in addition to the search path.
const ERLANG: [&str; 3] = ["/usr/bin", "/opt/homebrew/bin", "/usr/local/bin"];

/// The programs that a private broker consists of.
pub(super) struct Installation {
    /// RabbitMQ's start script.
    pub(super) server: PathBuf,
    /// Erlang's port mapper.
    pub(super) epmd: PathBuf,
    /// The search path for the start script, with Erlang on it.
    pub(super) path: std::ffi::OsString,
}

impl Installation {
    /// Searches where `RPCBENCH_RABBITMQ_SERVER` points, and else the usual places.
    ///
    /// # Errors
    /// [`BrokerError::NotInstalled`] with what to install.
    pub(super) fn find() -> Result<Self, BrokerError> {
        let server = match sys::variable(SERVER_VARIABLE).map(PathBuf::from) {
            Some(server) if server.is_file() => server,
            Some(server) => {
                let message = format!(
                    "{SERVER_VARIABLE} points to {}, which is not a file: install RabbitMQ (apt install rabbitmq-server, \
                     brew install rabbitmq) and name its start script, or unset it",
                    server.display()
                );
                return Err(BrokerError::NotInstalled(message));
            }
            None => SERVERS.iter().map(PathBuf::from).find(|server| server.is_file()).ok_or_else(|| {
                BrokerError::NotInstalled(format!(
                    "no RabbitMQ found: install it (apt install rabbitmq-server, brew install rabbitmq), \
                     set {SERVER_VARIABLE} to its rabbitmq-server, or give --broker URL"
                ))
            })?,
        };
        let mut folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
        folders.extend(ERLANG.iter().map(PathBuf::from));
        let epmd = find_in(&folders, "epmd").ok_or_else(|| {
            BrokerError::NotInstalled(
                "found RabbitMQ but not Erlang's epmd: put Erlang's bin folder on the PATH".to_owned(),
            )
        })?;
        let path = env::join_paths(folders).map_err(|error| BrokerError::NotInstalled(error.to_string()))?;
        Ok(Installation { server, epmd, path })
    }
}

fn find_in(folders: &[PathBuf], program: &str) -> Option<PathBuf> {
    folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}
