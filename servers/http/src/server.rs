//! The listener and its connections.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use calculator::Limits;
use http::{Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use crate::stream::Stream;

/// What an HTTP server accepts, and how long it waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// What is accepted.
    pub limits: Limits,
    /// How long a client may take to send the head of a request, and how long a kept-alive connection may lie idle.
    /// Default 30 s.
    pub head_timeout: Duration,
    /// How long a client may take to send the body of a request. Default 30 s.
    pub body_timeout: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Limits::default().into()
    }
}

impl From<Limits> for HttpOptions {
    fn from(limits: Limits) -> Self {
        let timeout = Duration::from_secs(30);
        HttpOptions { limits, head_timeout: timeout, body_timeout: timeout }
    }
}

/// How long calls in hand may take to finish after the server was told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(4);

/// How long to wait when no connection can be accepted, typically because the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An HTTP/1.1 server: an axum router on a listening socket.
///
/// Connections are kept alive (those of HTTP/1.0 clients only where they ask for it), have `TCP_NODELAY` set, and are
/// closed when a request's head takes too long or none comes for as long.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    options: HttpOptions,
}

impl HttpServer {
    /// Listens on `listen`; port 0 picks one. Connections queue from now on and are answered once [`run`](Self::run)
    /// is polled.
    ///
    /// Of the limits, the server itself applies `max_in_flight`; a handler applies `max_body` and the time for a body
    /// by [`read_request`](crate::read_request).
    ///
    /// # Errors
    /// Those of the socket: the address is in use, or not this machine's.
    pub async fn bind(
        listen: SocketAddr,
        router: Router,
        options: impl Into<HttpOptions>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        // Without its (empty) state, axum would build each handler's service anew for every request.
        Ok(HttpServer { listener, address, router: router.with_state(()), options: options.into() })
    }

    /// The address listened on, with the port that was picked.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`. Then no connection is accepted any more, idle ones are closed at once, and calls in hand
    /// have 4 s to finish.
    pub async fn run(self, stop: CancellationToken) {
        let connections = Connections {
            http: http(self.options.head_timeout),
            router: self.router,
            calls: Arc::new(Semaphore::new(self.options.limits.max_in_flight.min(Semaphore::MAX_PERMITS))),
            stop: stop.clone(),
        };
        let mut tasks = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = tasks.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    tasks.spawn(connections.clone().serve(stream));
                }
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; trying again");
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                    }
                }
            }
        }
        drop(self.listener);
        let drained = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
            tracing::warn!(connections = tasks.len(), "calls still in hand were abandoned");
        }
    }
}

/// How HTTP is spoken, the same for every protocol.
fn http(head_timeout: Duration) -> http1::Builder {
    let mut http = http1::Builder::new();
    // A client may shut its sending side down after the request, as netcat does; the answer still goes out.
    http.half_close(true).timer(TokioTimer::new()).header_read_timeout(head_timeout);
    http
}

/// Whether accepting failed because of the one connection that was to be accepted (accept(2)), not of the listener.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// What each connection is served with.
#[derive(Clone)]
struct Connections {
    http: http1::Builder,
    router: Router,
    calls: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Connections {
    async fn serve(self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            // The peer is gone, or latencies would be off: either way the connection is of no use.
            tracing::debug!(%error, "cannot set TCP_NODELAY");
            return;
        }
        let refused = Arc::new(AtomicBool::new(false));
        let stream = Stream::new(stream, Arc::clone(&refused));
        let answering = Arc::new(Answering { router: self.router, calls: self.calls, refused });
        let service = service_fn(move |request| Arc::clone(&answering).answer(request));
        let mut connection = pin!(self.http.serve_connection(stream, service));
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended");
        }
    }
}

/// Whether that status may have been given before the request's body had been read.
fn is_often_unread(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_ACCEPTABLE
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::NOT_IMPLEMENTED
    )
}

/// What the requests of one connection are answered with.
struct Answering {
    router: Router,
    calls: Arc<Semaphore>,
    refused: Arc<AtomicBool>,
}

impl Answering {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response, Infallible> {
        // The semaphore is never closed; were it, calls would go on without its bound.
        let _turn = self.calls.acquire().await;
        let has_body = !request.body().is_end_stream();
        let response = self.router.clone().call(request).await?;
        self.refused.store(has_body && is_often_unread(response.status()), Ordering::Relaxed);
        Ok(response)
    }
}
