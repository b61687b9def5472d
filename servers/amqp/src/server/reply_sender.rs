//! Publishing replies.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use lapin::BasicProperties;
use lapin::types::ShortString;
use net::AnomalyCounter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::errors::{REFUSED, reason};
use crate::publisher::{Destination, Outcome, Publisher, minimal_properties, oslo_properties};
use crate::topology::{DIRECT_REPLY_TO, REPLY_QUEUE_PREFIX, short_string};

/// How long a reply to a missing queue is retried: a client that reconnects declares its reply queue again.
/// oslo.messaging's `kombu_missing_consumer_retry_timeout`.
const MISSING_QUEUE_RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// The interval between those attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// How long replies to a queue that stayed missing are dropped without a retry.
const MISSING_QUEUE_TTL: Duration = Duration::from_secs(60);
/// How many queues that stayed missing are remembered.
const MAX_MISSING_QUEUES: usize = 200;
/// How many replies may be in retry at a time. Further ones are dropped, to limit the memory for their bodies.
const MAX_RETRIES: usize = 200;

/// The destination of a reply.
#[derive(Clone, Debug)]
pub(super) enum Recipient {
    /// A client's reply queue.
    Queue(String),
    /// A client's channel, by RabbitMQ's direct reply-to.
    Channel(ShortString),
}

impl Recipient {
    /// The recipient that a request names in `_reply_q` or in its reply-to property; `None` if it names no reply queue.
    ///
    /// A client can put any queue's name into a request. Only the names that oslo.messaging and the broker give to reply
    /// queues are accepted, so that a request cannot make a server write into other queues.
    pub(super) fn from_request(reply_queue: Option<String>, reply_to: Option<&ShortString>) -> Option<Self> {
        match (reply_queue, reply_to) {
            (Some(queue), _) if queue.starts_with(REPLY_QUEUE_PREFIX) && queue.len() <= 255 => {
                Some(Recipient::Queue(queue))
            }
            (None, Some(channel)) if is_direct_reply_to(channel.as_str()) => {
                Some(Recipient::Channel(channel.clone()))
            }
            _ => None,
        }
    }

    fn properties(&self) -> BasicProperties {
        match self {
            Recipient::Queue(_) => oslo_properties(),
            Recipient::Channel(_) => minimal_properties(),
        }
    }

    fn destination(&self) -> Destination {
        let (routing_key, mandatory) = match self {
            Recipient::Queue(queue) => (short_string(queue), true),
            Recipient::Channel(channel) => (channel.clone(), false),
        };
        Destination { exchange: short_string(""), routing_key, mandatory }
    }
}

/// Whether `name` is the name of a channel's direct reply-to queue, to which the broker rewrites the pseudo-queue's name
/// in a request: `amq.rabbitmq.reply-to.`, followed by an id.
fn is_direct_reply_to(name: &str) -> bool {
    name.strip_prefix(DIRECT_REPLY_TO).is_some_and(|id| id.starts_with('.'))
}

/// The connection was lost before the broker had accepted the reply.
#[derive(Debug)]
pub(super) struct ConnectionLost;

/// Publishes replies to the recipients that requests name.
pub(super) struct ReplySender {
    publisher: Publisher,
    /// Queues that stayed missing, each with the time until which replies to it are dropped without a retry.
    missing: Mutex<HashMap<String, Instant>>,
    retries: Arc<Semaphore>,
    /// Replies that were dropped because too many were in retry.
    dropped: AnomalyCounter,
    /// Replies that the broker has refused.
    refused: AnomalyCounter,
    lost: CancellationToken,
    /// Why the connection was lost.
    lost_reason: OnceLock<String>,
}

impl ReplySender {
    pub(super) fn new(publisher: Publisher) -> Arc<Self> {
        Arc::new(ReplySender {
            publisher,
            missing: Mutex::new(HashMap::new()),
            retries: Arc::new(Semaphore::new(MAX_RETRIES)),
            dropped: AnomalyCounter::new("dropped a reply", "replies were dropped"),
            refused: AnomalyCounter::new("a reply is lost", "replies were lost"),
            lost: CancellationToken::new(),
            lost_reason: OnceLock::new(),
        })
    }

    /// The token that is cancelled when publishing a reply fails because the connection is lost.
    pub(super) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Why the connection for replies was lost, once [`lost`](Self::lost) is cancelled.
    pub(super) fn lost_reason(&self) -> &str {
        self.lost_reason.get().map_or("the connection is closed", String::as_str)
    }

    /// Closes the publisher's dedicated connection, if it has one.
    pub(super) async fn close(&self) {
        self.publisher.close().await;
    }

