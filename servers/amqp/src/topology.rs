//! What a server and a client declare at the broker, with the names and attributes of oslo.messaging's defaults. A
//! declaration with other attributes than an existing object's is refused by the broker, so they must agree.

use lapin::options::{BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Consumer, ExchangeKind, Result};
use uuid::Uuid;

use crate::Target;

/// How long the broker keeps a queue that nobody uses: fanout and reply queues of a process that died, in ms
/// (oslo.messaging's `rabbit_transient_queues_ttl`, 1,800 s).
const UNUSED_QUEUE_TTL_MS: i64 = 1_800_000;

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

/// The queues that a topic's servers share.
pub(crate) const SHARED_QUEUE: QueueDeclareOptions = QueueDeclareOptions {
    passive: false,
    durable: false,
    exclusive: false,
    auto_delete: false,
    nowait: false,
};
/// Every consumer.
pub(crate) const CONSUME: BasicConsumeOptions =
    BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };

fn expiring() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-expires".into(), AMQPValue::LongLongInt(UNUSED_QUEUE_TTL_MS));
    arguments
}

/// Declares the topic exchange of `target`.
pub(crate) async fn declare_exchange(channel: &Channel, target: &Target) -> Result<()> {
    let options = ExchangeDeclareOptions::default();
    channel
        .exchange_declare(name(&target.exchange), ExchangeKind::Topic, options, FieldTable::default())
        .await
}

/// Declares the fanout exchange of `target`; it vanishes with its last queue.
pub(crate) async fn declare_fanout_exchange(channel: &Channel, target: &Target) -> Result<()> {
    let options = ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
    let exchange = name(&target.fanout_exchange());
    channel.exchange_declare(exchange, ExchangeKind::Fanout, options, FieldTable::default()).await
}

/// Declares the shared queue `queue` of the topic exchange.
pub(crate) async fn declare_queue(channel: &Channel, target: &Target, queue: &str) -> Result<()> {
    declare_exchange(channel, target).await?;
    let queue = name(queue);
    channel.queue_declare(queue.clone(), SHARED_QUEUE, FieldTable::default()).await?;
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.clone(), name(&target.exchange), queue, options, FieldTable::default()).await
}

/// Declares the fanout queue `queue` of one server.
pub(crate) async fn declare_fanout_queue(channel: &Channel, target: &Target, queue: &str) -> Result<()> {
    declare_fanout_exchange(channel, target).await?;
    let (queue, exchange) = (name(queue), name(&target.fanout_exchange()));
    channel.queue_declare(queue.clone(), QueueDeclareOptions::default(), expiring()).await?;
    let options = QueueBindOptions::default();
    channel.queue_bind(queue, exchange, name(&target.topic), options, FieldTable::default()).await
}

/// Declares the reply queue `queue` of one client; the default exchange routes to it by its name.
pub(crate) async fn declare_reply_queue(channel: &Channel, queue: &str) -> Result<()> {
    channel.queue_declare(name(queue), QueueDeclareOptions::default(), expiring()).await.map(drop)
}

/// Consumes `queue` with an acknowledgement per message.
pub(crate) async fn consume(channel: &Channel, queue: &str, tag: &str) -> Result<Consumer> {
    channel.basic_consume(name(queue), name(tag), CONSUME, FieldTable::default()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_never_too_long() {
        let (first, second) = (unique("reply_"), unique("reply_"));
        assert_ne!(first, second);
        assert_eq!(first.len(), "reply_".len() + 32);
        assert_eq!(name(&"é".repeat(200)).as_str().len(), 254);
    }
}
