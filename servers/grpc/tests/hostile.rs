//! Peers that do not follow the protocol: the server refuses them and serves others; the clients report them.

#![allow(clippy::unwrap_used, reason = "a helper function fails its test by panicking")]

mod common;
mod peer;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use calculator::{ClientOptions, ErrorKind, Limits, Value};
use common::{CLIENTS, Running, add, connect, receive};
use differential::Mutator;
use http::{Request, Response, StatusCode};
use peer::{Frame, Peer, frame, headers, http2};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The number of mutated conversations with the server, and with each client.
const MUTATIONS: u32 = 10_000;

const ADD: &str = "/rpcbench.Calculator/Add";
const COUNT: &str = "/rpcbench.Calculator/Count";
/// `add(2, 3)`, with its prefix.
const TWO_AND_THREE: &[u8] = b"\0\0\0\0\x08\x0a\x02\x18\x04\x12\x02\x18\x06";

/// A request of gRPC with other parts. Returns the response's status, and the code in its headers or trailers.
async fn answer(server: &Running, request: Request<()>, body: &[u8]) -> (StatusCode, Option<u8>) {
    let (mut sender, connection) = h2::client::handshake(server.raw().await).await.unwrap();
    tokio::spawn(connection);
    let (response, mut stream) = sender.send_request(request, false).unwrap();
    stream.send_data(Bytes::copy_from_slice(body), true).unwrap();
    let (head, mut body) = response.await.unwrap().into_parts();
    while let Some(chunk) = body.data().await {
        body.flow_control().release_capacity(chunk.unwrap().len()).unwrap();
    }
    let trailers = body.trailers().await.unwrap().unwrap_or_default();
    let code = head.headers.get("grpc-status").or(trailers.get("grpc-status"));
    (head.status, code.map(|code| code.to_str().unwrap().parse().unwrap()))
}

fn request(path: &str) -> http::request::Builder {
    Request::post(format!("http://localhost{path}")).header("te", "trailers")
}

#[tokio::test]
async fn what_is_not_a_request_of_the_service_is_refused() {
    let server = Running::calculator().await;
    let grpc = |path: &str| request(path).header("content-type", "application/grpc");
    let ok = StatusCode::OK;
    let cases = [
        (grpc(ADD), TWO_AND_THREE, ok, Some(0)),
        (request(ADD).header("content-type", "application/grpc+proto"), TWO_AND_THREE, ok, Some(0)),
        (request(ADD), TWO_AND_THREE, StatusCode::UNSUPPORTED_MEDIA_TYPE, None),
        (
            request(ADD).header("content-type", "application/json"),
            b"{}",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            None,
        ),
        (grpc(ADD).method("PUT"), TWO_AND_THREE, StatusCode::METHOD_NOT_ALLOWED, None),
        (grpc("/rpcbench.Calculator/Nosuch"), TWO_AND_THREE, ok, Some(12)),
        (grpc("/rpcbench.Calculator/add"), TWO_AND_THREE, ok, Some(12)),
        (grpc("/rpcbench.Other/Add"), TWO_AND_THREE, ok, Some(12)),
        (grpc("/"), TWO_AND_THREE, ok, Some(12)),
        (grpc("//"), TWO_AND_THREE, ok, Some(12)),
        // No message, half a prefix, half a message, two messages, a compressed one, one that is not of the protocol.
        (grpc(ADD), b"", ok, Some(13)),
        (grpc(ADD), b"\0\0\0", ok, Some(13)),
        (grpc(ADD), b"\0\0\0\0\x08\x0a\x02", ok, Some(13)),
        (grpc(ADD), b"\0\0\0\0\x08\x0a\x02\x18\x04\x12\x02\x18\x06\0\0\0\0\0", ok, Some(13)),
        (grpc(COUNT), b"\0\0\0\0\x04\x0a\x02\x18\x04\0\0\0\0\0", ok, Some(13)),
        (grpc(ADD), b"\x01\0\0\0\0", ok, Some(13)),
        (grpc(ADD), b"\x07\0\0\0\0", ok, Some(13)),
        (grpc(ADD), b"\0\0\0\0\x02\xff\xff", ok, Some(13)),
        (grpc(ADD), b"\0\0\0\0\0", ok, Some(3)),
        // 4 GiB are announced.
        (grpc(ADD), b"\0\xff\xff\xff\xff\x0a", ok, Some(8)),
        // 1 MiB is announced to another service of the server.
        (grpc("/grpc.health.v1.Health/Check"), b"\0\0\x10\0\0\x0a", ok, Some(11)),
        (grpc(ADD).header("grpc-encoding", "gzip"), TWO_AND_THREE, ok, Some(12)),
        (grpc(ADD).header("grpc-timeout", "soon"), TWO_AND_THREE, ok, Some(13)),
        (grpc(ADD).header("grpc-timeout", "99999999H"), TWO_AND_THREE, ok, Some(0)),
    ];
    for (request, body, status, code) in cases {
        let request = request.body(()).unwrap();
        let title = format!("{request:?} {}", body.escape_ascii());
        assert_eq!(answer(&server, request, body).await, (status, code), "{title}");
    }
    server.assert_serves().await;
}

