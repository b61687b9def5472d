//! The client with blocking sockets: one connection, one call at a time.

use std::io::{self, Read, Write};
use std::mem;
use std::sync::{Mutex, PoisonError};

use calculator::{Call, CallError, CallFuture, Client, ClientOptions, ErrorKind, Value};
use net::blocking::{self, Stream};
use net::{Address, Endpoint, Scheme};

use crate::inbox::{Inbox, recycle};
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
    state: Mutex<ClientState<Connection<Stream>>>,
}

/// The state of a client between two calls.
#[derive(Debug)]
pub(crate) struct ClientState<C> {
    /// `None` after a failure, until the next call. A call takes the connection out, so that one that is abandoned leaves
    /// no connection whose next reply belongs to it.
    pub(crate) connection: Option<C>,
    /// An empty buffer for the next request.
    request: Vec<u8>,
}

/// A connection of a client.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    pub(crate) stream: S,
    pub(crate) inbox: Inbox,
}

impl<S> Connection<S> {
    pub(crate) fn new(stream: S, options: &ClientOptions) -> Self {
        Connection { stream, inbox: Inbox::new(options.limits.max_body) }
    }
}

impl<C> ClientState<C> {
    pub(crate) fn new(connection: C) -> Self {
        ClientState { connection: Some(connection), request: Vec::new() }
    }

    /// Encodes the request for `call` into the buffer for requests, and takes it out.
    pub(crate) fn encode(&mut self, call: &Call) -> Result<Vec<u8>, CallError> {
        let mut request = mem::take(&mut self.request);
        wire::encode_request(&mut request, call).map(|()| request)
    }

    /// Returns the buffer of a request that has been sent.
    pub(crate) fn reuse(&mut self, mut request: Vec<u8>) {
        recycle(&mut request);
        self.request = request;
    }
}

impl TcpClient {
    /// Connects to `tcp://HOST:PORT` or `unix:///SOCKET`, blocking. Connecting, and later each call, may take
    /// `options.timeout`.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] if no server listens or the URL cannot be used, [`ErrorKind::Timeout`] if
    /// connecting takes too long.
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
        let request = state.encode(call)?;
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

/// Parses the endpoint in a URL.
pub(crate) fn endpoint_of(url: &str, schemes: &[Scheme]) -> Result<Endpoint, CallError> {
    let address = Address::parse(url, schemes);
    let address = address
        .map_err(|error| CallError::new(ErrorKind::Undeliverable, format!("cannot use the URL: {error}")))?;
    Ok(address.endpoint().clone())
}

/// Opens a connection.
pub(crate) fn open(server: &Endpoint, options: &ClientOptions) -> Result<Stream, CallError> {
    blocking::connect(server, options.timeout).map_err(|error| connect_error(server, error))
}

/// The error of a call whose connection to `server` could not be opened.
pub(crate) fn connect_error(server: &Endpoint, error: io::Error) -> CallError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => call_error(error),
        _ => {
            let message = format!("cannot connect to {server}: {}", net::describe_connect_error(&error));
            CallError::new(ErrorKind::Undeliverable, message)
        }
    }
}

/// The error of a call whose connection failed.
pub(crate) fn call_error(error: io::Error) -> CallError {
    match error.kind() {
        // A timeout of the socket is reported as `WouldBlock` on Unix and as `TimedOut` on Windows.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            CallError::new(ErrorKind::Timeout, "no reply in time")
        }
        _ => {
            let message = format!("the server has closed the connection: {error}");
            CallError::new(ErrorKind::Undeliverable, message)
        }
    }
}
