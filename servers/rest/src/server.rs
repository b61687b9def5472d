//! The serving end.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use calculator::{Call, CallError, Dispatcher, ErrorKind, Params};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_layer::axum::Router;
use http_layer::axum::extract::Request;
use http_layer::axum::response::Response;
use http_layer::axum::routing::get;
use http_layer::{BodyError, Bytes, HttpOptions, HttpServer, read_request, reply};
use tokio_util::sync::CancellationToken;

use crate::negotiation::{Accepted, Format, format_of};
use crate::openapi;
use crate::wire::{self, JSON, Kind, PROBLEM, PROBLEM_XML, Problem, XML};

/// A server with a resource per method of a service.
#[derive(Debug)]
pub struct Server {
    http: HttpServer,
}

impl Server {
    /// Listens on `listen`; port 0 picks one. Calls are answered once [`run`](Self::run) is polled.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn bind(
        listen: SocketAddr,
        dispatcher: Dispatcher,
        options: impl Into<HttpOptions>,
    ) -> io::Result<Self> {
        let options = options.into();
        Ok(Server { http: HttpServer::bind(listen, router(dispatcher, options), options).await? })
    }

    /// What a client connects to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.http.local_addr())
    }

    /// Serves until `stop`, then finishes calls in hand for at most 4 s.
    pub async fn run(self, stop: CancellationToken) {
        self.http.run(stop).await;
    }
}

/// What every handler works with.
struct Shared {
    dispatcher: Dispatcher,
    http: HttpOptions,
}

fn router(dispatcher: Dispatcher, http: HttpOptions) -> Router {
    let service = dispatcher.service();
    let document = Document::new(openapi::document(service.name(), service.methods()).to_string());
    let methods: Vec<_> = service.methods().iter().map(|method| method.name).collect();
    let shared = Arc::new(Shared { dispatcher, http });
    let mut router = Router::new().route(
        "/openapi.json",
        get(move |request: Request| {
            let document = document.clone();
            async move { document.answer(request.headers()) }
        })
        .fallback(|request: Request| async move { other_method(&request, "GET,HEAD,OPTIONS") }),
    );
    for method in methods {
        let (by_query, by_body) = (Arc::clone(&shared), Arc::clone(&shared));
        let resource = get(move |request: Request| async move { by_query.by_query(method, request).await })
            .post(move |request: Request| async move { by_body.by_body(method, request).await })
            .fallback(|request: Request| async move { other_method(&request, "GET,HEAD,POST,OPTIONS") });
        router = router.route(&format!("/{method}"), resource);
    }
    router.fallback(unknown)
}

async fn unknown(request: Request) -> Response {
    if request.method() == http::Method::OPTIONS && request.uri().path() == "*" {
        return allowed("GET,HEAD,POST,OPTIONS");
    }
    let error = CallError::unknown_method(request.uri().path().trim_start_matches('/'));
    Refused::from(error).answer(format_of_failure(request.headers()))
}

/// The answer to a method that a resource has no handler for: OPTIONS, or one that is not allowed.
fn other_method(request: &Request, allow: &'static str) -> Response {
    if request.method() == http::Method::OPTIONS {
        return allowed(allow);
    }
    let detail = format!("this resource has the HTTP methods {allow}");
    let refused = Refused::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", detail);
    with(refused.answer(format_of_failure(request.headers())), header::ALLOW, allow)
}

fn allowed(allow: &'static str) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    with(response, header::ALLOW, allow)
}

fn with(mut response: Response, name: HeaderName, value: &'static str) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

/// A failure is told to a client that accepts neither format, too: in JSON.
fn format_of_failure(headers: &HeaderMap) -> Format {
    Accepted::of(headers).format().unwrap_or(Format::Json)
}

/// The service's description, which does not change while the server runs.
#[derive(Clone)]
struct Document {
    text: Bytes,
    /// Tells one description from another (RFC 9110, section 8.8.3).
    tag: HeaderValue,
}

impl Document {
    fn new(text: String) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let tag = HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish()));
        Document { text: text.into(), tag: tag.unwrap_or(HeaderValue::from_static("\"0\"")) }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        if Accepted::of(headers).json <= 0.0 {
            return Refused::not_acceptable().answer(format_of_failure(headers));
        }
        let known = headers.get_all(header::IF_NONE_MATCH).into_iter().any(|value| {
            let listed = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            listed
                .into_iter()
                .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.tag.as_bytes())
        });
        let mut response = if known {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            reply(StatusCode::OK, JSON, self.text.clone())
        };
        response.headers_mut().insert(header::ETAG, self.tag.clone());
        with(response, header::CACHE_CONTROL, "no-cache")
    }
}

