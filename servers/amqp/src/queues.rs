//! Attributes of exchanges and queues.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};

/// The default of oslo.messaging's `rabbit_transient_queues_ttl`.
const DEFAULT_UNUSED_TTL: Duration = Duration::from_secs(1_800);

/// Whether a topic's exchange and queues, and the messages in them, survive a restart of the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueueKind {
    /// They are lost. oslo.messaging's default.
    #[default]
    Transient,
    /// They are restored: oslo.messaging's `amqp_durable_queues`.
    Durable,
    /// They are restored, and replicated if the broker is a cluster: oslo.messaging's `rabbit_quorum_queue`.
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

impl fmt::Display for QueueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name of a queue kind that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of queue `{0}`; the kinds are transient, durable, quorum")]
pub struct UnknownQueueKind(String);

impl FromStr for QueueKind {
    type Err = UnknownQueueKind;

    fn from_str(text: &str) -> Result<Self, UnknownQueueKind> {
        let named = QueueKind::ALL.into_iter().find(|kind| kind.name() == text);
        named.ok_or_else(|| UnknownQueueKind(text.to_owned()))
    }
}

/// The attributes with which exchanges and queues are declared. Servers and clients of a topic must use the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queues {
    /// The kind of the topic's exchange, of its shared queue and of each server's queue.
    pub kind: QueueKind,
    /// Whether the broker deletes that exchange and those queues when their last user is gone.
    pub auto_delete: bool,
    /// Whether fanout and reply queues are quorum queues.
    pub transient_quorum: bool,
    /// The limits of quorum queues.
    pub quorum_limits: QuorumLimits,
    /// Whether queues are declared as mirrored (`x-ha-policy`), which RabbitMQ 3.0 and later ignore: oslo.messaging's
    /// `rabbit_ha_queues`.
    pub mirrored: bool,
    /// How long the broker keeps an unused fanout or reply queue, such as one of a process that died. `None` keeps it
    /// forever. Default 1,800 s.
    pub unused_ttl: Option<Duration>,
}

/// Limits of quorum queues; `None` leaves them to the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuorumLimits {
    /// How many times a message is delivered before it is discarded: `rabbit_quorum_delivery_limit`.
    pub deliveries: Option<u32>,
    /// How many messages are kept in memory: `rabbit_quorum_max_memory_length`.
    pub memory_length: Option<u32>,
    /// How many bytes of messages are kept in memory: `rabbit_quorum_max_memory_bytes`.
    pub memory_bytes: Option<u32>,
}

impl Default for Queues {
    fn default() -> Self {
        Queues {
            kind: QueueKind::default(),
            auto_delete: false,
            transient_quorum: false,
            quorum_limits: QuorumLimits::default(),
            mirrored: false,
            unused_ttl: Some(DEFAULT_UNUSED_TTL),
        }
    }
}

impl Queues {
    fn durable(&self) -> bool {
        self.kind > QueueKind::Transient
    }

    /// Options of the topic exchange.
    pub(crate) fn topic_exchange(&self) -> ExchangeDeclareOptions {
        ExchangeDeclareOptions {
            durable: self.durable(),
            auto_delete: self.auto_delete,
            ..ExchangeDeclareOptions::default()
        }
    }

    /// Options of the fanout exchange, which the broker deletes with its last queue.
    pub(crate) fn fanout_exchange(&self) -> ExchangeDeclareOptions {
        ExchangeDeclareOptions {
            durable: self.transient_quorum,
            auto_delete: true,
            ..ExchangeDeclareOptions::default()
        }
    }

    /// Options and arguments of the topic's queues.
    pub(crate) fn topic_queue(&self) -> (QueueDeclareOptions, FieldTable) {
        let options = QueueDeclareOptions {
            durable: self.durable(),
            auto_delete: self.auto_delete,
            ..QueueDeclareOptions::default()
        };
        (options, self.arguments(self.kind == QueueKind::Quorum))
    }

    /// The arguments of a queue that is a quorum queue or a classic one.
    fn arguments(&self, quorum: bool) -> FieldTable {
        let mut arguments = FieldTable::default();
        if quorum {
            arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
            let QuorumLimits { deliveries, memory_length, memory_bytes } = self.quorum_limits;
            for (name, limit) in [
                ("x-delivery-limit", deliveries),
                ("x-max-in-memory-length", memory_length),
                ("x-max-in-memory-bytes", memory_bytes),
            ] {
                if let Some(limit) = limit {
                    arguments.insert(name.into(), AMQPValue::LongLongInt(limit.into()));
                }
            }
        } else if self.mirrored {
            arguments.insert("x-ha-policy".into(), AMQPValue::LongString("all".into()));
        }
        arguments
    }

    /// Options and arguments of fanout and reply queues, each of which one connection uses. The broker deletes such a
    /// queue with its consumer, except a quorum queue, which does not support that.
    pub(crate) fn private_queue(&self) -> (QueueDeclareOptions, FieldTable) {
        let options = QueueDeclareOptions {
            durable: self.transient_quorum,
            auto_delete: !self.transient_quorum,
            ..QueueDeclareOptions::default()
        };
        let mut arguments = self.arguments(self.transient_quorum);
        if let Some(ttl) = self.unused_ttl {
            let milliseconds = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
            arguments.insert("x-expires".into(), AMQPValue::LongLongInt(milliseconds));
        }
        (options, arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_kinds_parse_from_their_names() {
        for kind in QueueKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("stream".parse::<QueueKind>().unwrap_err().to_string().contains("quorum"));
    }

    #[test]
    fn quorum_queues_are_durable_and_private_queues_are_deleted_or_expire() {
        let quorum_limits = QuorumLimits { deliveries: Some(3), ..QuorumLimits::default() };
        let quorum = Queues { kind: QueueKind::Quorum, quorum_limits, mirrored: true, ..Queues::default() };
        let (options, arguments) = quorum.topic_queue();
        assert!(options.durable && arguments.inner().contains_key("x-queue-type"));
        assert_eq!(arguments.inner().get("x-delivery-limit"), Some(&AMQPValue::LongLongInt(3)));
        assert!(!arguments.inner().contains_key("x-ha-policy"));
        let (options, arguments) = quorum.private_queue();
        assert!(!options.durable && options.auto_delete);
        assert!(arguments.inner().contains_key("x-expires") && arguments.inner().contains_key("x-ha-policy"));
        let (options, arguments) = Queues { transient_quorum: true, ..Queues::default() }.private_queue();
        // RabbitMQ refuses a quorum queue that is to be deleted with its consumer.
        assert!(options.durable && !options.auto_delete && arguments.inner().contains_key("x-expires"));
    }
}
