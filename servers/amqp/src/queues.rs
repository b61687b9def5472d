//! Attributes of exchanges and queues.

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
    /// How long the broker keeps an unused fanout or reply queue, such as one of a process that died. `None` keeps it
    /// forever. Default 1,800 s.
    pub unused_ttl: Option<Duration>,
}

impl Default for Queues {
    fn default() -> Self {
        Queues {
            kind: QueueKind::default(),
            auto_delete: false,
            transient_quorum: false,
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
        let mut arguments = FieldTable::default();
        if self.kind == QueueKind::Quorum {
            arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        }
        (options, arguments)
    }

    /// Options and arguments of fanout and reply queues, each of which one process uses.
    pub(crate) fn private_queue(&self) -> (QueueDeclareOptions, FieldTable) {
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
    fn quorum_queues_are_durable_and_private_queues_expire() {
        let (options, arguments) = Queues { kind: QueueKind::Quorum, ..Queues::default() }.topic_queue();
        assert!(options.durable && arguments.inner().contains_key("x-queue-type"));
        let (options, arguments) = Queues::default().private_queue();
        assert!(!options.durable && arguments.inner().contains_key("x-expires"));
    }
}
