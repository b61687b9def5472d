//! The server: a task for each connection.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use calculator::{Call, Dispatcher, Limits};
use framed::Reply;
use futures_util::{SinkExt, poll};
use http::{StatusCode, header};
use net::{AnomalyCounter, Endpoint, Listener, Stream, TlsAcceptor, serve_connections};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};
use tokio_util::sync::CancellationToken;

use super::guarded::Guarded;
use super::{
    HANDSHAKE_TIMEOUT, LINGER_TIMEOUT, PATH, STOP_LINGER_TIMEOUT, WEBSOCKET_SCHEMES, config, next, text,
};
use crate::single;

/// A server on the Tokio runtime that [`run`](WebSocketServer::run) is awaited on.
pub struct WebSocketServer {
    listener: Listener,
    dispatcher: Dispatcher,
    limits: Limits,
}

impl WebSocketServer {
    /// Listens on `listen`; port 0 picks a free port. Connections are queued from now on, and served once
    /// [`run`](WebSocketServer::run) is polled. `limits.max_in_flight` is the maximum number of connections, each of which has
    /// at most one call in progress.
    ///
    /// # Errors
    /// The errors of the operating system: the address is in use, or not one of this machine.
    pub async fn bind(listen: &Endpoint, dispatcher: Dispatcher, limits: Limits) -> io::Result<Self> {
        Ok(WebSocketServer { listener: Listener::bind(listen).await?, dispatcher, limits })
    }

    /// Serves over TLS if there is an acceptor `tls`.
    #[must_use]
    pub fn with_tls(self, tls: Option<TlsAcceptor>) -> Self {
        WebSocketServer { listener: self.listener.with_tls(tls), ..self }
    }

    /// The URL that a client connects to, in one of [`WEBSOCKET_SCHEMES`].
    #[must_use]
    pub fn url(&self) -> String {
        self.listener.url(&WEBSOCKET_SCHEMES, PATH)
    }

    /// Serves until `stop` is cancelled, then finishes calls in progress for at most [`net::DRAIN_TIMEOUT`], and returns.
    pub async fn run(self, stop: CancellationToken) {
        let WebSocketServer { listener, dispatcher, limits } = self;
        let failures = Arc::new(AnomalyCounter::new("closed a connection", "connections were closed"));
        let serve = |stream| {
            let (dispatcher, failures, stop) = (dispatcher.clone(), Arc::clone(&failures), stop.clone());
            async move {
                match serve(stream, &dispatcher, &limits, &stop).await {
                    Ok(()) => {}
                    // Clients may leave without a close frame.
                    Err(
                        error @ (Error::Io(_) | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)),
                    ) => {
                        tracing::debug!("a connection failed: {error}");
                    }
                    Err(error) => failures.add(error),
                }
            }
        };
        serve_connections(listener, limits.max_in_flight, &stop, serve).await;
    }
}

/// Performs the opening handshake on `stream`, and answers requests until the client closes the connection or the server stops.
///
/// # Errors
/// If the handshake fails or takes longer than [`HANDSHAKE_TIMEOUT`], or if the client violates the protocol, sends a message above the
/// limit, disconnects without a close frame, or accepts nothing for [`net::WRITE_STALL_TIMEOUT`].
async fn serve(
    stream: Stream,
    dispatcher: &Dispatcher,
    limits: &Limits,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let mut stream = Guarded::new(stream);
    let handshake = accept_hdr_async_with_config(&mut stream, refuse_browsers, Some(config(limits)));
    let accepted = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(()),
        accepted = timeout(HANDSHAKE_TIMEOUT, handshake) => {
            accepted.unwrap_or_else(|elapsed| Err(Error::Io(elapsed.into())))
        }
    };
    let mut connection = match accepted {
        Ok(connection) => connection,
        Err(error) => {
            // The library answers only what its callback refuses.
            if !matches!(error, Error::Io(_) | Error::Http(_)) {
                let _ = timeout(LINGER_TIMEOUT, stream.refuse(&error)).await;
            }
            return Err(error);
        }
    };
    let ended = Answering { connection: &mut connection, dispatcher, limits, stop, early: None }.run().await;
    let (code, reason) = match &ended {
        Ok(Outcome::Left) => return Ok(()),
        Ok(Outcome::Stopped) => (CloseCode::Away, "the server is shutting down".to_owned()),
        Ok(Outcome::BinaryMessage) => (CloseCode::Unsupported, "expected a text message".to_owned()),
        Err(error) => match close_code(error) {
            Some(code) => (code, error.to_string()),
            None => return ended.map(drop),
        },
    };
    let sent = connection.close(Some(CloseFrame { code, reason: reason.into() })).await;
    // A client need not close its end because the server stops. What it has sent already must not reset the connection.
    let linger = if matches!(ended, Ok(Outcome::Stopped)) { STOP_LINGER_TIMEOUT } else { LINGER_TIMEOUT };
    if sent.is_ok() {
        let _ = timeout(linger, connection.get_mut().linger()).await;
    }
    ended.map(drop)
}

