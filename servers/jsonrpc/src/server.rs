//! The serving end.

use std::sync::Arc;

use calculator::{Call, CallError, Dispatcher, Params, Service, Value};
use http::{HeaderValue, Method, StatusCode, header};
use http_layer::axum::Router;
use http_layer::axum::extract::Request;
use http_layer::axum::response::Response;
use http_layer::axum::routing::{MethodFilter, MethodRouter, on};
use http_layer::{Api, BodyError, HttpOptions, read_request, reply, system};

use crate::wire::{self, Failure, JSON, Message};

/// The paths that clients in the field call.
const PATHS: [&str; 4] = ["/", "/jsonrpc", "/RPC2", "/api_jsonrpc.php"];

/// What a server can be told.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerOptions {
    /// What the server accepts, and how long it waits for it.
    pub http: HttpOptions,
    /// Take calls by GET, too, from the URL's query, as python-jsonrpc's server does. Off by default: whatever follows a
    /// link could then call a method.
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
        options.http
    }

    fn router(dispatcher: Dispatcher, options: ServerOptions) -> Router {
        router(dispatcher, options)
    }
}

fn router(dispatcher: Dispatcher, ServerOptions { http, allow_get }: ServerOptions) -> Router {
    let shared = Arc::new(Shared { dispatcher, http });
    let methods = if allow_get { MethodFilter::POST.or(MethodFilter::GET) } else { MethodFilter::POST };
    let endpoint: MethodRouter = on(methods, move |request: Request| {
        let shared = Arc::clone(&shared);
        async move { shared.answer(request).await }
    });
    let refuse = |status, message: &'static str| {
        move || async move { failure(status, Failure::invalid_request(message)) }
    };
    PATHS
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, endpoint.clone()))
        .fallback(refuse(StatusCode::NOT_FOUND, "nothing is served at this path; call /jsonrpc"))
        .method_not_allowed_fallback(refuse(StatusCode::METHOD_NOT_ALLOWED, "call by POST"))
}

fn failure(status: StatusCode, failure: Failure) -> Response {
    reply(status, JSON, wire::encode_failure(failure))
}

/// What every request is handled with.
struct Shared {
    dispatcher: Dispatcher,
    http: HttpOptions,
}

impl Shared {
    /// Answers with status 200 whatever the outcome of the calls, and with an empty body where nobody asked for any.
    async fn answer(&self, request: Request) -> Response {
        if request.method() != Method::POST {
            return self.answer_query(request.uri().query().unwrap_or_default()).await;
        }
        match read_request(request, &self.http).await {
            Ok(body) => self.answer_text(&body).await,
            Err(error) => failure(error.status(), unreadable(&error)),
        }
    }

    async fn answer_text(&self, text: &[u8]) -> Response {
        match wire::decode(text, &self.http.limits) {
            Ok(message) => reply(StatusCode::OK, JSON, self.execute(message).await),
            Err(error) => failure(StatusCode::OK, error),
        }
    }

    /// A query without a method is answered by status 400, as python-jsonrpc does.
    async fn answer_query(&self, query: &str) -> Response {
        let mut response = match wire::decode_query(query, &self.http.limits) {
            Ok(Some(request)) => self.answer_text(&request).await,
            Ok(None) => {
                let missing = Failure::invalid_request("a GET has a query with a `method`, or call by POST");
                failure(StatusCode::BAD_REQUEST, missing)
            }
            Err(error) => failure(StatusCode::OK, error),
        };
        // The same query is a new call each time.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    async fn execute(&self, message: Message<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        match message {
            Message::Single(request) => self.execute_one(request, &mut out).await,
            Message::Batch(requests) => {
                for request in requests {
                    let start = out.len();
                    out.push(if start == 0 { b'[' } else { b',' });
                    self.execute_one(request, &mut out).await;
                    if out.len() == start + 1 {
                        // A notification has no answer, nor has it a comma.
                        out.truncate(start);
                    }
                }
                if !out.is_empty() {
                    out.push(b']');
                }
            }
        }
        out
    }

    async fn execute_one(&self, request: wire::Request<'_>, out: &mut Vec<u8>) {
        let result = match request.call {
            Ok(call) => {
                let call = with_reserved_args(call, self.dispatcher.service());
                system::call(&self.dispatcher, call, self.http.limits.max_batch, fault)
                    .await
                    .map_err(|refused| Failure::from(CallError::from(refused)))
            }
            Err(failure) => Err(failure),
        };
        if let Some(to) = request.reply {
            wire::write_reply(out, to, &result);
        }
    }
}

/// The member of named arguments in which python-jsonrpc's client sends those that were given by position beside them.
const POSITIONAL: &str = "__args";

/// `call` with each positional argument among named ones under its parameter's name.
fn with_reserved_args(mut call: Call, service: &dyn Service) -> Call {
    let Params::Named(members) = &mut call.params else { return call };
    let Some(at) = members.iter().position(|(name, _)| name == POSITIONAL) else { return call };
    let Some((_, Value::List(_))) = members.get(at) else { return call };
    let (_, Value::List(values)) = members.remove(at) else { return call };
    if members.is_empty() {
        call.params = Params::Positional(values);
        return call;
    }
    let method = service.methods().iter().find(|info| info.name == call.method);
    let names = method.map(|info| info.params).unwrap_or_default();
    for (index, value) in values.into_iter().enumerate() {
        // One too many, or one that is given by name as well, keeps a name that no method has, and is refused for it.
        let name = names.get(index).filter(|name| members.iter().all(|(given, _)| given != *name));
        members.push((name.map_or(POSITIONAL, |name| name).to_owned(), value));
    }
    call
}

/// What a failed call is among the results of `system.multicall`: jsonrpclib's server has that from XML-RPC's.
fn fault(error: CallError) -> Value {
    let text = format!("<class '{}'>:{}", error.kind.python_class(), error.message);
    Value::Map(vec![("faultCode".to_owned(), Value::Int(1)), ("faultString".to_owned(), Value::Str(text))])
}

fn unreadable(error: &BodyError) -> Failure {
    match error {
        BodyError::TooLarge { .. } => Failure::too_large(error.to_string()),
        _ => Failure::invalid_request(error.to_string()),
    }
}
