//! The server.

use std::io;
use std::sync::Arc;

use calculator::Dispatcher;
use net::{Endpoint, Listener, TlsAcceptor};
use tokio_util::sync::CancellationToken;

use super::connection::serve;
use super::request::Service;
use crate::SCHEMES;
use crate::cors::AllowedOrigins;

/// An HTTP/1.1 server without an HTTP library: a [`Service`] on a listening socket.
///
/// It treats its connections as [`crate::HttpServer`] does.
#[derive(Debug)]
pub struct HttpServer<S> {
    listener: Listener,
    service: Arc<S>,
}

impl<S: Service> HttpServer<S> {
    /// Listens on `listen`; port 0 picks a free port. Connections are queued from now on, and served once
    /// [`run`](Self::run) is polled.
    ///
    /// # Errors
    /// The errors of the operating system: the address is in use, or not one of this machine.
    pub async fn bind(listen: &Endpoint, service: S) -> io::Result<Self> {
        Ok(HttpServer { listener: Listener::bind(listen).await?, service: Arc::new(service) })
    }

    /// The endpoint that it listens on, with the actual port.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.listener.endpoint()
    }

    /// Serves over TLS if there is an acceptor `tls`, which must have been made for the protocol [`ALPN`](crate::ALPN).
    #[must_use]
    pub fn with_tls(self, tls: Option<TlsAcceptor>) -> Self {
        HttpServer { listener: self.listener.with_tls(tls), ..self }
    }

    /// The URL of `path`, which is empty or begins with `/`: `http://HOST:PORT/PATH`, `https://HOST:PORT/PATH` over TLS,
    /// or `http+unix://%2FSOCKET/PATH` for a Unix socket.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.listener.url(&SCHEMES, path)
    }

    /// Serves until `stop` is cancelled. Then no further connection is accepted, idle ones are closed immediately, and
    /// calls in progress have [`DRAIN_TIMEOUT`](net::DRAIN_TIMEOUT) to finish.
    pub async fn run(self, stop: CancellationToken) {
        let HttpServer { listener, service } = self;
        net::serve_connections(listener, usize::MAX, &stop, |stream| {
            let (service, stop) = (Arc::clone(&service), stop.clone());
            async move {
                if let Err(error) = serve(&*service, stream, &stop).await {
                    tracing::debug!(%error, "a connection ended");
                }
            }
        })
        .await;
    }
}

/// A protocol over HTTP that a [`Server`] can serve.
pub trait Api: crate::Api {
    /// Its handlers.
    type Service: Service;

    /// The handlers that answer requests with calls of `dispatcher`.
    fn service(dispatcher: Dispatcher, options: Self::Options) -> Self::Service;
}

/// A server of the protocol `A`. It differs from [`crate::Server`] only in the code that handles connections.
pub struct Server<A: Api> {
    http: HttpServer<A::Service>,
}

impl<A: Api> Server<A> {
    /// Listens on `listen`; port 0 picks a free port. Connections are queued from now on, and served once
    /// [`run`](Self::run) is polled.
    ///
    /// # Errors
    /// The errors of the operating system: the address is in use, or not one of this machine.
    /// [`io::ErrorKind::Unsupported`] if the options allow origins: this server has no CORS.
    pub async fn bind(
        listen: &Endpoint,
        dispatcher: Dispatcher,
        options: impl Into<A::Options>,
    ) -> io::Result<Self> {
        let options = options.into();
        if A::http_options(&options).allowed_origins != AllowedOrigins::None {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a server without an HTTP library has no CORS",
            ));
        }
        Ok(Server { http: HttpServer::bind(listen, A::service(dispatcher, options)).await? })
    }

    /// Serves over TLS if there is an acceptor `tls`, which must have been made for the protocol [`ALPN`](crate::ALPN).
    #[must_use]
    pub fn with_tls(self, tls: Option<TlsAcceptor>) -> Self {
        Server { http: self.http.with_tls(tls) }
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
