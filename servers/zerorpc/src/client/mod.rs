//! The client: a DEALER that connects.

mod connection;
mod items;
mod pending;
mod replies;
mod session;

use std::sync::{Arc, Mutex, PoisonError};

use calculator::{
    Call, CallError, CallFuture, Client, ClientOptions, ErrorKind, OnItem, StreamFuture, Value,
};
use futures_util::StreamExt;

use crate::heartbeat::{DEFAULT_PERIOD, HeartbeatPeriod};
use crate::library::Library;
use connection::Connection;
pub use items::{DEFAULT_SLOTS, Items, Reply};
use replies::{Channel, PendingReply};
use session::CallNotSent;

/// How often to try to send a call. A closed connection has not sent it, so sending it again on a new one is safe.
const ATTEMPTS: usize = 2;

/// A client with one connection, on which any number of calls may be in flight.
///
/// When the connection ends, the calls in flight fail as [`ErrorKind::Undeliverable`], and the next call opens another
/// connection. A call whose server stops sending heartbeats fails in the same way, with a message that begins with
/// `Lost remote after`.
pub struct ZerorpcClient {
    url: String,
    options: ClientOptions,
    heartbeat: HeartbeatPeriod,
    library: Library,
    /// How many items of a stream are received before they are taken.
    slots: usize,
    connection: Mutex<Arc<Connection>>,
    /// Held while reconnecting, so that several calls that find the connection closed open only one.
    reconnecting: tokio::sync::Mutex<()>,
}

impl ZerorpcClient {
    /// Connects to `tcp://HOST:PORT` or `ipc://PATH` within `options.timeout`, with heartbeats every 5 s.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] if no server listens or the URL is not one of [`SCHEMES`](crate::SCHEMES),
    /// [`ErrorKind::Timeout`] if connecting takes too long.
    pub async fn connect(url: &str, options: &ClientOptions) -> Result<Self, CallError> {
        Self::connect_with(url, options, Some(DEFAULT_PERIOD)).await
    }

    /// Like [`connect`](Self::connect), with another heartbeat period.
    ///
    /// # Errors
    /// The errors of [`connect`](Self::connect).
    pub async fn connect_with(
        url: &str,
        options: &ClientOptions,
        heartbeat: HeartbeatPeriod,
    ) -> Result<Self, CallError> {
        Self::connect_by(Library::Own, url, options, heartbeat).await
    }

    /// Like [`connect_with`](Self::connect_with), through a socket of `library`.
    ///
    /// # Errors
    /// The errors of [`connect`](Self::connect).
    pub async fn connect_by(
        library: Library,
        url: &str,
        options: &ClientOptions,
        heartbeat: HeartbeatPeriod,
    ) -> Result<Self, CallError> {
        let connection = Connection::open(url, options, heartbeat, library).await?;
        Ok(ZerorpcClient {
            url: url.to_owned(),
            options: options.clone(),
            heartbeat,
            library,
            slots: DEFAULT_SLOTS,
            connection: Mutex::new(Arc::new(connection)),
            reconnecting: tokio::sync::Mutex::new(()),
        })
    }

    /// Lets [`Client::call_stream`] receive up to `slots` items of a stream before they are taken, and at least one;
    /// [`DEFAULT_SLOTS`] otherwise.
    #[must_use]
    pub fn with_slots(self, slots: usize) -> Self {
        ZerorpcClient { slots, ..self }
    }

    /// The number of calls on the present connection that wait for a reply or whose reply was not taken.
    #[cfg(feature = "simulated")]
    #[must_use]
    pub fn pending_calls(&self) -> usize {
        self.current().session().with_pending(|pending| pending.calls.len())
    }

    /// Makes a call whose result may be a stream, and waits for the first reply. Up to `slots` items of a stream are
    /// received before they are taken; [`DEFAULT_SLOTS`] in zerorpc-python.
    ///
    /// # Errors
    /// The errors of [`Client::call`].
    pub async fn open(&self, call: &Call, slots: usize) -> Result<Reply, CallError> {
        let args = call.params.as_positional()?;
        let slots = slots.max(1);
        let mut connection = self.current();
        for _ in 0..ATTEMPTS {
            match Channel::open(&connection, &call.method, args, slots) {
                Ok(channel) => return Items::first_reply(channel, slots).await,
                Err(CallNotSent::Refused(error)) => return Err(error),
                Err(CallNotSent::Closed) => {}
            };
            connection = self.replace(&connection).await?;
        }
        Err(self.connection_closed_error())
    }

    /// Makes a call with one result.
    async fn call_unary(&self, call: &Call) -> Result<Value, CallError> {
        let args = call.params.as_positional()?;
        let mut connection = self.current();
        for _ in 0..ATTEMPTS {
            match PendingReply::send(&connection, &call.method, args) {
                Ok(reply) => return reply.await,
                Err(CallNotSent::Refused(error)) => return Err(error),
                Err(CallNotSent::Closed) => {}
            };
            connection = self.replace(&connection).await?;
        }
        Err(self.connection_closed_error())
    }

    async fn read_stream(&self, call: &Call, on_item: OnItem<'_>) -> Result<(), CallError> {
        let Reply::Items(mut items) = self.open(call, self.slots).await? else {
            return Err(CallError::new(ErrorKind::Malformed, "the result is one value, not a stream"));
        };
        while let Some(item) = items.next().await {
            on_item(item?)?;
        }
        Ok(())
    }

    fn connection_closed_error(&self) -> CallError {
        CallError::new(ErrorKind::Undeliverable, format!("{} closes every connection at once", self.url))
    }

    fn current(&self) -> Arc<Connection> {
        Arc::clone(&self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens a connection in place of `closed`, unless another call has done so already.
    async fn replace(&self, closed: &Arc<Connection>) -> Result<Arc<Connection>, CallError> {
        let _turn = self.reconnecting.lock().await;
        let current = self.current();
        if !Arc::ptr_eq(&current, closed) {
            return Ok(current);
        }
        let opened =
            Arc::new(Connection::open(&self.url, &self.options, self.heartbeat, self.library).await?);
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&opened);
        Ok(opened)
    }
}

impl Client for ZerorpcClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.call_unary(call))
    }

    fn call_stream<'a>(&'a self, call: &'a Call, on_item: OnItem<'a>) -> Option<StreamFuture<'a>> {
        Some(Box::pin(self.read_stream(call, on_item)))
    }
}
