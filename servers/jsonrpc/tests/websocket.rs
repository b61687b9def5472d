//! JSON-RPC over WebSocket: the conformance table, and peers that do not follow the protocol.
#![allow(clippy::unwrap_used, reason = "a helper function fails its test by panicking")]

use std::time::Duration;

use calculator::conformance::{self, Profile};
use calculator::{
    Calculator, Call, Client, ClientOptions, Deadline, Dispatcher, ErrorKind, Executor, Faults, Limits, Value,
};
use differential::Mutator;
use jsonrpc::{WebSocketClient, WebSocketServer};
use net::{Endpoint, WRITE_STALL_TIMEOUT};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

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

/// The example of RFC 6455, section 1.3.
const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const ACCEPTED: &str = ": s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

const ADDITION: &str = "{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":[2,3],\"id\":1000000000}";
const SUM: &str = "{\"jsonrpc\":\"2.0\",\"result\":5,\"id\":1000000000}";

/// A server on the runtime of the test. It ends when it is dropped.
struct Running {
    url: String,
    dispatcher: Dispatcher,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn with(limits: Limits) -> Self {
        Self::with_faults(limits, Faults::default()).await
    }

    async fn with_faults(limits: Limits, faults: Faults) -> Self {
        let dispatcher = Dispatcher::new(Calculator, Executor::Async, faults);
        let server = WebSocketServer::bind(&Endpoint::loopback(), dispatcher.clone(), limits).await.unwrap();
        let (url, stop) = (server.url(), CancellationToken::new());
        let task = tokio::spawn(server.run(stop.clone()));
        Running { url, dispatcher, stop, task }
    }

    async fn client(&self) -> WebSocketClient {
        WebSocketClient::connect(&self.url, &ClientOptions::default()).await.unwrap()
    }

    /// A TCP connection, before the opening handshake.
    async fn raw(&self) -> TcpStream {
        TcpStream::connect(self.authority()).await.unwrap()
    }

    /// Waits until the server has begun so many calls.
    async fn begun(&self, calls: u64) {
        while self.dispatcher.calls() < calls {
            tokio::task::yield_now().await;
        }
    }

    fn authority(&self) -> &str {
        self.url.strip_prefix("ws://").unwrap().split('/').next().unwrap()
    }

