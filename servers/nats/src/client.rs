//! The client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_nats::connection::State;
use async_nats::{RequestError, RequestErrorKind};
use calculator::{Call, CallError, CallFuture, Client, ClientOptions, ErrorKind, Limits, Value};

use crate::broker::Broker;
use crate::connect::{Connection, connect, undeliverable};
use crate::message::{check_size, decode_reply, encode_request};
use crate::subject::Subject;

/// What a call that gets no answer reports.
const LOST: &str = "the connection to the broker was lost";
const RECONNECTING: &str = "there is no connection to the broker; the client is reconnecting";

/// The servers of a subject that get a cast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// One of them.
    One,
    /// All of them.
    All,
}

/// Calls the servers of one subject. Any number of calls may be in flight.
///
/// The client reconnects when the connection is lost. Until then, calls fail immediately.
pub struct NatsClient {
    connection: Connection,
    subject: async_nats::Subject,
    /// The subject for casts to all servers.
    fanout: async_nats::Subject,
    limits: Limits,
    /// Shared by all clients of the connection.
    next_id: Arc<AtomicU32>,
}

impl NatsClient {
    /// Connects to `broker`.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] or [`ErrorKind::Timeout`] without a broker.
    pub async fn connect(
        broker: &Broker,
        subject: &Subject,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let connection = connect(broker, "rpcbench-client", options.timeout).await?;
        Ok(NatsClient {
            connection,
            subject: subject.as_str().into(),
            fanout: subject.fanout().into(),
            limits: options.limits,
            next_id: Arc::default(),
        })
    }

    /// A client of the servers of `subject` on the same connection.
    #[must_use]
    pub fn for_subject(&self, subject: &Subject) -> Self {
        NatsClient {
            connection: self.connection.clone(),
            subject: subject.as_str().into(),
            fanout: subject.fanout().into(),
            limits: self.limits,
            next_id: Arc::clone(&self.next_id),
        }
    }

    /// Sends `call` without requesting a reply, and returns when it is written. Nothing reports whether a server gets it.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] without a connection, [`ErrorKind::TooLarge`], and the errors of encoding.
    pub async fn cast(&self, call: &Call, recipients: Recipients) -> Result<(), CallError> {
        let body = self.encode(call)?;
        let subject = match recipients {
            Recipients::One => &self.subject,
            Recipients::All => &self.fanout,
        };
        let client = &self.connection.client;
        client
            .publish(subject.clone(), body.into())
            .await
            .map_err(|error| undeliverable(&error.to_string()))?;
        let mut losses = self.connection.losses.subscribe();
        tokio::select! {
            biased;
            flushed = client.flush() => flushed.map_err(|error| undeliverable(&error.to_string())),
            _ = losses.changed() => Err(undeliverable(LOST)),
        }
    }

    /// Encodes `call` if it can be sent now.
    fn encode(&self, call: &Call) -> Result<Vec<u8>, CallError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let body = encode_request(call, &format!("{id:08x}"))?;
        check_size(&body, self.connection.max_payload)?;
        match self.connection.client.connection_state() {
            State::Connected => Ok(body),
            State::Pending | State::Disconnected => Err(undeliverable(RECONNECTING)),
        }
    }

    async fn exchange(&self, call: &Call) -> Result<Value, CallError> {
        let body = self.encode(call)?;
        // The library would let a call wait for a reply that can no longer come.
        let mut losses = self.connection.losses.subscribe();
        let reply = tokio::select! {
            biased;
            reply = self.connection.client.request(self.subject.clone(), body.into()) => {
                reply.map_err(|error| request_error(&error))?
            }
            _ = losses.changed() => return Err(undeliverable(LOST)),
        };
        decode_reply(&reply.payload, &self.limits)
    }
}

impl Client for NatsClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.exchange(call))
    }
}

fn request_error(error: &RequestError) -> CallError {
    match error.kind() {
        RequestErrorKind::NoResponders => undeliverable("no server has subscribed to the subject"),
        RequestErrorKind::TimedOut => CallError::new(ErrorKind::Timeout, error.to_string()),
        _ => undeliverable(&error.to_string()),
    }
}
