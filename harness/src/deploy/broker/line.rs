//! The lines that a guard prints, as JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::stacks::BrokerKind;

/// A line that a guard prints.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum GuardLine {
    /// The broker accepts connections.
    Ready(NodeInfo),
    /// The broker was not found; what to install.
    NotInstalled(String),
    /// The broker did not start; the reason.
    Failed(String),
}

/// A broker that accepts connections. Contains the password, so it must not be printed.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct NodeInfo {
    pub(super) kind: BrokerKind,
    /// Its ports on 127.0.0.1; clients connect to the first one.
    pub(super) ports: Vec<u16>,
    pub(super) user: String,
    pub(super) password: String,
    /// Process id of the broker itself.
    pub(super) pid: u32,
    /// The folder with everything that the broker writes.
    pub(super) folder: PathBuf,
    /// Where it accepts TLS; absent if it does not.
    pub(super) tls: Option<NodeTls>,
}

/// Where a broker accepts TLS.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct NodeTls {
    /// The port on 127.0.0.1.
    pub(super) port: u16,
    /// The certificate of the authority that has signed that of the broker, as PEM.
    pub(super) authority: String,
}

impl NodeInfo {
    /// The URL for clients, with credentials: never print or record it.
    pub(super) fn url(&self) -> String {
        self.url_with(&format!("{}:{}@", self.user, self.password))
    }

    /// The URL for clients over TLS, with credentials.
    pub(super) fn tls_url(&self, tls: &NodeTls) -> String {
        format!("amqps://{}:{}@127.0.0.1:{}/%2f", self.user, self.password, tls.port)
    }

    /// The URL without credentials, for people and records.
    pub(super) fn public_url(&self) -> String {
        self.url_with("")
    }

    fn url_with(&self, login: &str) -> String {
        let (scheme, path) = match self.kind {
            BrokerKind::RabbitMq => ("amqp", "/%2f"),
            BrokerKind::Nats => ("nats", ""),
        };
        let port = self.ports.first().copied().unwrap_or_default();
        format!("{scheme}://{login}127.0.0.1:{port}{path}")
    }
}
