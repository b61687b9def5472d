//! Calls from web pages of other origins.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

use http_layer::axum::Router;
use http_layer::axum::extract::Request;
use http_layer::axum::response::Response;
use http_layer::axum::routing::post;
use http_layer::http::StatusCode;
use http_layer::{AllowedOrigins, HttpOptions, HttpServer, read_body, reply};
use net::Endpoint;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A server that runs until it is dropped.
struct Running {
    address: String,
    _stop: DropGuard,
}

/// Starts a server that echoes, for web pages of these origins.
async fn start(origins: &[&str]) -> Running {
    async fn echo(request: Request) -> Response {
        reply(StatusCode::OK, "text/plain", read_body(request.into_body(), 1_000).await.unwrap())
    }
    let allowed_origins = AllowedOrigins::parse(origins.iter().copied()).unwrap();
    let options = HttpOptions { allowed_origins, ..HttpOptions::default() };
    let router = Router::new().route("/add", post(echo));
    let server = HttpServer::bind(&Endpoint::loopback(), router, options).await.unwrap();
    let (address, stop) = (server.endpoint().to_string(), CancellationToken::new());
    tokio::spawn(server.run(stop.clone()));
    Running { address, _stop: stop.drop_guard() }
}

impl Running {
    /// Everything the server sends until it closes the connection.
    async fn exchange(&self, request: String) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn web_pages_of_allowed_origins_may_call_and_others_get_no_permission() {
    let preflight = |origin: &str| {
        format!(
            "OPTIONS /add HTTP/1.1\r\nhost: h\r\nconnection: close\r\norigin: {origin}\r\n\
             access-control-request-method: POST\r\naccess-control-request-headers: content-type,x-token\r\n\r\n"
        )
    };
    let call = |origin: &str| {
        format!(
            "POST /add HTTP/1.1\r\nhost: h\r\nconnection: close\r\norigin: {origin}\r\ncontent-length: 2\r\n\r\nok"
        )
    };
    let server = start(&["http://a:3000", "http://b"]).await;
    let answer = server.exchange(preflight("http://a:3000")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for line in [
        "access-control-allow-origin: http://a:3000\r\n",
        "access-control-allow-methods: GET,HEAD,POST\r\n",
        "access-control-allow-headers: content-type,x-token\r\n",
        "access-control-max-age: 3600\r\n",
    ] {
        assert!(answer.contains(line), "{answer}");
    }
    let answer = server.exchange(call("http://a:3000")).await;
    assert!(
        answer.contains("access-control-allow-origin: http://a:3000\r\n") && answer.ends_with("ok"),
        "{answer}"
    );
    for other in [preflight("http://c"), call("http://c")] {
        let answer = server.exchange(other).await;
        assert!(!answer.contains("access-control-allow-origin"), "{answer}");
    }
    let answer = start(&["*"]).await.exchange(preflight("http://c")).await;
    assert!(answer.contains("access-control-allow-origin: *\r\n"), "{answer}");

    let closed = start(&[]).await;
    assert!(closed.exchange(preflight("http://a:3000")).await.starts_with("HTTP/1.1 405 "));
    assert!(!closed.exchange(call("http://a:3000")).await.contains("access-control"));
}
