//! Tests that all clients must pass.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

#[macro_use]
mod common;

use std::time::Duration;

use calculator::{CallError, ClientOptions, ErrorKind, Limits};
use common::peer::{answering, connect, read_request};
use http_layer::axum::Router;
use http_layer::axum::extract::Request;
use http_layer::axum::response::Response;
use http_layer::bare::BareClient;
use http_layer::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_layer::{Headers, HttpServer, HyperClient, ReqwestClient, Transport, read_body, reply};
use net::Endpoint;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

with_all_clients!(
    posts_and_reads_responses_of_any_status,
    a_large_body_is_echoed_completely,
    a_refused_connection_is_undeliverable,
    receives_the_refusal_of_a_large_body,
    a_connection_that_takes_too_long_is_a_timeout,
    rejects_a_response_above_the_limit,
    a_truncated_response_is_undeliverable,
    calls_over_a_unix_socket,
    reconnects_after_the_server_closed_the_connection,
    one_connection_serves_every_call,
    the_response_of_an_abandoned_call_is_not_taken_for_the_next,
    redirects_are_not_followed,
    a_failure_whose_body_never_ends_is_reported_by_its_status,
    rejects_headers_that_frame_the_message,
    compresses_what_the_headers_of_a_request_label_as_gzip,
);

async fn echo(request: Request) -> Response {
    let target = request.uri().to_string();
    let body = read_body(request.into_body(), 16 << 20).await.unwrap();
    if target == "/missing" {
        return reply(StatusCode::NOT_FOUND, "text/html; charset=utf-8", "no such page");
    }
    reply(StatusCode::OK, "text/plain", [target.as_bytes(), b" ", &body].concat())
}

/// How a compressed body begins (RFC 1952, section 2.3.1).
const GZIP_MAGIC: &[u8] = b"\x1f\x8b";

/// A server that answers with the body of a request as it was sent.
async fn start_labelled() -> (Endpoint, CancellationToken) {
    let echo = |request: Request| async move {
        let body = read_body(request.into_body(), 1 << 20).await.unwrap();
        reply(StatusCode::OK, "text/plain", body.to_vec())
    };
    start(Router::new().fallback(echo)).await
}

async fn start_echo() -> (Endpoint, CancellationToken) {
    start(Router::new().fallback(echo)).await
}

async fn start(router: Router) -> (Endpoint, CancellationToken) {
    let server = HttpServer::bind(&Endpoint::loopback(), router, Limits::default()).await.unwrap();
    let (endpoint, stop) = (server.endpoint().clone(), CancellationToken::new());
    tokio::spawn(server.run(stop.clone()));
    (endpoint, stop)
}

async fn posts_and_reads_responses_of_any_status<T: Transport>() {
    let (address, _stop) = start_echo().await;
    let client: T = connect(&format!("http://{address}/api?k=1#fragment")).await;
    for (segment, expected) in
        [("", "/api?k=1 body"), ("add", "/api/add?k=1 body"), ("a b/c", "/api/a%20b%2Fc?k=1 body")]
    {
        let target = client.target(segment).unwrap();
        let answer = client.post(&target, b"body".to_vec()).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, expected.as_bytes()));
        assert!(answer.is("text/plain") && !answer.is("text/html"));
    }
    let client: T = connect(&format!("http://{address}")).await;
    let answer = client.post(&client.target("missing").unwrap(), vec![]).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::NOT_FOUND, &b"no such page"[..]));
    assert!(answer.is("text/html"));
}

async fn compresses_what_the_headers_of_a_request_label_as_gzip<T: Transport>() {
    let (address, _stop) = start_labelled().await;
    let url = format!("http://{address}");
    let of_client = |coding: &'static str| {
        let mut headers = Headers::new("text/plain");
        headers.extra.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        headers
    };
    let of_request =
        |coding| HeaderMap::from_iter([(header::CONTENT_ENCODING, HeaderValue::from_static(coding))]);
    for (client, request, is_compressed) in [
        (Headers::new("text/plain"), of_request("gzip"), true),
        (of_client("gzip"), HeaderMap::new(), true),
        (of_client("gzip"), of_request("identity"), false),
    ] {
        let client = T::connect(&url, &client, &ClientOptions::default()).await.unwrap();
        let target = client.target("").unwrap();
        let body = Some(b"body".to_vec());
        let answer = client.request(Method::POST, &target, Some(&request), body.clone()).await.unwrap();
        assert_eq!(answer.body.starts_with(GZIP_MAGIC), is_compressed, "{request:?}");
        let unknown = client.request(Method::POST, &target, Some(&of_request("br")), body).await;
        assert_eq!(unknown.unwrap_err().kind, ErrorKind::Undeliverable);
    }
}