impl Shared {
    async fn by_body(&self, method: &'static str, request: Request) -> Response {
        let Some(format) = Accepted::of(request.headers()).format() else {
            return Refused::not_acceptable().answer(Format::Json);
        };
        let result = self.run_body(method, request, format).await;
        result.unwrap_or_else(|refused| refused.answer(format))
    }

    async fn by_query(&self, method: &'static str, request: Request) -> Response {
        let Some(format) = Accepted::of(request.headers()).format() else {
            return Refused::not_acceptable().answer(Format::Json);
        };
        let query = request.uri().query().unwrap_or_default();
        let result = match wire::decode_query(query, Kind::of(method)) {
            Ok(params) => self.execute(method, params, format).await,
            Err(error) => Err(error.into()),
        };
        // It is computed anew each time, and is nothing to keep.
        with(result.unwrap_or_else(|refused| refused.answer(format)), header::CACHE_CONTROL, "no-store")
    }

    async fn run_body(
        &self,
        method: &'static str,
        request: Request,
        format: Format,
    ) -> Result<Response, Refused> {
        let Some(sent) = format_of(request.headers().get(header::CONTENT_TYPE)) else {
            return Err(Refused::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
                "send the arguments as content-type: application/json, or application/xml".to_owned(),
            ));
        };
        let body = read_request(request, &self.http).await?;
        let params = match sent {
            Format::Json => wire::decode_params(&body, &self.http.limits)?,
            Format::Xml => wire::xml::decode_params(&body, Kind::of(method), &self.http.limits)?,
        };
        self.execute(method, params, format).await
    }

    async fn execute(
        &self,
        method: &'static str,
        params: Params,
        format: Format,
    ) -> Result<Response, Refused> {
        let result = self.dispatcher.call(Call { method: method.into(), params }).await?;
        Ok(match format {
            Format::Json => reply(StatusCode::OK, JSON, wire::encode_result(&result)?),
            Format::Xml => reply(StatusCode::OK, XML, wire::xml::encode_result(&result)?),
        })
    }
}

/// A problem on its way out. Boxed, since most calls have none.
#[derive(Debug)]
struct Refused(Box<Problem>);

impl Refused {
    fn new(status: StatusCode, title: &'static str, detail: String) -> Self {
        Refused(Box::new(Problem { status: status.as_u16(), kind: ErrorKind::Malformed, title, detail }))
    }

    fn not_acceptable() -> Self {
        let detail = "answers are application/json or application/xml".to_owned();
        Refused::new(StatusCode::NOT_ACCEPTABLE, "Not acceptable", detail)
    }

    fn answer(&self, format: Format) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match format {
            Format::Json => reply(status, PROBLEM, self.0.encode()),
            Format::Xml => reply(status, PROBLEM_XML, self.0.encode_xml()),
        }
    }
}

impl From<CallError> for Refused {
    fn from(error: CallError) -> Self {
        Refused(Box::new(error.into()))
    }
}

impl From<BodyError> for Refused {
    fn from(error: BodyError) -> Self {
        let title = match error {
            BodyError::TooLarge { .. } => "Request too large",
            BodyError::NoLength => "Length required",
            BodyError::Late(_) => "Request timeout",
            BodyError::Coding(_) => "Unsupported media type",
            BodyError::Broken(_) | BodyError::Gzip(_) => "Malformed request",
        };
        let status = error.status().as_u16();
        Refused(Box::new(Problem { status, kind: error.kind(), title, detail: error.to_string() }))
    }
}
