//! The client with blocking sockets: one connection, one call at a time.

use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};

use calculator::{Call, CallError, CallFuture, Client, ClientOptions, Value};
use framed::{ClientState, Connection, call_error, connect_error, endpoint_of};
use net::Endpoint;
use net::blocking::{self, Stream};

use crate::fixed::Fixed;
use crate::{SCHEMES, wire};

/// A client with one blocking connection.
///
/// A call writes, waits and reads inside the first poll of its future, which is then ready: it needs no runtime, but
/// blocks the thread that polls it. Calls from several threads take turns. After a failed exchange the connection is
/// closed, and the next call opens another.
#[derive(Debug)]
pub struct TcpClient {
    server: Endpoint,
    options: ClientOptions,
    state: Mutex<ClientState<Fixed, Connection<Fixed, Stream>>>,
}

impl TcpClient {
    /// Connects to `tcp://HOST:PORT` or `unix:///SOCKET`, blocking. Connecting, and later each call, may take
    /// `options.timeout`.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`](calculator::ErrorKind::Undeliverable) if no server listens or the URL cannot be used,
    /// [`ErrorKind::Timeout`](calculator::ErrorKind::Timeout) if connecting takes too long.
    // Async to match the client of every other protocol; this one waits only for the kernel.
    #[allow(clippy::unused_async)]
    pub async fn connect(url: &str, options: &ClientOptions) -> Result<Self, CallError> {
        let server = endpoint_of(url, &SCHEMES)?;
        let stream = open(&server, options)?;
        let state = Mutex::new(ClientState::new(Connection::new(stream, options)));
        Ok(TcpClient { server, options: options.clone(), state })
    }

    fn exchange(&self, call: &Call) -> Result<Value, CallError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (request, _) = state.encode(call)?;
        let mut connection = match state.connection.take() {
            Some(connection) => connection,
            None => Connection::new(open(&self.server, &self.options)?, &self.options),
        };
        connection.stream.write_all(&request).map_err(call_error)?;
        state.reuse(request);
        let result = loop {
            match connection.inbox.next() {
                Some(reply) => break wire::decode_reply(reply?, &self.options.limits),
                None => match connection.stream.read(connection.inbox.space()) {
                    Ok(0) => return Err(call_error(io::ErrorKind::UnexpectedEof.into())),
                    Ok(len) => connection.inbox.add(len),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(call_error(error)),
                },
            }
        };
        connection.inbox.recycle();
        state.connection = Some(connection);
        result
    }
}

impl Client for TcpClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(async move { self.exchange(call) })
    }
}

/// Opens a connection.
pub(crate) fn open(server: &Endpoint, options: &ClientOptions) -> Result<Stream, CallError> {
    blocking::connect(server, options.timeout).map_err(|error| connect_error(server, error))
}
