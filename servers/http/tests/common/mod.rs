//! What the tests of clients share, and both servers with the same handlers, so that they pass the same tests.

#![allow(dead_code, unused_macros, unreachable_pub, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

pub mod peer;

use std::sync::Arc;

use http_layer::axum::Router;
use http_layer::axum::extract::Request;
use http_layer::bare::{self, Opened, RequestHead};
use http_layer::http::Uri;
use http_layer::{Answer, BodyError, Bytes, HttpOptions, HttpServer, Intake};
use net::{Endpoint, TlsAcceptor};
use tokio_util::sync::CancellationToken;

/// Runs each test with each client.
macro_rules! with_all_clients {
    ($($test:ident),* $(,)?) => {
        mod with_hyper {
            $(#[tokio::test] async fn $test() { super::$test::<super::HyperClient>().await; })*
        }
        mod with_reqwest {
            $(#[tokio::test] async fn $test() { super::$test::<super::ReqwestClient>().await; })*
        }
        mod with_bare {
            $(#[tokio::test] async fn $test() { super::$test::<super::BareClient>().await; })*
        }
    };
}

/// Runs each test with both servers. The first word is the attribute of the tests.
macro_rules! with_both_servers {
    (#[$attribute:meta] $($test:ident),* $(,)?) => {
        mod with_axum {
            $(#[$attribute] async fn $test() { super::$test::<http_layer::HttpServer>().await; })*
        }
        mod with_bare {
            $(#[$attribute] async fn $test() { super::$test::<$crate::common::BareServer>().await; })*
        }
    };
}

/// What the server of a test does with its requests.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Whether it reads the bodies of requests. One that cannot be read is answered with the reason as text.
    const READS_BODY: bool;

    /// Responds to a request.
    fn answer(&self, target: Uri, body: Bytes) -> impl Future<Output = Answer> + Send;
}

/// A handler that reads bodies.
#[derive(Clone)]
pub struct Reading<F>(pub F);

impl<F, A> Handler for Reading<F>
where
    F: Fn(Uri, Bytes) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Answer> + Send,
{
    const READS_BODY: bool = true;

    fn answer(&self, target: Uri, body: Bytes) -> impl Future<Output = Answer> + Send {
        (self.0)(target, body)
    }
}

/// A handler that leaves bodies unread.
#[derive(Clone)]
pub struct NotReading<F>(pub F);

impl<F, A> Handler for NotReading<F>
where
    F: Fn(Uri) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Answer> + Send,
{
    const READS_BODY: bool = false;

    fn answer(&self, target: Uri, _: Bytes) -> impl Future<Output = Answer> + Send {
        (self.0)(target)
    }
}

/// Responds to a request whose body cannot be read.
fn refusal(error: &BodyError) -> Answer {
    Answer::new(error.status(), "text/plain", error.to_string())
}

/// One of the servers.
pub trait TestServer: Sized + Send + 'static {
    /// Listens on `endpoint`.
    fn bind(
        endpoint: &Endpoint,
        handler: impl Handler,
        options: HttpOptions,
    ) -> impl Future<Output = Self> + Send {
        Self::bind_over(None, endpoint, handler, options)
    }

    /// The same over TLS, if there is an acceptor `tls`.
    fn bind_over(
        tls: Option<TlsAcceptor>,
        endpoint: &Endpoint,
        handler: impl Handler,
        options: HttpOptions,
    ) -> impl Future<Output = Self> + Send;

    /// The endpoint, with its actual port.
    fn endpoint(&self) -> &Endpoint;

    /// The URL of `path`.
    fn url(&self, path: &str) -> String;

    /// Serves until `stop` is cancelled.
    fn run(self, stop: CancellationToken) -> impl Future<Output = ()> + Send + 'static;
}

impl TestServer for HttpServer {
    async fn bind_over(
        tls: Option<TlsAcceptor>,
        endpoint: &Endpoint,
        handler: impl Handler,
        options: HttpOptions,
    ) -> Self {
        HttpServer::bind(endpoint, router(handler, &options), options).await.unwrap().with_tls(tls)
    }

    fn endpoint(&self) -> &Endpoint {
        HttpServer::endpoint(self)
    }

    fn url(&self, path: &str) -> String {
        HttpServer::url(self, path)
    }

    async fn run(self, stop: CancellationToken) {
        HttpServer::run(self, stop).await;
    }
}

fn router<H: Handler>(handler: H, options: &HttpOptions) -> Router {
    let intake = Arc::new(Intake::new(options));
    Router::new().fallback(move |request: Request| {
        let (handler, intake) = (handler.clone(), Arc::clone(&intake));
        async move {
            let target = request.uri().clone();
            if !H::READS_BODY {
                return handler.answer(target, Bytes::new()).await;
            }
            match intake.receive(intake.open(request)).await {
                Ok((body, _admission)) => handler.answer(target, body).await,
                Err(error) => refusal(&error),
            }
        }
    })
}

/// A server without an HTTP library, whatever its handler.
pub struct BareServer {
    endpoint: Endpoint,
    url: Box<dyn Fn(&str) -> String + Send>,
    run: Box<dyn FnOnce(CancellationToken) -> futures_util::future::BoxFuture<'static, ()> + Send>,
}

impl TestServer for BareServer {
    async fn bind_over(
        tls: Option<TlsAcceptor>,
        endpoint: &Endpoint,
        handler: impl Handler,
        options: HttpOptions,
    ) -> Self {
        let service = BareService { handler, intake: Intake::new(&options) };
        let server = bare::HttpServer::bind(endpoint, service).await.unwrap().with_tls(tls);
        let (endpoint, base) = (server.endpoint().clone(), server.url(""));
        BareServer {
            endpoint,
            url: Box::new(move |path| format!("{}{path}", base.trim_end_matches('/'))),
            run: Box::new(move |stop| Box::pin(server.run(stop))),
        }
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn url(&self, path: &str) -> String {
        (self.url)(path)
    }

    async fn run(self, stop: CancellationToken) {
        (self.run)(stop).await;
    }
}

struct BareService<H> {
    handler: H,
    intake: Intake,
}

impl<H: Handler> bare::Service for BareService<H> {
    type Call = Uri;

    fn intake(&self) -> &Intake {
        &self.intake
    }

    fn open(&self, head: &RequestHead<'_>) -> Opened<Uri> {
        let target = head.uri.clone();
        if H::READS_BODY { Opened::CallWithBody(target) } else { Opened::Call(target) }
    }

    async fn answer(&self, target: Uri, body: Bytes) -> Answer {
        self.handler.answer(target, body).await
    }

    fn refuse(&self, _: Uri, error: BodyError) -> Answer {
        refusal(&error)
    }
}
