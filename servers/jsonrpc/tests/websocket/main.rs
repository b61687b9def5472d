//! JSON-RPC over WebSocket: the conformance table, and peers that do not follow the protocol.
#![allow(clippy::unwrap_used, reason = "a helper function fails its test by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod connections;
mod peer;

use std::time::Duration;

use calculator::{Call, Client, ClientOptions, ErrorKind, Limits, Value};
use common::{assert_conformance, two_and_three};
use differential::Mutator;
use jsonrpc::WebSocketClient;
use peer::{
    ADDITION, BINARY, CLOSE, HANDSHAKE, PING, PONG, Running, SUM, TEXT, between, close_code, masked,
    read_head, unmasked, url_of,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The number of mutated requests to the server, and of mutated responses to the client.
const MUTATIONS: u32 = 10_000;

/// Frames, parts of messages, and the end of an HTTP head, which mutations insert.
const DICTIONARY: &[&[u8]] = &[
    b"\x81\x80\0\0\0\0",
    b"\x01\x82\0\0\0\0ab",
    b"\x80\x80\0\0\0\0",
    b"\x88\x82\0\0\0\0\x03\xe8",
    b"\x89\x00",
    b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"{}",
    b"[]",
    b"\"id\":",
    b"\r\n\r\n",
];

#[tokio::test]
async fn the_conformance_table_holds() {
    assert_conformance(&Running::with(Limits::default()).await.client().await).await;
}

/// The bytes of a call and of its answer.
#[tokio::test]
async fn a_call_is_a_frame_each_way() {
    let running = Running::with(Limits::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let answer = between(&listener, &running, |request| {
        assert_eq!(request[..2], [0x80 | TEXT, 0x80 | 63]);
        let mask = &request[2..6];
        let message: Vec<u8> =
            request[6..].iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        assert_eq!(message, ADDITION.as_bytes());
        unmasked(TEXT, SUM.as_bytes())
    });
    let url = url_of(&listener);
    let call = async {
        let client = WebSocketClient::connect(&url, &ClientOptions::default()).await.unwrap();
        client.call(&two_and_three()).await
    };
    assert_eq!(tokio::join!(answer, call).1, Ok(Value::Int(5)));
}

#[tokio::test]
async fn frames_that_are_no_requests_are_answered_as_the_standard_says() {
    let server = Running::with(Limits::default()).await;
    let addition = masked(TEXT, ADDITION.as_bytes());
    let sum = unmasked(TEXT, SUM.as_bytes());
    let close = |code: u16| masked(CLOSE, &code.to_be_bytes());
    let both = server
        .answer(&[masked(PING, b"p"), addition.clone(), masked(PONG, b""), addition.clone()].concat())
        .await;
    assert_eq!(both, [unmasked(PONG, b"p"), sum.clone(), sum.clone()].concat());
    // A close is answered with the same code, and what follows it is not read.
    let closed = server.answer(&[close(1000), addition.clone()].concat()).await;
    assert_eq!(closed, unmasked(CLOSE, &1000_u16.to_be_bytes()));
    let fragments = [&[TEXT, 0x80 | 2, 0, 0, 0, 0][..], b"{}", &[0x80, 0x80 | 1, 0, 0, 0, 0], b" "].concat();
    let answer = server.answer(&fragments).await;
    assert!(String::from_utf8_lossy(&answer).contains("-32600"), "{answer:?}");
    for (frame, code) in [
        (masked(BINARY, ADDITION.as_bytes()), 1003),
        // Unmasked frame; unknown opcode; continuation frame without a message; reserved bit (RSV1); text that is not UTF-8.
        (unmasked(TEXT, b"{}"), 1002),
        (masked(3, b""), 1002),
        (masked(0, b"a"), 1002),
        ([vec![0xc1], addition[1..].to_vec()].concat(), 1002),
        (masked(TEXT, b"\xff"), 1007),
    ] {
        let received = server.answer(&[frame.clone(), addition.clone()].concat()).await;
        assert_eq!(close_code(&received), Some(code), "{frame:?}: {received:?}");
        assert!(!String::from_utf8_lossy(&received).contains("result"), "{received:?}");
    }
}

#[tokio::test]
async fn messages_above_the_limit_end_the_connection_alone() {
    let server = Running::with(Limits { max_body: 10_000, ..Limits::default() }).await;
    let client = server.client().await;
    let long = Call::positional("echo", ["x".repeat(20_000).into()]);
    assert_eq!(client.call(&long).await.unwrap_err().kind, ErrorKind::TooLarge);
    assert_eq!(client.call(&two_and_three()).await, Ok(Value::Int(5)));
    // The length that a frame states, and that of all fragments.
    let stated = [&[0x80 | TEXT, 0xff][..], &u64::MAX.to_be_bytes(), &[0; 4]].concat();
    let first = [&[TEXT, 0x80 | 126][..], &9_000_u16.to_be_bytes(), &[0; 4], &[b' '; 9_000]].concat();
    let next = [&[0, 0x80 | 126][..], &9_000_u16.to_be_bytes(), &[0; 4], &[b' '; 9_000]].concat();
    for frames in [stated, [first, next].concat()] {
        let received = server.answer(&frames).await;
        assert_eq!(close_code(&received), Some(1009), "{received:?}");
    }
    let limits = Limits { max_body: 1_000, ..Limits::default() };
    let options = ClientOptions { limits, ..ClientOptions::default() };
    let client = WebSocketClient::connect(&server.url, &options).await.unwrap();
    let error = client.call(&Call::positional("echo", ["x".repeat(1_000).into()])).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert_eq!(client.call(&two_and_three()).await, Ok(Value::Int(5)));
}

#[tokio::test]
async fn what_does_not_open_a_websocket_is_refused() {
    let server = Running::with(Limits::default()).await;
    for (head, status) in [
        ("POST /jsonrpc HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}".to_owned(), "HTTP/1.1 400 "),
        (HANDSHAKE.replace("13", "8"), "HTTP/1.1 400 "),
        (HANDSHAKE.replace("Sec-WebSocket-Key", "X-Key"), "HTTP/1.1 400 "),
        ("GET".to_owned() + &" ".repeat(20) + "\r\n\r\n", "HTTP/1.1 400 "),
        // Of a web page.
        (HANDSHAKE.replace("Host", "Origin: http://example.org\r\nHost"), "HTTP/1.1 403 "),
        // Without an end, above the limit.
        (HANDSHAKE.replace("\r\n\r\n", &format!("\r\nX: {}", "x".repeat(200_000))), "HTTP/1.1 400 "),
    ] {
        let mut peer = server.raw().await;
        // The server may close the connection before it has read everything.
        let _ = peer.write_all(head.as_bytes()).await;
        let mut received = Vec::new();
        let _ = peer.read_to_end(&mut received).await;
        let received = String::from_utf8_lossy(&received).into_owned();
        assert!(received.starts_with(status) && !received.contains("101"), "{head:.80}: {received}");
    }
    assert_eq!(server.client().await.call(&two_and_three()).await, Ok(Value::Int(5)));
}

#[tokio::test]
async fn a_server_that_does_not_accept_websockets_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url_of(&listener);
    for (response, said) in [
        ("HTTP/1.1 404 Not Found\r\n\r\n".to_owned(), "404"),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: AAAA\r\n\r\n"
                .to_owned(),
            "Accept",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Accept: "
                .to_owned()
                + &"A".repeat(200)
                + "\r\n\r\n",
            "Accept",
        ),
        (format!("HTTP/1.1 101 {}", "x".repeat(200_000)), "Attack"),
    ] {
        let answer = async {
            let mut peer = listener.accept().await.unwrap().0;
            read_head(&mut peer).await;
            let _ = peer.write_all(response.as_bytes()).await;
            peer
        };
        let options = ClientOptions::default();
        let (_peer, connected) = tokio::join!(answer, WebSocketClient::connect(&url, &options));
        let error = connected.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Undeliverable);
        assert!(
            error.message.contains("WebSocket handshake failed") && error.message.contains(said),
            "{error}"
        );
    }
    let options = ClientOptions { timeout: Duration::from_millis(50), ..ClientOptions::default() };
    let error = WebSocketClient::connect(&url, &options).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout, "the server does not answer: {error}");
}

