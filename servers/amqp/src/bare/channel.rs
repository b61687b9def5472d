//! Publishing and consuming bare messages.

use std::pin::pin;

use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel};

use crate::publisher::poll_once;
use crate::topology::short_string;

/// Options of the request queue.
pub(crate) const QUEUE: QueueDeclareOptions = QueueDeclareOptions {
    passive: false,
    durable: false,
    exclusive: false,
    auto_delete: true,
    nowait: false,
};
/// Options of the consumers of requests and replies.
pub(crate) const CONSUME: BasicConsumeOptions =
    BasicConsumeOptions { no_local: false, no_ack: true, exclusive: false, nowait: false };

/// The common properties of requests and replies.
pub(crate) fn properties() -> BasicProperties {
    BasicProperties::default()
}

/// The default exchange, which routes by the name of the queue.
pub(super) fn default_exchange() -> ShortString {
    short_string("")
}

/// Queues a message to `exchange`. The message is written in the background.
pub(super) fn publish(
    channel: &Channel,
    exchange: ShortString,
    routing_key: ShortString,
    properties: BasicProperties,
    body: &[u8],
) {
    let options = BasicPublishOptions::default();
    // The client notices a message that cannot be sent by its missing reply.
    let _ = poll_once(pin!(channel.basic_publish(exchange, routing_key, options, body, properties)));
}
