//! The requests of clients byte by byte, and the forms of responses that they read.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

#[macro_use]
mod common;

use calculator::{ClientOptions, ErrorKind};
use common::peer::{answering, connect, read_request};
use http_layer::bare::BareClient;
use http_layer::http::{HeaderValue, header};
use http_layer::{Headers, HyperClient, ReqwestClient, Transport};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

with_all_clients!(
    interim_responses_are_skipped,
    a_response_that_is_cut_anywhere_is_read,
    a_response_that_is_not_http_is_malformed,
    two_lengths_of_a_response_are_malformed,
);

/// The request as it is sent, its header lines sorted.
async fn request_of<T: Transport>(headers: &Headers) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("http://user:pass@{address}/rpc");
    let client = T::connect(&url, headers, &ClientOptions::default()).await.unwrap();
    let target = client.target("").unwrap();
    let request = tokio::select! {
        _ = client.post(&target, b"body".to_vec()) => panic!("there is no answer"),
        request = async { read_request(&mut listener.accept().await.unwrap().0).await } => request,
    };
    let request = request.replace(&address.to_string(), "HOST");
    let mut lines: Vec<_> = request.split("\r\n").map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn all_clients_send_the_same_minimal_request() {
    let headers = Headers::new("text/plain");
    let sent = request_of::<HyperClient>(&headers).await;
    let expected = [
        "",
        "POST /rpc HTTP/1.1",
        "accept: */*",
        "authorization: Basic dXNlcjpwYXNz",
        "body",
        "content-length: 4",
        "content-type: text/plain",
        "host: HOST",
    ];
    assert_eq!(sent, expected);
    assert_eq!(request_of::<ReqwestClient>(&headers).await, expected);
    assert_eq!(request_of::<BareClient>(&headers).await, expected);
}

#[tokio::test]
async fn extra_headers_replace_the_defaults() {
    let mut headers = Headers::new("text/plain");
    headers.extra.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer t"));
    headers.extra.insert(header::ACCEPT, HeaderValue::from_static("text/plain"));
    headers.extra.insert(header::HOST, HeaderValue::from_static("example.org"));
    headers.extra.append("x-tag", HeaderValue::from_static("1"));
    headers.extra.append("x-tag", HeaderValue::from_static("2"));
    let sent = request_of::<HyperClient>(&headers).await;
    let expected = [
        "",
        "POST /rpc HTTP/1.1",
        "accept: text/plain",
        "authorization: Bearer t",
        "body",
        "content-length: 4",
        "content-type: text/plain",
        "host: example.org",
        "x-tag: 1",
        "x-tag: 2",
    ];
    assert_eq!(sent, expected);
    assert_eq!(request_of::<ReqwestClient>(&headers).await, expected);
    assert_eq!(request_of::<BareClient>(&headers).await, expected);
}

async fn interim_responses_are_skipped<T: Transport>() {
    const INTERIM: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n\
                           HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let (address, _) = answering(&[INTERIM]).await;
    let client: T = connect(&format!("http://{address}")).await;
    assert_eq!(client.post(&client.target("").unwrap(), b"body".to_vec()).await.unwrap().body, "ok");
}

async fn a_response_that_is_cut_anywhere_is_read<T: Transport>() {
    const RESPONSES: [&str; 3] = [
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nhel\r\n2\r\nlo\r\n0\r\nx: y\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nhello",
    ];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client: T = connect(&format!("http://{}", listener.local_addr().unwrap())).await;
    let target = client.target("").unwrap();
    let server = async {
        let mut open = None;
        for response in RESPONSES {
            let mut stream = match open.take() {
                Some(stream) => stream,
                None => listener.accept().await.unwrap().0,
            };
            stream.set_nodelay(true).unwrap();
            read_request(&mut stream).await;
            for byte in response.as_bytes() {
                stream.write_all(&[*byte]).await.unwrap();
                // Lets the client read it.
                tokio::task::yield_now().await;
            }
            open = Some(stream).filter(|_| !response.starts_with("HTTP/1.0"));
        }
    };
    let calls = async {
        for response in RESPONSES {
            assert_eq!(client.post(&target, b"body".to_vec()).await.unwrap().body, "hello", "{response}");
        }
    };
    tokio::join!(server, calls);
}

async fn two_lengths_of_a_response_are_malformed<T: Transport>() {
    let (address, _) =
        answering(&["HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc"]).await;
    let client: T = connect(&format!("http://{address}")).await;
    let error = client.post(&client.target("").unwrap(), b"body".to_vec()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed, "{error}");
}

#[tokio::test]
async fn without_a_library_a_response_that_could_be_read_in_two_ways_is_malformed() {
    for head in [
        "content-length: 2\r\ntransfer-encoding: chunked",
        "transfer-encoding: gzip, chunked",
        "content-length: 2, 2",
        "content-length: +2",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n0\r\n\r\n");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client: BareClient = connect(&format!("http://{}", listener.local_addr().unwrap())).await;
        let target = client.target("").unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            stream.write_all(text.as_bytes()).await.unwrap();
            stream
        };
        let (answer, _stream) = tokio::join!(client.post(&target, b"body".to_vec()), server);
        assert_eq!(answer.unwrap_err().kind, ErrorKind::Malformed, "{head}");
    }
}

async fn a_response_that_is_not_http_is_malformed<T: Transport>() {
    let (address, _) = answering(&["220 smtp ready\r\n\r\n"]).await;
    let client: T = connect(&format!("http://{address}")).await;
    let error = client.post(&client.target("").unwrap(), b"body".to_vec()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed, "{error}");
}
