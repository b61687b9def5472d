//! The floor of libzmq.

use std::time::Duration;

use calculator::{Calculator, Call, ClientOptions, Dispatcher, ErrorKind, Executor, Faults, Limits, Value};
use net::Endpoint;
use tcp_floor::libzmq::{Client, Server};
use tcp_floor::wire;
use zmq::SocketEvent;

use super::common::{Running, add, assert_conformance, assert_silent_and_missing_servers, reply, request};

async fn start(delay: Option<Duration>) -> Running {
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, Faults { delay, ..Faults::default() });
    let server = Server::bind(&Endpoint::loopback(), dispatcher.clone(), Limits::default()).await.unwrap();
    Running::new(server.url(), dispatcher, |stop| server.run(stop)).await
}

fn one_minute() -> ClientOptions {
    ClientOptions { timeout: Duration::from_secs(60), ..ClientOptions::default() }
}

#[tokio::test]
async fn the_conformance_table_holds() {
    let server = start(None).await;
    let client = Client::connect(&server.url, &one_minute()).await.unwrap();
    assert_conformance(&client).await;
    let url = server.url.clone();
    server.stop().await;
    for _ in 0..2 {
        assert!(
            Client::connect(&url, &one_minute()).await.is_err_and(|e| e.kind == ErrorKind::Undeliverable)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_call_in_progress_is_finished() {
    let server = start(Some(Duration::from_millis(200))).await;
    let client = Client::connect(&server.url, &one_minute()).await.unwrap();
    let calling = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(add(&client))
    });
    server.dispatched(1).await;
    server.stop().await;
    assert_eq!(calling.join().unwrap(), Ok(Value::Int(5)));
}

#[tokio::test]
async fn ignores_messages_that_are_not_requests() {
    let server = start(None).await;
    let context = zmq::Context::new();
    let peer = context.socket(zmq::DEALER).unwrap();
    peer.set_linger(0).unwrap();
    peer.connect(&server.url).unwrap();
    let request = request(&Call::positional("add", [2.into(), 3.into()]));
    peer.send("", 0).unwrap();
    peer.send(&request[1..], 0).unwrap();
    peer.send_multipart([&request[..], &request], 0).unwrap();
    peer.send_multipart([b"".as_slice(), &request], 0).unwrap();
    peer.send(&request[..], 0).unwrap();
    assert_eq!(peer.recv_multipart(0).unwrap(), [reply(&Ok(Value::Int(5)))]);
    // One byte more than a request.
    peer.send(&[0; wire::LEN + 1][..], 0).unwrap();
    // One byte more than the limit ends the peer's connection, which the peer would open again.
    let monitor = "inproc://monitor";
    peer.monitor(monitor, SocketEvent::DISCONNECTED.to_raw().into()).unwrap();
    let events = context.socket(zmq::PAIR).unwrap();
    events.set_rcvtimeo(60_000).unwrap();
    events.connect(monitor).unwrap();
    peer.send(vec![0; wire::LEN + Limits::default().max_body + 1], 0).unwrap();
    let event = events.recv_multipart(0).expect("the server disconnects the peer");
    assert_eq!(event[0][..2], SocketEvent::DISCONNECTED.to_raw().to_ne_bytes());
    let client = Client::connect(&server.url, &one_minute()).await.unwrap();
    assert_eq!(add(&client).await, Ok(Value::Int(5)));
    server.stop().await;
}

#[tokio::test]
async fn a_silent_server_is_a_timeout_and_no_server_undeliverable() {
    assert_silent_and_missing_servers(Client::connect).await;
}
