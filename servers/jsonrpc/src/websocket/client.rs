//! The client: one connection, one call at a time.

use std::io;

use calculator::{Call, CallError, CallFuture, ClientOptions, ErrorKind, Limits, Value};
use framed::{call_error, connect_error};
use futures_util::{SinkExt, StreamExt};
use http::Uri;
use net::{Address, Endpoint};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_websockets::{ClientBuilder, CloseCode, Error, Message, WebSocketStream};

use super::opening::Opening;
use super::{WEBSOCKET_SCHEMES, is_keepalive, is_too_long, message_limit};
use crate::single;

/// A client with one connection. Calls that are made at the same time take turns. After a failed exchange, and after a call
/// that was abandoned, the connection is closed, and the next call opens another.
#[derive(Debug)]
pub struct WebSocketClient {
    server: Endpoint,
    /// What the request that opens a connection asks for.
    uri: Uri,
    options: ClientOptions,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` after a failure, until the next call. A call takes the connection out, so that one that is abandoned leaves no
    /// connection whose next response belongs to it.
    connection: Option<WebSocketStream<Opening>>,
    /// The number of the next call.
    number: u32,
}

impl WebSocketClient {
    /// Connects to a URL of one of [`WEBSOCKET_SCHEMES`]. Connecting, with the opening of the WebSocket, takes at most `options.timeout`.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] if no server listens, if it does not accept WebSockets there, or if the URL cannot be used;
    /// [`ErrorKind::Timeout`] if connecting takes too long.
    pub async fn connect(url: &str, options: &ClientOptions) -> Result<Self, CallError> {
        let address = Address::parse(url, &WEBSOCKET_SCHEMES).map_err(|error| unusable(&error))?;
        let path = if address.path().is_empty() { "/" } else { address.path() };
        let query = address.query().map(|query| format!("?{query}")).unwrap_or_default();
        // The library writes the host and the port of this URL into the header `host`.
        let uri = format!("ws://{}{path}{query}", address.authority());
        let client = WebSocketClient {
            server: address.endpoint().clone(),
            uri: uri.parse().map_err(|error: http::uri::InvalidUri| unusable(&error))?,
            options: options.clone(),
            state: Mutex::new(State { connection: None, number: 0 }),
        };
        client.state.lock().await.connection = Some(client.open().await?);
        Ok(client)
    }

    async fn open(&self) -> Result<WebSocketStream<Opening>, CallError> {
        let opening = async {
            let stream =
                net::connect(&self.server).await.map_err(|error| connect_error(&self.server, error))?;
            let (stream, opened) = Opening::new(stream);
            let builder =
                ClientBuilder::from_uri(self.uri.clone()).limits(message_limit(&self.options.limits));
            let (connection, _) = builder.connect_on(stream).await.map_err(refused)?;
            opened();
            Ok(connection)
        };
        timeout(self.options.timeout, opening).await.unwrap_or_else(|elapsed| Err(call_error(elapsed.into())))
    }

    async fn exchange(&self, call: &Call) -> Result<Value, CallError> {
        let mut state = self.state.lock().await;
        let number = state.number;
        let mut request = Vec::new();
        single::write_request(&mut request, call, number)?;
        state.number = number.wrapping_add(1);
        let mut connection = match state.connection.take() {
            Some(connection) => connection,
            None => self.open().await?,
        };
        connection.send(Message::text(request)).await.map_err(failed)?;
        let response = response(&mut connection).await?;
        let limits: &Limits = &self.options.limits;
        let result = single::read_response(response.as_payload(), number, limits)?;
        state.connection = Some(connection);
        result
    }
}

impl calculator::Client for WebSocketClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.exchange(call))
    }
}

/// Waits for the next message.
async fn response(connection: &mut WebSocketStream<Opening>) -> Result<Message, CallError> {
    loop {
        let message =
            connection.next().await.ok_or_else(|| call_error(io::ErrorKind::UnexpectedEof.into()))?;
        let message = message.map_err(failed)?;
        if let Some((code, reason)) = message.as_close() {
            return Err(closed(code, reason));
        }
        if message.is_binary() {
            return Err(malformed("the server sent a binary message"));
        }
        if !is_keepalive(&message) {
            return Ok(message);
        }
    }
}

/// The error of a call during which the server has closed the connection.
fn closed(code: CloseCode, reason: &str) -> CallError {
    let code = u16::from(code);
    let said = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let message = format!("the server has closed the connection with code {code}{said}");
    let is_too_large = code == u16::from(CloseCode::MESSAGE_TOO_BIG);
    let kind = if is_too_large { ErrorKind::TooLarge } else { ErrorKind::Undeliverable };
    CallError::new(kind, message)
}

/// The error of a call whose connection failed.
fn failed(error: Error) -> CallError {
    match error {
        Error::Io(error) => call_error(error),
        Error::AlreadyClosed => call_error(io::ErrorKind::BrokenPipe.into()),
        error if is_too_long(&error) => CallError::new(ErrorKind::TooLarge, error.to_string()),
        error => malformed(&error.to_string()),
    }
}

/// The error of a connection that could not be opened.
fn refused(error: Error) -> CallError {
    match error {
        Error::Io(error) if error.kind() != io::ErrorKind::InvalidData => call_error(error),
        error => {
            let message = format!("the server does not accept a WebSocket at this URL: {error}");
            CallError::new(ErrorKind::Undeliverable, message)
        }
    }
}

fn malformed(reason: &str) -> CallError {
    CallError::new(ErrorKind::Malformed, reason.to_owned())
}

fn unusable(error: &dyn std::fmt::Display) -> CallError {
    CallError::new(ErrorKind::Undeliverable, format!("cannot use the URL: {error}"))
}
