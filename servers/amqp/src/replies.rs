//! A server's way of answering.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::BasicProperties;
use lapin::types::ShortString;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::publisher::{Address, Outcome, Publisher, json_properties, lean_properties};
use crate::topology::{REPLY_QUEUE_PREFIX, name};

/// oslo.messaging's `kombu_missing_consumer_retry_timeout`: a client that reconnects declares its reply queue anew,
/// so an answer to a missing queue is tried again for that long.
const MISSING_QUEUE_RETRY: Duration = Duration::from_secs(60);
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// How long a queue that stayed missing is remembered, and how many of them.
const MISSING_QUEUE_MEMORY: Duration = Duration::from_secs(60);
const MISSING_QUEUES: usize = 200;
/// Answers that wait for their queue at a time; further ones are dropped, for each holds its body.
const MOST_RETRIES: usize = 200;
/// How the broker renames the pseudo-queue of direct reply-to for the server that is to answer.
const DIRECT_PREFIX: &str = "amq.rabbitmq.reply-to.";

/// Where an answer goes.
#[derive(Clone, Debug)]
pub(crate) enum Recipient {
    /// To a client's reply queue, which must be there.
    Queue(String),
    /// To a client's channel, by RabbitMQ's direct reply-to.
    Channel(ShortString),
}

impl Recipient {
    /// Whom a request names. Any client can write any queue's name into a request; only those that oslo.messaging and
    /// the broker give to reply queues are taken, so that a server cannot be made to write into others.
    pub(crate) fn of(reply_queue: Option<String>, reply_to: Option<&ShortString>) -> Option<Self> {
        match (reply_queue, reply_to) {
            (Some(queue), _) if queue.starts_with(REPLY_QUEUE_PREFIX) && queue.len() <= 255 => {
                Some(Recipient::Queue(queue))
            }
            (None, Some(channel)) if channel.as_str().starts_with(DIRECT_PREFIX) => {
                Some(Recipient::Channel(channel.clone()))
            }
            _ => None,
        }
    }

    fn properties(&self) -> BasicProperties {
        match self {
            Recipient::Queue(_) => json_properties(),
            Recipient::Channel(_) => lean_properties(),
        }
    }

    fn address(&self) -> Address {
        let (routing_key, mandatory) = match self {
            Recipient::Queue(queue) => (name(queue), true),
            Recipient::Channel(channel) => (channel.clone(), false),
        };
        Address { exchange: name(""), routing_key, mandatory }
    }
}

/// The connection that answers go over is gone.
#[derive(Debug)]
pub(crate) struct Lost;

/// Publishes answers to the queues that requests name.
pub(crate) struct Replies {
    publisher: Publisher,
    /// Queues that stayed missing, each with the time until which answers to it are dropped at once.
    missing: Mutex<HashMap<String, Instant>>,
    retries: Arc<Semaphore>,
    lost: CancellationToken,
}

impl Replies {
    pub(crate) fn new(publisher: Publisher) -> Arc<Self> {
        Arc::new(Replies {
            publisher,
            missing: Mutex::new(HashMap::new()),
            retries: Arc::new(Semaphore::new(MOST_RETRIES)),
            lost: CancellationToken::new(),
        })
    }

    /// Cancelled when the connection can carry no more answers.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    pub(crate) async fn close(&self) {
        self.publisher.close().await;
    }

    /// Publishes an answer and waits for its confirm. One whose queue is missing is tried again in the background.
    ///
    /// # Errors
    /// When the connection was lost before the broker had the answer.
    pub(crate) async fn send(self: &Arc<Self>, recipient: &Recipient, body: Vec<u8>) -> Result<(), Lost> {
        if let Recipient::Queue(queue) = recipient
            && self.is_missing(queue)
        {
            tracing::debug!("dropped an answer to a queue that stays missing");
            return Ok(());
        }
        if let Some((queue, body)) = self.publish(recipient, body).await? {
            match Arc::clone(&self.retries).try_acquire_owned() {
                Ok(permit) => {
                    let this = Arc::clone(self);
                    tokio::spawn(async move {
                        // When the connection is lost, so is this answer: its client had no queue for it.
                        let _ = this.retry(queue, body).await;
                        drop(permit);
                    });
                }
                Err(_) => tracing::warn!("dropped an answer: too many wait for missing queues already"),
            }
        }
        Ok(())
    }

    /// Publishes an answer, if there is one, as [`send`](Self::send) does, and waits for nothing. Who holds `until` lets
    /// go of it when the broker has the answer.
    pub(crate) async fn send_unwatched(
        self: &Arc<Self>,
        answer: Option<(Recipient, Vec<u8>)>,
        until: OwnedSemaphorePermit,
    ) {
        let Some((recipient, body)) = answer else { return };
        if !self.publisher.confirms() {
            let _ = self.send(&recipient, body).await;
            return;
        }
        let this = Arc::clone(self);
        self.publisher.see_to(Box::pin(async move {
            // A lost connection is told of by `lost`.
            let _ = this.send(&recipient, body).await;
            drop(until);
        }));
    }

    /// Publishes a sign of life, which is not worth another attempt.
    pub(crate) async fn send_sign_of_life(&self, recipient: &Recipient, body: Vec<u8>) {
        let _ = self.publish(recipient, body).await;
    }

    /// Publishes an answer; gives back one that no queue took, with its queue.
    async fn publish(&self, recipient: &Recipient, body: Vec<u8>) -> Result<Option<(String, Vec<u8>)>, Lost> {
        self.publisher.unblocked().await;
        match self.publisher.publish(recipient.address(), recipient.properties(), &body).await {
            Ok(Outcome::Confirmed) => Ok(None),
            Ok(Outcome::Returned(message)) => {
                let message = message.delivery;
                Ok(Some((message.routing_key.to_string(), message.data)))
            }
            Ok(Outcome::Refused) => {
                tracing::warn!("the broker refused an answer");
                Ok(None)
            }
            Err(error) => {
                tracing::debug!(%error, "an answer was lost with its connection");
                self.lost.cancel();
                Err(Lost)
            }
        }
    }

    async fn retry(&self, mut queue: String, mut body: Vec<u8>) -> Result<(), Lost> {
        let deadline = Instant::now() + MISSING_QUEUE_RETRY;
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
        if missing.len() < MISSING_QUEUES {
            missing.insert(queue, now + MISSING_QUEUE_MEMORY);
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
    fn only_reply_queues_are_answered_to() {
        let of = |queue: Option<&str>, reply_to: Option<&str>| {
            Recipient::of(queue.map(str::to_owned), reply_to.map(name).as_ref()).is_some()
        };
        assert!(of(Some("reply_ea43"), None) && of(Some("reply_host:1:2"), None));
        assert!(of(None, Some("amq.rabbitmq.reply-to.g1h2")));
        for queue in ["", "calc", "amq.rabbitmq.reply-to.g1h2", "Reply_x", " reply_x"] {
            assert!(!of(Some(queue), None), "{queue}");
            assert!(!of(Some(queue), Some("amq.rabbitmq.reply-to.g1h2")), "{queue}");
        }
        for reply_to in ["", "calc", "reply_x", "amq.rabbitmq.reply-to"] {
            assert!(!of(None, Some(reply_to)), "{reply_to}");
        }
        assert!(!of(Some(&format!("reply_{}", "x".repeat(300))), None));
    }
}