    /// A connection after the opening handshake.
    async fn opened(&self) -> TcpStream {
        let mut peer = self.raw().await;
        peer.write_all(HANDSHAKE.as_bytes()).await.unwrap();
        let head = read_head(&mut peer).await;
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPTED), "{head}");
        peer
    }

    /// What the server sends for `bytes` on an open connection, until it closes it.
    async fn answer(&self, bytes: &[u8]) -> Vec<u8> {
        let mut peer = self.opened().await;
        peer.write_all(bytes).await.unwrap();
        peer.shutdown().await.unwrap();
        let mut received = Vec::new();
        // A server that does not read all that was sent resets the connection.
        let _ = peer.read_to_end(&mut received).await;
        received
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

/// Reads an HTTP head, up to and including the empty line.
async fn read_head(peer: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match peer.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// A frame with the whole of `message`, which has at most 125 bytes, as a client sends it.
fn masked(opcode: u8, message: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut frame = vec![0x80 | opcode, 0x80 | u8::try_from(message.len()).unwrap()];
    frame.extend(mask);
    frame.extend(message.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

fn unmasked(opcode: u8, message: &[u8]) -> Vec<u8> {
    [&[0x80 | opcode, u8::try_from(message.len()).unwrap()], message].concat()
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The close code, if the last frame in `received` is a close frame.
fn close_code(received: &[u8]) -> Option<u16> {
    let at = received.iter().rposition(|byte| *byte == 0x80 | CLOSE)?;
    let code = received.get(at + 2..at + 4)?;
    Some(u16::from_be_bytes(code.try_into().unwrap()))
}

fn two_and_three() -> Call {
    Call::positional("add", [2.into(), 3.into()])
}

#[tokio::test]
async fn the_conformance_table_holds() {
    let server = Running::with(Limits::default()).await;
    let client = server.client().await;
    let mut deadline = Deadline::new(Duration::from_secs(60));
    let outcomes = conformance::run(&client, Profile::default(), &mut deadline).await;
    assert_eq!(outcomes.len(), conformance::vectors(Profile::default()).len());
    for outcome in outcomes {
        assert!(outcome.passed(), "{}: {}", outcome.vector.title(), outcome.answer());
    }
}

/// Accepts a connection, relays its opening handshake to `running`, reads one request, and sends what `reply` returns for its bytes.
/// `None` if an end disconnects.
async fn between(
    listener: &TcpListener,
    running: &Running,
    reply: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Option<()> {
    let mut peer = listener.accept().await.ok()?.0;
    let mut server = running.raw().await;
    server.write_all(read_head(&mut peer).await.as_bytes()).await.ok()?;
    peer.write_all(read_head(&mut server).await.as_bytes()).await.ok()?;
    let mut request = vec![0; ADDITION.len() + 6];
    peer.read_exact(&mut request).await.ok()?;
    peer.write_all(&reply(&request)).await.ok()
}

/// The URL of a listener that [`between`] serves.
fn url_of(listener: &TcpListener) -> String {
    format!("ws://{}/jsonrpc", listener.local_addr().unwrap())
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
async fn a_server_that_stops_says_so() {
    let server = Running::with(Limits::default()).await;
    let mut peer = server.opened().await;
    server.stop.cancel();
    let mut received = Vec::new();
    peer.read_to_end(&mut received).await.unwrap();
    assert_eq!(close_code(&received), Some(1001));
}

/// A server whose handlers wait so long.
async fn slow(delay: Duration) -> Running {
    Running::with_faults(Limits::default(), Faults { delay: Some(delay), ..Faults::default() }).await
}

#[tokio::test]
async fn what_arrives_during_a_call_is_answered_after_it() {
    let server = slow(Duration::from_secs(1)).await;
    let addition = masked(TEXT, ADDITION.as_bytes());
    let sum = unmasked(TEXT, SUM.as_bytes());
    let mut peer = server.opened().await;
    let frames = [addition.clone(), masked(PING, b"p"), addition.clone(), addition.clone()].concat();
    peer.write_all(&frames).await.unwrap();
    let expected = [unmasked(PONG, b"p"), sum.clone(), sum.clone(), sum.clone()].concat();
    let mut received = vec![0; expected.len()];
    peer.read_exact(&mut received).await.unwrap();
    assert_eq!(received, expected, "the ping is answered during the call");
    // What is no frame ends the connection after the call.
    peer.write_all(&[addition, unmasked(TEXT, b"{}")].concat()).await.unwrap();
    let mut received = Vec::new();
    peer.read_to_end(&mut received).await.unwrap();
    assert!(received.starts_with(&sum), "{received:?}");
    assert_eq!(close_code(&received), Some(1002));
}

#[tokio::test]
async fn the_call_of_a_client_that_has_left_is_abandoned() {
    let limits = Limits { max_in_flight: 1, ..Limits::default() };
    let delay = Some(Duration::from_secs(3_600));
    let server = Running::with_faults(limits, Faults { delay, ..Faults::default() }).await;
    let addition = masked(TEXT, ADDITION.as_bytes());
    let close = masked(CLOSE, &1000_u16.to_be_bytes());
    // Alone; before another request, which is not read to its end; before a close frame.
    for (calls, then) in (1..).zip([vec![], addition.repeat(2), close]) {
        let mut peer = server.opened().await;
        peer.write_all(&addition).await.unwrap();
        server.begun(calls).await;
        peer.write_all(&then).await.unwrap();
        // Virtual time: the paused clock advances to the next timer whenever all tasks are idle.
        tokio::time::pause();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let started = tokio::time::Instant::now();
        let _ = peer.shutdown().await;
        let mut received = Vec::new();
        let _ = peer.read_to_end(&mut received).await;
        assert!(started.elapsed() < Duration::from_secs(10), "{calls}: {:?}", started.elapsed());
        assert_eq!(close_code(&received), (calls == 3).then_some(1000));
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_disconnected() {
    let server = Running::with(Limits::default()).await;
    let echo = format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":[\"{}\"],\"id\":1}}",
        "x".repeat(60_000)
    );
    let echo = [
        &[0x80 | TEXT, 0xfe][..],
        &u16::try_from(echo.len()).unwrap().to_be_bytes(),
        &[0; 4],
        echo.as_bytes(),
    ]
    .concat();
    // Responses, and answers to pings.
    for frames in [echo, masked(PING, &[b'p'; 125]).repeat(1_000)] {
        let mut peer = server.opened().await;
        tokio::time::pause();
        let started = tokio::time::Instant::now();
        while peer.write_all(&frames).await.is_ok() {}
        let waited = started.elapsed();
        assert!((WRITE_STALL_TIMEOUT..2 * WRITE_STALL_TIMEOUT).contains(&waited), "{waited:?}");
        tokio::time::resume();
    }
    assert_eq!(server.client().await.call(&two_and_three()).await, Ok(Value::Int(5)));
}

#[tokio::test]
async fn a_connection_above_the_limit_is_refused() {
    let server = Running::with(Limits { max_in_flight: 1, ..Limits::default() }).await;
    let first = server.client().await;
    assert_eq!(first.call(&two_and_three()).await, Ok(Value::Int(5)));
    let refused = WebSocketClient::connect(&server.url, &ClientOptions::default()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Undeliverable);
    drop(first);
    // Its place is free as soon as the server has noticed that it has left.
    while WebSocketClient::connect(&server.url, &ClientOptions::default()).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_call_in_progress_is_answered_although_the_server_stops() {
    let server = slow(Duration::from_millis(50)).await;
    let client = server.client().await;
    let two_and_three = two_and_three();
    let (result, ()) = tokio::join!(client.call(&two_and_three), async {
        server.begun(1).await;
        server.stop.cancel();
    });
    assert_eq!(result, Ok(Value::Int(5)));
    assert_eq!(client.call(&two_and_three).await.unwrap_err().kind, ErrorKind::Undeliverable);
}

#[tokio::test]
async fn requests_that_wait_when_the_server_stops_are_not_begun() {
    let server = slow(Duration::from_millis(200)).await;
    let mut peer = server.opened().await;
    peer.write_all(&masked(TEXT, ADDITION.as_bytes()).repeat(4)).await.unwrap();
    server.begun(1).await;
    server.stop.cancel();
    let mut received = Vec::new();
    peer.read_to_end(&mut received).await.unwrap();
    let sum = unmasked(TEXT, SUM.as_bytes());
    assert!(received.starts_with(&sum), "{received:?}");
    assert_eq!((received[sum.len()], close_code(&received)), (0x80 | CLOSE, Some(1001)));
    assert_eq!(server.dispatcher.calls(), 1);
}

#[tokio::test]
async fn the_call_after_an_abandoned_one_opens_another_connection() {
    let server = slow(Duration::from_millis(50)).await;
    let client = server.client().await;
    let (abandoned, next) = (Call::positional("add", [40.into(), 2.into()]), two_and_three());
    tokio::select! {
        _ = client.call(&abandoned) => panic!("the handler waits"),
        () = server.begun(1) => {}
    }
    assert_eq!(client.call(&next).await, Ok(Value::Int(5)));
}

#[tokio::test]
async fn over_a_unix_socket_and_ipv6_the_same_is_served() {
    let folder = tempfile::tempdir().unwrap();
    for listen in [Endpoint::Unix(folder.path().join("s")), "[::1]:0".parse().unwrap()] {
        let dispatcher = Dispatcher::new(Calculator, Executor::Async, Faults::default());
        // Not every machine has IPv6.
        let Ok(server) = WebSocketServer::bind(&listen, dispatcher, Limits::default()).await else {
            continue;
        };
        let (url, stop) = (server.url(), CancellationToken::new());
        let call = async {
            let client = WebSocketClient::connect(&format!("{url}?a=b"), &ClientOptions::default()).await;
            let answer = client.unwrap().call(&two_and_three()).await;
            stop.cancel();
            answer
        };
        assert_eq!(tokio::join!(server.run(stop.clone()), call).1, Ok(Value::Int(5)), "{url}");
    }
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
