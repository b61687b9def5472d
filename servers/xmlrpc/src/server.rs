//! The serving end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use calculator::Dispatcher;
use http_layer::axum::Router;
use http_layer::axum::extract::{Request, State};
use http_layer::axum::response::Response;
use http_layer::axum::routing::any;
use http_layer::http::{HeaderValue, Method, StatusCode, header};
use http_layer::{BodyError, HttpOptions, HttpServer, accepts_gzip, gzip, read_request, reply};
use tokio_util::sync::CancellationToken;

use crate::methods::Methods;
use crate::wire::EncodeOptions;

/// What a server can be told.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerOptions {
    /// What the server accepts, and how long it waits for it.
    pub http: HttpOptions,
    /// Send null as `<nil/>` instead of a fault. Null is always accepted.
    pub allow_none: bool,
}

/// An XML-RPC server. It answers at `/` and at `/RPC2`, as CPython's does, and has the `system.*` methods.
#[derive(Debug)]
pub struct Server {
    http: HttpServer,
}

impl Server {
    /// Listens on `listen`; port 0 picks one. Connections queue from now on and are answered once [`run`](Self::run)
    /// is polled.
    ///
    /// # Errors
    /// Those of the socket: the address is in use, or not this machine's.
    pub async fn bind(
        listen: SocketAddr,
        dispatcher: Dispatcher,
        options: ServerOptions,
    ) -> io::Result<Server> {
        let ServerOptions { http, allow_none } = options;
        let methods = Arc::new(Methods { dispatcher, http, encode: EncodeOptions { allow_none } });
        let router = Router::new()
            .route("/", any(rpc))
            .route("/RPC2", any(rpc))
            .fallback(elsewhere)
            .with_state(methods);
        Ok(Server { http: HttpServer::bind(listen, router, http).await? })
    }

    /// The URL to call.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/RPC2", self.http.local_addr())
    }

    /// Serves until `stop`; then calls in hand have 4 s to finish.
    pub async fn run(self, stop: CancellationToken) {
        self.http.run(stop).await;
    }
}

async fn rpc(State(methods): State<Arc<Methods>>, request: Request) -> Response {
    // CPython compares the path with its query, so that one with a query is another page.
    if request.method() != Method::POST || request.uri().query().is_some() {
        return elsewhere(request).await;
    }
    let gzip_wanted = accepts_gzip(request.headers());
    match read_request(request, &methods.http).await {
        Ok(body) => {
            let answer = methods.answer(&body).await;
            if gzip_wanted && answer.len() > GZIP_ABOVE { compressed(&answer) } else { xml(answer) }
        }
        Err(error) => {
            // CPython's status for an encoding it does not know.
            let unknown = matches!(error, BodyError::Coding(_));
            let status = if unknown { StatusCode::NOT_IMPLEMENTED } else { error.status() };
            let mut response = plain(status, error.to_string());
            // What is left of the body is not read.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
    }
}

fn xml(body: Vec<u8>) -> Response {
    reply(StatusCode::OK, "text/xml", body)
}

/// Answers up to this many bytes long are not worth compressing, by CPython's measure.
const GZIP_ABOVE: usize = 1_400;

fn compressed(body: &[u8]) -> Response {
    let mut response = xml(gzip(body));
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

/// Anything but a call: by CPython, a method other than POST is not implemented, whatever the path.
async fn elsewhere(request: Request) -> Response {
    if request.method() == Method::POST {
        plain(StatusCode::NOT_FOUND, "No such page".to_owned())
    } else {
        plain(StatusCode::NOT_IMPLEMENTED, format!("Unsupported method ('{}')", request.method()))
    }
}

fn plain(status: StatusCode, text: String) -> Response {
    reply(status, "text/plain", text)
}
