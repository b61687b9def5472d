//! The floor with an event loop.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use calculator::{
    Calculator, Call, CallError, ClientOptions, Dispatcher, ErrorKind, Executor, Faults, Limits, Value,
};
use net::{Endpoint, WRITE_STALL_TIMEOUT};
use tcp_floor::event::{Client, Server};
use tcp_floor::wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use super::blocking;
use super::common::{Running, add, assert_conformance, assert_echoes, one_second, reply, reply_of, request};

impl Running {
    async fn start(limits: Limits, faults: Faults) -> Self {
        Self::listen(&Endpoint::loopback(), limits, faults).await
    }

    async fn calculator() -> Self {
        Self::start(Limits::default(), Faults::default()).await
    }

    async fn listen(endpoint: &Endpoint, limits: Limits, faults: Faults) -> Self {
        let dispatcher = Dispatcher::new(Calculator, Executor::Async, faults);
        let server = Server::bind(endpoint, dispatcher.clone(), limits).await.unwrap();
        Running::new(server.url(), dispatcher, |stop| server.run(stop)).await
    }

    async fn client(&self) -> Client {
        Client::connect(&self.url, &one_second()).await.unwrap()
    }

    async fn peer(&self) -> TcpStream {
        TcpStream::connect(self.url.strip_prefix("tcp://").unwrap()).await.unwrap()
    }
}

fn addition(x: i64, y: i64) -> Vec<u8> {
    request(&Call::positional("add", [x.into(), y.into()]))
}

async fn next_reply(peer: &mut TcpStream) -> Result<Value, CallError> {
    let mut reply = [0; wire::LEN];
    peer.read_exact(&mut reply).await.unwrap();
    reply_of(&reply)
}

#[tokio::test]
async fn the_conformance_table_holds() {
    let server = Running::calculator().await;
    assert_conformance(&server.client().await).await;
    server.stop().await;
}

#[tokio::test]
async fn values_of_any_size_within_the_limits_are_echoed() {
    let limits = Limits { max_body: 1 << 20, ..Limits::default() };
    let server = Running::start(limits, Faults::default()).await;
    assert_echoes(&server.client().await, 1 << 20).await;
    server.stop().await;
}

#[tokio::test]
async fn the_blocking_ends_exchange_the_same_messages() {
    let server = Running::calculator().await;
    let url = server.url.clone();
    let blocking = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let client = tcp_floor::TcpClient::connect(&url, &ClientOptions::default()).await.unwrap();
            assert_conformance(&client).await;
        });
    });
    blocking.await.unwrap();
    server.stop().await;

    let server = blocking::start(Calculator, Limits::default()).await;
    let client = Client::connect(&server.url, &ClientOptions::default()).await.unwrap();
    assert_conformance(&client).await;
    server.stop().await;
}

#[tokio::test]
async fn calls_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a socket");
    let server = Running::listen(&Endpoint::Unix(path.clone()), Limits::default(), Faults::default()).await;
    assert!(server.url.starts_with("unix:///") && server.url.ends_with("/a%20socket"), "{}", server.url);
    let client = server.client().await;
    let before = net::bytes_counted();
    assert_eq!(add(&client).await, Ok(Value::Int(5)));
    let sent = net::bytes_counted().sent - before.sent;
    assert!(sent >= 2 * wire::LEN as u64, "{sent}");
    server.stop().await;
    assert!(!path.exists());
    assert_eq!(add(&client).await.unwrap_err().kind, ErrorKind::Undeliverable);
}

#[tokio::test]
async fn many_connections_are_served_at_once() {
    const CALLERS: usize = 200;
    let server = Running::calculator().await;
    // No caller makes its call before all are connected.
    let all_connected = Arc::new(Barrier::new(CALLERS));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (client, all_connected) = (server.client().await, Arc::clone(&all_connected));
        callers.spawn(async move {
            all_connected.wait().await;
            add(&client).await
        });
    }
    assert_eq!(callers.join_all().await, vec![Ok(Value::Int(5)); CALLERS]);
    server.stop().await;
}

#[tokio::test]
async fn requests_that_arrive_together_are_answered_in_their_order() {
    let server = Running::calculator().await;
    let mut peer = server.peer().await;
    let echo = request(&Call::positional("echo", [Value::list(vec![1.into()])]));
    let batch = [addition(1, 1), echo, addition(2, 2), vec![0xff; wire::LEN], addition(3, 3)].concat();
    // Cut inside a request.
    let (first, second) = batch.split_at(100);
    peer.write_all(first).await.unwrap();
    assert_eq!(next_reply(&mut peer).await, Ok(Value::Int(2)));
    peer.write_all(second).await.unwrap();
    let mut echoed = [0; wire::LEN + 11];
    peer.read_exact(&mut echoed).await.unwrap();
    assert_eq!(reply_of(&echoed), Ok(Value::list(vec![1.into()])));
    assert_eq!(next_reply(&mut peer).await, Ok(Value::Int(4)));
    assert_eq!(next_reply(&mut peer).await.unwrap_err().kind, ErrorKind::UnknownMethod);
    assert_eq!(next_reply(&mut peer).await, Ok(Value::Int(6)));
    server.stop().await;
}

#[tokio::test]
async fn a_stopped_server_is_undeliverable_and_the_next_connection_is_tried() {
    let server = Running::calculator().await;
    let client = server.client().await;
    assert_eq!(add(&client).await, Ok(Value::Int(5)));
    server.stop().await;
    for _ in 0..2 {
        assert_eq!(add(&client).await.unwrap_err().kind, ErrorKind::Undeliverable);
    }
}

