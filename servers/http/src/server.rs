//! The HTTP server and its connections.

use std::convert::Infallible;
use std::io;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use calculator::Dispatcher;
use futures_util::poll;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use net::{Endpoint, Listener, TlsAcceptor};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use crate::http2_stream::Http2Stream;
use crate::server_stream::{ConnectionState, ServerStream, Socket};
use crate::{ALPN, ALPN_HTTP2, HttpOptions, SCHEMES, accept, reply, rules};

/// How long a client may take to send the head of a request, and how long a connection may be idle between requests.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// An HTTP server, of HTTP/1.1 unless [`with_version`](Self::with_version) says otherwise: an axum router on a listening
/// socket.
///
/// Connections of HTTP/1.1 are kept alive (for HTTP/1.0 clients only if they request it), have `TCP_NODELAY` set, and are closed
/// when the head of a request takes too long to arrive, no request arrives for as long, or the client reads nothing of
/// a response. When a client leaves before its response, the future of its call is dropped. Requests that break the
/// rules of HTTP/1.1 for the `host` header are answered with status 400.
#[derive(Debug)]
pub struct HttpServer {
    listener: Listener,
    router: Router,
    /// Absent for a server without TLS.
    tls: Option<TlsAcceptor>,
    version: ServedVersion,
}

/// The version of HTTP that a server speaks on its connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServedVersion {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2; without TLS, from the first byte on (prior knowledge, RFC 9113, section 3.3). Beyond what hyper limits itself
    /// (streams that are reset faster than they are answered, headers in endless continuations), a client must begin within
    /// 30 s, and one that reads nothing for 30 s is disconnected. A connection that has begun may be idle for any time, as one of
    /// gRPC.
    Http2,
}

impl ServedVersion {
    /// Its name among the protocols over TLS.
    #[must_use]
    pub fn alpn(self) -> &'static str {
        match self {
            ServedVersion::Http1 => ALPN,
            ServedVersion::Http2 => ALPN_HTTP2,
        }
    }
}

impl HttpServer {
    /// Listens on `listen`; port 0 picks a free port. Connections are queued from now on, and served once
    /// [`run`](Self::run) is polled.
    ///
    /// Of the options, the server itself applies only the allowed origins: handlers receive requests through an
    /// [`Intake`](crate::Intake), which applies the others.
    ///
    /// # Errors
    /// The errors of the operating system: the address is in use, or not one of this machine.
    pub async fn bind(
        listen: &Endpoint,
        router: Router,
        options: impl Into<HttpOptions>,
    ) -> io::Result<Self> {
        let listener = Listener::bind(listen).await?;
        let router = match options.into().allowed_origins.layer() {
            Some(cors) => router.layer(cors),
            None => router,
        };
        // Without this call, which sets the empty state, axum would build the service of a handler again for every
        // request.
        let version = ServedVersion::default();
        Ok(HttpServer { listener, router: router.with_state(()), tls: None, version })
    }

    /// Sets the version of HTTP that it speaks.
    #[must_use]
    pub fn with_version(self, version: ServedVersion) -> Self {
        HttpServer { version, ..self }
    }

    /// Serves over TLS if there is an acceptor `tls`. It must have been made for the [name](ServedVersion::alpn) of the server's version
    /// of HTTP.
    #[must_use]
    pub fn with_tls(self, tls: Option<TlsAcceptor>) -> Self {
        HttpServer { tls, ..self }
    }

    /// The endpoint that it listens on, with the actual port.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.listener.endpoint()
    }

    /// The URL of `path`, which is empty or begins with `/`: `http://HOST:PORT/PATH`, `https://HOST:PORT/PATH` over TLS,
    /// or `http+unix://%2FSOCKET/PATH` for a Unix socket.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.listener.url_with(self.tls.is_some(), &SCHEMES, path)
    }

    /// Serves until `stop` is cancelled. Then no further connection is accepted, idle ones are closed immediately, and
    /// calls in progress have [`DRAIN_TIMEOUT`](net::DRAIN_TIMEOUT) to finish. Connections whose client has sent a part of a request
    /// have it too, and those of HTTP/2 whose client does not answer that the connection ends.
    pub async fn run(self, stop: CancellationToken) {
        let HttpServer { listener, router, tls, version } = self;
        match version {
            ServedVersion::Http1 => {
                let connections = Connections { http: http(), router, stop: stop.clone() };
                serve(listener, tls, &stop, connections).await;
            }
            ServedVersion::Http2 => {
                let http = http2::Builder::new(TokioExecutor::new());
                serve(listener, tls, &stop, Http2Connections { http, router, stop: stop.clone() }).await;
            }
        }
    }
}

/// Serves the connections of `listener` until `stop` is cancelled, over TLS if there is an acceptor.
async fn serve<C: ServeConnection>(
    listener: Listener,
    tls: Option<TlsAcceptor>,
    stop: &CancellationToken,
    connections: C,
) {
    let Some(tls) = tls else {
        return net::serve_connections(listener, usize::MAX, stop, |stream| {
            connections.clone().serve(stream)
        })
        .await;
    };
    let serve = |stream| {
        let (connections, tls, stop) = (connections.clone(), tls.clone(), stop.clone());
        async move {
            if let Some(stream) = accept::accept_tls(&tls, stream, &stop).await {
                connections.serve(stream).await;
            }
        }
    };
    net::serve_connections(listener, usize::MAX, stop, serve).await;
}

/// A protocol over HTTP: the parts of its [`Server`] that differ from those of other protocols.
pub trait Api: 'static {
    /// The options of its server.
    type Options;

    /// The path of its URLs, empty or with a leading `/`.
    const PATH: &'static str;

    /// The part of `options` that concerns HTTP.
    fn http_options(options: &Self::Options) -> HttpOptions;

    /// The router that answers requests with calls of `dispatcher`.
    fn router(dispatcher: Dispatcher, options: Self::Options) -> Router;
}

