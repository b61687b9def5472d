//! The end of connections: clients that leave or do not read, and servers that stop.

use std::time::Duration;

use calculator::{
    Calculator, Call, Client, ClientOptions, Dispatcher, ErrorKind, Executor, Faults, Limits, Value,
};
use jsonrpc::{WebSocketClient, WebSocketServer};
use net::{Endpoint, WRITE_STALL_TIMEOUT};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use crate::common::two_and_three;
use crate::peer::{ADDITION, CLOSE, PING, PONG, Running, SUM, TEXT, close_code, masked, slow, unmasked};

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let server = Running::with(Limits::default()).await;
    let mut peer = server.opened().await;
    server.stop.cancel();
    let mut received = Vec::new();
    peer.read_to_end(&mut received).await.unwrap();
    assert_eq!(close_code(&received), Some(1001));
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