#[tokio::test]
async fn a_request_that_stays_incomplete_ends_after_a_time() {
    let server = Running::calculator().await;
    let (mut sender, connection) = h2::client::handshake(server.raw().await).await.unwrap();
    tokio::spawn(connection);
    let request = request(ADD).header("content-type", "application/grpc").body(()).unwrap();
    let (response, mut stream) = sender.send_request(request, false).unwrap();
    stream.send_data(Bytes::from_static(&TWO_AND_THREE[..7]), false).unwrap();
    // Time passes only while nothing else happens.
    tokio::time::pause();
    let response = response.await.unwrap();
    tokio::time::resume();
    assert_eq!(response.headers()["grpc-status"], "4");
    server.assert_serves().await;
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_disconnected_after_a_time() {
    let server = Running::calculator().await;
    let mut client = server.raw().await;
    tokio::time::pause();
    let mut received = Vec::new();
    // What the server sends first, and the end.
    let _ = client.read_to_end(&mut received).await;
    tokio::time::resume();
    server.assert_serves().await;
}

/// Large messages of which only the first bytes arrive do not reserve more memory than 16 of the largest size, and are
/// no obstacle to small ones.
#[tokio::test]
async fn small_requests_are_served_while_large_ones_stay_incomplete() {
    let server = Running::with(Limits { max_body: 1 << 20, ..Limits::default() }).await;
    let (mut sender, connection) = h2::client::handshake(server.raw().await).await.unwrap();
    tokio::spawn(connection);
    let mut incomplete = Vec::new();
    for _ in 0..100 {
        sender = sender.ready().await.unwrap();
        let request = request(ADD).header("content-type", "application/grpc").body(()).unwrap();
        let (response, mut stream) = sender.send_request(request, false).unwrap();
        stream.send_data(Bytes::from_static(b"\0\0\x10\0\0\x0a"), false).unwrap();
        incomplete.push((response, stream));
    }
    server.assert_serves().await;
    assert_eq!(add(&*connect("tonic", &server.url).await).await, Ok(Value::Int(5)));
}

/// Otherwise each stream could reserve memory for a message that is not counted.
#[tokio::test]
async fn a_second_message_is_refused_as_soon_as_it_begins() {
    let server = Running::calculator().await;
    let (mut sender, connection) = h2::client::handshake(server.raw().await).await.unwrap();
    tokio::spawn(connection);
    let request = request(ADD).header("content-type", "application/grpc").body(()).unwrap();
    let (response, mut stream) = sender.send_request(request, false).unwrap();
    stream.send_data(Bytes::from_static(TWO_AND_THREE), false).unwrap();
    // The body has no end, so a server that waits for one answers with code 4.
    stream.send_data(Bytes::from_static(b"\0\0\x10\0\0"), false).unwrap();
    assert_eq!(response.await.unwrap().headers()["grpc-status"], "13");
    server.assert_serves().await;
}

#[tokio::test]
async fn a_stream_of_replies_ends_at_its_deadline() {
    const WINDOW: usize = 65_535;
    const END_OF_TIME: u8 = 4;
    let server = Running::calculator().await;
    let (mut sender, connection) = h2::client::handshake(server.raw().await).await.unwrap();
    tokio::spawn(connection);
    let request = request(COUNT).header("content-type", "application/grpc").header("grpc-timeout", "1M");
    let (response, mut stream) = sender.send_request(request.body(()).unwrap(), false).unwrap();
    // count(2^40)
    let limit = b"\0\0\0\0\x09\x0a\x07\x18\x80\x80\x80\x80\x80\x40";
    stream.send_data(Bytes::from_static(limit), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    let mut received = 0;
    while received < WINDOW {
        received += body.data().await.unwrap().unwrap().len();
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(2)).await;
    tokio::time::resume();
    body.flow_control().release_capacity(received).unwrap();
    // What was made before the deadline may still arrive.
    while let Some(chunk) = body.data().await {
        let len = chunk.unwrap().len();
        received += len;
        body.flow_control().release_capacity(len).unwrap();
        assert!(received < 16 * WINDOW, "the stream goes on after its deadline");
    }
    let trailers = body.trailers().await.unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], END_OF_TIME.to_string());
    server.assert_serves().await;
}

