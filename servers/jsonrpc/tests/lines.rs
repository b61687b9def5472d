//! JSON-RPC in lines: the conformance table, and peers that do not follow the protocol.
#![allow(clippy::unwrap_used, reason = "a helper function fails its test by panicking")]

mod common;

use std::time::Duration;

use calculator::{
    Calculator, Call, Client, ClientOptions, Dispatcher, ErrorKind, Executor, Faults, Limits, Value,
};
use common::{assert_conformance, two_and_three};
use differential::Mutator;
use jsonrpc::{LinesClient, LinesServer};
use net::Endpoint;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The number of mutated requests to the server, and of mutated responses to the client.
const MUTATIONS: u32 = 10_000;

/// Parts of messages that mutations insert.
const DICTIONARY: &[&[u8]] =
    &[b"\n", b"\r\n", b"{}", b"[]", b"\"id\":", b"null", b"1e400", b"\"jsonrpc\":\"2.0\"", b"\xff"];

/// A server on the runtime of the test. It ends when it is dropped.
struct Running {
    url: String,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn with(limits: Limits) -> Self {
        let dispatcher = Dispatcher::new(Calculator, Executor::Async, Faults::default());
        let server = LinesServer::bind(&Endpoint::loopback(), dispatcher, limits).await.unwrap();
        let (url, stop) = (server.url(), CancellationToken::new());
        let task = tokio::spawn(server.run(stop.clone()));
        Running { url, stop, task }
    }

    async fn client(&self) -> LinesClient {
        let options = ClientOptions { timeout: Duration::from_secs(60), ..ClientOptions::default() };
        LinesClient::connect(&self.url, &options).await.unwrap()
    }

    /// A connection without any protocol.
    async fn raw(&self) -> TcpStream {
        TcpStream::connect(self.url.strip_prefix("tcp://").unwrap()).await.unwrap()
    }

    /// The lines that the server sends for `request`, after which the client sends nothing.
    async fn answers(&self, request: &[u8]) -> Vec<String> {
        let mut peer = self.raw().await;
        peer.write_all(request).await.unwrap();
        peer.shutdown().await.unwrap();
        let mut received = String::new();
        peer.read_to_string(&mut received).await.unwrap();
        assert!(received.is_empty() || received.ends_with('\n'), "{received}");
        received.lines().map(str::to_owned).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

#[tokio::test]
async fn the_conformance_table_holds() {
    assert_conformance(&Running::with(Limits::default()).await.client().await).await;
}

/// The bytes of a call and of its answer.
#[tokio::test]
async fn a_call_is_a_line_each_way() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let answer = async {
        let mut peer = BufReader::new(listener.accept().await.unwrap().0);
        let mut line = String::new();
        peer.read_line(&mut line).await.unwrap();
        assert_eq!(line, "{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":[2,3],\"id\":1000000000}\n");
        let reply = b"{\"jsonrpc\":\"2.0\",\"result\":5,\"id\":1000000000}\n";
        peer.write_all(reply).await.unwrap();
    };
    let call = async {
        let client = LinesClient::connect(&url, &ClientOptions::default()).await.unwrap();
        client.call(&two_and_three()).await
    };
    assert_eq!(tokio::join!(answer, call).1, Ok(Value::Int(5)));
}

#[tokio::test]
async fn lines_are_answered_in_their_order_whatever_is_in_between() {
    let server = Running::with(Limits { max_body: 10_000, ..Limits::default() }).await;
    let add = |x: i64| format!("{{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":[{x},1],\"id\":{x}}}");
    let sum = |x: i64| format!("{{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":{x}}}", x + 1);
    let notification = "{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":[1,2]}";
    let too_long = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{}\"", "x".repeat(20_000));
    let version_1 = "{\"method\":\"add\",\"params\":[1,2],\"id\":\"a\"}";
    let lines = [
        &add(1),
        notification,
        "{",
        &add(2),
        &too_long,
        &format!("[{}]", add(9)),
        "",
        version_1,
        &format!("  {}\r", add(3)),
    ];
    let received = server.answers((lines.join("\n") + "\n").as_bytes()).await;
    let code = |line: &String| line.split("\"code\":").nth(1).map(|rest| rest[..6].to_owned());
    assert_eq!(received[0], sum(1));
    assert_eq!(code(&received[1]).as_deref(), Some("-32700"), "{received:?}");
    assert_eq!(received[2], sum(2));
    assert!(received[3].contains("too-large") && received[3].ends_with("\"id\":null}"), "{received:?}");
    assert_eq!(code(&received[4]).as_deref(), Some("-32600"), "{received:?}");
    assert_eq!(code(&received[5]).as_deref(), Some("-32700"), "an empty line: {received:?}");
    assert_eq!(received[6], "{\"result\":3,\"error\":null,\"id\":\"a\"}");
    assert_eq!(received[7], sum(3));
    assert_eq!(received.len(), 8);
    // What has no end is no request.
    assert!(server.answers(add(1).as_bytes()).await.is_empty());
}

#[tokio::test]
async fn a_response_that_is_too_long_fails_its_call_alone() {
    let server = Running::with(Limits::default()).await;
    let limits = Limits { max_body: 1_000, ..Limits::default() };
    let options = ClientOptions { limits, ..ClientOptions::default() };
    let client = LinesClient::connect(&server.url, &options).await.unwrap();
    let error = client.call(&Call::positional("echo", ["x".repeat(1_000).into()])).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert_eq!(client.call(&two_and_three()).await, Ok(Value::Int(5)));
}

#[tokio::test]
async fn the_server_survives_mutated_requests() {
    let server = Running::with(Limits { max_body: 100_000, ..Limits::default() }).await;
    let request = b"{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":[2,3],\"id\":1}\n";
    let mut mutator = Mutator::new(7, vec![request.to_vec()], DICTIONARY);
    for _ in 0..MUTATIONS / 100 {
        let mut all: Vec<u8> = (0..100).flat_map(|_| mutator.message()).collect();
        all.push(b'\n');
        server.answers(&all).await;
    }
    assert_eq!(server.client().await.call(&two_and_three()).await, Ok(Value::Int(5)));
}

#[tokio::test]
async fn the_client_survives_mutated_responses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        // The id of a client's first call; each has a new client.
        let reply = b"{\"jsonrpc\":\"2.0\",\"result\":5,\"id\":1000000000}\n";
        let mut mutator = Mutator::new(8, vec![reply.to_vec()], DICTIONARY);
        while let Ok((peer, _)) = listener.accept().await {
            let mut peer = BufReader::new(peer);
            let mut line = String::new();
            if peer.read_line(&mut line).await.is_err() {
                continue;
            }
            // The connection ends after its reply, so that one without an end fails the call.
            let _ = peer.write_all(&mutator.message()).await;
        }
    });
    let mut answered = 0;
    for _ in 0..MUTATIONS {
        let client = LinesClient::connect(&url, &ClientOptions::default()).await.unwrap();
        answered += u32::from(client.call(&two_and_three()).await.is_ok());
    }
    assert!((1..MUTATIONS).contains(&answered), "{answered}");
}
