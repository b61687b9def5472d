//! The server.

use std::sync::Arc;

use calculator::{Call, CallError, Dispatcher, ErrorKind, Limits, Params, Service, Text, Value};
use http::{HeaderValue, Method, StatusCode, header};
use http_layer::axum::Router;
use http_layer::axum::extract::Request;
use http_layer::axum::response::Response;
use http_layer::axum::routing::{MethodFilter, MethodRouter, on};
use http_layer::{Api, BodyError, Bytes, HttpOptions, Intake, Unread, reply, system};

use crate::wire::{self, Failure, JSON, Message, ReplyTo, Request as WireRequest};

/// The paths that existing clients call.
const PATHS: [&str; 4] = ["/", "/jsonrpc", "/RPC2", "/api_jsonrpc.php"];

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
    let shared = Arc::new(Shared { dispatcher, intake: Intake::new(&http) });
    let methods = if allow_get { MethodFilter::POST.or(MethodFilter::GET) } else { MethodFilter::POST };
    let endpoint: MethodRouter = on(methods, move |request: Request| {
        let shared = Arc::clone(&shared);
        let incoming = shared.open(request);
        async move { shared.respond(incoming).await }
    });
    let not_found = || async {
        let error = CallError::new(ErrorKind::UnknownMethod, "no JSON-RPC at this path; use /jsonrpc");
        failure(StatusCode::NOT_FOUND, error.into())
    };
    let not_allowed =
        || async { failure(StatusCode::METHOD_NOT_ALLOWED, Failure::invalid_request("use POST")) };
    PATHS
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, endpoint.clone()))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
}

fn failure(status: StatusCode, failure: Failure) -> Response {
    reply(status, JSON, wire::encode_failure(failure))
}

/// A request whose head has been checked.
enum Incoming {
    /// A GET with its query.
    Query(String),
    /// A POST.
    Body(Unread),
}

/// The state that all handlers share.
struct Shared {
    dispatcher: Dispatcher,
    intake: Intake,
}

impl Shared {
    /// Checks the head of a request.
    fn open(&self, request: Request) -> Incoming {
        if request.method() == Method::POST {
            Incoming::Body(self.intake.open(request))
        } else {
            Incoming::Query(request.uri().query().unwrap_or_default().to_owned())
        }
    }

    fn limits(&self) -> &Limits {
        self.intake.limits()
    }

    /// Responds with status 200 whatever the outcome of the calls, and with an empty body if all are notifications.
    async fn respond(&self, incoming: Incoming) -> Response {
        let unread = match incoming {
            Incoming::Query(query) => {
                let _admission = self.intake.admit().await;
                return self.respond_to_query(&query).await;
            }
            Incoming::Body(unread) => unread,
        };
        match self.intake.receive(unread).await {
            Ok((body, _admission)) => self.respond_to_text(body).await,
            Err(error) => failure(error.status(), body_failure(&error)),
        }
    }

    async fn respond_to_text(&self, text: Bytes) -> Response {
        match wire::decode(&text, self.limits()) {
            Ok(Message::Single(WireRequest { call, reply: to })) => {
                let to = to.map(|to| (Text::from(to.id), to.version));
                // The request and the response may both be long, so they are not in memory at the same time.
                drop(text);
                let to = to.as_ref().map(|(id, version)| ReplyTo { id, version: *version });
                let mut out = Vec::with_capacity(128);
                self.execute_one(WireRequest { call, reply: to }, &mut out).await;
                reply(StatusCode::OK, JSON, out)
            }
            Ok(Message::Batch(requests)) => reply(StatusCode::OK, JSON, self.execute_batch(requests).await),
            Err(error) => failure(StatusCode::OK, error),
        }
    }

    /// Handles a GET. The status for a query without a method is 400, as in python-jsonrpc.
    async fn respond_to_query(&self, query: &str) -> Response {
        let mut response = match wire::decode_query(query, self.limits()) {
            Ok(Some(request)) => self.respond_to_text(request.into()).await,
            Ok(None) => {
                let missing =
                    Failure::invalid_request("a GET requires a query with a `method`; otherwise use POST");
                failure(StatusCode::BAD_REQUEST, missing)
            }
            Err(error) => failure(StatusCode::OK, error),
        };
        // Each request is a call, so its result must not be served from a cache.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    async fn execute_batch(&self, requests: Vec<WireRequest<'_>>) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        for request in requests {
            let start = out.len();
            out.push(if start == 0 { b'[' } else { b',' });
            self.execute_one(request, &mut out).await;
            if out.len() == start + 1 {
                // A notification has no response, so its comma is removed.
                out.truncate(start);
            }
        }
        if !out.is_empty() {
            out.push(b']');
        }
        out
    }

    async fn execute_one(&self, request: WireRequest<'_>, out: &mut Vec<u8>) {
        let result = match request.call {
            Ok(call) => {
                let call = resolve_reserved_args(call, self.dispatcher.service());
                system::call(&self.dispatcher, call, self.limits().max_batch, fault)
                    .await
                    .map_err(|error| Failure::from(CallError::from(error)))
            }
            Err(failure) => Err(failure),
        };
        if let Some(to) = request.reply {
            wire::write_reply(out, to, &result);
        }
    }
}

/// The name under which python-jsonrpc's client sends positional arguments in a call that has named arguments, too.
const POSITIONAL_ARGS: &str = "__args";

/// Gives the positional arguments in a call with [`POSITIONAL_ARGS`] the names of their parameters.
fn resolve_reserved_args(mut call: Call, service: &dyn Service) -> Call {
    let Params::Named(members) = &mut call.params else { return call };
    let Some(at) = members.iter().position(|(name, _)| name == POSITIONAL_ARGS) else { return call };
    let Some((_, Value::List(_))) = members.get(at) else { return call };
    let (_, Value::List(values)) = members.remove(at) else { return call };
    if members.is_empty() {
        call.params = Params::Positional(values.into_vec());
        return call;
    }
    let method = service.methods().iter().find(|info| info.name == call.method);
    let names = method.map(|info| info.params).unwrap_or_default();
    for (index, value) in values.into_iter().enumerate() {
        // A surplus argument, or one that is also given by name, keeps the reserved name, which every method rejects.
        let name = names.get(index).filter(|name| members.iter().all(|(given, _)| given != *name));
        members.push((name.map_or(POSITIONAL_ARGS, |name| name).into(), value));
    }
    call
}

/// The form of a failed call among the results of `system.multicall`. jsonrpclib's server inherits it from XML-RPC's.
fn fault(error: CallError) -> Value {
    let text = format!("<class '{}'>:{}", error.kind.python_class(), error.message);
    Value::map(vec![("faultCode".into(), Value::Int(1)), ("faultString".into(), text.into())])
}

fn body_failure(error: &BodyError) -> Failure {
    match error {
        BodyError::TooLarge { .. } => Failure::too_large(error.to_string()),
        _ => Failure::invalid_request(error.to_string()),
    }
}
