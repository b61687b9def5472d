//! Connections to the broker.

use std::pin::pin;
use std::time::Duration;

use calculator::{CallError, ErrorKind};
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use net::{Endpoint, TlsConnector, TlsError};
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use crate::errors;
use crate::handshake;
use crate::peer::{ForeignPeer, foreign_peer};
use crate::url::TransportUrl;

/// The longest time a handshake may take before the peer is examined.
const MAX_EXAMINE_AFTER: Duration = Duration::from_secs(1);

/// A failed connection, or a request that the broker refused on an open one.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No host of the URL could be reached, or the broker refused the connection; holds the last host's reason.
    #[error("cannot connect to the broker at {broker}: {}", errors::reason(.reason))]
    Connect {
        /// The URL without credentials.
        broker: String,
        /// Why the attempt at the last host failed.
        reason: lapin::Error,
    },
    /// The URL asks for TLS, and the certificates of authorities cannot be used.
    #[error("cannot connect to the broker over TLS: {0}")]
    Tls(#[from] TlsError),
    /// No host completed the handshake in time.
    #[error("no broker at {broker} answered within {} ms", .after.as_millis())]
    Timeout {
        /// The URL without credentials.
        broker: String,
        /// The time allowed.
        after: Duration,
    },
    /// The peer speaks another protocol.
    #[error("the peer at {broker} {peer}")]
    NotAmqp {
        /// The URL without credentials.
        broker: String,
        /// The peer's behaviour.
        peer: String,
    },
    /// The broker refused a declaration, a consumer, or another request on an open connection.
    #[error("the broker refused: {}", errors::reason(.0))]
    Refused(#[from] lapin::Error),
}

impl From<TransportError> for CallError {
    fn from(error: TransportError) -> Self {
        let kind = match error {
            TransportError::Timeout { .. } => ErrorKind::Timeout,
            TransportError::Connect { .. }
            | TransportError::Tls(_)
            | TransportError::NotAmqp { .. }
            | TransportError::Refused(_) => ErrorKind::Undeliverable,
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
    /// [`TransportError::Connect`] or [`TransportError::NotAmqp`] when every host failed, [`TransportError::Timeout`],
    /// [`TransportError::Tls`].
    pub async fn connect(&self, role: &str, timeout: Duration) -> Result<Connection, TransportError> {
        let deadline = Instant::now() + timeout;
        let tls = self.tls().map(TlsConnector::new).transpose()?;
        let hosts: Vec<_> = self.hosts().collect();
        let mut untried = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
        let broker = || self.to_string();
        let mut failure = TransportError::Timeout { broker: broker(), after: timeout };
        for (endpoint, uri) in hosts {
            let now = Instant::now();
            let share = deadline.saturating_duration_since(now) / untried.max(1);
            untried = untried.saturating_sub(1);
            let connecting = async {
                match &tls {
                    Some(tls) => handshake::open_tls(tls, endpoint, uri, properties(role))
                        .await
                        .map_err(HostError::Lapin),
                    None => connect_to(endpoint, uri, properties(role), share).await,
                }
            };
            match timeout_at(now + share, connecting).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(HostError::Lapin(reason))) => {
                    failure = TransportError::Connect { broker: broker(), reason };
                }
                Ok(Err(HostError::Foreign(peer))) => {
                    failure = TransportError::NotAmqp { broker: broker(), peer: peer.to_string() };
                }
                Err(_) => {}
            }
        }
        Err(failure)
    }
}

/// Why there is no connection to one host.
enum HostError {
    Lapin(lapin::Error),
    Foreign(ForeignPeer),
}

/// Connects to one host. A peer that fails the handshake, or has not completed it after a part of `share`, is examined
/// to see whether it is a broker.
async fn connect_to(
    endpoint: &Endpoint,
    uri: AMQPUri,
    properties: ConnectionProperties,
    share: Duration,
) -> Result<Connection, HostError> {
    let mut connecting = pin!(handshake::open(uri, properties));
    let slow = sleep((share / 4).min(MAX_EXAMINE_AFTER));
    let connected = tokio::select! {
        biased;
        connected = &mut connecting => Some(connected),
        () = slow => None,
    };
    let connected = match connected {
        Some(connected) => connected,
        None => tokio::select! {
            biased;
            connected = &mut connecting => connected,
            peer = foreign_peer_or_never(endpoint) => return Err(HostError::Foreign(peer)),
        },
    };
    let error = match connected {
        Ok(connection) => return Ok(connection),
        Err(error) => error,
    };
    let peer = if may_be_foreign(&error) { foreign_peer(endpoint).await } else { None };
    Err(peer.map_or(HostError::Lapin(error), HostError::Foreign))
}

/// Whether `error` may be due to a peer of another protocol: it has sent something that is not AMQP, or closed the
/// connection during the handshake.
fn may_be_foreign(error: &lapin::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error.kind() {
        lapin::ErrorKind::ParsingError(_) | lapin::ErrorKind::InvalidProtocolVersion(_) => true,
        lapin::ErrorKind::IOError(error) => {
            matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
        }
        _ => false,
    }
}

/// The protocol of the peer, once that is known not to be AMQP 0-9-1.
async fn foreign_peer_or_never(endpoint: &Endpoint) -> ForeignPeer {
    match foreign_peer(endpoint).await {
        // A broker that is busy may close the connection without an answer, and complete the handshake later.
        Some(ForeignPeer::Closes) | None => std::future::pending().await,
        Some(peer) => peer,
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