#[tokio::test]
async fn streams_that_are_reset_at_once_end_the_connection() {
    let server = Running::calculator().await;
    let mut peer = Peer::connect(server.raw().await).await;
    let ended = peer
        .flood((0..100_000_u32).map(|i| {
            let stream = 2 * i + 1;
            let cancel = frame(Frame::RST_STREAM, 0, stream, &8_u32.to_be_bytes());
            [headers(stream, ADD, true), cancel].concat()
        }))
        .await;
    assert!(ended.is_calm_demanded(), "{ended:?}");
    server.assert_serves().await;
}

#[tokio::test]
async fn headers_without_an_end_end_the_connection() {
    let server = Running::calculator().await;
    for content in [&b""[..], b"\0\x01a\x01b", &[b'\0'; 16_384]] {
        let mut peer = Peer::connect(server.raw().await).await;
        let first = headers(1, ADD, false);
        let more = std::iter::repeat_n(frame(Frame::CONTINUATION, 0, 1, content), 100_000);
        let ended = peer.flood(std::iter::once(first).chain(more)).await;
        assert!(ended.has_ended, "{ended:?}");
    }
    server.assert_serves().await;
}

#[tokio::test]
async fn pings_settings_and_empty_frames_without_an_end_do_not_stop_the_server() {
    let server = Running::calculator().await;
    for flood in [
        frame(Frame::PING, 0, 0, &[0; 8]),
        frame(Frame::SETTINGS, 0, 0, b""),
        frame(Frame::PRIORITY, 0, 1, &[0; 5]),
        frame(Frame::WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
    ] {
        let mut peer = Peer::connect(server.raw().await).await;
        peer.flood(std::iter::repeat_n(flood, 2_000)).await;
        server.assert_serves().await;
    }
}

#[tokio::test]
async fn ten_thousand_mutated_requests_do_not_stop_the_server() {
    let server = Running::calculator().await;
    let conversation = http2(&[headers(1, ADD, true), frame(Frame::DATA, 1, 1, TWO_AND_THREE)]);
    let mut mutator = Mutator::new(1, vec![conversation], &[b"\0\0\0\x04\0\0\0\0\0", b"PRI * HTTP/2.0"]);
    for i in 0..MUTATIONS {
        let mut client = server.raw().await;
        // The server may close the connection before it has everything.
        let _ = client.write_all(&mutator.message()).await;
        let _ = client.shutdown().await;
        let _ = client.read_to_end(&mut Vec::new()).await;
        if i % 1_000 == 0 {
            server.assert_serves().await;
        }
    }
    server.assert_serves().await;
}

/// A listener that answers every connection with the bytes that `reply` makes, and closes it.
async fn lying_server(mut reply: impl FnMut() -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("grpc://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let reply = reply();
            tokio::spawn(async move {
                // The request is complete after the preface, the settings, its headers and its data.
                let mut received = Vec::new();
                while !received.windows(TWO_AND_THREE.len()).any(|window| window == TWO_AND_THREE) {
                    if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let _ = stream.write_all(&reply).await;
                let _ = stream.shutdown().await;
                while stream.read_buf(&mut received).await.unwrap_or(0) > 0 {
                    received.clear();
                }
            });
        }
    });
    url
}

