//! The client: one connection, one call at a time.

use std::io;

use calculator::{Call, CallError, CallFuture, ClientOptions, Value};
use net::{Endpoint, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;

use crate::notation::Notation;
use crate::state::{ClientState, Connection, call_error, connect_error, endpoint_of};

/// A client with one connection. Calls that are made at the same time take turns. After a failed exchange, and after a call
/// that was abandoned, the connection is closed, and the next call opens another.
#[derive(Debug)]
pub struct Client<N> {
    server: Endpoint,
    options: ClientOptions,
    state: Mutex<ClientState<N, Connection<N, Stream>>>,
}

impl<N: Notation> Client<N> {
    /// Connects to a URL of one of [`Notation::SCHEMES`]. Connecting takes at most `options.timeout`.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`](calculator::ErrorKind::Undeliverable) if no server listens or the URL cannot be used,
    /// [`ErrorKind::Timeout`](calculator::ErrorKind::Timeout) if connecting takes too long.
    pub async fn connect(url: &str, options: &ClientOptions) -> Result<Self, CallError> {
        let server = endpoint_of(url, N::SCHEMES)?;
        let state = Mutex::new(ClientState::new(open(&server, options).await?));
        Ok(Client { server, options: options.clone(), state })
    }

    async fn exchange(&self, call: &Call) -> Result<Value, CallError> {
        let mut state = self.state.lock().await;
        let (request, number) = state.encode(call)?;
        let mut connection = match state.connection.take() {
            Some(connection) => connection,
            None => open(&self.server, &self.options).await?,
        };
        connection.stream.write_all(&request).await.map_err(call_error)?;
        state.reuse(request);
        let result = loop {
            match connection.inbox.next() {
                Some(reply) => break N::decode_reply(reply?, number, &self.options.limits)?,
                None => match connection.stream.read(connection.inbox.space()).await.map_err(call_error)? {
                    0 => return Err(call_error(io::ErrorKind::UnexpectedEof.into())),
                    len => connection.inbox.add(len),
                },
            }
        };
        connection.inbox.recycle();
        state.connection = Some(connection);
        result
    }
}

impl<N: Notation> calculator::Client for Client<N> {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.exchange(call))
    }
}

async fn open<N: Notation>(
    server: &Endpoint,
    options: &ClientOptions,
) -> Result<Connection<N, Stream>, CallError> {
    let connecting = tokio::time::timeout(options.timeout, net::connect(server));
    let stream = connecting.await.unwrap_or_else(|elapsed| Err(elapsed.into()));
    let stream = stream.map_err(|error| connect_error(server, error))?;
    Ok(Connection::new(stream, options))
}
