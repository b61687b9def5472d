//! The serving end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use calculator::{CallError, Dispatcher, ErrorKind};
use http::{HeaderMap, StatusCode, header};
use http_layer::axum::Router;
use http_layer::axum::extract::Request;
use http_layer::axum::response::{IntoResponse, Response};
use http_layer::axum::routing::get;
use http_layer::{BodyError, Bytes, HttpOptions, HttpServer, read_request, reply};
use tokio_util::sync::CancellationToken;

use crate::openapi;
use crate::wire::{self, JSON, PROBLEM, Problem};

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
    let document = Bytes::from(openapi::document(service.name(), service.methods()).to_string());
    let methods: Vec<_> = service.methods().iter().map(|method| method.name).collect();
    let shared = Arc::new(Shared { dispatcher, http });
    let mut router = Router::new().route(
        "/openapi.json",
        get(move || {
            let document = document.clone();
            async move { reply(StatusCode::OK, JSON, document) }
        }),
    );
    for method in methods {
        let (by_query, by_body) = (Arc::clone(&shared), Arc::clone(&shared));
        let resource =
            get(move |request: Request| async move { answer(by_query.run_query(method, request).await) })
                .post(move |request: Request| async move { answer(by_body.run_body(method, request).await) });
        router = router.route(&format!("/{method}"), resource);
    }
    router.fallback(unknown).method_not_allowed_fallback(|| async { Refused::method() })
}

async fn unknown(request: Request) -> Refused {
    Refused::from(CallError::unknown_method(request.uri().path().trim_start_matches('/')))
}

fn answer(result: Result<Vec<u8>, Refused>) -> Response {
    match result {
        Ok(body) => reply(StatusCode::OK, JSON, body),
        Err(refused) => refused.into_response(),
    }
}

impl Shared {
    async fn run_body(&self, method: &'static str, request: Request) -> Result<Vec<u8>, Refused> {
        check_media_type(request.headers())?;
        let body = read_request(request, &self.http).await?;
        self.execute(method, wire::decode_params(&body, &self.http.limits)?).await
    }

    async fn run_query(&self, method: &'static str, request: Request) -> Result<Vec<u8>, Refused> {
        self.execute(method, wire::decode_query(request.uri().query().unwrap_or_default())?).await
    }

    async fn execute(&self, method: &'static str, params: calculator::Params) -> Result<Vec<u8>, Refused> {
        let result = self.dispatcher.call(calculator::Call { method: method.into(), params }).await?;
        Ok(wire::encode_result(&result)?)
    }
}

/// A body must be JSON. One that does not say what it is, is taken for JSON.
fn check_media_type(headers: &HeaderMap) -> Result<(), Refused> {
    if let Some(value) = headers.get(header::CONTENT_TYPE) {
        let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if !essence.eq_ignore_ascii_case(JSON.as_bytes()) {
            return Err(Refused::media_type("send the arguments as content-type: application/json"));
        }
    }
    Ok(())
}

/// A problem on its way out. Boxed, since most calls have none.
#[derive(Debug)]
struct Refused(Box<Problem>);

impl Refused {
    fn media_type(detail: &str) -> Self {
        Refused(Box::new(Problem {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE.as_u16(),
            kind: ErrorKind::Malformed,
            title: "Unsupported media type",
            detail: detail.to_owned(),
        }))
    }

    fn method() -> Self {
        Refused(Box::new(Problem {
            status: StatusCode::METHOD_NOT_ALLOWED.as_u16(),
            kind: ErrorKind::Malformed,
            title: "Method not allowed",
            detail: "this resource has other HTTP methods; see the header `allow`".to_owned(),
        }))
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

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        reply(status, PROBLEM, self.0.encode())
    }
}
