//! The server.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use calculator::{Call, CallError, Dispatcher, ErrorKind, Params};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_layer::axum::Router;
use http_layer::axum::extract::Request;
use http_layer::axum::response::Response;
use http_layer::axum::routing::get;
use http_layer::{Api, BodyError, Bytes, HttpOptions, Intake, Unread, reply};

use crate::negotiation::{Format, FormatWeights, format_of_body};
use crate::openapi;
use crate::wire::{self, JSON, PROBLEM_JSON, PROBLEM_XML, ParameterType, Problem, XML};

/// A server with a resource per method of a service.
pub type Server = http_layer::Server<Rest>;

/// REST, as [`Server`] serves it.
#[derive(Debug)]
pub enum Rest {}

impl Api for Rest {
    type Options = HttpOptions;

    const PATH: &'static str = "";

    fn http_options(options: &HttpOptions) -> HttpOptions {
        options.clone()
    }

    fn router(dispatcher: Dispatcher, options: HttpOptions) -> Router {
        router(dispatcher, options)
    }
}

/// The state that all handlers share.
struct Shared {
    dispatcher: Dispatcher,
    intake: Intake,
}

fn router(dispatcher: Dispatcher, http: HttpOptions) -> Router {
    let service = dispatcher.service();
    let document = Document::new(openapi::document(service.name(), service.methods()).to_string());
    let methods: Vec<_> = service.methods().iter().map(|method| method.name).collect();
    let shared = Arc::new(Shared { dispatcher, intake: Intake::new(&http) });
    let mut router = Router::new().route(
        "/openapi.json",
        get(move |request: Request| {
            let document = document.clone();
            async move { document.respond(request.headers()) }
        })
        .fallback(|request: Request| async move { handle_other_method(&request, "GET,HEAD,OPTIONS") }),
    );
    for method in methods {
        let (for_get, for_post) = (Arc::clone(&shared), Arc::clone(&shared));
        let resource = get(move |request: Request| async move { for_get.handle_get(method, request).await })
            .post(move |request: Request| {
                let posted = for_post.open_post(request);
                async move { for_post.handle_post(method, posted).await }
            })
            .fallback(
                |request: Request| async move { handle_other_method(&request, "GET,HEAD,POST,OPTIONS") },
            );
        router = router.route(&format!("/{method}"), resource);
    }
    router.fallback(not_found)
}

async fn not_found(request: Request) -> Response {
    if request.method() == http::Method::OPTIONS && request.uri().path() == "*" {
        return allow_response("GET,HEAD,POST,OPTIONS");
    }
    let error = CallError::unknown_method(request.uri().path().trim_start_matches('/'));
    Rejection::from(error).into_response(failure_format(request.headers()))
}

/// The response to an HTTP method that a resource has no handler for: OPTIONS, or one that is not allowed.
fn handle_other_method(request: &Request, allow: &'static str) -> Response {
    if request.method() == http::Method::OPTIONS {
        return allow_response(allow);
    }
    let detail = format!("this resource allows the HTTP methods {allow}");
    let rejection = Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", detail);
    with_header(rejection.into_response(failure_format(request.headers())), header::ALLOW, allow)
}

fn allow_response(allow: &'static str) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    with_header(response, header::ALLOW, allow)
}

fn with_header(mut response: Response, name: HeaderName, value: &'static str) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

/// The format of a failure. A client that accepts neither format gets JSON.
fn failure_format(headers: &HeaderMap) -> Format {
    FormatWeights::from_headers(headers).format().unwrap_or(Format::Json)
}

/// The OpenAPI document of the service, which does not change while the server runs.
#[derive(Clone)]
struct Document {
    text: Bytes,
    /// The entity tag (RFC 9110, section 8.8.3): a hash of the text.
    etag: HeaderValue,
}

impl Document {
    fn new(text: String) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let etag = HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish()));
        Document { text: text.into(), etag: etag.unwrap_or(HeaderValue::from_static("\"0\"")) }
    }

    fn respond(&self, headers: &HeaderMap) -> Response {
        if FormatWeights::from_headers(headers).json <= 0.0 {
            return Rejection::not_acceptable().into_response(failure_format(headers));
        }
        let unchanged = headers.get_all(header::IF_NONE_MATCH).into_iter().any(|value| {
            let listed = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            listed
                .into_iter()
                .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.etag.as_bytes())
        });
        let mut response = if unchanged {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            reply(StatusCode::OK, JSON, self.text.clone())
        };
        response.headers_mut().insert(header::ETAG, self.etag.clone());
        with_header(response, header::CACHE_CONTROL, "no-cache")
    }
}

