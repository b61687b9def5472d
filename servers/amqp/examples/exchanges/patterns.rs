//! One function per pattern. Each declares an exchange and queues that the broker deletes with the connection, publishes
//! some messages and returns those that each consumer received.

use futures_util::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, ExchangeKind, Result};

/// The messages received by each consumer.
pub(crate) type Received = Vec<Vec<String>>;

/// A direct exchange routes a message to the queues bound with its routing key. A queue may have several bindings, and
/// several queues may be bound with the same key.
pub(crate) async fn direct(channel: &Channel) -> Result<Received> {
    let keys: [&[&str]; 2] = [&["error"], &["info", "warning", "error"]];
    route(channel, ExchangeKind::Direct, &keys, &["info", "warning", "error", "debug"]).await
}

/// A topic exchange matches the routing key word by word: `*` matches one word, `#` any number of words.
pub(crate) async fn topic(channel: &Channel) -> Result<Received> {
    let keys: [&[&str]; 3] = [&["*.orange.*"], &["*.*.rabbit", "lazy.#"], &["#"]];
    let published =
        ["quick.orange.rabbit", "lazy.orange.elephant", "lazy.brown.fox.that.sleeps", "lazy", "orange"];
    route(channel, ExchangeKind::Topic, &keys, &published).await
}

/// A fanout exchange routes a copy of each message to every queue, and ignores routing keys.
pub(crate) async fn fanout(channel: &Channel) -> Result<Received> {
    route(channel, ExchangeKind::Fanout, &[&[""], &["ignored"], &[""]], &["one", "two"]).await
}

/// The broker distributes the messages of a queue among its consumers in turn.
pub(crate) async fn round_robin(channel: &Channel) -> Result<Received> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let queue = queue(channel).await?;
    let mut consumers = Vec::new();
    for _ in 0..3 {
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        consumers
            .push(channel.basic_consume(queue.clone(), "".into(), options, FieldTable::default()).await?);
    }
    for message in 0..6 {
        publish(channel, "", queue.as_str(), &message.to_string()).await?;
    }
    let mut received = Vec::new();
    for consumer in &mut consumers {
        let mut messages = Vec::new();
        while messages.len() < 2
            && let Some(delivery) = consumer.next().await
        {
            messages.push(text(&delivery?.data));
        }
        received.push(messages);
    }
    Ok(received)
}

/// Declares an exchange with one queue per element of `bindings`, bound with those keys. Publishes one message per element
/// of `published`, which is both its routing key and its body. Returns the messages in each queue.
async fn route(
    channel: &Channel,
    kind: ExchangeKind,
    bindings: &[&[&str]],
    published: &[&str],
) -> Result<Received> {
    // A confirm means that the message has reached all its queues.
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let exchange = format!("example.{kind:?}").to_lowercase();
    let options = ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(exchange.as_str().into(), kind, options, FieldTable::default()).await?;
    let mut queues = Vec::new();
    for keys in bindings {
        let queue = queue(channel).await?;
        for key in *keys {
            let (exchange, key) = (exchange.as_str().into(), (*key).into());
            let options = QueueBindOptions::default();
            channel.queue_bind(queue.clone(), exchange, key, options, FieldTable::default()).await?;
        }
        queues.push(queue);
    }
    for key in published {
        publish(channel, &exchange, key, key).await?;
    }
    let mut received = Vec::new();
    for queue in queues {
        let mut messages = Vec::new();
        let options = BasicGetOptions { no_ack: true };
        while let Some(message) = channel.basic_get(queue.clone(), options).await? {
            messages.push(text(&message.delivery.data));
        }
        received.push(messages);
    }
    Ok(received)
}

/// Declares a queue that only this connection can use, with a name chosen by the broker.
async fn queue(channel: &Channel) -> Result<ShortString> {
    let options =
        QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    Ok(channel.queue_declare("".into(), options, FieldTable::default()).await?.name().clone())
}

async fn publish(channel: &Channel, exchange: &str, key: &str, body: &str) -> Result<()> {
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    channel.basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties).await?.await?;
    Ok(())
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}
