//! The calling end: a DEALER that connects.

mod answer;
mod connection;
mod in_flight;
mod items;

use std::sync::{Arc, Mutex, PoisonError};

use calculator::{Call, CallError, CallFuture, Client, ClientOptions, ErrorKind, Value};

use crate::{DEFAULT_PERIOD, HeartbeatPeriod, Library};
use connection::{Connection, NotSent};
pub use items::{DEFAULT_SLOTS, Items, Reply};

/// How often a call is tried. A closed connection has not sent it, so the one that replaces it may.
const ATTEMPTS: usize = 2;

/// A client with one connection, on which any number of calls may be in flight.
///
/// When the connection ends, the calls in flight fail as [`ErrorKind::Undeliverable`] and the next one opens another.
/// A call whose server has fallen silent fails in the same way, with `Lost remote after …` for a message.
pub struct ZerorpcClient {
    url: String,
    options: ClientOptions,
    heartbeat: HeartbeatPeriod,
    library: Library,
    connection: Mutex<Arc<Connection>>,
    /// Held while reconnecting, so that several calls that find the connection closed open one.
    reconnecting: tokio::sync::Mutex<()>,
}

impl ZerorpcClient {
    /// Connects to `tcp://HOST:PORT` or `ipc://PATH` within `options.timeout`, with heartbeats every 5 s.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] where nobody listens or the URL is none of this protocol, [`ErrorKind::Timeout`]
    /// where connecting takes too long.
    pub async fn connect(url: &str, options: &ClientOptions) -> Result<Self, CallError> {
        Self::connect_with(url, options, Some(DEFAULT_PERIOD)).await
    }

    /// As [`connect`](Self::connect), with heartbeats every `heartbeat`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with(
        url: &str,
        options: &ClientOptions,
        heartbeat: HeartbeatPeriod,
    ) -> Result<Self, CallError> {
        Self::connect_by(Library::Own, url, options, heartbeat).await
    }

    /// As [`connect_with`](Self::connect_with), by another library's socket.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
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
            connection: Mutex::new(Arc::new(connection)),
            reconnecting: tokio::sync::Mutex::new(()),
        })
    }

    /// Makes a call whose answer may be a stream, and waits for the first of it. Of a stream, `slots` items may come
    /// before they are fetched; zerorpc-python lets 100 come.
    ///
    /// # Errors
    /// As of [`Client::call`].
    pub async fn open(&self, call: &Call, slots: usize) -> Result<Reply, CallError> {
        let args = call.params.as_positional()?;
        let slots = slots.max(1);
        let mut connection = self.current();
        for _ in 0..ATTEMPTS {
            match connection.start_stream(&call.method, args, slots) {
                Ok(channel) => return Items::begin(channel, slots).await,
                Err(NotSent::Refused(error)) => return Err(error),
                Err(NotSent::Closed) => {}
            };
            connection = self.replace(&connection).await?;
        }
        Err(self.closes_at_once())
    }

    async fn exchange(&self, call: &Call) -> Result<Value, CallError> {
        let args = call.params.as_positional()?;
        let mut connection = self.current();
        for _ in 0..ATTEMPTS {
            match connection.start(&call.method, args) {
                Ok(answer) => return answer.await,
                Err(NotSent::Refused(error)) => return Err(error),
                Err(NotSent::Closed) => {}
            };
            connection = self.replace(&connection).await?;
        }
        Err(self.closes_at_once())
    }

    fn closes_at_once(&self) -> CallError {
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
        Box::pin(self.exchange(call))
    }
}
