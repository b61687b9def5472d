//! The lines that a guard prints, as JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A line that a guard prints.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum GuardLine {
    /// The broker accepts connections.
    Ready(NodeInfo),
    /// RabbitMQ was not found; what to install.
    NotInstalled(String),
    /// The broker did not start; the reason.
    Failed(String),
}

/// A broker that accepts connections. Contains the password, so it must not be printed.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct NodeInfo {
    /// Port for AMQP on 127.0.0.1.
    pub(super) port: u16,
    /// Port of Erlang's port mapper.
    pub(super) epmd: u16,
    pub(super) user: String,
    pub(super) password: String,
    /// Process id of the Erlang virtual machine.
    pub(super) beam: u32,
    /// The folder with everything that the broker writes.
    pub(super) folder: PathBuf,
}

impl NodeInfo {
    /// The transport URL, with credentials: never print or record it.
    pub(super) fn url(&self) -> String {
        let NodeInfo { user, password, port, .. } = self;
        format!("amqp://{user}:{password}@127.0.0.1:{port}/%2f")
    }
}
