//! The client: one connection, one call at a time.

use std::fmt::Display;
use std::io;

use calculator::{Call, CallError, CallFuture, ClientOptions, ErrorKind, Value};
use framed::{call_error, connect_error, tls_connector, url_error};
use futures_util::SinkExt;
use http::Uri;
use net::{Address, Endpoint, Scheme, Stream, TlsConnector, TlsSettings};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::{WEBSOCKET_SCHEMES, config, next, text};
use crate::single;

/// A client with one connection. Calls that are made at the same time take turns. After a failed exchange, and after a call
/// that was abandoned, the connection is closed, and the next call opens another.
#[derive(Debug)]
pub struct WebSocketClient {
    server: Endpoint,
    /// `None` where the URL does not ask for TLS.
    tls: Option<TlsConnector>,
    /// The URI of the opening handshake: its path and query are the request target, its host and port the `Host` header.
    uri: Uri,
    options: ClientOptions,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` after a failure, until the next call. A call takes the connection out, so that one that is abandoned leaves no
    /// connection whose next response belongs to it.
    connection: Option<WebSocketStream<Stream>>,
    /// The number of the next call.
    number: u32,
}

impl WebSocketClient {
    /// Connects to a URL of one of [`WEBSOCKET_SCHEMES`]; over TLS to servers that the system trusts. Connecting, including the opening
    /// handshake, takes at most `options.timeout`.
    ///
    /// # Errors
    /// [`ErrorKind::Undeliverable`] if no server listens, if the opening handshake fails, or if the URL cannot be used;
    /// [`ErrorKind::Timeout`] if connecting takes too long.
    pub async fn connect(url: &str, options: &ClientOptions) -> Result<Self, CallError> {
        Self::connect_trusting(url, TlsSettings::default(), options).await
    }

    /// The same, over TLS as `tls` says.
    ///
    /// # Errors
    /// As [`Self::connect`]; also [`ErrorKind::Undeliverable`] for settings that cannot be used.
    pub async fn connect_trusting(
        url: &str,
        tls: TlsSettings,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let address = Address::parse(url, &WEBSOCKET_SCHEMES).map_err(url_error)?;
        let path = if address.path().is_empty() { "/" } else { address.path() };
        let query = address.query().map(|query| format!("?{query}")).unwrap_or_default();
        // The library takes the connection as it is, whatever the scheme; the scheme decides on the port in the header.
        let scheme = if address.has_tls() { Scheme::WSS } else { Scheme::WS };
        let uri = format!("{}://{}{path}{query}", scheme.name(), address.authority());
        let tls = tls_connector(&address, tls)?;
        let client = WebSocketClient {
            server: address.endpoint().clone(),
            tls,
            uri: uri.parse().map_err(|error: http::uri::InvalidUri| url_error(error))?,
            options: options.clone(),
            state: Mutex::new(State { connection: None, number: 0 }),
        };
        client.state.lock().await.connection = Some(client.open().await?);
        Ok(client)
    }

    async fn open(&self) -> Result<WebSocketStream<Stream>, CallError> {
        let connecting = async {
            let stream = net::connect_over(self.tls.as_ref(), &self.server).await;
            let stream = stream.map_err(|error| connect_error(&self.server, error))?;
            let settings = Some(config(&self.options.limits));
            let opened = client_async_with_config(&self.uri, stream, settings).await;
            opened.map(|(connection, _)| connection).map_err(refused)
        };
        timeout(self.options.timeout, connecting)
            .await
            .unwrap_or_else(|elapsed| Err(call_error(elapsed.into())))
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
        connection.send(text(request)).await.map_err(failed)?;
        let response = response(&mut connection).await?;
        let result = single::read_response(response.as_bytes(), number, &self.options.limits)?;
        state.connection = Some(connection);
        result
    }
}

impl calculator::Client for WebSocketClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(self.exchange(call))
    }
}

/// Waits for the next text message.
///
/// # Errors
/// If the server closes the connection, violates the protocol, or sends a binary message or one above the limit.
async fn response(connection: &mut WebSocketStream<Stream>) -> Result<Utf8Bytes, CallError> {
    let message = next(connection).await.ok_or_else(ended)?;
    match message.map_err(failed)? {
        Message::Text(text) => Ok(text),
        Message::Close(frame) => Err(frame.map_or_else(ended, |frame| closed(&frame))),
        _ => Err(malformed("the server sent a binary message")),
    }
}

/// The error of a call during which the server sent a close frame.
fn closed(CloseFrame { code, reason }: &CloseFrame) -> CallError {
    let said = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let message = format!("the server closed the connection with close code {}{said}", u16::from(*code));
    let kind = if *code == CloseCode::Size { ErrorKind::TooLarge } else { ErrorKind::Undeliverable };
    CallError::new(kind, message)
}

/// The error of a call during which the connection ended.
fn ended() -> CallError {
    call_error(io::ErrorKind::UnexpectedEof.into())
}

/// The error of a call whose connection failed.
fn failed(error: Error) -> CallError {
    match error {
        Error::Io(error) => call_error(error),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => ended(),
        Error::Capacity(error) => CallError::new(ErrorKind::TooLarge, error.to_string()),
        error => malformed(error),
    }
}

/// The error of a connection whose opening handshake failed.
fn refused(error: Error) -> CallError {
    match error {
        Error::Io(error) => call_error(error),
        error => {
            let is_http = !matches!(error, Error::Protocol(ProtocolError::HttparseError(_)));
            let hint = if is_http { "" } else { "; the URL of a server with TLS begins with wss://" };
            let message = format!("the WebSocket handshake failed: {error}{hint}");
            CallError::new(ErrorKind::Undeliverable, message)
        }
    }
}

fn malformed(reason: impl Display) -> CallError {
    CallError::new(ErrorKind::Malformed, reason.to_string())
}
