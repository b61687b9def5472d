//! An exchange with many bindings, to measure how their number affects the routing of messages.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ExchangeKind};

use crate::connect::TransportError;
use crate::topology::short_string;
use crate::url::TransportUrl;

/// How long the broker may take to delete a thousand queues when the connection closes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// How an exchange routes messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// By the equality of keys.
    Direct,
    /// By patterns of words.
    Topic,
    /// To every queue.
    Fanout,
}

/// An exchange and the queues that are bound to it beside that of a server. The broker deletes these queues when this is closed
/// or dropped, and the exchange with its last queue.
pub struct BoundExchange {
    connection: Connection,
    /// Kept alive because the queues belong to its connection.
    _channel: Channel,
}

impl BoundExchange {
    /// Declares `exchange` and as many `bindings`. One binds the existing queue `queue` with its name as the key. The others do
    /// not match that key: those of a topic exchange in turn with a plain key, with `*` and with `#`; they all lead to one queue.
    /// For a fanout exchange, which has no keys, each leads to a separate queue that keeps the last message only.
    ///
    /// # Errors
    /// [`TransportError`]. Connecting may take `timeout`.
    pub async fn declare(
        broker: &TransportUrl,
        exchange: &str,
        routing: Routing,
        queue: &str,
        bindings: u32,
        timeout: Duration,
    ) -> Result<Self, TransportError> {
        let connection = broker.connect("bindings", timeout).await?;
        let channel = connection.create_channel().await?;
        let (kind, others) = match routing {
            Routing::Direct => (ExchangeKind::Direct, 1),
            Routing::Topic => (ExchangeKind::Topic, 1),
            Routing::Fanout => (ExchangeKind::Fanout, bindings.saturating_sub(1)),
        };
        let (name, options) =
            (short_string(exchange), ExchangeDeclareOptions { auto_delete: true, ..Default::default() });
        channel.exchange_declare(name.clone(), kind, options, FieldTable::default()).await?;
        for index in 0..others {
            declare_other(&channel, &other(exchange, index)).await?;
        }
        let nowait = QueueBindOptions { nowait: true };
        for index in 0..bindings.saturating_sub(1) {
            let to = other(exchange, index % others.max(1));
            let key = short_string(&key(routing, queue, index));
            channel.queue_bind(short_string(&to), name.clone(), key, nowait, FieldTable::default()).await?;
        }
        // The broker carries out the methods of a channel in their order, so that its reply confirms all of them.
        let (queue, options) = (short_string(queue), QueueBindOptions::default());
        channel.queue_bind(queue.clone(), name, queue, options, FieldTable::default()).await?;
        Ok(BoundExchange { connection, _channel: channel })
    }

    /// Deletes the queues, and with them their bindings. The exchange stays until the server's queue is deleted.
    pub async fn close(self) {
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.connection.close(200, "done".into())).await;
    }
}

/// Declares a queue that nothing consumes.
async fn declare_other(channel: &Channel, queue: &str) -> Result<(), TransportError> {
    let options = QueueDeclareOptions { exclusive: true, nowait: true, ..QueueDeclareOptions::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    channel.queue_declare(short_string(queue), options, arguments).await?;
    Ok(())
}

/// The name of the queue number `index` beside that of the server.
fn other(exchange: &str, index: u32) -> String {
    format!("{exchange}-other-{index}")
}

/// The key of binding number `index` beside that of the server, whose key is `queue`: it does not match that.
fn key(routing: Routing, queue: &str, index: u32) -> String {
    match (routing, index % 3) {
        (Routing::Topic, 1) => format!("*.{index}"),
        (Routing::Topic, 2) => format!("#.{index}"),
        _ => format!("{queue}.{index}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_other_keys_differ_from_each_other_and_from_the_servers() {
        for routing in [Routing::Direct, Routing::Topic] {
            let keys: HashSet<_> = (0..1_000).map(|index| key(routing, "calc", index)).collect();
            assert!(keys.len() == 1_000 && !keys.contains("calc"), "{routing:?}");
        }
        assert_eq!([0, 1, 2].map(|index| key(Routing::Topic, "calc", index)), ["calc.0", "*.1", "#.2"]);
    }
}
