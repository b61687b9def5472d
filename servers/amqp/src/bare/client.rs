//! The bare client.

use std::sync::atomic::{AtomicU64, Ordering};

use calculator::{Call, CallError, CallFuture, Client, ClientOptions, Limits, Value};
use futures_util::StreamExt;
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer};
use tokio::task::AbortHandle;

use super::channel::{CONSUME, default_exchange, properties, publish};
use super::format::{decode_reply, encode_call};
use crate::connect::TransportError;
use crate::errors::end_of_consumer;
use crate::pending::PendingCalls;
use crate::topology::{DIRECT_REPLY_TO, short_string};
use crate::url::TransportUrl;

const CONNECTION_LOST: &str = "the connection to the broker was lost";

/// Calls the server of one queue. Any number of calls may be in flight.
pub struct BareClient {
    exchange: ShortString,
    queue: ShortString,
    connection: Connection,
    channel: Channel,
    pending: PendingCalls<u64>,
    next_id: AtomicU64,
    reader: AbortHandle,
}

impl BareClient {
    /// Connects and starts consuming replies. The client does not reconnect when the connection is lost.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`](calculator::ErrorKind::Undeliverable) or
    /// [`ErrorKind::Timeout`](calculator::ErrorKind::Timeout) without a broker.
    pub async fn connect(
        url: &TransportUrl,
        queue: &str,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let connection = url.connect("bare-client", options.timeout).await?;
        let opened = async {
            let channel = connection.create_channel().await?;
            let (queue, tag) = (short_string(DIRECT_REPLY_TO), short_string(""));
            let replies = channel.basic_consume(queue, tag, CONSUME, FieldTable::default()).await?;
            Ok((channel, replies))
        };
        let (channel, replies) = opened.await.map_err(TransportError::Refused)?;
        let pending = PendingCalls::new();
        let reader = tokio::spawn(read_replies(replies, pending.clone(), options.limits)).abort_handle();
        let (queue, next_id) = (short_string(queue), AtomicU64::new(0));
        Ok(BareClient { exchange: default_exchange(), queue, connection, channel, pending, next_id, reader })
    }

    /// Publishes requests to `exchange` with the name of the queue as their key, instead of to the default exchange.
    #[must_use]
    pub fn via(mut self, exchange: &str) -> Self {
        self.exchange = short_string(exchange);
        self
    }

    async fn exchange(&self, call: &Call) -> Result<Value, CallError> {
        let body = encode_call(call)?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut waiter = self.pending.register(id, None)?;
        let properties = properties()
            .with_reply_to(short_string(DIRECT_REPLY_TO))
            .with_correlation_id(short_string(&format!("{id:016x}")));
        if !self.connection.status().connected() {
            self.pending.fail_all(CONNECTION_LOST);
        }
        publish(&self.channel, self.exchange.clone(), self.queue.clone(), properties, &body);
        waiter.result().await
    }
}

impl Client for BareClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.exchange(call))
    }
}

impl Drop for BareClient {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Completes calls with their replies until the connection ends.
async fn read_replies(mut replies: Consumer, pending: PendingCalls<u64>, limits: Limits) {
    let end = loop {
        let delivery = match replies.next().await {
            Some(Ok(delivery)) => delivery,
            ended => break end_of_consumer(ended.and_then(Result::err).as_ref()),
        };
        let id = delivery.properties.correlation_id().as_ref();
        if let Some(id) = id.and_then(|id| u64::from_str_radix(id.as_str(), 16).ok()) {
            pending.complete(id, decode_reply(&delivery.data, &limits));
        }
    };
    pending.fail_all(&end);
}
