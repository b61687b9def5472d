//! What a server and a client declare at the broker, with the names and attributes of oslo.messaging's defaults. A
//! declaration with other attributes than an existing object's is refused by the broker, so they must agree.

use std::time::Duration;

use lapin::options::{BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Consumer, ExchangeKind, Result};
use uuid::Uuid;

use crate::Target;

/// oslo.messaging's `rabbit_transient_queues_ttl`.
const UNUSED_QUEUE_TTL: Duration = Duration::from_secs(1_800);

/// What becomes of a topic's exchange and queues, and of the messages in them, when the broker restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueueKind {
    /// They are gone. oslo.messaging's default.
    #[default]
    Transient,
    /// They are there again: oslo.messaging's `amqp_durable_queues`.
    Durable,
    /// They are there again, and replicated where the broker is a cluster: oslo.messaging's `rabbit_quorum_queue`.
    Quorum,
}

impl QueueKind {
    /// Every kind.
    pub const ALL: [QueueKind; 3] = [QueueKind::Transient, QueueKind::Durable, QueueKind::Quorum];

    /// The name on command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            QueueKind::Transient => "transient",
            QueueKind::Durable => "durable",
            QueueKind::Quorum => "quorum",
        }
    }
}

/// A text that names no kind of queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of queue `{0}`; the kinds are transient, durable, quorum")]
pub struct UnknownQueueKind(String);

impl std::str::FromStr for QueueKind {
    type Err = UnknownQueueKind;

    fn from_str(text: &str) -> std::result::Result<Self, UnknownQueueKind> {
        let named = QueueKind::ALL.into_iter().find(|kind| kind.name() == text);
        named.ok_or_else(|| UnknownQueueKind(text.to_owned()))
    }
}

/// With which attributes exchanges and queues are declared. Servers and clients of a topic must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queues {
    /// The topic's exchange, its shared queue and the queues of its servers.
    pub kind: QueueKind,
    /// Whether those vanish with their last user.
    pub auto_delete: bool,
    /// Whether fanout and reply queues are quorum queues.
    pub transient_quorum: bool,
    /// How long the broker keeps a fanout or reply queue that nobody uses: those of a process that died. `None` keeps
    /// it for ever. Default 1,800 s.
    pub unused_ttl: Option<Duration>,
}

impl Default for Queues {
    fn default() -> Self {
        Queues {
            kind: QueueKind::default(),
            auto_delete: false,
            transient_quorum: false,
            unused_ttl: Some(UNUSED_QUEUE_TTL),
        }
    }
}

impl Queues {
    fn durable(&self) -> bool {
        self.kind > QueueKind::Transient
    }

    fn exchange(&self) -> ExchangeDeclareOptions {
        ExchangeDeclareOptions {
            durable: self.durable(),
            auto_delete: self.auto_delete,
            ..ExchangeDeclareOptions::default()
        }
    }

    fn queue(&self) -> (QueueDeclareOptions, FieldTable) {
        let options = QueueDeclareOptions {
            durable: self.durable(),
            auto_delete: self.auto_delete,
            ..QueueDeclareOptions::default()
        };
        let mut arguments = FieldTable::default();
        if self.kind == QueueKind::Quorum {
            arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        }
        (options, arguments)
    }

    /// Of fanout and reply queues.
    fn own_queue(&self) -> (QueueDeclareOptions, FieldTable) {
        let options =
            QueueDeclareOptions { durable: self.transient_quorum, ..QueueDeclareOptions::default() };
        let mut arguments = FieldTable::default();
        if self.transient_quorum {
            arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        }
        if let Some(ttl) = self.unused_ttl {
            let milliseconds = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
            arguments.insert("x-expires".into(), AMQPValue::LongLongInt(milliseconds));
        }
        (options, arguments)
    }
}

/// What the names of reply queues begin with; an id follows.
pub const REPLY_QUEUE_PREFIX: &str = "reply_";

/// A name of ours or one that [`Target::check`] has seen; a longer one is cut rather than a panic.
pub(crate) fn name(text: &str) -> ShortString {
    let end = text.floor_char_boundary(255);
    ShortString::try_new(&text[..end]).unwrap_or_default()
}

