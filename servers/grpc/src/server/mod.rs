//! The server.

mod body;
mod count;
mod deadline;
mod handler;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;

use calculator::{Dispatcher, Limits};
use http_layer::{Http2Stream, drive};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use net::{Endpoint, Listener, TlsAcceptor};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use self::handler::Handler;
use crate::SCHEMES;

/// A server of gRPC.
///
/// It answers with status `UNIMPLEMENTED` what is not a method, and with the HTTP status 415 what is not gRPC. A client that
/// resets a stream, or whose connection ends, ends its call. Beyond what `h2` limits itself (streams that are reset
/// faster than they are answered, headers in endless continuations), the limits are those of [`Limits`]; a request
/// must be complete after 30 s, and a client that reads nothing for 30 s is disconnected.
pub struct Server {
    listener: Listener,
    handler: Arc<Handler>,
    /// Absent for a server without TLS.
    tls: Option<TlsAcceptor>,
}

impl Server {
    /// Listens on `listen`; port 0 picks a free port. Connections are queued from now on, and served once
    /// [`run`](Self::run) is polled.
    ///
    /// # Errors
    /// The errors of the operating system: the address is in use, or not one of this machine.
    pub async fn bind(listen: &Endpoint, dispatcher: Dispatcher, limits: Limits) -> io::Result<Self> {
        let listener = Listener::bind(listen).await?;
        let handler = Handler::new(dispatcher, limits).await.map_err(io::Error::other)?;
        Ok(Server { listener, handler: Arc::new(handler), tls: None })
    }

    /// Serves over TLS if there is an acceptor `tls`, whose clients speak [`ALPN`](crate::ALPN).
    #[must_use]
    pub fn with_tls(self, tls: Option<TlsAcceptor>) -> Self {
        Server { tls, ..self }
    }

    /// The URL that clients call: `grpc://HOST:PORT`, `grpcs://HOST:PORT` over TLS, or `unix:///SOCKET`.
    #[must_use]
    pub fn url(&self) -> String {
        self.listener.url_with(self.tls.is_some(), SCHEMES, "")
    }

    /// Serves until `stop` is cancelled, then finishes calls in progress for at most [`DRAIN_TIMEOUT`](net::DRAIN_TIMEOUT).
    pub async fn run(self, stop: CancellationToken) {
        let http = http(&self.handler);
        let Some(tls) = self.tls else {
            let serve = |stream| serve(http.clone(), stream, Arc::clone(&self.handler), stop.clone());
            return net::serve_connections(self.listener, usize::MAX, &stop, serve).await;
        };
        let serve_tls = |stream| {
            let (http, tls, handler, stop) =
                (http.clone(), tls.clone(), Arc::clone(&self.handler), stop.clone());
            async move {
                let accepted = http_layer::accept_tls(&tls, stream, &stop).await;
                if let Some(stream) = accepted {
                    serve(http, stream, handler, stop).await;
                }
            }
        };
        net::serve_connections(self.listener, usize::MAX, &stop, serve_tls).await;
    }
}

/// The settings of HTTP/2, the same for every connection. The windows are hyper's, as tonic's server leaves them.
fn http(handler: &Handler) -> http2::Builder<TokioExecutor> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    // The header changes every second, so calls would differ in length; no client of gRPC needs it.
    http.auto_date_header(false);
    http.max_concurrent_streams(u32::try_from(handler.limits().max_in_flight).unwrap_or(u32::MAX));
    http
}

/// Serves one connection until it ends, or `stop` is cancelled and its calls are finished.
fn serve<S>(
    http: http2::Builder<TokioExecutor>,
    stream: S,
    handler: Arc<Handler>,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let handler = Arc::clone(&handler);
        async move { Ok::<_, Infallible>(handler.answer(request).await) }
    });
    async move {
        drive(http.serve_connection(Http2Stream::new(stream), service), &stop).await;
    }
}
