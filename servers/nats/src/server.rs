//! The server.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use amqp::RpcDispatcher;
use amqp::wire::Failure;
use async_nats::{Message, Subscriber};
use calculator::{CallError, Dispatcher, Limits};
use futures_util::stream::{Select, select};
use futures_util::{FutureExt, Stream, StreamExt};
use net::DRAIN_TIMEOUT;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::connect::{Connection, connect, synchronise};
use crate::message::{decode_request, encode_reply};
use crate::subject::Subject;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a server cannot be started.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct BindError(pub(crate) String);

impl From<CallError> for BindError {
    fn from(error: CallError) -> Self {
        BindError(error.message)
    }
}

/// Answers the calls to one subject, as one of the group of its servers, and executes casts.
pub struct Server {
    broker: Broker,
    connection: Connection,
    messages: Select<Subscriber, Subscriber>,
    answering: Answering,
}

impl Server {
    /// Connects to `broker`, and subscribes to `subject`.
    ///
    /// # Errors
    /// [`BindError`] if the broker cannot be reached or refuses it.
    pub async fn bind(
        broker: &Broker,
        subject: &Subject,
        dispatcher: Dispatcher,
        limits: Limits,
    ) -> Result<Self, BindError> {
        let connection = connect(broker, "rpcbench-server", CONNECT_TIMEOUT).await?;
        let failed = |error: async_nats::SubscribeError| BindError(error.to_string());
        let client = &connection.client;
        // The name of the group is that of the subject: only its servers share the requests.
        let group = subject.as_str().to_owned();
        let requests = client.queue_subscribe(subject.as_str().to_owned(), group).await.map_err(failed)?;
        let fanout = client.subscribe(subject.fanout()).await.map_err(failed)?;
        synchronise(client, CONNECT_TIMEOUT).await?;
        // The service's dispatcher has its own executor, so the RPC dispatcher keeps the default one.
        let dispatcher = RpcDispatcher::new().endpoint(dispatcher).build();
        let answering = Answering { connection: connection.clone(), dispatcher, limits };
        Ok(Server { broker: broker.clone(), connection, messages: received(requests, fanout), answering })
    }

    /// The broker's URL without credentials.
    #[must_use]
    pub fn url(&self) -> String {
        self.broker.to_string()
    }

    /// Serves until `stop` is cancelled. Then it takes the requests that the broker has already sent to it, and finishes the
    /// calls in progress, at most 4 s.
    pub async fn run(mut self, stop: CancellationToken) {
        let limit = self.answering.limits.max_in_flight.clamp(1, Semaphore::MAX_PERMITS);
        let max = u32::try_from(limit).unwrap_or(u32::MAX);
        let in_flight = Arc::new(Semaphore::new(max as usize));
        if stop.run_until_cancelled(self.serve(&in_flight)).await.is_some() {
            tracing::error!(broker = %self.broker, "the connection to the broker was closed");
            return;
        }
        let drained = async {
            // The subscriptions end when the broker has sent what it had for them.
            let (requests, fanout) = self.messages.get_mut();
            let _ = requests.drain().await;
            let _ = fanout.drain().await;
            self.serve(&in_flight).await;
            let _ = in_flight.acquire_many(max).await;
            let _ = self.connection.client.flush().await;
        };
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, drained).await;
    }

    /// Executes requests until both subscriptions have ended. No message is lost when it is cancelled.
    async fn serve(&mut self, in_flight: &Arc<Semaphore>) {
        loop {
            let Ok(permit) = Arc::clone(in_flight).acquire_owned().await else { return };
            let Some(message) = self.messages.next().await else { return };
            self.answering.spawn(message, permit);
        }
    }
}

/// The messages of both subscriptions: calls and casts to one server, and casts to all. While both have some, they take turns, so
/// that requests which arrive faster than they are executed do not hold back the casts.
fn received<S: Stream>(requests: S, fanout: S) -> Select<S, S> {
    select(requests, fanout)
}

/// What answering a request takes.
#[derive(Clone)]
struct Answering {
    connection: Connection,
    dispatcher: Arc<RpcDispatcher>,
    limits: Limits,
}

impl Answering {
    /// Executes the request in `message` as a task, which returns `permit` at its end.
    fn spawn(&self, message: Message, permit: OwnedSemaphorePermit) {
        let this = self.clone();
        tokio::spawn(async move {
            this.answer(message).await;
            drop(permit);
        });
    }

    /// Executes the request in `message`, and replies if it names an inbox.
    async fn answer(&self, message: Message) {
        let (id, result) = match decode_request(&message.payload, &self.limits) {
            Ok(mut request) => {
                let id = request.msg_id.take();
                let result = AssertUnwindSafe(self.dispatcher.dispatch(request)).catch_unwind().await;
                let result = result.unwrap_or_else(|_| {
                    tracing::error!("a handler panicked");
                    Err(Failure::builtin("Exception", "the handler panicked"))
                });
                (id.unwrap_or_default(), result)
            }
            Err(failure) => (String::new(), Err(failure)),
        };
        let Some(inbox) = message.reply else { return };
        let body = encode_reply(result, &id, self.connection.max_payload);
        // The client notices a reply that cannot be sent by its absence.
        let _ = self.connection.client.publish(inbox, body.into()).await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream::iter;

    use super::*;

    #[test]
    fn casts_are_received_while_there_is_always_a_request() {
        let messages = received(iter(vec!["request"; 100]), iter(vec!["cast"; 2]));
        let first: Option<Vec<_>> = messages.take(5).collect().now_or_never();
        assert_eq!(first, Some(vec!["request", "cast", "request", "cast", "request"]));
    }
}
