//! Connections to the broker.

use std::str::FromStr;
use std::time::Duration;

use calculator::{CallError, ErrorKind};
use lapin::{Connection, ConnectionProperties};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::wire::Envelope;
use crate::{QueueKind, Queues, TransportUrl, UrlError};

/// A broker and how calls travel through it: what servers and clients share.
///
/// ```
/// use amqp::{QueueKind, Transport};
///
/// let transport: Transport = "rabbit://user:secret@one:5672,user:secret@two:5672/vhost".parse()?;
/// let transport = transport.queue_kind(QueueKind::Durable);
/// assert_eq!(transport.url().to_string(), "rabbit://one:5672,two:5672/vhost");
/// # Ok::<(), amqp::UrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport {
    url: TransportUrl,
    queues: Queues,
    reply_to: ReplyTo,
    acknowledges: bool,
    confirms: bool,
    envelope: Envelope,
}

/// How answers come back. Both ends of a call must agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyTo {
    /// oslo.messaging's way: through a reply queue of the client's own, with a confirm of each publish and an
    /// acknowledgement of each message.
    #[default]
    Queue,
    /// The leanest way: by RabbitMQ's direct reply-to, over one connection at each end, without confirms and
    /// acknowledgements. A message is lost with the connection that it is on, and the broker sends a server whatever is
    /// in its queues, however many calls it has in hand; calls go through the default exchange, and the queues vanish
    /// with their last server. oslo.messaging does not speak it.
    Direct,
}

/// Why there is no connection to the broker.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No host of the URL could be reached, or the broker refused; the last host's reason.
    #[error("cannot connect to the broker at {broker}: {reason}")]
    Connect {
        /// The URL without credentials.
        broker: String,
        /// What the last host's attempt ended with.
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

impl From<TransportUrl> for Transport {
    /// With the queues that the URL's options tell of, and [`ReplyTo::Queue`].
    fn from(url: TransportUrl) -> Self {
        Transport {
            queues: url.queues(),
            url,
            reply_to: ReplyTo::Queue,
            acknowledges: true,
            confirms: true,
            envelope: Envelope::V2,
        }
    }
}

impl FromStr for Transport {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        url.parse().map(TransportUrl::into)
    }
}

impl Transport {
    /// Queues of another kind. An exchange or a queue that exists already as another kind is refused by the broker.
    #[must_use]
    pub fn queue_kind(mut self, kind: QueueKind) -> Self {
        self.queues.kind = kind;
        self
    }

    /// Answers by another way.
    #[must_use]
    pub fn reply_to(mut self, way: ReplyTo) -> Self {
        self.reply_to = way;
        self
    }

    /// What a client puts around its calls with [`ReplyTo::Direct`], and the server around its answers to them; by
    /// default oslo.messaging's envelope. Whatever goes through queues of its own always has that.
    #[must_use]
    pub fn envelope(mut self, envelope: Envelope) -> Self {
        self.envelope = envelope;
        self
    }

    /// Whether servers and clients acknowledge what the broker sends them; by default they do, and with
    /// [`ReplyTo::Direct`] never. Without, the broker forgets a message once it has sent it, and no prefetch bounds how
    /// many it sends. oslo.messaging always acknowledges; a peer cannot tell the difference.
    #[must_use]
    pub fn acknowledging(mut self, whether: bool) -> Self {
        self.acknowledges = whether;
        self
    }

    /// Whether the broker confirms each message; by default it does, and with [`ReplyTo::Direct`] never. Without,
    /// nobody learns that the broker has taken a message, nor that a queue was missing: casts return when they are on
    /// their way, [`at_least_once`](crate::RpcClient::at_least_once) has no effect, and an answer to a reply queue that
    /// is gone is dropped. oslo.messaging always has them; a peer cannot tell the difference.
    #[must_use]
    pub fn confirming(mut self, whether: bool) -> Self {
        self.confirms = whether;
        self
    }

    /// Where the broker is. It shows no credentials.
    #[must_use]
    pub fn url(&self) -> &TransportUrl {
        &self.url
    }

    /// How queues are declared.
    #[must_use]
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// Whether messages are acknowledged by those who consume them.
    pub(crate) fn acknowledges(&self) -> bool {
        self.acknowledges && !self.is_direct()
    }

    /// Whether the broker confirms what is published.
    pub(crate) fn confirms(&self) -> bool {
        self.confirms && !self.is_direct()
    }

    /// What is around the messages of a call.
    pub(crate) fn envelope_of_calls(&self) -> Envelope {
        if self.is_direct() { self.envelope } else { Envelope::V2 }
    }

    pub(crate) fn is_direct(&self) -> bool {
        self.reply_to == ReplyTo::Direct
    }

    /// As [`TransportUrl::connect`].
    pub(crate) async fn connect(&self, role: &str, timeout: Duration) -> Result<Connection, TransportError> {
        self.url.connect(role, timeout).await
    }
}

impl TransportUrl {
    /// Connects to the first host that answers, in the order of the URL, within `timeout` for all of them: a host that
    /// does not answer costs its share of it.
    ///
    /// `role` becomes part of the connection's name, which RabbitMQ shows beside it.
    ///
    /// # Errors
    /// [`TransportError::Connect`] when every host failed, [`TransportError::Timeout`].
    pub async fn connect(&self, role: &str, timeout: Duration) -> Result<Connection, TransportError> {
        let deadline = Instant::now() + timeout;
        let uris: Vec<_> = self.uris().collect();
        let mut left = u32::try_from(uris.len()).unwrap_or(u32::MAX);
        let mut failed = TransportError::Timeout { broker: self.to_string(), after: timeout };
        for uri in uris {
            let now = Instant::now();
            let share = deadline.saturating_duration_since(now) / left.max(1);
            left = left.saturating_sub(1);
            match timeout_at(now + share, Connection::connect_uri(uri, properties(role))).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(reason)) => failed = TransportError::Connect { broker: self.to_string(), reason },
                Err(_) => {}
            }
        }
        Err(failed)
    }
}

fn properties(role: &str) -> ConnectionProperties {
    // Of fixed width, so that connecting takes as many bytes every time.
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
    async fn a_refused_connection_is_undeliverable_and_names_the_broker_alone() {
        let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = url(&format!("rabbit://bob:secret@{unused}/"));
        let error = CallError::from(url.connect("test", Duration::from_secs(5)).await.unwrap_err());
        assert_eq!(error.kind, ErrorKind::Undeliverable);
        assert!(error.message.contains(&unused.to_string()) && !error.message.contains("secret"));
    }

    #[tokio::test]
    async fn a_broker_that_never_answers_is_a_timeout() {
        let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = url(&format!("rabbit://bob:secret@{}/", mute.local_addr().unwrap()));
        let error = CallError::from(url.connect("test", Duration::from_millis(50)).await.unwrap_err());
        assert_eq!(error.kind, ErrorKind::Timeout);
    }
}