/// The frames of the reply 5.
fn five() -> Vec<u8> {
    let head = b"\x88\x0f\x10\x10application/grpc";
    let status = b"\x00\x0bgrpc-status\x010";
    [
        frame(Frame::SETTINGS, 0, 0, b""),
        frame(Frame::HEADERS, 4, 1, head),
        frame(Frame::DATA, 0, 1, b"\0\0\0\0\x02\x18\x0a"),
        frame(Frame::HEADERS, 5, 1, status),
    ]
    .concat()
}

async fn mutated_replies(client: &str, is_stream: bool) {
    let mut mutator =
        Mutator::new(1, vec![five()], &[b"\x00\x0bgrpc-status\x013", b"\0\0\0\x04\x01\0\0\0\0"]);
    let mut first = true;
    let reply = move || if std::mem::take(&mut first) { five() } else { mutator.message() };
    let url = lying_server(reply).await;
    let (mut right, mut failed) = (0, 0);
    for i in 0..MUTATIONS {
        // Connecting fails if the reply is no HTTP/2 at all.
        let options = ClientOptions { timeout: Duration::from_secs(60), ..ClientOptions::default() };
        let outcome = match common::connect_with(client, &url, &options).await {
            Ok(client) if is_stream => receive(&*client, &common::call("add", [2.into(), 3.into()])).await,
            Ok(client) => add(&*client).await.map(|value| vec![value]),
            Err(error) => Err(error),
        };
        assert!(i > 0 || outcome == Ok(vec![Value::Int(5)]), "{outcome:?}");
        match outcome {
            Ok(_) => right += 1,
            Err(error) => {
                failed += 1;
                // Only a mutated status is a timeout.
                assert!(error.kind != ErrorKind::Timeout || error.remote.is_some(), "{error}");
            }
        }
    }
    assert!(right > 100 && failed > 1_000, "{right} {failed}");
}

#[tokio::test]
async fn ten_thousand_mutated_replies_are_reported_by_tonic() {
    mutated_replies("tonic", false).await;
}

#[tokio::test]
async fn ten_thousand_mutated_replies_are_reported_by_h2() {
    mutated_replies("h2", false).await;
}

#[tokio::test]
async fn ten_thousand_mutated_streams_are_reported_by_h2() {
    mutated_replies("h2", true).await;
}

/// Reads from `stream` until it has sent `bytes`.
async fn read_until(stream: &mut TcpStream, bytes: &[u8]) {
    let mut received = Vec::new();
    while !received.windows(bytes.len()).any(|window| window == bytes) {
        assert!(stream.read_buf(&mut received).await.unwrap() > 0, "{}", received.escape_ascii());
    }
}

/// A server that stops gracefully accepts no further streams of a connection, but answers those that it has. This is about the
/// client over `h2`: tonic's fails the next call, and only then opens another connection.
#[tokio::test]
async fn a_call_in_progress_outlives_its_connections_last_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("grpc://{}", listener.local_addr().unwrap());
    let (client, connection) = tokio::join!(connect("h2", &url), listener.accept());
    let (mut first, _) = connection.unwrap();
    let in_progress = tokio::spawn({
        let client = Arc::clone(&client);
        async move { add(&*client).await }
    });
    read_until(&mut first, TWO_AND_THREE).await;
    // The last stream is 1. The client has read this when it answers the ping.
    let settings = frame(Frame::SETTINGS, 0, 0, b"");
    let going_away = frame(Frame::GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]);
    let ping = frame(Frame::PING, 0, 0, b"received");
    first.write_all(&[settings, going_away, ping].concat()).await.unwrap();
    read_until(&mut first, &frame(Frame::PING, 1, 0, b"received")).await;

    let second = tokio::spawn(async move {
        let (mut second, _) = listener.accept().await.unwrap();
        read_until(&mut second, TWO_AND_THREE).await;
        second.write_all(&five()).await.unwrap();
        second
    });
    assert_eq!(add(&*client).await, Ok(Value::Int(5)));
    first.write_all(&five()).await.unwrap();
    assert_eq!(in_progress.await.unwrap(), Ok(Value::Int(5)));
    drop(second);
}