/// A fresh name: `prefix` and 32 hexadecimal digits.
pub(crate) fn unique(prefix: &str) -> String {
    format!("{prefix}{}", Uuid::new_v4().simple())
}

/// Declares the topic exchange of `target`.
pub(crate) async fn declare_exchange(channel: &Channel, queues: &Queues, target: &Target) -> Result<()> {
    let exchange = name(&target.exchange);
    channel.exchange_declare(exchange, ExchangeKind::Topic, queues.exchange(), FieldTable::default()).await
}

/// Declares the fanout exchange of `target`; it vanishes with its last queue.
pub(crate) async fn declare_fanout_exchange(
    channel: &Channel,
    queues: &Queues,
    target: &Target,
) -> Result<()> {
    let options = ExchangeDeclareOptions {
        auto_delete: true,
        durable: queues.transient_quorum,
        ..ExchangeDeclareOptions::default()
    };
    let exchange = name(&target.fanout_exchange());
    channel.exchange_declare(exchange, ExchangeKind::Fanout, options, FieldTable::default()).await
}

/// Declares the shared queue `queue` of the topic exchange.
pub(crate) async fn declare_queue(
    channel: &Channel,
    queues: &Queues,
    target: &Target,
    queue: &str,
) -> Result<()> {
    declare_exchange(channel, queues, target).await?;
    let (queue, (options, arguments)) = (name(queue), queues.queue());
    channel.queue_declare(queue.clone(), options, arguments).await?;
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.clone(), name(&target.exchange), queue, options, FieldTable::default()).await
}

/// Declares a queue for direct reply-to, which the default exchange finds by its name and which vanishes with its last
/// server.
pub(crate) async fn declare_direct_queue(channel: &Channel, queues: &Queues, queue: &str) -> Result<()> {
    let (options, arguments) = Queues { auto_delete: true, ..*queues }.queue();
    channel.queue_declare(name(queue), options, arguments).await.map(drop)
}

/// Declares the fanout queue `queue` of one server.
pub(crate) async fn declare_fanout_queue(
    channel: &Channel,
    queues: &Queues,
    target: &Target,
    queue: &str,
) -> Result<()> {
    declare_fanout_exchange(channel, queues, target).await?;
    let (queue, exchange) = (name(queue), name(&target.fanout_exchange()));
    let (options, arguments) = queues.own_queue();
    channel.queue_declare(queue.clone(), options, arguments).await?;
    let options = QueueBindOptions::default();
    channel.queue_bind(queue, exchange, name(&target.topic), options, FieldTable::default()).await
}

/// Declares the reply queue `queue` of one client; the default exchange routes to it by its name.
pub(crate) async fn declare_reply_queue(channel: &Channel, queues: &Queues, queue: &str) -> Result<()> {
    let (options, arguments) = queues.own_queue();
    channel.queue_declare(name(queue), options, arguments).await.map(drop)
}

/// Consumes `queue`, with an acknowledgement per message unless `no_ack`.
pub(crate) async fn consume(channel: &Channel, queue: &str, tag: &str, no_ack: bool) -> Result<Consumer> {
    let options = BasicConsumeOptions { no_ack, ..BasicConsumeOptions::default() };
    channel.basic_consume(name(queue), name(tag), options, FieldTable::default()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_back_as_written_and_quorum_queues_are_durable() {
        for kind in QueueKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("stream".parse::<QueueKind>().unwrap_err().to_string().contains("quorum"));
        let (options, arguments) = Queues { kind: QueueKind::Quorum, ..Queues::default() }.queue();
        assert!(options.durable && arguments.inner().contains_key("x-queue-type"));
        let (options, arguments) = Queues::default().own_queue();
        assert!(!options.durable && arguments.inner().contains_key("x-expires"));
    }

    #[test]
    fn names_are_unique_and_never_too_long() {
        let (first, second) = (unique("reply_"), unique("reply_"));
        assert_ne!(first, second);
        assert_eq!(first.len(), "reply_".len() + 32);
        assert_eq!(name(&"é".repeat(200)).as_str().len(), 254);
    }
}
