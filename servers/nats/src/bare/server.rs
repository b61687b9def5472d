//! The bare server.

use std::sync::Arc;
use std::time::Duration;

use amqp::bare::{decode_call, encode_reply};
use bytes::BufMut;
use calculator::{CallError, Dispatcher, ErrorKind, Limits};
use net::DRAIN_TIMEOUT;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Event, Incoming};
use crate::broker::Broker;
use crate::message::check_size;
use crate::server::BindError;
use crate::subject::Subject;
use crate::wire::{Message, PING, write_publish, write_subscribe, write_unsubscribe};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The id of the only subscription.
const REQUESTS: u64 = 1;

/// Answers the calls to one subject, as one of the group of its servers.
pub struct BareServer {
    broker: Broker,
    incoming: Incoming,
    dispatcher: Dispatcher,
    limits: Limits,
}

/// A request that was received.
enum Request {
    Whole(Message),
    /// Its payload has this many bytes, more than the limit.
    TooLarge(Message, usize),
}

impl BareServer {
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
        let subject = subject.as_str();
        let incoming = Connection::open(
            broker,
            "rpcbench-bare-server",
            |out| write_subscribe(out, subject, Some(subject), REQUESTS),
            &limits,
            CONNECT_TIMEOUT,
        )
        .await?;
        Ok(BareServer { broker: broker.clone(), incoming, dispatcher, limits })
    }

    /// The broker's URL without credentials.
    #[must_use]
    pub fn url(&self) -> String {
        self.broker.to_string()
    }

    /// Serves until `stop` is cancelled or the connection is lost. Then it takes the requests that the broker has already sent
    /// to it, and finishes the calls in progress, at most 4 s.
    pub async fn run(mut self, stop: CancellationToken) {
        let limit = self.limits.max_in_flight.clamp(1, Semaphore::MAX_PERMITS);
        let max = u32::try_from(limit).unwrap_or(u32::MAX);
        let in_flight = Arc::new(Semaphore::new(max as usize));
        if let Some(end) = stop.run_until_cancelled(self.serve(&in_flight)).await {
            if let Err(error) = end {
                tracing::error!(broker = %self.broker, "{}; this server does not reconnect", error.message);
            }
            return;
        }
        let drained = async {
            self.incoming.connection.send(|out| {
                write_unsubscribe(out, REQUESTS);
                out.put_slice(PING);
            })?;
            self.serve(&in_flight).await?;
            let _ = in_flight.acquire_many(max).await;
            let _ = self.incoming.connection.flush().await;
            Ok::<_, CallError>(())
        };
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, drained).await;
    }

    /// Executes requests until a PONG. No message is lost when it is cancelled.
    ///
    /// # Errors
    /// When the connection ends.
    async fn serve(&mut self, in_flight: &Arc<Semaphore>) -> Result<(), CallError> {
        loop {
            let Ok(permit) = Arc::clone(in_flight).acquire_owned().await else { return Ok(()) };
            let request = match self.incoming.next().await? {
                Event::Message(message) => Request::Whole(message),
                Event::TooLarge(message, bytes) => Request::TooLarge(message, bytes),
                Event::Pong => return Ok(()),
            };
            let connection = Arc::clone(&self.incoming.connection);
            tokio::spawn(answer(connection, self.dispatcher.clone(), self.limits, request, permit));
        }
    }
}

/// Executes a request and publishes its reply. Returns `permit` at the end.
async fn answer(
    connection: Arc<Connection>,
    dispatcher: Dispatcher,
    limits: Limits,
    request: Request,
    permit: OwnedSemaphorePermit,
) {
    let (inbox, result) = match request {
        Request::Whole(message) => {
            let result = match decode_call(&message.payload, &limits) {
                Ok(call) => dispatcher.call(call).await,
                Err(error) => Err(error),
            };
            (message.reply, result)
        }
        Request::TooLarge(message, bytes) => {
            let error = CallError::new(ErrorKind::TooLarge, format!("a request of {bytes} bytes"));
            (message.reply, Err(error))
        }
    };
    if let Some(inbox) = inbox {
        let body = encode_reply(&result);
        let body = check_size(&body, connection.max_payload)
            .map_or_else(|error| encode_reply(&Err(error)), |()| body);
        // A lost connection ends the server, too.
        let _ = connection.send(|out| write_publish(out, &inbox, None, &body));
    }
    drop(permit);
}
