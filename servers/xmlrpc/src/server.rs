//! The server.

use std::sync::Arc;

use calculator::Dispatcher;
use http_layer::axum::Router;
use http_layer::axum::extract::Request;
use http_layer::axum::response::Response;
use http_layer::axum::routing::{MethodRouter, any};
use http_layer::http::{HeaderValue, Method, StatusCode, header};
use http_layer::{Api, BodyError, HttpOptions, Intake, Unread, accepts_gzip, gzip, reply};

use crate::methods::Methods;
use crate::wire::EncodeOptions;

/// Options of a server.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// Limits on requests, and how long the server waits for them.
    pub http: HttpOptions,
    /// Send a null result as `<nil/>` instead of a fault. Null arguments are always accepted.
    pub allow_none: bool,
}

/// An XML-RPC server. It answers at `/` and at `/RPC2`, as CPython's does, and has the `system.*` methods.
pub type Server = http_layer::Server<XmlRpc>;

/// XML-RPC, as [`Server`] serves it.
#[derive(Debug)]
pub enum XmlRpc {}

impl Api for XmlRpc {
    type Options = ServerOptions;

    const PATH: &'static str = "/RPC2";

    fn http_options(options: &ServerOptions) -> HttpOptions {
        options.http.clone()
    }

    fn router(dispatcher: Dispatcher, ServerOptions { http, allow_none }: ServerOptions) -> Router {
        let methods = Methods { dispatcher, limits: http.limits, encode: EncodeOptions { allow_none } };
        let shared = Arc::new(Shared { methods, intake: Intake::new(&http) });
        let endpoint: MethodRouter = any(move |request: Request| {
            let shared = Arc::clone(&shared);
            let call = shared.open(request);
            async move { shared.respond(call).await }
        });
        Router::new()
            .route("/", endpoint.clone())
            .route("/RPC2", endpoint)
            .fallback(async |request| not_found(&request))
    }
}

/// The state that all handlers share.
struct Shared {
    methods: Methods,
    intake: Intake,
}

/// A call whose head has been checked.
struct Call {
    gzip_wanted: bool,
    unread: Unread,
}

impl Shared {
    /// Checks the head of a request.
    ///
    /// # Errors
    /// The response to a request that is not a call.
    fn open(&self, request: Request) -> Result<Call, Box<Response>> {
        // CPython compares the path including the query, so a path with a query is not found.
        if request.method() != Method::POST || request.uri().query().is_some() {
            return Err(Box::new(not_found(&request)));
        }
        Ok(Call { gzip_wanted: accepts_gzip(request.headers()), unread: self.intake.open(request) })
    }

    async fn respond(&self, call: Result<Call, Box<Response>>) -> Response {
        let Call { gzip_wanted, unread } = match call {
            Ok(call) => call,
            Err(response) => return *response,
        };
        match self.intake.receive(unread).await {
            Ok((body, _admission)) => {
                let answer = self.methods.respond(body).await;
                if gzip_wanted && answer.len() > GZIP_THRESHOLD_BYTES {
                    compressed(&answer)
                } else {
                    xml_response(answer)
                }
            }
            Err(error) => {
                // CPython's status for an unsupported content coding.
                let unknown = matches!(error, BodyError::UnsupportedCoding(_));
                let status = if unknown { StatusCode::NOT_IMPLEMENTED } else { error.status() };
                text_response(status, error.to_string())
            }
        }
    }
}

fn xml_response(body: Vec<u8>) -> Response {
    reply(StatusCode::OK, "text/xml", body)
}

/// The length in bytes above which a response is compressed, if the client accepts that; the same as in CPython.
const GZIP_THRESHOLD_BYTES: usize = 1_400;

fn compressed(body: &[u8]) -> Response {
    let mut response = xml_response(gzip(body));
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

/// The response to a request that is not a call. As in CPython, a method other than POST is not implemented, whatever
/// the path.
fn not_found(request: &Request) -> Response {
    if request.method() == Method::POST {
        text_response(StatusCode::NOT_FOUND, "No such page".to_owned())
    } else {
        text_response(StatusCode::NOT_IMPLEMENTED, format!("Unsupported method ('{}')", request.method()))
    }
}

fn text_response(status: StatusCode, text: String) -> Response {
    reply(status, "text/plain", text)
}
