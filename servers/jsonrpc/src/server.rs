//! The servers: over axum and hyper, and without an HTTP library.

use std::sync::Arc;

use calculator::Dispatcher;
use http::{HeaderValue, Method, header};
use http_layer::axum::Router;
use http_layer::axum::extract::Request;
use http_layer::axum::routing::{MethodFilter, MethodRouter, on};
use http_layer::bare::{self, Opened, RequestHead};
use http_layer::{Answer, Api, BodyError, Bytes, HttpOptions, Intake, Unread};

use crate::endpoint::{Endpoint, PATHS, body_failure, not_allowed, not_found};

/// Options of a server.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// Limits on requests, and how long the server waits for them.
    pub http: HttpOptions,
    /// Also accept calls by GET, in the query of the URL, as python-jsonrpc's server does. Off by default, since any
    /// program that follows a link could then call a method.
    pub allow_get: bool,
}

/// A JSON-RPC server over HTTP. It has the `system.*` methods of jsonrpclib's server.
pub type Server = http_layer::Server<JsonRpc>;

/// The same server without an HTTP library.
pub type BareServer = bare::Server<JsonRpc>;

/// JSON-RPC, as [`Server`] serves it.
#[derive(Debug)]
pub enum JsonRpc {}

impl Api for JsonRpc {
    type Options = ServerOptions;

    const PATH: &'static str = "/jsonrpc";

    fn http_options(options: &ServerOptions) -> HttpOptions {
        options.http.clone()
    }

    fn router(dispatcher: Dispatcher, options: ServerOptions) -> Router {
        router(dispatcher, options)
    }
}

fn router(dispatcher: Dispatcher, ServerOptions { http, allow_get }: ServerOptions) -> Router {
    let shared = Arc::new(Endpoint::new(dispatcher, &http, allow_get));
    let methods = if allow_get { MethodFilter::POST.or(MethodFilter::GET) } else { MethodFilter::POST };
    let endpoint: MethodRouter = on(methods, move |request: Request| {
        let shared = Arc::clone(&shared);
        let incoming = open(&shared, request);
        async move { respond(&shared, incoming).await }
    });
    PATHS
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, endpoint.clone()))
        .fallback(|| async { not_found() })
        .method_not_allowed_fallback(|| async { not_allowed() })
}

/// A request whose head has been checked.
enum Incoming {
    /// A GET with its query.
    Query(String),
    /// A POST.
    Body(Unread),
}

/// Checks the head of a request.
fn open(endpoint: &Endpoint, request: Request) -> Incoming {
    if request.method() == Method::POST {
        Incoming::Body(endpoint.intake().open(request))
    } else {
        Incoming::Query(request.uri().query().unwrap_or_default().to_owned())
    }
}

async fn respond(endpoint: &Endpoint, incoming: Incoming) -> Answer {
    let unread = match incoming {
        Incoming::Query(query) => {
            let _admission = endpoint.intake().admit().await;
            return endpoint.respond_to_query(&query).await;
        }
        Incoming::Body(unread) => unread,
    };
    match endpoint.intake().receive(unread).await {
        Ok((body, _admission)) => endpoint.respond_to_text(body).await,
        Err(error) => body_failure(&error),
    }
}

impl bare::Api for JsonRpc {
    type Service = Endpoint;

    fn service(dispatcher: Dispatcher, ServerOptions { http, allow_get }: ServerOptions) -> Endpoint {
        Endpoint::new(dispatcher, &http, allow_get)
    }
}

impl bare::Service for Endpoint {
    /// The query of a GET; `None` for a POST.
    type Call = Option<String>;

    fn intake(&self) -> &Intake {
        Endpoint::intake(self)
    }

    fn open(&self, head: &RequestHead<'_>) -> Opened<Option<String>> {
        let is_get = matches!(*head.method, Method::GET | Method::HEAD);
        if !PATHS.contains(&head.uri.path()) {
            Opened::Answered(not_found())
        } else if *head.method == Method::POST {
            Opened::CallWithBody(None)
        } else if is_get && self.allows_get() {
            Opened::Call(Some(head.uri.query().unwrap_or_default().to_owned()))
        } else {
            let allow = if self.allows_get() { "GET,HEAD,POST" } else { "POST" };
            Opened::Answered(not_allowed().with(header::ALLOW, HeaderValue::from_static(allow)))
        }
    }

    async fn answer(&self, query: Option<String>, body: Bytes) -> Answer {
        match query {
            Some(query) => self.respond_to_query(&query).await,
            None => self.respond_to_text(body).await,
        }
    }

    fn refuse(&self, _: Option<String>, error: BodyError) -> Answer {
        body_failure(&error)
    }
}
