//! The serving end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use calculator::{Dispatcher, Limits};
use http::StatusCode;
use http_layer::axum::Router;
use http_layer::axum::extract::Request;
use http_layer::axum::response::Response;
use http_layer::axum::routing::post;
use http_layer::{BodyError, HttpServer, read_body, reply};
use tokio_util::sync::CancellationToken;

use crate::wire::{self, Failure, JSON, Message};

/// The paths that clients in the field call.
const PATHS: [&str; 4] = ["/", "/jsonrpc", "/RPC2", "/api_jsonrpc.php"];

/// A JSON-RPC server over HTTP.
#[derive(Debug)]
pub struct Server {
    http: HttpServer,
}

impl Server {
    /// Listens on `listen`; port 0 picks one. Calls are answered once [`run`](Self::run) is polled.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn bind(listen: SocketAddr, dispatcher: Dispatcher, limits: Limits) -> io::Result<Self> {
        Ok(Server { http: HttpServer::bind(listen, router(dispatcher, limits), limits).await? })
    }

    /// What a client connects to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/jsonrpc", self.http.local_addr())
    }

    /// Serves until `stop`, then finishes calls in hand for at most 4 s.
    pub async fn run(self, stop: CancellationToken) {
        self.http.run(stop).await;
    }
}

fn router(dispatcher: Dispatcher, limits: Limits) -> Router {
    let shared = Arc::new(Shared { dispatcher, limits });
    let endpoint = post(move |request: Request| {
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
    limits: Limits,
}

impl Shared {
    /// Answers with status 200 whatever the outcome of the calls, and with an empty body where nobody asked for any.
    async fn answer(&self, request: Request) -> Response {
        let body = match read_body(request.into_body(), self.limits.max_body).await {
            Ok(body) => body,
            Err(error) => return failure(error.status(), unreadable(&error)),
        };
        match wire::decode(&body, &self.limits) {
            Ok(message) => reply(StatusCode::OK, JSON, self.execute(message).await),
            Err(error) => failure(StatusCode::OK, error),
        }
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
            Ok(call) => self.dispatcher.call(call).await.map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        if let Some(to) = request.reply {
            wire::write_reply(out, to, &result);
        }
    }
}

fn unreadable(error: &BodyError) -> Failure {
    match error {
        BodyError::TooLarge { .. } => Failure::too_large(error.to_string()),
        BodyError::Broken(_) => Failure::invalid_request(error.to_string()),
    }
}
