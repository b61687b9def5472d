//! Receiving notifications.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use calculator::Limits;
use futures_util::stream::{SelectAll, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicQosOptions, BasicRejectOptions};
use lapin::{Channel, Connection};
use net::AnomalyCounter;
use tokio_util::sync::CancellationToken;

use super::priority::Priority;
use crate::connect::TransportError;
use crate::deliveries::{Deliveries, deliveries_of, reason_of_end};
use crate::publisher::close;
use crate::reconnect::reopen;
use crate::target::Target;
use crate::topology;
use crate::transport::Transport;
use crate::wire::{self, Notification};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum number of unacknowledged notifications per queue that the broker sends.
const PREFETCH: u16 = 256;

/// The result of handling a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationResult {
    /// The notification was handled.
    Handled,
    /// The notification must be delivered again, to this listener or another one.
    Requeue,
}

type Handler = Box<dyn Fn(Notification) -> NotificationResult + Send + Sync>;

/// Handles the notifications of a topic.
pub struct Listener {
    transport: Transport,
    target: Target,
    priorities: Vec<Priority>,
    limits: Limits,
    handler: Handler,
    connection: ListenerConnection,
    /// Notifications that could not be read.
    unreadable: AnomalyCounter,
}

struct ListenerConnection {
    connection: Connection,
    channel: Channel,
    deliveries: SelectAll<Deliveries>,
}

impl Listener {
    /// Connects, declares the queues of `priorities` and consumes them. `handler` is called while [`run`](Self::run) is
    /// polled, for one notification at a time. If it panics, the notification is redelivered.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn bind(
        transport: &Transport,
        target: Target,
        priorities: &[Priority],
        handler: impl Fn(Notification) -> NotificationResult + Send + Sync + 'static,
    ) -> Result<Self, TransportError> {
        let connection = ListenerConnection::open(transport, &target, priorities).await?;
        Ok(Listener {
            transport: transport.clone(),
            target,
            priorities: priorities.to_vec(),
            limits: Limits::default(),
            handler: Box::new(handler),
            connection,
            unreadable: AnomalyCounter::new("rejected a notification", "notifications were rejected"),
        })
    }

    /// Handles notifications until `stop` is cancelled. Reconnects when the connection is lost.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let delivery = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                delivery = self.connection.deliveries.next() => delivery,
            };
            match delivery {
                Some(Ok(delivery)) => self.handle(&delivery).await,
                ended => {
                    let reason = reason_of_end(ended);
                    tracing::warn!(broker = %self.transport.url(), "{reason}; reconnecting");
                    let open = || ListenerConnection::open(&self.transport, &self.target, &self.priorities);
                    match stop.run_until_cancelled(reopen(open)).await {
                        Some(connection) => self.connection = connection,
                        None => return,
                    }
                }
            }
        }
        close(&self.connection.connection).await;
    }

    async fn handle(&self, delivery: &Delivery) {
        let result = match wire::read_notification(&delivery.data, &self.limits) {
            Ok(notification) => catch_unwind(AssertUnwindSafe(|| (self.handler)(notification)))
                .unwrap_or_else(|_| {
                    tracing::error!("the handler of a notification panicked");
                    NotificationResult::Requeue
                }),
            Err(error) => {
                self.unreadable.add(error);
                let reject = BasicRejectOptions { requeue: false };
                let _ = self.connection.channel.basic_reject(delivery.delivery_tag, reject).await;
                return;
            }
        };
        // If this cannot be sent, the broker redelivers the notification on the next connection.
        let _ = match result {
            NotificationResult::Handled => {
                self.connection.channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await
            }
            NotificationResult::Requeue => {
                let reject = BasicRejectOptions { requeue: true };
                self.connection.channel.basic_reject(delivery.delivery_tag, reject).await
            }
        };
    }
}

impl ListenerConnection {
    async fn open(
        transport: &Transport,
        target: &Target,
        priorities: &[Priority],
    ) -> Result<Self, TransportError> {
        let connection = transport.connect("listener", CONNECT_TIMEOUT).await?;
        let channel = connection.create_channel().await?;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        let mut deliveries = SelectAll::new();
        for priority in priorities {
            let queue = priority.queue(&target.topic);
            topology::declare_topic_queue(&channel, transport.queues(), target, &queue).await?;
            let consumer = topology::consume(&channel, &queue, priority.name(), false).await?;
            deliveries.push(deliveries_of(consumer));
        }
        Ok(ListenerConnection { connection, channel, deliveries })
    }
}