/// Refuses the handshake of a web page. Browsers let every page open connections to every server, and say in the header `Origin` which
/// page it is; the answers are not only for pages of this server (RFC 6455, section 10.2).
#[allow(clippy::result_large_err, reason = "the type of the library's callbacks")]
fn refuse_browsers(request: &Request, response: Response) -> Result<Response, ErrorResponse> {
    if !request.headers().contains_key(header::ORIGIN) {
        return Ok(response);
    }
    let mut refusal = ErrorResponse::new(Some("web pages are not served".to_owned()));
    *refusal.status_mut() = StatusCode::FORBIDDEN;
    Err(refusal)
}

/// The close code for a client that has caused `error`; `None` where it has left.
fn close_code(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Capacity(_) => Some(CloseCode::Size),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        _ => None,
    }
}

/// Why a connection ended without an error.
enum Outcome {
    /// The client has closed it, or left.
    Left,
    /// The server stops.
    Stopped,
    /// The client sent a binary message.
    BinaryMessage,
}

/// A connection whose requests are answered.
struct Answering<'a, 'b> {
    connection: &'a mut WebSocketStream<&'b mut Guarded>,
    dispatcher: &'a Dispatcher,
    limits: &'a Limits,
    stop: &'a CancellationToken,
    /// What has arrived during the call before. Later messages are not decoded until that call has finished.
    early: Option<Result<Message, Error>>,
}

impl Answering<'_, '_> {
    /// Answers requests until the client closes the connection or the server stops.
    async fn run(mut self) -> Result<Outcome, Error> {
        let mut stopped = pin!(self.stop.cancelled());
        loop {
            if self.stop.is_cancelled() {
                return Ok(Outcome::Stopped);
            }
            let message = match self.early.take() {
                Some(message) => Some(message),
                None => tokio::select! {
                    biased;
                    () = &mut stopped => return Ok(Outcome::Stopped),
                    message = next(self.connection) => message,
                },
            };
            let request = match message.transpose()? {
                Some(Message::Text(request)) => request,
                Some(Message::Binary(_)) => return Ok(Outcome::BinaryMessage),
                // The library has queued the close frame that answers it.
                Some(_) => {
                    let _ = self.connection.flush().await;
                    return Ok(Outcome::Left);
                }
                None => return Ok(Outcome::Left),
            };
            let single::Request { to, call } = single::read_request(request.as_bytes(), self.limits);
            let result = match call {
                Ok(call) => match self.execute(call).await {
                    Some(result) => result,
                    None => return Ok(Outcome::Left),
                },
                Err(error) => Err(error),
            };
            let mut response = Vec::new();
            if single::write_response(&mut response, &to, &result) {
                self.connection.send(text(response)).await?;
            }
        }
    }

    /// Executes a call. `None` if the client leaves before the call is finished.
    async fn execute(&mut self, call: Call) -> Option<Reply> {
        let mut executing = pin!(self.dispatcher.call(call));
        if let Poll::Ready(result) = poll!(executing.as_mut()) {
            return Some(result);
        }
        // A ping is answered meanwhile.
        while self.early.is_none() && !self.stop.is_cancelled() {
            tokio::select! {
                biased;
                result = &mut executing => return Some(result),
                () = self.stop.cancelled() => {}
                message = next(self.connection) => match message {
                    Some(Ok(Message::Close(_))) => {
                        let _ = self.connection.flush().await;
                        return None;
                    }
                    None => return None,
                    message => self.early = message,
                },
            }
        }
        tokio::select! {
            biased;
            result = &mut executing => Some(result),
            () = self.connection.get_ref().departed() => None,
        }
    }
}