#[tokio::test]
async fn the_server_survives_mutated_requests() {
    let server = Running::with(Limits { max_body: 100_000, ..Limits::default() }).await;
    let mut mutator = Mutator::new(7, vec![masked(TEXT, ADDITION.as_bytes())], DICTIONARY);
    // An invalid frame ends its connection, so each connection gets only four messages.
    for _ in 0..MUTATIONS / 4 {
        let several: Vec<u8> = (0..4).flat_map(|_| mutator.message()).collect();
        server.answer(&several).await;
    }
    assert_eq!(server.client().await.call(&two_and_three()).await, Ok(Value::Int(5)));
}

#[tokio::test]
async fn the_client_survives_mutated_responses() {
    let running = Running::with(Limits::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url_of(&listener);
    let mut mutator = Mutator::new(8, vec![unmasked(TEXT, SUM.as_bytes())], DICTIONARY);
    let mut answered = 0;
    for _ in 0..MUTATIONS {
        let mutated = mutator.message();
        let call = async {
            let client = WebSocketClient::connect(&url, &ClientOptions::default()).await.unwrap();
            client.call(&two_and_three()).await
        };
        let (_, result) = tokio::join!(between(&listener, &running, |_| mutated), call);
        answered += u32::from(result.is_ok());
    }
    assert!((1..MUTATIONS).contains(&answered), "{answered}");
}