    /// Publishes a reply and waits for its confirm. A reply whose queue is missing is retried in the background.
    ///
    /// # Errors
    /// [`ConnectionLost`].
    pub(super) async fn send(
        self: &Arc<Self>,
        recipient: &Recipient,
        body: Vec<u8>,
    ) -> Result<(), ConnectionLost> {
        if let Recipient::Queue(queue) = recipient
            && self.is_missing(queue)
        {
            tracing::debug!("dropped a reply to a queue that stays missing");
            return Ok(());
        }
        if let Some((queue, body)) = self.publish(recipient, body).await? {
            match Arc::clone(&self.retries).try_acquire_owned() {
                Ok(permit) => {
                    let this = Arc::clone(self);
                    tokio::spawn(async move {
                        // A reply in retry is given up with its connection: its client had no queue for it.
                        let _ = this.retry(queue, body).await;
                        drop(permit);
                    });
                }
                Err(_) => self.dropped.add("too many are waiting for missing queues"),
            }
        }
        Ok(())
    }

    /// Publishes a reply, if there is one, as [`send`](Self::send) does, and awaits its confirm in the background.
    /// `permit` is released when the broker has accepted the reply.
    pub(super) async fn send_in_background(
        self: &Arc<Self>,
        reply: Option<(Recipient, Vec<u8>)>,
        permit: OwnedSemaphorePermit,
    ) {
        let Some((recipient, body)) = reply else { return };
        if !self.publisher.confirms() {
            let _ = self.send(&recipient, body).await;
            return;
        }
        let this = Arc::clone(self);
        self.publisher.publish_in_background(Box::pin(async move {
            // `lost` reports a lost connection.
            let _ = this.send(&recipient, body).await;
            drop(permit);
        }));
    }

    /// Publishes a heartbeat, once, without a retry.
    pub(super) async fn send_heartbeat(&self, recipient: &Recipient, body: Vec<u8>) {
        let _ = self.publish(recipient, body).await;
    }

    /// Publishes a reply. Returns the queue and body of a reply that the broker has returned because its queue is
    /// missing, which may be another reply than this one.
    async fn publish(
        &self,
        recipient: &Recipient,
        body: Vec<u8>,
    ) -> Result<Option<(String, Vec<u8>)>, ConnectionLost> {
        self.publisher.wait_until_unblocked().await;
        match self.publisher.publish(recipient.destination(), recipient.properties(), &body).await {
            Ok(Outcome::Confirmed) => Ok(None),
            Ok(Outcome::Returned(message)) => {
                let message = message.delivery;
                Ok(Some((message.routing_key.to_string(), message.data)))
            }
            Ok(Outcome::Refused) => {
                self.refused.add(REFUSED);
                Ok(None)
            }
            Err(error) => {
                // The first reason is the broker's; later attempts find only that the connection is closed.
                self.lost_reason.get_or_init(|| reason(&error));
                self.lost.cancel();
                Err(ConnectionLost)
            }
        }
    }

    /// Publishes a returned reply again until its queue exists, or for [`MISSING_QUEUE_RETRY_TIMEOUT`].
    async fn retry(&self, mut queue: String, mut body: Vec<u8>) -> Result<(), ConnectionLost> {
        let deadline = Instant::now() + MISSING_QUEUE_RETRY_TIMEOUT;
        while Instant::now() < deadline && !self.lost.is_cancelled() {
            sleep(RETRY_INTERVAL).await;
            match self.publish(&Recipient::Queue(queue), body).await? {
                Some(returned) => (queue, body) = returned,
                None => return Ok(()),
            }
        }
        let now = Instant::now();
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.retain(|_, until| *until > now);
        if missing.len() < MAX_MISSING_QUEUES {
            missing.insert(queue, now + MISSING_QUEUE_TTL);
        }
        Ok(())
    }

    fn is_missing(&self, queue: &str) -> bool {
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.get(queue).is_some_and(|until| *until > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reply_queues_are_accepted_as_recipients() {
        let accepts = |queue: Option<&str>, reply_to: Option<&str>| {
            Recipient::from_request(queue.map(str::to_owned), reply_to.map(short_string).as_ref()).is_some()
        };
        assert!(accepts(Some("reply_ea43"), None) && accepts(Some("reply_host:1:2"), None));
        assert!(accepts(None, Some("amq.rabbitmq.reply-to.g1h2")));
        for queue in ["", "calc", "amq.rabbitmq.reply-to.g1h2", "Reply_x", " reply_x"] {
            assert!(!accepts(Some(queue), None), "{queue}");
            assert!(!accepts(Some(queue), Some("amq.rabbitmq.reply-to.g1h2")), "{queue}");
        }
        for reply_to in ["", "calc", "reply_x", "amq.rabbitmq.reply-to"] {
            assert!(!accepts(None, Some(reply_to)), "{reply_to}");
        }
        assert!(!accepts(Some(&format!("reply_{}", "x".repeat(300))), None));
    }
}
