//! The endpoint: the handlers of requests, whichever server has received them.

use calculator::{Call, CallError, Dispatcher, ErrorKind, Limits, Params, Service, Text, Value};
use http::{HeaderValue, StatusCode, header};
use http_layer::{Answer, BodyError, Bytes, HttpOptions, Intake, system};

use crate::wire::{self, Failure, JSON, Message, ReplyTo, Request as WireRequest};

/// The paths that existing clients call.
pub(crate) const PATHS: [&str; 4] = ["/", "/jsonrpc", "/RPC2", "/api_jsonrpc.php"];

/// The endpoint of a service, at each of its [paths](PATHS).
pub struct Endpoint {
    dispatcher: Dispatcher,
    intake: Intake,
    allow_get: bool,
}

impl Endpoint {
    pub(crate) fn new(dispatcher: Dispatcher, http: &HttpOptions, allow_get: bool) -> Self {
        Endpoint { dispatcher, intake: Intake::new(http), allow_get }
    }

    pub(crate) fn intake(&self) -> &Intake {
        &self.intake
    }

    /// Whether calls by GET are answered.
    pub(crate) fn allows_get(&self) -> bool {
        self.allow_get
    }

    fn limits(&self) -> &Limits {
        self.intake.limits()
    }

    /// Responds to a body with status 200 whatever the outcome of the calls, and with an empty body if all are notifications.
    pub(crate) async fn respond_to_text(&self, text: Bytes) -> Answer {
        match wire::decode(&text, self.limits()) {
            Ok(Message::Single(WireRequest { call, reply: to })) => {
                let to = to.map(|to| (Text::from(to.id), to.version));
                // The request and the response may both be long, so they are not in memory at the same time.
                drop(text);
                let to = to.as_ref().map(|(id, version)| ReplyTo { id, version: *version });
                let mut out = Vec::with_capacity(128);
                self.execute_one(WireRequest { call, reply: to }, &mut out).await;
                Answer::new(StatusCode::OK, JSON, out)
            }
            Ok(Message::Batch(requests)) => {
                Answer::new(StatusCode::OK, JSON, self.execute_batch(requests).await)
            }
            Err(error) => failure(StatusCode::OK, error),
        }
    }

    /// Responds to a GET, whose call must have been admitted. The status for a query without a method is 400, as in
    /// python-jsonrpc.
    pub(crate) async fn respond_to_query(&self, query: &str) -> Answer {
        let answer = match wire::decode_query(query, self.limits()) {
            Ok(Some(request)) => self.respond_to_text(request.into()).await,
            Ok(None) => {
                let missing =
                    Failure::invalid_request("a GET requires a query with a `method`; otherwise use POST");
                failure(StatusCode::BAD_REQUEST, missing)
            }
            Err(error) => failure(StatusCode::OK, error),
        };
        // Each request is a call, so its result must not be served from a cache.
        answer.with(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
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

fn failure(status: StatusCode, failure: Failure) -> Answer {
    Answer::new(status, JSON, wire::encode_failure(failure))
}

/// The response to a request whose body cannot be read.
pub(crate) fn body_failure(error: &BodyError) -> Answer {
    let reason = match error {
        BodyError::TooLarge { .. } => Failure::too_large(error.to_string()),
        _ => Failure::invalid_request(error.to_string()),
    };
    failure(error.status(), reason)
}

/// The response to a request for another path.
pub(crate) fn not_found() -> Answer {
    let error = CallError::new(ErrorKind::UnknownMethod, "no JSON-RPC at this path; use /jsonrpc");
    failure(StatusCode::NOT_FOUND, error.into())
}

/// The response to an HTTP method that is not allowed.
pub(crate) fn not_allowed() -> Answer {
    failure(StatusCode::METHOD_NOT_ALLOWED, Failure::invalid_request("use POST"))
}
