//! The bare server.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use calculator::{Dispatcher, Limits};
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use net::DRAIN_TIMEOUT;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::channel::{CONSUME, QUEUE, default_exchange, properties, publish};
use super::format::{decode_call, encode_reply};
use crate::connect::TransportError;
use crate::errors::end_of_consumer;
use crate::topology::short_string;
use crate::url::TransportUrl;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers the calls of one queue, which the broker deletes when the server ends.
pub struct BareServer {
    url: TransportUrl,
    connection: Connection,
    channel: Channel,
    requests: Consumer,
    dispatcher: Dispatcher,
    limits: Limits,
}

impl BareServer {
    /// Connects, declares `queue` and consumes it.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn bind(
        url: &TransportUrl,
        queue: &str,
        dispatcher: Dispatcher,
        limits: Limits,
    ) -> Result<Self, TransportError> {
        let connection = url.connect("bare-server", CONNECT_TIMEOUT).await?;
        let channel = connection.create_channel().await?;
        let queue = short_string(queue);
        channel.queue_declare(queue.clone(), QUEUE, FieldTable::default()).await?;
        let requests = channel.basic_consume(queue, short_string(""), CONSUME, FieldTable::default()).await?;
        Ok(BareServer { url: url.clone(), connection, channel, requests, dispatcher, limits })
    }

    /// The broker's URL without credentials.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.to_string()
    }

    /// Serves until `stop` is cancelled or the connection is lost, then finishes the calls in progress, at most 4 s.
    pub async fn run(mut self, stop: CancellationToken) {
        let max =
            u32::try_from(self.limits.max_in_flight.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let in_flight = Arc::new(Semaphore::new(max as usize));
        let mut stopped = pin!(stop.cancelled());
        loop {
            let Ok(permit) = Arc::clone(&in_flight).acquire_owned().await else { return };
            let delivery = tokio::select! {
                biased;
                () = &mut stopped => break,
                delivery = self.requests.next() => delivery,
            };
            let delivery = match delivery {
                Some(Ok(delivery)) => delivery,
                ended => {
                    let reason = end_of_consumer(ended.and_then(Result::err).as_ref());
                    tracing::error!(broker = %self.url, "{reason}; this server does not reconnect");
                    break;
                }
            };
            let (channel, dispatcher, limits) = (self.channel.clone(), self.dispatcher.clone(), self.limits);
            tokio::spawn(async move {
                answer(&channel, &dispatcher, &limits, delivery).await;
                drop(permit);
            });
        }
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, in_flight.acquire_many(max)).await;
        let _ = self.connection.close(200, "done".into()).await;
    }
}

/// Executes a request and publishes its reply.
async fn answer(channel: &Channel, dispatcher: &Dispatcher, limits: &Limits, delivery: Delivery) {
    let result = match decode_call(&delivery.data, limits) {
        Ok(call) => dispatcher.call(call).await,
        Err(error) => Err(error),
    };
    let Some(reply_to) = delivery.properties.reply_to().clone() else { return };
    let mut properties = properties();
    if let Some(id) = delivery.properties.correlation_id().clone() {
        properties = properties.with_correlation_id(id);
    }
    publish(channel, default_exchange(), reply_to, properties, &encode_reply(&result));
}