/// A server of the protocol `A`.
#[derive(Debug)]
pub struct Server<A> {
    http: HttpServer,
    api: PhantomData<A>,
}

impl<A: Api> Server<A> {
    /// Listens on `listen`; port 0 picks a free port. Connections are queued from now on, and served once
    /// [`run`](Self::run) is polled.
    ///
    /// # Errors
    /// The errors of the operating system: the address is in use, or not one of this machine.
    pub async fn bind(
        listen: &Endpoint,
        dispatcher: Dispatcher,
        options: impl Into<A::Options>,
    ) -> io::Result<Self> {
        let options = options.into();
        let http_options = A::http_options(&options);
        let http = HttpServer::bind(listen, A::router(dispatcher, options), http_options).await?;
        Ok(Server { http, api: PhantomData })
    }

    /// Serves over TLS if there is an acceptor `tls`. It must have been made for the [name](ServedVersion::alpn) of the server's version
    /// of HTTP.
    #[must_use]
    pub fn with_tls(self, tls: Option<TlsAcceptor>) -> Self {
        Server { http: self.http.with_tls(tls), ..self }
    }

    /// Sets the version of HTTP that it speaks.
    #[must_use]
    pub fn with_version(self, version: ServedVersion) -> Self {
        Server { http: self.http.with_version(version), ..self }
    }

    /// The URL that clients call: `http://..`, `https://..` over TLS, or `http+unix://..` for a Unix socket.
    #[must_use]
    pub fn url(&self) -> String {
        self.http.url(A::PATH)
    }

    /// Serves until `stop` is cancelled, then finishes calls in progress for at most [`DRAIN_TIMEOUT`](net::DRAIN_TIMEOUT).
    pub async fn run(self, stop: CancellationToken) {
        self.http.run(stop).await;
    }
}

/// The state that the connections of a server share, and how to serve one of them. Generic over the stream: connections without
/// TLS have separate code, and none of the cost of TLS.
trait ServeConnection: Clone + Send + 'static {
    fn serve<S: Socket>(self, stream: S) -> impl Future<Output = ()> + Send + 'static;
}

/// The state of a server over HTTP/2.
#[derive(Clone)]
struct Http2Connections {
    http: http2::Builder<TokioExecutor>,
    router: Router,
    stop: CancellationToken,
}

impl ServeConnection for Http2Connections {
    async fn serve<S: Socket>(self, stream: S) {
        let service = service_fn(move |request| answer_http2(self.router.clone(), request));
        accept::drive(self.http.serve_connection(Http2Stream::new(stream), service), &self.stop).await;
    }
}

/// Answers a request of HTTP/2. If its client leaves or resets the stream, hyper drops the future.
async fn answer_http2(mut router: Router, mut request: Request<Incoming>) -> Result<Response, Infallible> {
    rules::decode_unreserved(request.uri_mut());
    router.call(request).await
}

/// The HTTP settings, the same for every protocol.
fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    // A client may shut down its sending side after the request, as netcat does; it still gets the response.
    http.half_close(true).timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    http
}

/// The state of a server over HTTP/1.1.
#[derive(Clone)]
struct Connections {
    http: http1::Builder,
    router: Router,
    stop: CancellationToken,
}

impl ServeConnection for Connections {
    async fn serve<S: Socket>(self, stream: S) {
        let state = Arc::new(ConnectionState::default());
        let stream = ServerStream::new(stream, Arc::clone(&state));
        let handler = Arc::new(Handler { router: self.router, state, host: OnceLock::new() });
        let service = service_fn(move |request| Arc::clone(&handler).answer(request));
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

/// Whether a response with this status may have been sent without reading the body of the request.
pub(crate) fn may_leave_body_unread(status: StatusCode) -> bool {
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

/// Answers the requests of one connection.
struct Handler {
    router: Router,
    state: Arc<ConnectionState>,
    /// A valid `host` header of this connection.
    host: OnceLock<Box<[u8]>>,
}

impl Handler {
    async fn answer(self: Arc<Self>, mut request: Request<Incoming>) -> Result<Response, Infallible> {
        let has_body = !request.body().is_end_stream();
        if let Err(reason) = rules::check_host(request.version(), hosts(request.headers()), &self.host) {
            self.state.refused.store(has_body, Ordering::Relaxed);
            return Ok(malformed(reason));
        }
        rules::decode_unreserved(request.uri_mut());
        let mut router = self.router.clone();
        let mut answering = pin!(router.call(request));
        let mut response = match poll!(answering.as_mut()) {
            Poll::Ready(response) => response?,
            Poll::Pending => {
                // Only now, so that the server does not look for the client of a call that is answered at once.
                self.state.answering.store(true, Ordering::Relaxed);
                let response = answering.await;
                self.state.answering.store(false, Ordering::Relaxed);
                response?
            }
        };
        let refused = has_body && may_leave_body_unread(response.status());
        self.state.refused.store(refused, Ordering::Relaxed);
        if refused {
            // A part of the body may still be on its way, so the connection is closed. Without this header, a client could
            // send its next request on it (RFC 9112, section 9.6).
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

/// The values of the `host` header. There are few headers, so that a look at each is faster than a look-up.
fn hosts(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.iter().filter(|(name, _)| *name == header::HOST).map(|(_, host)| host.as_bytes())
}

/// The response to a request that is not a valid message of HTTP/1.1. The connection is closed after it.
fn malformed(reason: &'static str) -> Response {
    let mut response = reply(StatusCode::BAD_REQUEST, "text/plain", reason);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
