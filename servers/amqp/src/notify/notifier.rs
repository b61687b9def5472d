//! Publishing notifications.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use calculator::{CallError, ErrorKind, Value};
use tokio::sync::Mutex;
use tokio::time::timeout;
use uuid::Uuid;

use super::priority::Priority;
use crate::connect::TransportError;
use crate::context::Context;
use crate::errors::{REFUSED, reason, undeliverable};
use crate::publisher::{Destination, Outcome, Publisher, oslo_properties};
use crate::target::Target;
use crate::topology::{self, short_string};
use crate::transport::Transport;
use crate::wire::{self, Notification};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The default timeout, the same as for calls and casts.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Publishes notifications. It connects when the first one is published, and again after
/// the connection was lost.
pub struct Notifier {
    transport: Transport,
    target: Target,
    publisher_id: String,
    timeout: Duration,
    connection: Mutex<Option<NotifierConnection>>,
}

struct NotifierConnection {
    publisher: Arc<Publisher>,
    /// The priorities whose queues were declared on this connection.
    declared: HashSet<Priority>,
}

impl Notifier {
    /// Creates a notifier for the exchange and topic of `target`; the topic is usually `notifications`.
    #[must_use]
    pub fn new(transport: &Transport, target: Target, publisher_id: impl Into<String>) -> Self {
        Notifier {
            transport: transport.clone(),
            target,
            publisher_id: publisher_id.into(),
            timeout: DEFAULT_TIMEOUT,
            connection: Mutex::default(),
        }
    }

    /// Sets how long publishing a notification may take, including connecting. Default 60 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Publishes a notification. Returns when the broker has accepted it.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] or [`ErrorKind::Timeout`] if the broker may not have accepted it,
    /// [`ErrorKind::NotRepresentable`] or [`ErrorKind::Overflow`] for a value that JSON cannot represent.
    pub async fn notify(
        &self,
        context: &Context,
        priority: Priority,
        event_type: &str,
        payload: Value,
    ) -> Result<(), CallError> {
        let notification = Notification {
            message_id: Uuid::new_v4().to_string(),
            publisher_id: self.publisher_id.clone(),
            event_type: event_type.to_owned(),
            priority: priority.name().to_ascii_uppercase(),
            timestamp: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S%.6f").to_string(),
            payload,
            context: context.clone(),
        };
        let body = wire::encode_notification(&notification, wire::new_id(&mut [0; wire::ID_LEN]))?;
        timeout(self.timeout, self.publish(priority, &body)).await.unwrap_or_else(|_| {
            let message = format!("the broker did not accept it within {} ms", self.timeout.as_millis());
            Err(CallError::new(ErrorKind::Timeout, message))
        })
    }

    async fn publish(&self, priority: Priority, body: &[u8]) -> Result<(), CallError> {
        let publisher = self.publisher(priority).await?;
        publisher.wait_until_unblocked().await;
        let routing_key = short_string(&priority.queue(&self.target.topic));
        let destination =
            Destination { exchange: short_string(&self.target.exchange), routing_key, mandatory: false };
        match publisher.publish(destination, oslo_properties(), body).await {
            Ok(Outcome::Confirmed) => Ok(()),
            Ok(Outcome::Refused | Outcome::Returned(_)) => Err(undeliverable(REFUSED)),
            Err(error) => Err(undeliverable(reason(&error))),
        }
    }

    /// Returns the open connection's publisher or opens one, and declares the queue of `priority` once on it.
    async fn publisher(&self, priority: Priority) -> Result<Arc<Publisher>, TransportError> {
        let mut connection = self.connection.lock().await;
        let open = connection.take().filter(|connection| connection.publisher.is_connected());
        let open = match open {
            Some(open) => open,
            None => {
                let new = self.transport.connect("notifier", CONNECT_TIMEOUT).await?;
                let publisher = Arc::new(Publisher::open(new, true).await?);
                NotifierConnection { publisher, declared: HashSet::new() }
            }
        };
        let NotifierConnection { publisher, declared } = connection.insert(open);
        if !declared.contains(&priority) {
            let queue = priority.queue(&self.target.topic);
            topology::declare_topic_queue(publisher.channel(), self.transport.queues(), &self.target, &queue)
                .await?;
            declared.insert(priority);
        }
        Ok(Arc::clone(publisher))
    }
}
