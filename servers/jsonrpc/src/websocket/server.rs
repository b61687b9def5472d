//! The server: a task for each connection.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use calculator::{Call, Dispatcher, Limits};
use framed::{Reply, serve_connections};
use futures_util::{SinkExt, StreamExt, poll};
use net::{Address, AnomalyCounter, Endpoint, Listener, Stream, WRITE_STALL_TIMEOUT};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_websockets::{CloseCode, Error, Message, ServerBuilder, WebSocketStream};

use super::opening::Opening;
use super::{OPENING_TIMEOUT, PATH, WEBSOCKET_SCHEMES, is_keepalive, message_limit};
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

    /// The URL that a client connects to, in one of [`WEBSOCKET_SCHEMES`].
    #[must_use]
    pub fn url(&self) -> String {
        let address = Address::from_endpoint(self.listener.endpoint(), &WEBSOCKET_SCHEMES, PATH);
        address.map(|address| address.to_string()).unwrap_or_default()
    }

    /// Serves until `stop` is cancelled, then finishes calls in progress for at most [`net::DRAIN_TIMEOUT`], and returns.
    pub async fn run(self, stop: CancellationToken) {
        let WebSocketServer { listener, dispatcher, limits } = self;
        let failures = Arc::new(AnomalyCounter::new("closed a connection", "connections were closed"));
        let serve = |stream| {
            let (dispatcher, failures, stop) = (dispatcher.clone(), Arc::clone(&failures), stop.clone());
            async move {
                match serve(stream, &dispatcher, &limits, &stop).await {
                    Ok(()) | Err(Error::AlreadyClosed) => {}
                    Err(Error::Io(error)) => tracing::debug!("a connection failed: {error}"),
                    Err(error) => failures.add(error),
                }
            }
        };
        serve_connections(listener, limits.max_in_flight, &stop, serve).await;
    }
}

/// Opens a WebSocket over `stream`, and answers requests until either end stops.
///
/// # Errors
/// If the client does not follow the protocol, sends a message above the limit, or leaves while it is answered.
async fn serve(
    stream: Stream,
    dispatcher: &Dispatcher,
    limits: &Limits,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let (stream, opened) = Opening::new(stream);
    let builder = ServerBuilder::new().limits(message_limit(limits));
    let mut connection = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(()),
        connection = timeout(OPENING_TIMEOUT, builder.accept(stream)) => {
            connection.unwrap_or_else(|elapsed| Err(io::Error::from(elapsed).into()))?
        }
    };
    opened();
    let answered = answer(&mut connection, dispatcher, limits, stop).await;
    if let Err(Error::Protocol(_) | Error::PayloadTooLong { .. }) = &answered {
        // The library has a message for the client that says why, and sends it when it is asked for the next one.
        let _ = timeout(WRITE_STALL_TIMEOUT, connection.next()).await;
    }
    answered
}

/// Answers requests until either end stops.
async fn answer(
    connection: &mut WebSocketStream<Opening>,
    dispatcher: &Dispatcher,
    limits: &Limits,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let mut stopped = pin!(stop.cancelled());
    let mut early = None;
    loop {
        let request = match early.take() {
            Some(request) => request,
            None => tokio::select! {
                biased;
                () = &mut stopped => {
                    let goodbye = Message::close(Some(CloseCode::GOING_AWAY), "the server stops");
                    return send(connection, goodbye).await;
                }
                next = connection.next() => match next {
                    Some(message) => message?,
                    None => return Ok(()),
                },
            },
        };
        if is_keepalive(&request) || request.is_close() {
            continue;
        }
        if request.is_binary() {
            let close = Message::close(Some(CloseCode::UNSUPPORTED_DATA), "JSON takes text messages");
            return send(connection, close).await;
        }
        let single::Request { to, call } = single::read_request(request.as_payload(), limits);
        let result = match call {
            Ok(call) => execute(connection, &mut early, dispatcher, call).await?,
            Err(error) => Err(error),
        };
        let mut response = Vec::new();
        if single::write_response(&mut response, &to, &result) {
            send(connection, Message::text(response)).await?;
        }
    }
}

/// Executes a call. A request that arrives in the meantime waits in `early`; those behind it stay in the socket.
///
/// # Errors
/// When the client leaves before the call is finished.
async fn execute(
    connection: &mut WebSocketStream<Opening>,
    early: &mut Option<Message>,
    dispatcher: &Dispatcher,
    call: Call,
) -> Result<Reply, Error> {
    let mut executing = pin!(dispatcher.call(call));
    if let Poll::Ready(result) = poll!(executing.as_mut()) {
        return Ok(result);
    }
    loop {
        tokio::select! {
            biased;
            result = &mut executing => return Ok(result),
            next = connection.next(), if early.is_none() => match next {
                None => return Err(Error::AlreadyClosed),
                Some(Ok(message)) if message.is_close() => return Err(Error::AlreadyClosed),
                Some(Ok(message)) if is_keepalive(&message) => {}
                Some(message) => *early = Some(message?),
            },
        }
    }
}

/// Sends a message.
///
/// # Errors
/// When the client has left, or accepts nothing for [`WRITE_STALL_TIMEOUT`].
async fn send(connection: &mut WebSocketStream<Opening>, message: Message) -> Result<(), Error> {
    let sent = timeout(WRITE_STALL_TIMEOUT, connection.send(message)).await;
    sent.unwrap_or_else(|elapsed| Err(io::Error::from(elapsed).into()))
}