#[tokio::test]
async fn the_call_after_a_failed_or_abandoned_one_opens_another_connection() {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let client = Client::connect(&url, &one_second()).await.unwrap();
    drop(listener.accept().await.unwrap());
    assert_eq!(add(&client).await.unwrap_err().kind, ErrorKind::Undeliverable);

    let accept_request = async || {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; wire::LEN]).await.unwrap();
        stream
    };
    let abandoned = tokio::select! {
        _ = add(&client) => panic!("it has no reply"),
        stream = accept_request() => stream,
    };
    let answer = async {
        let mut stream = accept_request().await;
        stream.write_all(&reply(&Ok(Value::Int(5)))).await.unwrap();
        stream
    };
    let (result, _stream) = tokio::join!(add(&client), answer);
    assert_eq!(result, Ok(Value::Int(5)));
    drop(abandoned);
}

#[tokio::test]
async fn a_call_in_progress_is_answered_although_the_server_stops() {
    let delay = Some(Duration::from_millis(50));
    let server = Running::start(Limits::default(), Faults { delay, ..Faults::default() }).await;
    let client = server.client().await;
    let (result, ()) = tokio::join!(add(&client), async {
        server.dispatched(1).await;
        server.stop().await;
    });
    assert_eq!(result, Ok(Value::Int(5)));
}

#[tokio::test]
async fn no_server_and_a_wrong_url_are_undeliverable() {
    let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("tcp://{}", unused.local_addr().unwrap());
    drop(unused);
    for url in [url.as_str(), "http://127.0.0.1:1/"] {
        let refused = Client::connect(url, &one_second()).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Undeliverable);
    }
    let server = Running::calculator().await;
    let longest = ClientOptions { timeout: Duration::MAX, ..ClientOptions::default() };
    let client = Client::connect(&server.url, &longest).await.unwrap();
    assert_eq!(add(&client).await, Ok(Value::Int(5)));
    server.stop().await;
}

#[tokio::test]
async fn a_reply_beyond_the_limits_fails_its_call_alone() {
    let server = Running::calculator().await;
    let limits = Limits { max_body: 1_000, ..Limits::default() };
    let client =
        Client::connect(&server.url, &ClientOptions { limits, ..ClientOptions::default() }).await.unwrap();
    let echo = Call::positional("echo", ["x".repeat(1_001).into()]);
    let error = calculator::Client::call(&client, &echo).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert_eq!(add(&client).await, Ok(Value::Int(5)));
    server.stop().await;
}

#[tokio::test]
async fn rejects_a_connection_above_the_limit_and_keeps_unfinished_requests() {
    let server = Running::start(Limits { max_in_flight: 1, ..Limits::default() }, Faults::default()).await;
    let mut first = server.peer().await;
    let bytes = addition(2, 3);
    first.write_all(&bytes[..10]).await.unwrap();
    let second = server.client().await;
    assert_eq!(add(&second).await.unwrap_err().kind, ErrorKind::Undeliverable);
    first.write_all(&bytes[10..]).await.unwrap();
    assert_eq!(next_reply(&mut first).await, Ok(Value::Int(5)));
    drop(first);
    // Its place is free again as soon as the server has noticed that it has left.
    while add(&second).await.is_err() {
        tokio::task::yield_now().await;
    }
    server.stop().await;
}

/// Waits until the server closes the connection.
async fn read_to_end(mut stream: TcpStream) {
    // If the server closes with unread bytes, the connection is reset.
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn the_call_of_a_client_that_has_left_is_abandoned() {
    let delay = Some(Duration::from_secs(3_600));
    let limits = Limits { max_in_flight: 1, ..Limits::default() };
    let server = Running::start(limits, Faults { delay, ..Faults::default() }).await;
    let large = request(&Call::positional("echo", [Value::from(vec![7; 10 << 10])]));
    for (calls, (requests, unread)) in
        (1..).zip([(addition(2, 3), vec![]), (large, vec![]), (addition(2, 3), addition(2, 3))])
    {
        let mut peer = server.peer().await;
        peer.write_all(&requests).await.unwrap();
        server.dispatched(calls).await;
        // Left in the socket, which stays readable: the server must look behind these bytes again and again.
        peer.write_all(&unread).await.unwrap();
        // Virtual time: the paused clock advances to the next timer whenever all tasks are idle.
        tokio::time::pause();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let started = tokio::time::Instant::now();
        peer.shutdown().await.unwrap();
        read_to_end(peer).await;
        assert!(started.elapsed() < Duration::from_secs(10), "{calls}: {:?}", started.elapsed());
        tokio::time::resume();
    }
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_disconnected() {
    let server = Running::calculator().await;
    let mut peer = server.peer().await;
    let echo = request(&Call::positional("echo", ["x".repeat(1 << 20).into()]));
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    // Sends until the server, whose replies are not read, closes the connection.
    while peer.write_all(&echo).await.is_ok() {}
    let waited = started.elapsed();
    assert!((WRITE_STALL_TIMEOUT..2 * WRITE_STALL_TIMEOUT).contains(&waited), "{waited:?}");
    tokio::time::resume();
    assert_eq!(add(&server.client().await).await, Ok(Value::Int(5)));
    server.stop().await;
}
