//! Both servers with clients that leave, that do not finish their requests, and that do not read their responses: over a
//! simulated network on virtual time, and over sockets where the event alone decides.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

#[macro_use]
mod common;

use std::time::Duration;

use calculator::Limits;
use common::{Handler, NotReading, Reading, TestServer};
use http_layer::http::{StatusCode, Uri};
use http_layer::{Answer, Bytes, HttpOptions};
use net::simulated::{Network, NetworkGuard};
use net::{Endpoint, PeerEnd, Stream, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

with_both_servers!(
    #[tokio::test(start_paused = true)]
    a_call_ends_soon_after_its_client_has_left,
    a_client_that_has_only_shut_down_its_sending_side_gets_its_response,
    a_slow_call_is_answered_to_a_client_that_stays,
    unfinished_bodies_keep_no_other_caller_waiting,
    the_memory_of_unfinished_bodies_is_bounded_and_small_requests_are_answered_meanwhile,
    a_client_that_does_not_read_its_response_is_disconnected,
    a_connection_without_a_request_is_closed,
);

mod over_sockets {
    use super::a_closed_unix_socket_and_a_reset_end_a_call_at_once;

    with_both_servers!(
        #[tokio::test]
        a_closed_unix_socket_and_a_reset_end_a_call_at_once,
    );
}

const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nok";

/// More than anything takes that a test waits for.
const TEST_TIMEOUT: Duration = Duration::from_secs(3_600);

/// A server in a simulated network.
struct Simulated {
    endpoint: Endpoint,
    _stop: DropGuard,
    _entered: NetworkGuard,
}

async fn simulated<S: TestServer>(handler: impl Handler, options: HttpOptions) -> Simulated {
    let entered = Network::new().enter();
    let endpoint = Endpoint::Simulated("server".to_owned());
    let stop = serve::<S>(&endpoint, handler, options).await.1;
    Simulated { endpoint, _stop: stop, _entered: entered }
}

async fn serve<S: TestServer>(
    endpoint: &Endpoint,
    handler: impl Handler,
    options: HttpOptions,
) -> (Endpoint, DropGuard) {
    let server = S::bind(endpoint, handler, options).await;
    let (endpoint, stop) = (server.endpoint().clone(), CancellationToken::new());
    tokio::spawn(server.run(stop.clone()));
    (endpoint, stop.drop_guard())
}

impl Simulated {
    async fn send(&self, bytes: &[u8]) -> Stream {
        let mut stream = connect(&self.endpoint).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }
}

/// One response, which ends with `end`.
async fn read_until(stream: &mut Stream, end: &str) -> String {
    let mut text = String::new();
    let reading = async {
        while !text.ends_with(end) {
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).await.unwrap();
            assert_ne!(length, 0, "closed after {text}");
            text.push_str(str::from_utf8(&buffer[..length]).unwrap());
        }
    };
    timeout(TEST_TIMEOUT, reading).await.unwrap();
    text
}

/// The events of a call.
#[derive(Debug, PartialEq)]
enum Event {
    Started,
    Dropped,
}

/// Reports when it is dropped.
struct ReportsDrop(mpsc::UnboundedSender<Event>);

impl Drop for ReportsDrop {
    fn drop(&mut self) {
        let _ = self.0.send(Event::Dropped);
    }
}

/// A handler whose calls take `duration`, and the events of the calls.
fn slow(duration: Duration) -> (impl Handler, mpsc::UnboundedReceiver<Event>) {
    let (sender, events) = mpsc::unbounded_channel();
    let handler = move |_: Uri| {
        let sender = sender.clone();
        async move {
            let _ = sender.send(Event::Started);
            let _reports = ReportsDrop(sender);
            sleep(duration).await;
            text("done")
        }
    };
    (NotReading(handler), events)
}

async fn next(events: &mut mpsc::UnboundedReceiver<Event>) -> Event {
    timeout(TEST_TIMEOUT, events.recv()).await.unwrap().unwrap()
}

async fn a_call_ends_soon_after_its_client_has_left<S: TestServer>() {
    let (handler, mut calls) = slow(TEST_TIMEOUT * 2);
    let server = simulated::<S>(handler, HttpOptions::default()).await;
    let pipelined = [REQUEST, REQUEST].concat();
    for request in [REQUEST, &pipelined, &pipelined[..REQUEST.len() + 10]] {
        let client = server.send(request).await;
        assert_eq!(next(&mut calls).await, Event::Started);
        let left = Instant::now();
        drop(client);
        assert_eq!(next(&mut calls).await, Event::Dropped);
        assert!(left.elapsed() < Duration::from_secs(5), "{:?}", left.elapsed());
    }
}

async fn a_client_that_has_only_shut_down_its_sending_side_gets_its_response<S: TestServer>() {
    let (handler, mut calls) = slow(Duration::from_secs(1));
    let server = simulated::<S>(handler, HttpOptions::default()).await;
    let mut client = server.send(REQUEST).await;
    client.shutdown().await.unwrap();
    read_until(&mut client, "done").await;
    assert_eq!((next(&mut calls).await, next(&mut calls).await), (Event::Started, Event::Dropped));
}

async fn a_slow_call_is_answered_to_a_client_that_stays<S: TestServer>() {
    let (handler, mut calls) = slow(Duration::from_secs(600));
    let server = simulated::<S>(handler, HttpOptions::default()).await;
    // The second request arrives while the first is being answered.
    let mut client = server.send(&[REQUEST, REQUEST].concat()).await;
    for _ in 0..2 {
        read_until(&mut client, "done").await;
        assert_eq!((next(&mut calls).await, next(&mut calls).await), (Event::Started, Event::Dropped));
    }
}

