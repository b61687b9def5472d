//! Declarations of exchanges and queues, with the names and attributes of oslo.messaging's defaults.
//!
//! The broker refuses to declare an existing object with other attributes, so both peers must use the same.

use lapin::options::{BasicConsumeOptions, QueueBindOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Consumer, ExchangeKind, Result};
use uuid::Uuid;

use crate::queues::Queues;
use crate::target::Target;

/// The prefix of a reply queue's name; a unique id follows.
pub const REPLY_QUEUE_PREFIX: &str = "reply_";

/// The pseudo-queue of RabbitMQ's direct reply-to.
pub(crate) const DIRECT_REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// Converts a name to an AMQP short string. Names are generated here or were checked by [`Target::check`]; one that is
/// nevertheless too long is truncated to 255 bytes instead of causing a panic.
pub(crate) fn short_string(text: &str) -> ShortString {
    let end = text.floor_char_boundary(255);
    ShortString::try_new(&text[..end]).unwrap_or_default()
}

/// A new unique name: `prefix` and 32 hexadecimal digits.
pub(crate) fn unique_name(prefix: &str) -> String {
    format!("{prefix}{}", Uuid::new_v4().simple())
}

/// Declares the topic exchange of `target`.
pub(crate) async fn declare_topic_exchange(
    channel: &Channel,
    queues: &Queues,
    target: &Target,
) -> Result<()> {
    let exchange = short_string(&target.exchange);
    let options = queues.topic_exchange();
    channel.exchange_declare(exchange, ExchangeKind::Topic, options, FieldTable::default()).await
}

/// Declares the fanout exchange of `target`, which the broker deletes with its last queue.
pub(crate) async fn declare_fanout_exchange(
    channel: &Channel,
    queues: &Queues,
    target: &Target,
) -> Result<()> {
    let exchange = short_string(&target.fanout_exchange());
    let options = queues.fanout_exchange();
    channel.exchange_declare(exchange, ExchangeKind::Fanout, options, FieldTable::default()).await
}

/// Declares the topic exchange of `target` and its queue `queue`, bound with its name as the routing key.
pub(crate) async fn declare_topic_queue(
    channel: &Channel,
    queues: &Queues,
    target: &Target,
    queue: &str,
) -> Result<()> {
    declare_topic_exchange(channel, queues, target).await?;
    let (queue, (options, arguments)) = (short_string(queue), queues.topic_queue());
    channel.queue_declare(queue.clone(), options, arguments).await?;
    let (exchange, options) = (short_string(&target.exchange), QueueBindOptions::default());
    channel.queue_bind(queue.clone(), exchange, queue, options, FieldTable::default()).await
}

/// Declares a request queue for direct reply-to. The default exchange routes to it by name, and the broker deletes it
/// with its last server.
pub(crate) async fn declare_direct_queue(channel: &Channel, queues: &Queues, queue: &str) -> Result<()> {
    let (options, arguments) = Queues { auto_delete: true, ..*queues }.topic_queue();
    channel.queue_declare(short_string(queue), options, arguments).await.map(drop)
}

/// Declares the fanout exchange of `target` and one server's queue `queue`, bound to it.
pub(crate) async fn declare_fanout_queue(
    channel: &Channel,
    queues: &Queues,
    target: &Target,
    queue: &str,
) -> Result<()> {
    declare_fanout_exchange(channel, queues, target).await?;
    let (queue, exchange) = (short_string(queue), short_string(&target.fanout_exchange()));
    let (options, arguments) = queues.private_queue();
    channel.queue_declare(queue.clone(), options, arguments).await?;
    let options = QueueBindOptions::default();
    channel.queue_bind(queue, exchange, short_string(&target.topic), options, FieldTable::default()).await
}

/// Declares the reply queue `queue` of one client. The default exchange routes to it by name.
pub(crate) async fn declare_reply_queue(channel: &Channel, queues: &Queues, queue: &str) -> Result<()> {
    let (options, arguments) = queues.private_queue();
    channel.queue_declare(short_string(queue), options, arguments).await.map(drop)
}

/// Starts a consumer of `queue`; unless `no_ack`, each message must be acknowledged.
pub(crate) async fn consume(channel: &Channel, queue: &str, tag: &str, no_ack: bool) -> Result<Consumer> {
    let options = BasicConsumeOptions { no_ack, ..BasicConsumeOptions::default() };
    channel.basic_consume(short_string(queue), short_string(tag), options, FieldTable::default()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unique_names_differ_and_long_names_are_truncated() {
        let (first, second) = (unique_name("reply_"), unique_name("reply_"));
        assert_ne!(first, second);
        assert_eq!(first.len(), "reply_".len() + 32);
        assert_eq!(short_string(&"é".repeat(200)).as_str().len(), 254);
    }
}