impl Shared {
    /// Checks the head of a POST.
    ///
    /// # Errors
    /// The reason to refuse it, and the format in which to say so.
    fn open_post(&self, request: Request) -> Result<Post, (Rejection, Format)> {
        let headers = request.headers();
        let Some(format) = FormatWeights::from_headers(headers).format() else {
            return Err((Rejection::not_acceptable(), Format::Json));
        };
        let Some(body_format) = format_of_body(headers.get(header::CONTENT_TYPE)) else {
            let unsupported = Rejection::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
                "send the arguments with content-type application/json or application/xml".to_owned(),
            );
            return Err((unsupported, format));
        };
        Ok(Post { format, body_format, unread: self.intake.open(request) })
    }

    async fn handle_post(&self, method: &'static str, post: Result<Post, (Rejection, Format)>) -> Response {
        let (format, result) = match post {
            Ok(post) => (post.format, self.call_with_body(method, post).await),
            Err((rejection, format)) => (format, Err(rejection)),
        };
        result.unwrap_or_else(|rejection| rejection.into_response(format))
    }

    async fn handle_get(&self, method: &'static str, request: Request) -> Response {
        let Some(format) = FormatWeights::from_headers(request.headers()).format() else {
            return Rejection::not_acceptable().into_response(Format::Json);
        };
        let query = request.uri().query().unwrap_or_default();
        let result = match wire::decode_query(query, ParameterType::of_method(method)) {
            Ok(params) => {
                let _admission = self.intake.admit().await;
                self.execute(method, params, format).await
            }
            Err(error) => Err(error.into()),
        };
        // Each request is a call, so its result must not be served from a cache.
        let response = result.unwrap_or_else(|rejection| rejection.into_response(format));
        with_header(response, header::CACHE_CONTROL, "no-store")
    }

    async fn call_with_body(
        &self,
        method: &'static str,
        Post { format, body_format, unread }: Post,
    ) -> Result<Response, Rejection> {
        let (body, _admission) = self.intake.receive(unread).await?;
        let limits = self.intake.limits();
        let params = match body_format {
            Format::Json => wire::decode_params(&body, limits)?,
            Format::Xml => wire::xml::decode_params(&body, ParameterType::of_method(method), limits)?,
        };
        // The body and the response may both be long, so they are not in memory at the same time.
        drop(body);
        self.execute(method, params, format).await
    }

    async fn execute(
        &self,
        method: &'static str,
        params: Params,
        format: Format,
    ) -> Result<Response, Rejection> {
        let result = self.dispatcher.call(Call { method: method.into(), params }).await?;
        Ok(match format {
            Format::Json => reply(StatusCode::OK, JSON, wire::encode_result(&result)?),
            Format::Xml => reply(StatusCode::OK, XML, wire::xml::encode_result(&result)?),
        })
    }
}

/// A POST whose head has been checked.
struct Post {
    /// The format of the response.
    format: Format,
    body_format: Format,
    unread: Unread,
}

/// Why a request is answered with a problem document. Boxed, since most requests are not.
#[derive(Debug)]
struct Rejection(Box<Problem>);

impl Rejection {
    fn new(status: StatusCode, title: &'static str, detail: String) -> Self {
        Rejection(Box::new(Problem { status: status.as_u16(), kind: ErrorKind::Malformed, title, detail }))
    }

    fn not_acceptable() -> Self {
        let detail = "responses are available as application/json or application/xml".to_owned();
        Rejection::new(StatusCode::NOT_ACCEPTABLE, "Not acceptable", detail)
    }

    fn into_response(self, format: Format) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match format {
            Format::Json => reply(status, PROBLEM_JSON, wire::encode_problem(&self.0)),
            Format::Xml => reply(status, PROBLEM_XML, wire::xml::encode_problem(&self.0)),
        }
    }
}

impl From<CallError> for Rejection {
    fn from(error: CallError) -> Self {
        Rejection(Box::new(error.into()))
    }
}

impl From<BodyError> for Rejection {
    fn from(error: BodyError) -> Self {
        let title = match error {
            BodyError::TooLarge { .. } => "Request too large",
            BodyError::LengthRequired => "Length required",
            BodyError::Timeout(_) => "Request timeout",
            BodyError::UnsupportedCoding(_) => "Unsupported media type",
            BodyError::Incomplete(_) | BodyError::Gzip(_) => "Malformed request",
        };
        let status = error.status().as_u16();
        Rejection(Box::new(Problem { status, kind: error.kind(), title, detail: error.to_string() }))
    }
}