async fn a_closed_unix_socket_and_a_reset_end_a_call_at_once<S: TestServer>() {
    let folder = tempfile::tempdir().unwrap();
    for listen in [Endpoint::Unix(folder.path().join("s")), Endpoint::loopback()] {
        let (handler, mut calls) = slow(TEST_TIMEOUT * 2);
        let (endpoint, _stop) = serve::<S>(&listen, handler, HttpOptions::default()).await;
        match &endpoint {
            Endpoint::Tcp { host, port } => {
                let stream = tokio::net::TcpStream::connect((host.as_str(), *port)).await.unwrap();
                stream.set_zero_linger().unwrap();
                let mut stream = stream;
                stream.write_all(REQUEST).await.unwrap();
                assert_eq!(next(&mut calls).await, Event::Started);
                drop(stream);
            }
            _ => {
                let mut stream = connect(&endpoint).await.unwrap();
                stream.write_all(REQUEST).await.unwrap();
                assert_eq!(next(&mut calls).await, Event::Started);
                drop(stream);
            }
        }
        assert_eq!(next(&mut calls).await, Event::Dropped);
    }
}

/// A handler that reports the length of bodies of up to `max_body` bytes, for at most one call at a time, and its options.
fn counting(max_body: usize) -> (impl Handler, HttpOptions) {
    let handler = Reading(|_: Uri, body: Bytes| async move { text(format!("{} bytes", body.len())) });
    (handler, HttpOptions::from(Limits { max_body, max_in_flight: 1, ..Limits::default() }))
}

fn text(body: impl Into<Vec<u8>>) -> Answer {
    Answer::new(StatusCode::OK, "text/plain", body)
}

fn head(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n")
}

async fn unfinished_bodies_keep_no_other_caller_waiting<S: TestServer>() {
    let (handler, options) = counting(16 << 20);
    let server = simulated::<S>(handler, options).await;
    let mut unfinished = Vec::new();
    for _ in 0..100 {
        unfinished.push(server.send((head(1_000) + "begun").as_bytes()).await);
    }
    let asked = Instant::now();
    read_until(&mut server.send(REQUEST).await, "2 bytes").await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    for client in &mut unfinished {
        client.write_all(&[b'x'; 995]).await.unwrap();
        read_until(client, "1000 bytes").await;
    }
}

async fn the_memory_of_unfinished_bodies_is_bounded_and_small_requests_are_answered_meanwhile<
    S: TestServer,
>() {
    const LARGE: usize = 200 << 10;
    let (handler, options) = counting(LARGE);
    let server = simulated::<S>(handler, options).await;
    // Each needs memory for all of its body, and together they use it up.
    let mut unfinished = Vec::new();
    for _ in 0..16 {
        unfinished.push(server.send(&[head(LARGE).as_bytes(), &vec![b'x'; LARGE - 1]].concat()).await);
    }
    let mut complete = server.send(&[head(LARGE).as_bytes(), &vec![b'x'; LARGE]].concat()).await;
    assert!(timeout(Duration::from_secs(1), complete.read_u8()).await.is_err());
    read_until(&mut server.send(REQUEST).await, "2 bytes").await;
    let mut first = unfinished.swap_remove(0);
    first.write_all(b"x").await.unwrap();
    read_until(&mut first, "204800 bytes").await;
    read_until(&mut complete, "204800 bytes").await;
    // The others are disconnected after the timeout for a body.
    for client in &mut unfinished {
        read_until(client, "the body did not arrive within 30s").await;
    }
    read_until(&mut server.send(&[head(LARGE).as_bytes(), &vec![b'x'; LARGE]].concat()).await, "bytes").await;
}

async fn a_client_that_does_not_read_its_response_is_disconnected<S: TestServer>() {
    let handler = NotReading(|_: Uri| async { text(vec![b'x'; 16 << 20]) });
    let server = simulated::<S>(handler, HttpOptions::default()).await;
    let client = server.send(REQUEST).await;
    sleep(Duration::from_secs(29)).await;
    assert_eq!(client.peer_end(), PeerEnd::Open);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(client.peer_end(), PeerEnd::HalfClosed);

    // A client that reads slowly gets all of it.
    let mut client = server.send(REQUEST).await;
    let mut buffer = vec![0; 128 << 10];
    let mut received = 0;
    while received < 16 << 20 {
        sleep(Duration::from_secs(10)).await;
        received += client.read(&mut buffer).await.unwrap();
    }
}

async fn a_connection_without_a_request_is_closed<S: TestServer>() {
    let (handler, options) = counting(1_000);
    let server = simulated::<S>(handler, options).await;
    // The head of a request has its time from the beginning of the wait, however many parts of it arrive.
    for (first, parts) in [(&b""[..], 0), (&REQUEST[..10], 0), (&REQUEST[..10], 20), (REQUEST, 0)] {
        let mut client = server.send(first).await;
        if first == REQUEST {
            read_until(&mut client, "2 bytes").await;
        }
        let begun = Instant::now();
        let mut buffer = [0; 1_000];
        let mut sent = 0;
        loop {
            match timeout(Duration::from_secs(3), client.read(&mut buffer)).await {
                Ok(read) => {
                    assert_eq!(read.unwrap_or(0), 0);
                    break;
                }
                Err(_) if sent < parts => {
                    sent += 1;
                    let _ = client.write_all(b"x").await;
                }
                Err(_) => {}
            }
        }
        let waited = begun.elapsed();
        assert!(waited > Duration::from_secs(25) && waited < Duration::from_secs(35), "{parts}: {waited:?}");
    }
}
