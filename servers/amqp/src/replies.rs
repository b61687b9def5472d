//! A server's way of answering.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::publisher::{Address, Outcome, Publisher, json_properties};
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

/// Publishes answers to the queues that requests name.
pub(crate) struct Replies {
    publisher: Arc<Publisher>,
    /// Queues that stayed missing, each with the time until which answers to it are dropped at once.
    missing: Mutex<HashMap<String, Instant>>,
    retries: Arc<Semaphore>,
    lost: CancellationToken,
}

/// Whether answers may go to that queue. Any client can write any queue's name into a request; only those that
/// oslo.messaging gives to reply queues are taken, so that a server cannot be made to write into others.
pub(crate) fn is_reply_queue(queue: &str) -> bool {
    queue.starts_with(REPLY_QUEUE_PREFIX) && queue.len() <= 255
}

impl Replies {
    pub(crate) fn new(publisher: Publisher) -> Arc<Self> {
        Arc::new(Replies {
            publisher: Arc::new(publisher),
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
    pub(crate) async fn send(self: Arc<Self>, queue: &str, body: Vec<u8>) {
        if self.is_missing(queue) {
            tracing::debug!("dropped an answer to a queue that stays missing");
            return;
        }
        if let Some((queue, body)) = self.publish(queue, body).await {
            match Arc::clone(&self.retries).try_acquire_owned() {
                Ok(permit) => drop(tokio::spawn(async move {
                    self.retry(queue, body).await;
                    drop(permit);
                })),
                Err(_) => tracing::warn!("dropped an answer: too many wait for missing queues already"),
            }
        }
    }

    /// Publishes an answer; gives back one that no queue took, with its queue.
    async fn publish(&self, queue: &str, body: Vec<u8>) -> Option<(String, Vec<u8>)> {
        let address = Address { exchange: name(""), routing_key: name(queue), mandatory: true };
        match Arc::clone(&self.publisher).publish(address, json_properties(), body).await {
            Ok(Outcome::Confirmed) => None,
            Ok(Outcome::Returned(message)) => {
                let message = message.delivery;
                Some((message.routing_key.to_string(), message.data))
            }
            Ok(Outcome::Refused) => {
                tracing::warn!("the broker refused an answer");
                None
            }
            Err(error) => {
                tracing::debug!(%error, "an answer was lost with its connection");
                self.lost.cancel();
                None
            }
        }
    }

    async fn retry(&self, mut queue: String, mut body: Vec<u8>) {
        let deadline = Instant::now() + MISSING_QUEUE_RETRY;
        while Instant::now() < deadline && !self.lost.is_cancelled() {
            sleep(RETRY_INTERVAL).await;
            match self.publish(&queue, body).await {
                Some(returned) => (queue, body) = returned,
                None => return,
            }
        }
        let now = Instant::now();
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.retain(|_, until| *until > now);
        if missing.len() < MISSING_QUEUES {
            missing.insert(queue, now + MISSING_QUEUE_MEMORY);
        }
    }

    fn is_missing(&self, queue: &str) -> bool {
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.get(queue).is_some_and(|until| *until > Instant::now())
    }
}
