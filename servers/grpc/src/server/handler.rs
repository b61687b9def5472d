//! Answering requests.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use calculator::{Call, CallError, Dispatcher, ErrorKind, Limits, MethodInfo};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_reflection::server::{Builder, Error as DescriptorError};
use tower_service::Service;

use super::body::{LimitedBody, MessageMemory, Messages, UNCOUNTED_BYTES};
use super::count::Count;
use super::deadline::StreamDeadline;
use crate::codec::Encoded;
use crate::headers::{DETAILS, is_grpc};
use crate::names::rpc_name;
use crate::status::to_status;
use crate::{SERVICE, descriptor, timeout, wire};
use calculator::stream::COUNT;

type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// A service of a library.
struct Route {
    name: &'static str,
    answer: Box<dyn Fn(Request<LimitedBody>) -> Answer + Send + Sync>,
}

/// Answers the requests of all connections.
pub(super) struct Handler {
    shared: Arc<Shared>,
    memory: MessageMemory,
    /// Health checking, and server reflection in both versions of its interface.
    routes: Vec<Route>,
}

impl Handler {
    /// # Errors
    /// If the description of the service is not a valid one.
    pub(super) async fn new(dispatcher: Dispatcher, limits: Limits) -> Result<Self, DescriptorError> {
        let service = dispatcher.service();
        let methods = service.methods().iter();
        let methods = methods.map(|info| (rpc_name(info.name).into_owned(), *info)).collect();
        let definitions = descriptor::encoded(service);
        let reflection = || {
            Builder::configure()
                .register_encoded_file_descriptor_set(&definitions)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_service_status(SERVICE, ServingStatus::Serving).await;
        // Their messages are names. Small ones need not be counted, however many a stream has.
        let routes = vec![
            route(health.max_decoding_message_size(UNCOUNTED_BYTES)),
            route(reflection().build_v1alpha()?.max_decoding_message_size(UNCOUNTED_BYTES)),
            route(reflection().build_v1()?.max_decoding_message_size(UNCOUNTED_BYTES)),
        ];
        let calls = Semaphore::new(limits.max_in_flight.min(Semaphore::MAX_PERMITS));
        let shared = Arc::new(Shared { dispatcher, methods, limits, calls });
        Ok(Handler { shared, memory: MessageMemory::new(limits.max_body), routes })
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Answers a request. Every outcome is a response.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        if request.method() != Method::POST {
            return empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        if !is_grpc(request.headers()) {
            return empty(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        let Some(header) = request.headers().get(timeout::HEADER) else {
            return self.route(request, None).await;
        };
        let Some(timeout) = timeout::decode(header.as_bytes()) else {
            return failure(ErrorKind::Malformed, "grpc-timeout is not up to eight digits and a unit");
        };
        match http_layer::within(timeout, self.route(request, Some(timeout))).await {
            Ok(response) => response,
            Err(_) => failure(ErrorKind::Timeout, format!("not finished within {timeout:?}")),
        }
    }

    /// Answers a request of gRPC. Its replies, if they are a stream, end after `timeout`.
    async fn route(&self, request: Request<Incoming>, timeout: Option<Duration>) -> Response<Body> {
        let limited =
            |request: Request<Incoming>, messages| request.map(|body| self.memory.limit(body, messages));
        let path = request.uri().path();
        let Some((service, method)) = path.strip_prefix('/').and_then(|path| path.split_once('/')) else {
            return error_response(&CallError::unknown_method(path));
        };
        if service == SERVICE {
            let found = self.shared.methods.iter().find(|(name, _)| name == method);
            return match found {
                Some((_, info)) => {
                    let method = Unary { shared: Arc::clone(&self.shared), info: *info };
                    let mut grpc = self.shared.grpc();
                    with_kind(grpc.unary(method, limited(request, Messages::One)).await)
                }
                None if method == rpc_name(COUNT.name) => {
                    self.shared.dispatcher.count_stream();
                    let method = Count { limits: self.shared.limits };
                    let mut grpc = self.shared.grpc();
                    let deadline = StreamDeadline::start(timeout);
                    let request = limited(request, Messages::One);
                    deadline.limit(with_kind(grpc.server_streaming(method, request).await))
                }
                None => error_response(&CallError::unknown_method(method)),
            };
        }
        match self.routes.iter().find(|route| route.name == service) {
            Some(route) => {
                let deadline = StreamDeadline::start(timeout);
                deadline.limit((route.answer)(limited(request, Messages::Any)).await)
            }
            None => error_response(&CallError::unknown_method(path)),
        }
    }
}

fn route<S>(service: S) -> Route
where
    S: Service<Request<LimitedBody>, Response = Response<Body>, Error = Infallible>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    let answer = move |request| {
        let mut service = service.clone();
        let answer = async move {
            match service.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        };
        Box::pin(answer) as Answer
    };
    Route { name: S::NAME, answer: Box::new(answer) }
}

/// The state that all calls share.
struct Shared {
    dispatcher: Dispatcher,
    /// With their names in paths.
    methods: Vec<(String, MethodInfo)>,
    limits: Limits,
    calls: Semaphore,
}

impl Shared {
    /// What reads the messages of a request and writes those of its response.
    fn grpc(&self) -> Grpc<Encoded> {
        Grpc::new(Encoded).max_decoding_message_size(self.limits.max_body)
    }

    /// Executes a call of the method `info`. Returns the encoded result.
    async fn execute(&self, info: MethodInfo, message: Bytes) -> Result<Vec<u8>, CallError> {
        let _admission = match self.calls.try_acquire() {
            Ok(permit) => Some(permit),
            // Acquiring fails only for a closed semaphore, and this one is never closed.
            Err(_) => self.calls.acquire().await.ok(),
        };
        let params = wire::decode_arguments(&message, info.params, &self.limits)?;
        // The message and the result may both be long, so they are not in memory at the same time.
        drop(message);
        let result = self.dispatcher.call(Call { method: info.name.into(), params }).await?;
        wire::encode_value(&result)
    }
}

/// A method, as tonic serves it.
struct Unary {
    shared: Arc<Shared>,
    info: MethodInfo,
}

/// Adds the kind of the error to a response with an error of tonic, which is about the message. The calculator's errors have it.
fn with_kind(response: Response<Body>) -> Response<Body> {
    let headers = response.headers();
    let (Some(code), None) = (headers.get("grpc-status"), headers.get(DETAILS)) else {
        return response;
    };
    let kind = match Code::from_bytes(code.as_bytes()) {
        Code::OutOfRange => ErrorKind::TooLarge,
        Code::Internal => ErrorKind::Malformed,
        _ => return response,
    };
    match crate::read_status(headers) {
        Some(Err(error)) => failure(kind, error.message),
        _ => response,
    }
}

impl UnaryService<Bytes> for Unary {
    type Response = Vec<u8>;
    type Future = Pin<Box<dyn Future<Output = Result<tonic::Response<Vec<u8>>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let (shared, info) = (Arc::clone(&self.shared), self.info);
        Box::pin(async move {
            let result = shared.execute(info, request.into_inner()).await;
            result.map(tonic::Response::new).map_err(|error| to_status(&error))
        })
    }
}

fn failure(kind: ErrorKind, message: impl Into<String>) -> Response<Body> {
    error_response(&CallError::new(kind, message))
}

fn error_response(error: &CallError) -> Response<Body> {
    to_status(error).into_http()
}

/// The response to what is not a request of gRPC.
fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