/// What a server answers: HTTP status, headers, data and trailers.
type Reply = (
    u16,
    &'static [(&'static str, &'static str)],
    &'static [u8],
    Option<&'static [(&'static str, &'static str)]>,
);

/// A server of HTTP/2 that answers every request with `reply`.
async fn server_with(reply: Reply) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("grpc://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let (status, headers, data, trailers) = reply;
                    let mut response = Response::builder().status(status);
                    for (name, value) in headers {
                        response = response.header(*name, *value);
                    }
                    let ends = data.is_empty() && trailers.is_none();
                    let mut body = respond.send_response(response.body(()).unwrap(), ends).unwrap();
                    if !data.is_empty() {
                        body.send_data(Bytes::from_static(data), trailers.is_none()).unwrap();
                    }
                    if let Some(trailers) = trailers {
                        let pair = |(name, value): &(&str, &str)| {
                            (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())
                        };
                        body.send_trailers(trailers.iter().map(pair).collect()).unwrap();
                    }
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn replies_that_are_not_of_the_protocol_are_reported() {
    const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc")];
    const FIVE: &[u8] = b"\0\0\0\0\x02\x18\x0a";
    const CUT_SHORT: &[u8] = b"\0\0\0\0\x02\x18";
    const OK: Option<&[(&str, &str)]> = Some(&[("grpc-status", "0")]);
    use ErrorKind::{Internal, InvalidArguments, Malformed, TooLarge, Undeliverable, UnknownMethod};
    let cases: &[(Reply, &[ErrorKind])] = &[
        // No trailers, or none with a status.
        ((200, GRPC, FIVE, None), &[Malformed, Internal]),
        ((200, GRPC, FIVE, Some(&[("x", "y")])), &[Malformed, Internal]),
        ((200, GRPC, b"", OK), &[Malformed, Internal]),
        ((200, GRPC, CUT_SHORT, OK), &[Malformed, Internal]),
        ((200, GRPC, b"\0\0\0\0\x02\xff\xff", OK), &[Malformed]),
        ((200, GRPC, b"\0\0\0\0\0", OK), &[Malformed]),
        ((200, GRPC, b"\x01\0\0\0\x02\x18\x0a", OK), &[Malformed, Internal]),
        ((200, GRPC, b"\0\xff\xff\xff\xff\x18", OK), &[TooLarge]),
        // Details that are not Base64, a code that does not exist, a message that is not UTF-8.
        ((200, &[("grpc-status", "3"), ("grpc-status-details-bin", "!!!")], b"", None), &[InvalidArguments]),
        (
            (200, GRPC, FIVE, Some(&[("grpc-status", "3"), ("grpc-status-details-bin", "!!!")])),
            &[InvalidArguments],
        ),
        ((200, &[("grpc-status", "99"), ("grpc-message", "x")], b"", None), &[Internal]),
        ((200, &[("grpc-status", "3"), ("grpc-message", "%ff")], b"", None), &[InvalidArguments, Internal]),
        ((404, &[], b"", None), &[UnknownMethod]),
        ((503, &[("content-type", "text/plain")], b"down", None), &[Undeliverable]),
        ((500, &[], b"", None), &[Internal]),
    ];
    for (reply, kinds) in cases {
        let url = server_with(*reply).await;
        for client in CLIENTS {
            let error = add(&*connect(client, &url).await).await.unwrap_err();
            assert!(kinds.contains(&error.kind), "{client} {reply:?}: {error}");
        }
        // Without an item, a stream is empty.
        if reply.2.is_empty() && reply.3 == OK {
            continue;
        }
        for client in CLIENTS {
            let received = receive(&*connect(client, &url).await, &common::call("count", [1.into()])).await;
            // tonic takes a message that is cut short for the end of the stream. Users see it by the number of items.
            if client == "tonic" && reply.2 == CUT_SHORT && reply.3 == OK {
                assert_eq!(received, Ok(vec![]));
                continue;
            }
            let is_reported = received.as_ref().is_err_and(|error| kinds.contains(&error.kind));
            assert!(is_reported, "{client} {reply:?} as a stream: {received:?}");
        }
    }
    let url = server_with((200, GRPC, FIVE, OK)).await;
    for client in CLIENTS {
        assert_eq!(add(&*connect(client, &url).await).await, Ok(Value::Int(5)));
    }
}