async fn calls_over_a_unix_socket<T: Transport>() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a socket");
    let router = Router::new().fallback(echo);
    let server = HttpServer::bind(&Endpoint::Unix(path.clone()), router, Limits::default()).await.unwrap();
    let (url, stop) = (server.url("/RPC2"), CancellationToken::new());
    assert!(url.starts_with("http+unix://%2F") && url.ends_with("a%20socket/RPC2"), "{url}");
    let running = tokio::spawn(server.run(stop.clone()));
    let client: T = connect(&url).await;
    for (segment, body) in [("", "/RPC2 body"), ("add", "/RPC2/add body")] {
        let answer = client.post(&client.target(segment).unwrap(), b"body".to_vec()).await.unwrap();
        assert_eq!(answer.body, body);
    }
    stop.cancel();
    running.await.unwrap();
    assert!(!path.exists());
    let error = client.post(&client.target("").unwrap(), b"body".to_vec()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Undeliverable, "{error}");
    assert!(error.message.contains("is the server running?"), "{error}");
}

async fn a_large_body_is_echoed_completely<T: Transport>() {
    let (address, _stop) = start_echo().await;
    let client: T = connect(&format!("http://{address}")).await;
    let body: Vec<u8> = (0..3_000_000_u32).map(|i| i.to_le_bytes()[usize::from(i % 3 == 0)]).collect();
    let answer = client.post(&client.target("").unwrap(), body.clone()).await.unwrap();
    assert_eq!(&answer.body[2..], body);
}

/// The error of connecting, whether the client connects immediately or on the first call.
async fn connect_error<T: Transport>(url: &str, options: &ClientOptions) -> CallError {
    match T::connect(url, &Headers::new("text/plain"), options).await {
        Ok(client) => client.post(&client.target("").unwrap(), vec![]).await.unwrap_err(),
        Err(error) => error,
    }
}

async fn a_connection_that_takes_too_long_is_a_timeout<T: Transport>() {
    // Once its queue is full, a listener that does not accept leaves further connections unanswered.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = JoinSet::new();
    for _ in 0..8 {
        queue.spawn(TcpStream::connect(address));
    }
    let _queued = (queue.join_next().await, queue.join_next().await);

    let options = ClientOptions { timeout: Duration::from_millis(20), ..ClientOptions::default() };
    let error = connect_error::<T>(&format!("http://{address}"), &options).await;
    assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
}

async fn a_refused_connection_is_undeliverable<T: Transport>() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = connect_error::<T>(&url, &ClientOptions::default()).await;
    assert_eq!(error.kind, ErrorKind::Undeliverable);
    assert!(error.message.contains("refused") && error.message.contains("is the server running?"), "{error}");
}

async fn receives_the_refusal_of_a_large_body<T: Transport>() {
    async fn refuse(request: Request) -> Response {
        let error = read_body(request.into_body(), 1_000).await.unwrap_err();
        reply(error.status(), "text/plain", error.to_string())
    }
    let (address, _stop) = start(Router::new().fallback(refuse)).await;
    let client: T = connect(&format!("http://{address}")).await;
    let target = client.target("").unwrap();
    // More than the sockets' buffers hold, so that the client is still sending when the refusal arrives.
    for _ in 0..3 {
        let answer = client.post(&target, vec![b'x'; 20 << 20]).await.unwrap();
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}

async fn rejects_a_response_above_the_limit<T: Transport>() {
    let options =
        ClientOptions { limits: Limits { max_body: 9, ..Limits::default() }, ..ClientOptions::default() };
    let (address, _stop) = start_echo().await;
    let client =
        T::connect(&format!("http://{address}"), &Headers::new("text/plain"), &options).await.unwrap();
    let target = client.target("").unwrap();
    assert_eq!(client.post(&target, b"1234567".to_vec()).await.unwrap().body, "/ 1234567");
    assert_eq!(client.post(&target, b"12345678".to_vec()).await.unwrap_err().kind, ErrorKind::TooLarge);
    assert_eq!(client.post(&target, b"1234567".to_vec()).await.unwrap().body, "/ 1234567");

    let (address, _) = answering(&["HTTP/1.1 200 OK\r\n\r\nwithout a length"]).await;
    let client =
        T::connect(&format!("http://{address}"), &Headers::new("text/plain"), &options).await.unwrap();
    let error = client.post(&client.target("").unwrap(), b"body".to_vec()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
}

async fn a_truncated_response_is_undeliverable<T: Transport>() {
    for answers in [&["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"], &["HTTP/1.1 200 O"], &[""]] {
        let (address, _) = answering(answers).await;
        let client: T = connect(&format!("http://{address}")).await;
        let error = client.post(&client.target("").unwrap(), b"body".to_vec()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Undeliverable, "{answers:?}: {error}");
    }
}

async fn reconnects_after_the_server_closed_the_connection<T: Transport>() {
    // The first two keep the connection alive and then close it anyway, as a restarting server does.
    const KEPT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let (address, requests) = answering(&[KEPT, KEPT, "HTTP/1.0 200 OK\r\n\r\nok", KEPT]).await;
    let client: T = connect(&format!("http://{address}")).await;
    let target = client.target("").unwrap();
    for _ in 0..4 {
        assert_eq!(client.post(&target, b"body".to_vec()).await.unwrap().body, "ok");
    }
    assert_eq!(requests.await.unwrap().len(), 4);
}

async fn one_connection_serves_every_call<T: Transport>() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client: T = connect(&url).await;
    let target = client.target("").unwrap();
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        for _ in 0..100 {
            read_request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        }
        stream
    };
    let calls = async {
        for _ in 0..50 {
            // Two callers at once take turns.
            let (a, b) =
                tokio::join!(client.post(&target, b"body".to_vec()), client.post(&target, b"body".to_vec()));
            assert_eq!((a.unwrap().body, b.unwrap().body), ("ok".into(), "ok".into()));
        }
    };
    let (_stream, ()) = tokio::join!(server, calls);
}

