//! The settings that a server and a client must agree on to exchange messages.

use std::str::FromStr;
use std::time::Duration;

use lapin::Connection;

use crate::connect::TransportError;
use crate::queues::{QueueKind, Queues};
use crate::url::{TransportUrl, UrlError};
use crate::wire::Envelope;

/// A broker, and how messages pass through it. Servers and clients both use it.
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
    acknowledgements: bool,
    confirms: bool,
    envelope: Envelope,
}

/// The path of replies to the client. Client and server must use the same one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyTo {
    /// Through a reply queue per client, with a confirm for each publish and an acknowledgement for each message, as
    /// oslo.messaging does.
    #[default]
    Queue,
    /// Through RabbitMQ's direct reply-to, over one connection per peer, without confirms and acknowledgements. This is
    /// the cheapest form, and oslo.messaging does not support it.
    ///
    /// A message is lost with the connection that carries it. The broker sends a server everything in its queues, no
    /// matter how many calls the server has in progress. Requests go through the default exchange, and the broker
    /// deletes the queues with their last server.
    Direct,
}

impl From<TransportUrl> for Transport {
    /// Uses the queues of the URL's options, and [`ReplyTo::Queue`].
    fn from(url: TransportUrl) -> Self {
        Transport {
            queues: url.queues(),
            url,
            reply_to: ReplyTo::Queue,
            acknowledgements: true,
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
    /// Sets the kind of the topic's queues. The broker refuses an existing exchange or queue of another kind.
    #[must_use]
    pub fn queue_kind(mut self, kind: QueueKind) -> Self {
        self.queues.kind = kind;
        self
    }

    /// Sets how replies reach the client.
    #[must_use]
    pub fn reply_to(mut self, reply_to: ReplyTo) -> Self {
        self.reply_to = reply_to;
        self
    }

    /// Sets the envelope of calls with [`ReplyTo::Direct`], which the server's replies repeat. Default: oslo.messaging's
    /// envelope, which messages through reply queues always have.
    #[must_use]
    pub fn envelope(mut self, envelope: Envelope) -> Self {
        self.envelope = envelope;
        self
    }

    /// Sets whether servers and clients acknowledge the messages that they consume. Default: yes; with
    /// [`ReplyTo::Direct`] always no.
    ///
    /// Without acknowledgements the broker forgets a message as soon as it has sent it, and no prefetch limits how many
    /// it sends. oslo.messaging always acknowledges; a peer cannot observe the difference.
    #[must_use]
    pub fn acknowledgements(mut self, enabled: bool) -> Self {
        self.acknowledgements = enabled;
        self
    }

    /// Sets whether the broker confirms each published message. Default: yes; with [`ReplyTo::Direct`] always no.
    ///
    /// Without confirms a publisher does not learn whether the broker has accepted a message or whether the queue was
    /// missing: casts return once they are written, [`at_least_once`](crate::RpcClient::at_least_once) has no effect,
    /// and a reply to a deleted reply queue is dropped. oslo.messaging always uses confirms; a peer cannot observe the
    /// difference.
    #[must_use]
    pub fn publisher_confirms(mut self, enabled: bool) -> Self {
        self.confirms = enabled;
        self
    }

    /// The broker's URL. Its text form contains no credentials.
    #[must_use]
    pub fn url(&self) -> &TransportUrl {
        &self.url
    }

    /// The attributes of exchanges and queues.
    #[must_use]
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// Whether consumers acknowledge messages.
    pub(crate) fn acknowledges(&self) -> bool {
        self.acknowledgements && !self.is_direct()
    }

    /// Whether the broker confirms published messages.
    pub(crate) fn confirms(&self) -> bool {
        self.confirms && !self.is_direct()
    }

    /// The envelope of calls and their replies.
    pub(crate) fn call_envelope(&self) -> Envelope {
        if self.is_direct() { self.envelope } else { Envelope::V2 }
    }

    /// Whether replies come by direct reply-to.
    pub(crate) fn is_direct(&self) -> bool {
        self.reply_to == ReplyTo::Direct
    }

    /// See [`TransportUrl::connect`].
    pub(crate) async fn connect(&self, role: &str, timeout: Duration) -> Result<Connection, TransportError> {
        self.url.connect(role, timeout).await
    }
}
