//! Connections to the broker.

use std::time::Duration;

use calculator::{CallError, ErrorKind};
use lapin::{Connection, ConnectionProperties};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::url::TransportUrl;

/// A failed connection, or a request that the broker refused on an open one.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No host of the URL could be reached, or the broker refused the connection; holds the last host's reason.
    #[error("cannot connect to the broker at {broker}: {reason}")]
    Connect {
        /// The URL without credentials.
        broker: String,
        /// Why the attempt at the last host failed.
        reason: lapin::Error,
    },
    /// No host completed the handshake in time.
    #[error("no broker at {broker} answered within {} ms", .after.as_millis())]
    Timeout {
        /// The URL without credentials.
        broker: String,
        /// The time allowed.
        after: Duration,
    },
    /// The broker refused a declaration, a consumer, or another request on an open connection.
    #[error("the broker refused: {0}")]
    Refused(#[from] lapin::Error),
}

impl From<TransportError> for CallError {
    fn from(error: TransportError) -> Self {
        let kind = match error {
            TransportError::Timeout { .. } => ErrorKind::Timeout,
            TransportError::Connect { .. } | TransportError::Refused(_) => ErrorKind::Undeliverable,
        };
        CallError::new(kind, error.to_string())
    }
}

impl TransportUrl {
    /// Connects to the first host that answers, in the order of the URL.
    ///
    /// `timeout` covers all hosts: each may use an equal share of the time that is left. `role` becomes part of the
    /// connection's name, which RabbitMQ shows in its list of connections.
    ///
    /// # Errors
    /// [`TransportError::Connect`] when every host failed, [`TransportError::Timeout`].
    pub async fn connect(&self, role: &str, timeout: Duration) -> Result<Connection, TransportError> {
        let deadline = Instant::now() + timeout;
        let uris: Vec<_> = self.uris().collect();
        let mut untried = u32::try_from(uris.len()).unwrap_or(u32::MAX);
        let mut failure = TransportError::Timeout { broker: self.to_string(), after: timeout };
        for uri in uris {
            let now = Instant::now();
            let share = deadline.saturating_duration_since(now) / untried.max(1);
            untried = untried.saturating_sub(1);
            match timeout_at(now + share, Connection::connect_uri(uri, properties(role))).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(reason)) => failure = TransportError::Connect { broker: self.to_string(), reason },
                Err(_) => {}
            }
        }
        Err(failure)
    }
}

fn properties(role: &str) -> ConnectionProperties {
    // The process id has a fixed width, so that every connection costs the same number of bytes.
    let name = format!("rpcbench:{:010}:{}:{role}", std::process::id(), Uuid::new_v4());
    ConnectionProperties::default().with_connection_name(name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> TransportUrl {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_refused_connection_is_undeliverable_and_its_error_shows_no_password() {
        let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = url(&format!("rabbit://bob:secret@{unused}/"));
        let error = CallError::from(url.connect("test", Duration::from_secs(5)).await.unwrap_err());
        assert_eq!(error.kind, ErrorKind::Undeliverable);
        assert!(error.message.contains(&unused.to_string()) && !error.message.contains("secret"));
    }

    #[tokio::test]
    async fn a_broker_that_never_answers_causes_a_timeout() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = url(&format!("rabbit://bob:secret@{}/", silent.local_addr().unwrap()));
        let error = CallError::from(url.connect("test", Duration::from_millis(50)).await.unwrap_err());
        assert_eq!(error.kind, ErrorKind::Timeout);
    }
}
