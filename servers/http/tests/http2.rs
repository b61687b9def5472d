//! Client and server over HTTP/2 without TLS.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

use std::time::Duration;

use calculator::{ClientOptions, ErrorKind, Limits};
use http_layer::axum::Router;
use http_layer::axum::routing::post;
use http_layer::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_layer::{
    Bytes, Headers, Http2Client, HttpServer, HyperClient, ServedVersion, Transport, status_error,
};
use net::Endpoint;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};

struct Running {
    address: String,
    _stop: DropGuard,
}

/// A server that answers at `/echo` with the body, and that waits at `/wait`.
async fn serve(version: ServedVersion) -> Running {
    let router = Router::new()
        .route("/echo", post(|body: Bytes| async move { body }))
        .route("/wait", post(|| async { std::future::pending::<&str>().await }));
    let server = HttpServer::bind(&Endpoint::loopback(), router, Limits::default()).await.unwrap();
    let server = server.with_version(version);
    let (address, stop) = (server.endpoint().to_string(), CancellationToken::new());
    tokio::spawn(server.run(stop.clone()));
    Running { address, _stop: stop.drop_guard() }
}

async fn connect<T: Transport>(server: &Running) -> T {
    let url = format!("http://{}/", server.address);
    T::connect(&url, &Headers::new("text/plain"), &ClientOptions::default()).await.unwrap()
}

async fn echo(client: &Http2Client, body: &[u8]) -> Bytes {
    let target = client.target("echo").unwrap();
    client.post(&target, body.to_vec()).await.unwrap().body
}

#[tokio::test]
async fn bodies_of_any_size_are_exchanged_and_failures_have_a_status() {
    let server = serve(ServedVersion::Http2).await;
    let client: Http2Client = connect(&server).await;
    for size in [0, 1, 100, 100_000] {
        let body = vec![b'x'; size];
        assert_eq!(echo(&client, &body).await, body);
    }
    let missing = client.target("missing").unwrap();
    let reply = client.request(Method::GET, &missing, None, None).await.unwrap();
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert_eq!(status_error(&reply).kind, ErrorKind::UnknownMethod);
}

#[tokio::test]
async fn what_the_headers_of_a_request_label_as_gzip_is_compressed() {
    let server = serve(ServedVersion::Http2).await;
    let client: Http2Client = connect(&server).await;
    let target = client.target("echo").unwrap();
    let labelled = HeaderMap::from_iter([(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
    for (headers, is_compressed) in [(None, false), (Some(&labelled), true)] {
        let reply = client.request(Method::POST, &target, headers, Some(b"body".to_vec())).await.unwrap();
        assert_eq!(reply.body.starts_with(&[0x1F, 0x8B]), is_compressed);
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_the_connection_to_the_next() {
    let server = serve(ServedVersion::Http2).await;
    let client: Http2Client = connect(&server).await;
    let waiting = client.target("wait").unwrap();
    let given_up = tokio::time::timeout(Duration::from_millis(20), client.post(&waiting, vec![]));
    assert!(given_up.await.is_err());
    assert_eq!(echo(&client, b"next").await, "next");
}

#[tokio::test]
async fn what_is_not_http_2_is_refused_and_others_are_served() {
    let server = serve(ServedVersion::Http2).await;
    for bytes in [
        &b"POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"PRI * HTTP/2.0\r\n\r\nSM",
        &[0; 64],
    ] {
        let mut other = TcpStream::connect(&server.address).await.unwrap();
        other.write_all(bytes).await.unwrap();
        other.shutdown().await.unwrap();
        // The server closes the connection, perhaps after its settings and a GOAWAY.
        let _ = other.read_to_end(&mut Vec::new()).await;
    }
    assert_eq!(echo(&connect(&server).await, b"ok").await, "ok");
}

#[tokio::test]
async fn the_two_versions_are_not_mistaken_for_each_other() {
    let (new, old) = (serve(ServedVersion::Http2).await, serve(ServedVersion::Http1).await);
    let http1: HyperClient = connect(&new).await;
    let error = http1.post(&http1.target("echo").unwrap(), vec![]).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Malformed | ErrorKind::Undeliverable), "{error}");
    let http2: Http2Client = connect(&old).await;
    let error = http2.post(&http2.target("echo").unwrap(), vec![]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Undeliverable, "{error}");
}