async fn the_response_of_an_abandoned_call_is_not_taken_for_the_next<T: Transport>() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client: T = connect(&url).await;
    let target = client.target("").unwrap();
    {
        let mut call = std::pin::pin!(client.post(&target, b"body".to_vec()));
        let mut first = tokio::select! {
            _ = &mut call => panic!("there is no answer"),
            accepted = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                read_request(&mut stream).await;
                stream
            } => accepted,
        };
        // The response is already sent when the caller gives up.
        first.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstale").await.unwrap();
    }
    let (answer, _stream) = tokio::join!(client.post(&target, b"body".to_vec()), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfresh").await.unwrap();
        stream
    });
    assert_eq!(answer.unwrap().body, "fresh");
}

async fn redirects_are_not_followed<T: Transport>() {
    let (address, _) = answering(&["HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n"]).await;
    let client: T = connect(&format!("http://{address}")).await;
    let answer = client.post(&client.target("").unwrap(), b"body".to_vec()).await.unwrap();
    assert_eq!((answer.status, answer.location.unwrap().as_bytes()), (StatusCode::FOUND, &b"/x"[..]));
}

async fn a_failure_whose_body_never_ends_is_reported_by_its_status<T: Transport>() {
    for (head, body) in [
        ("", "<html>who"),
        ("content-length: 100\r\n", "half"),
        ("transfer-encoding: chunked\r\n", "5\r\nchunk\r\n"),
        ("content-encoding: gzip\r\n", "half"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let options = ClientOptions { timeout: Duration::from_millis(200), ..ClientOptions::default() };
        let client = T::connect(&url, &Headers::new("text/plain"), &options).await.unwrap();
        let target = client.target("").unwrap();
        let server = async {
            // The connections stay open.
            let mut streams = Vec::new();
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.unwrap();
                read_request(&mut stream).await;
                let answer = format!("HTTP/1.1 401 Unauthorized\r\n{head}\r\n{body}");
                stream.write_all(answer.as_bytes()).await.unwrap();
                streams.push(stream);
            }
            streams
        };
        let calls = async {
            for _ in 0..2 {
                let answer = client.post(&target, b"body".to_vec()).await.unwrap();
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
                let expected =
                    if head.contains("gzip") { "" } else { body.trim_start_matches("5\r\n").trim_end() };
                assert_eq!(answer.body, expected, "{head}");
            }
        };
        let (_streams, ()) = tokio::join!(server, calls);
    }
}

async fn rejects_headers_that_frame_the_message<T: Transport>() {
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        let mut headers = Headers::new("text/plain");
        headers.extra.insert(name.clone(), HeaderValue::from_static("3"));
        let error =
            T::connect("http://127.0.0.1:1", &headers, &ClientOptions::default()).await.err().unwrap();
        assert!(error.message.contains(name.as_str()), "{error}");
    }
}

#[tokio::test]
async fn debug_output_of_a_client_shows_no_headers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://user:secret@{}", listener.local_addr().unwrap());
    let client: BareClient = connect(&url).await;
    let shown = format!("{client:?} {:?}", client.target("").unwrap());
    assert!(shown.contains("127.0.0.1") && !shown.contains("secret"), "{shown}");
}
