//! The floor with blocking sockets.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use calculator::{
    Calculator, CallError, ClientOptions, Dispatcher, ErrorKind, Executor, Faults, Limits, MethodInfo,
    Params, Service, Value,
};
use net::Endpoint;
use tcp_floor::{Server, TcpClient, wire};

use super::common::{
    Running, add, assert_conformance, assert_echoes, assert_silent_and_missing_servers, one_second, reply,
    reply_of,
};

pub(crate) async fn start(service: impl Service, limits: Limits) -> Running {
    listen(&Endpoint::loopback(), service, limits).await
}

async fn listen(endpoint: &Endpoint, service: impl Service, limits: Limits) -> Running {
    let dispatcher = Dispatcher::new(service, Executor::Async, Faults::default());
    let server = Server::bind(endpoint, dispatcher.clone(), limits).await.unwrap();
    Running::new(server.url(), dispatcher, |stop| server.run(stop)).await
}

#[tokio::test]
async fn the_conformance_table_holds() {
    let server = start(Calculator, Limits::default()).await;
    let client = TcpClient::connect(&server.url, &ClientOptions::default()).await.unwrap();
    assert_conformance(&client).await;
    server.stop().await;
}

#[tokio::test]
async fn values_of_any_size_within_the_limits_are_echoed() {
    let server = start(Calculator, Limits { max_body: 1 << 20, ..Limits::default() }).await;
    let client = TcpClient::connect(&server.url, &ClientOptions::default()).await.unwrap();
    assert_echoes(&client, 1 << 20).await;
    server.stop().await;
}

#[tokio::test]
async fn calls_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a socket");
    let server = listen(&Endpoint::Unix(path.clone()), Calculator, Limits::default()).await;
    assert!(server.url.starts_with("unix:///") && server.url.ends_with("/a%20socket"), "{}", server.url);
    let client = TcpClient::connect(&server.url, &one_second()).await.unwrap();
    let before = net::bytes_counted();
    assert_eq!(add(&client).await, Ok(Value::Int(5)));
    server.stop().await;
    // Both ends are in this process, and other tests may run in it too. The server counts a reply after it has written it, so
    // the client may have it before.
    let sent = net::bytes_counted().sent - before.sent;
    assert!(sent >= 2 * wire::LEN as u64, "{sent}");
    assert!(!path.exists());
    assert_eq!(add(&client).await.unwrap_err().kind, ErrorKind::Undeliverable);
}

#[tokio::test]
async fn a_stopped_server_is_undeliverable() {
    let server = start(Calculator, Limits::default()).await;
    let client = TcpClient::connect(&server.url, &one_second()).await.unwrap();
    assert_eq!(add(&client).await, Ok(Value::Int(5)));
    server.stop().await;
    for _ in 0..2 {
        assert_eq!(add(&client).await.unwrap_err().kind, ErrorKind::Undeliverable);
    }
}

#[tokio::test]
async fn the_call_after_a_failure_opens_another_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        drop(listener.accept().unwrap());
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; wire::LEN];
        stream.read_exact(&mut request).unwrap();
        stream.write_all(&reply(&Ok(Value::Int(5)))).unwrap();
    });
    let client = TcpClient::connect(&url, &one_second()).await.unwrap();
    assert_eq!(add(&client).await.unwrap_err().kind, ErrorKind::Undeliverable);
    assert_eq!(add(&client).await, Ok(Value::Int(5)));
    serving.join().unwrap();
}

/// Reports when a call is in progress, and answers it on a signal.
struct BlockedService {
    entered: mpsc::Sender<()>,
    leave: Mutex<mpsc::Receiver<()>>,
}

impl Service for BlockedService {
    fn name(&self) -> &'static str {
        "Held"
    }
    fn methods(&self) -> &[MethodInfo] {
        &[]
    }
    fn call(&self, _method: &str, _params: Params) -> Result<Value, CallError> {
        self.entered.send(()).unwrap();
        self.leave.lock().unwrap().recv().unwrap();
        Ok(Value::Int(5))
    }
}

#[tokio::test]
async fn a_call_in_progress_is_answered_although_the_server_stops() {
    let (entered, in_progress) = mpsc::channel();
    let (leave, held) = mpsc::channel();
    let server = start(BlockedService { entered, leave: Mutex::new(held) }, Limits::default()).await;
    let client = TcpClient::connect(&server.url, &ClientOptions::default()).await.unwrap();
    let stop = server.stop.clone();
    let stopping = std::thread::spawn(move || {
        in_progress.recv().unwrap();
        stop.cancel();
        leave.send(()).unwrap();
    });
    assert_eq!(add(&client).await, Ok(Value::Int(5)));
    stopping.join().unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_silent_server_is_a_timeout_and_no_server_undeliverable() {
    assert_silent_and_missing_servers(TcpClient::connect).await;
}

#[tokio::test]
async fn rejects_a_connection_above_the_limit_and_answers_garbage() {
    let server = start(Calculator, Limits { max_in_flight: 1, ..Limits::default() }).await;
    let mut first = TcpStream::connect(server.url.strip_prefix("tcp://").unwrap()).unwrap();
    first.write_all(&[0xff; wire::LEN]).unwrap();
    let mut reply = [0; wire::LEN];
    first.read_exact(&mut reply).unwrap();
    assert_eq!(reply_of(&reply).unwrap_err().kind, ErrorKind::UnknownMethod);

    let second = TcpClient::connect(&server.url, &one_second()).await.unwrap();
    assert_eq!(add(&second).await.unwrap_err().kind, ErrorKind::Undeliverable);
    server.stop().await;
}

#[tokio::test]
async fn a_timeout_of_zero_is_over_at_once_and_the_longest_never() {
    let server = start(Calculator, Limits::default()).await;
    let options = |timeout| ClientOptions { timeout, ..ClientOptions::default() };
    let error = TcpClient::connect(&server.url, &options(Duration::ZERO)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    let client = TcpClient::connect(&server.url, &options(Duration::MAX)).await.unwrap();
    assert_eq!(add(&client).await, Ok(Value::Int(5)));
    drop(client);
    server.stop().await;
}
