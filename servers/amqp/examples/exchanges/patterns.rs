//! One function per pattern. Each declares an exchange and queues that vanish with the connection, publishes some
//! messages and returns what each receiver got.

use futures_util::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, ExchangeKind, Result};

/// What the receivers got, in their order.
pub(crate) type Received = Vec<Vec<String>>;

/// A direct exchange compares the routing key with the key of each binding. A queue may have several bindings, and
/// several queues may have the same.
pub(crate) async fn direct(channel: &Channel) -> Result<Received> {
    let keys: [&[&str]; 2] = [&["error"], &["info", "warning", "error"]];
    through(channel, ExchangeKind::Direct, &keys, &["info", "warning", "error", "debug"]).await
}

/// A topic exchange compares word by word: `*` stands for one word, `#` for any number of them.
pub(crate) async fn topic(channel: &Channel) -> Result<Received> {
    let keys: [&[&str]; 3] = [&["*.orange.*"], &["*.*.rabbit", "lazy.#"], &["#"]];
    let published =
        ["quick.orange.rabbit", "lazy.orange.elephant", "lazy.brown.fox.that.sleeps", "lazy", "orange"];
    through(channel, ExchangeKind::Topic, &keys, &published).await
}

/// A fanout exchange gives a copy to each queue and looks at no key.
pub(crate) async fn fanout(channel: &Channel) -> Result<Received> {
    through(channel, ExchangeKind::Fanout, &[&[""], &["ignored"], &[""]], &["one", "two"]).await
}

/// Receivers of one queue take turns.
pub(crate) async fn round_robin(channel: &Channel) -> Result<Received> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let queue = queue(channel).await?;
    let mut receivers = Vec::new();
    for _ in 0..3 {
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        receivers
            .push(channel.basic_consume(queue.clone(), "".into(), options, FieldTable::default()).await?);
    }
    for message in 0..6 {
        publish(channel, "", queue.as_str(), &message.to_string()).await?;
    }
    let mut received = Vec::new();
    for receiver in &mut receivers {
        let mut got = Vec::new();
        while got.len() < 2
            && let Some(delivery) = receiver.next().await
        {
            got.push(text(&delivery?.data));
        }
        received.push(got);
    }
    Ok(received)
}

/// Publishes a message under each key of `published`, with the key as its body, to an exchange with a queue for each
/// element of `bindings`.
async fn through(
    channel: &Channel,
    kind: ExchangeKind,
    bindings: &[&[&str]],
    published: &[&str],
) -> Result<Received> {
    // With confirms, a message is in every queue that it goes to once its publishing is done.
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
        let mut got = Vec::new();
        let options = BasicGetOptions { no_ack: true };
        while let Some(message) = channel.basic_get(queue.clone(), options).await? {
            got.push(text(&message.delivery.data));
        }
        received.push(got);
    }
    Ok(received)
}

/// A queue that is this connection's own, with a name that the broker chooses.
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
