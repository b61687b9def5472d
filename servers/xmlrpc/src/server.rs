//! The servers: over axum and hyper, and without an HTTP library.

use std::sync::Arc;

use calculator::Dispatcher;
use http_layer::axum::Router;
use http_layer::axum::extract::Request;
use http_layer::axum::routing::{MethodRouter, any};
use http_layer::bare::{self, Opened, RequestHead};
use http_layer::http::{HeaderValue, Method, StatusCode, Uri, header};
use http_layer::{Answer, Api, BodyError, Bytes, Fields, HttpOptions, Intake, Unread, accepts_gzip, gzip};

use crate::methods::Methods;
use crate::wire::EncodeOptions;

/// The paths of calls, the same as in CPython.
const PATHS: [&str; 2] = ["/", "/RPC2"];

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

/// The same server without an HTTP library.
pub type BareServer = bare::Server<XmlRpc>;

/// XML-RPC, as [`Server`] serves it.
#[derive(Debug)]
pub enum XmlRpc {}

impl Api for XmlRpc {
    type Options = ServerOptions;

    const PATH: &'static str = "/RPC2";

    fn http_options(options: &ServerOptions) -> HttpOptions {
        options.http.clone()
    }

    fn router(dispatcher: Dispatcher, options: ServerOptions) -> Router {
        let shared = Arc::new(Endpoint::new(dispatcher, options));
        let endpoint: MethodRouter = any(move |request: Request| {
            let shared = Arc::clone(&shared);
            let call = check(request.method(), request.uri(), request.headers())
                .map(|call| (call, shared.intake.open(request)));
            async move { respond(&shared, call).await }
        });
        PATHS
            .into_iter()
            .fold(Router::new(), |router, path| router.route(path, endpoint.clone()))
            .fallback(async |request: Request| not_found(request.method()))
    }
}

/// The handlers of requests, whichever server has received them.
pub struct Endpoint {
    methods: Methods,
    intake: Intake,
}

/// A call whose head has been checked.
pub struct HeadOfCall {
    is_gzip_wanted: bool,
}

/// Checks the head of a request for one of the [paths](PATHS).
///
/// # Errors
/// The response to a request that is not a call.
fn check(method: &Method, uri: &Uri, fields: &impl Fields) -> Result<HeadOfCall, Box<Answer>> {
    // CPython compares the path including the query, so a path with a query is not found.
    if *method != Method::POST || uri.query().is_some() {
        return Err(Box::new(not_found(method)));
    }
    Ok(HeadOfCall { is_gzip_wanted: accepts_gzip(fields) })
}

async fn respond(endpoint: &Endpoint, call: Result<(HeadOfCall, Unread), Box<Answer>>) -> Answer {
    let (head, unread) = match call {
        Ok(call) => call,
        Err(answer) => return *answer,
    };
    match endpoint.intake.receive(unread).await {
        Ok((body, _admission)) => endpoint.respond(&head, body).await,
        Err(error) => refusal(&error),
    }
}

impl Endpoint {
    fn new(dispatcher: Dispatcher, ServerOptions { http, allow_none }: ServerOptions) -> Self {
        let methods = Methods { dispatcher, limits: http.limits, encode: EncodeOptions { allow_none } };
        Endpoint { methods, intake: Intake::new(&http) }
    }

    /// Executes the call in `body`, which must have been admitted.
    async fn respond(&self, head: &HeadOfCall, body: Bytes) -> Answer {
        let answer = self.methods.respond(body).await;
        if head.is_gzip_wanted && answer.len() > GZIP_THRESHOLD_BYTES {
            xml_answer(gzip(&answer)).with(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))
        } else {
            xml_answer(answer)
        }
    }
}

impl bare::Api for XmlRpc {
    type Service = Endpoint;

    fn service(dispatcher: Dispatcher, options: ServerOptions) -> Endpoint {
        Endpoint::new(dispatcher, options)
    }
}

impl bare::Service for Endpoint {
    type Call = HeadOfCall;

    fn intake(&self) -> &Intake {
        &self.intake
    }

    fn open(&self, head: &RequestHead<'_>) -> Opened<HeadOfCall> {
        if !PATHS.contains(&head.uri.path()) {
            return Opened::Answered(not_found(head.method));
        }
        match check(head.method, head.uri, &head.fields) {
            Ok(call) => Opened::CallWithBody(call),
            Err(answer) => Opened::Answered(*answer),
        }
    }

    async fn answer(&self, head: HeadOfCall, body: Bytes) -> Answer {
        self.respond(&head, body).await
    }

    fn refuse(&self, _: HeadOfCall, error: BodyError) -> Answer {
        refusal(&error)
    }
}

/// The length in bytes above which a response is compressed, if the client accepts that; the same as in CPython.
const GZIP_THRESHOLD_BYTES: usize = 1_400;

fn xml_answer(body: Vec<u8>) -> Answer {
    Answer::new(StatusCode::OK, "text/xml", body)
}

/// The response to a request whose body cannot be read.
fn refusal(error: &BodyError) -> Answer {
    // CPython's status for an unsupported content coding.
    let is_unknown = matches!(error, BodyError::UnsupportedCoding(_));
    let status = if is_unknown { StatusCode::NOT_IMPLEMENTED } else { error.status() };
    text_answer(status, error.to_string())
}

/// The response to a request that is not a call. As in CPython, a method other than POST is not implemented, whatever
/// the path.
fn not_found(method: &Method) -> Answer {
    if *method == Method::POST {
        text_answer(StatusCode::NOT_FOUND, "No such page".to_owned())
    } else {
        text_answer(StatusCode::NOT_IMPLEMENTED, format!("Unsupported method ('{method}')"))
    }
}

fn text_answer(status: StatusCode, text: String) -> Answer {
    Answer::new(status, "text/plain", text)
}
