//! Peers that send nothing or too little, or never read, are disconnected after a bounded time.
//!
//! Time is virtual here: the paused clock advances to the next timer whenever all tasks are idle, so these tests do not
//! wait. Reads from sockets have no timeout in them, because that would be such a timer.

// Clippy lets test functions unwrap, but not their helpers.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use calculator::Value;
use common::{Peer, Running, sum};
use net::WRITE_STALL_TIMEOUT;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, pause, resume};
use zerorpc::zmtp::HANDSHAKE_TIMEOUT;
use zerorpc::zmtp::wire::{GREETING_LEN, SocketType, greeting, write_ready};

/// The resolution of Tokio's timers, generously.
const TIMER_RESOLUTION: Duration = Duration::from_millis(10);

async fn connect(server: &Running) -> TcpStream {
    TcpStream::connect(server.url.strip_prefix("tcp://").unwrap()).await.unwrap()
}

/// Reads until the server closes the connection, and returns how many bytes it sent.
async fn read_to_end(mut stream: TcpStream) -> usize {
    let mut rest = Vec::new();
    // If the server closes with unread bytes, the connection is reset.
    let _ = stream.read_to_end(&mut rest).await;
    rest.len()
}

#[tokio::test]
async fn a_peer_that_does_not_finish_the_handshake_is_disconnected() {
    let server = Running::calculator("async", None).await;
    let mut handshake = greeting().to_vec();
    write_ready(&mut handshake, SocketType::Dealer);
    // Nothing, a part of a greeting, all of it, a part of READY, a large command that never ends.
    let endless = [&handshake[..GREETING_LEN], b"\x06\0\0\0\0\0\0\x10\0\x05READY"].concat();
    let sent_bytes =
        [&[][..], &handshake[..10], &handshake[..GREETING_LEN], &handshake[..handshake.len() - 1], &endless];
    let mut silent = Vec::new();
    for bytes in sent_bytes {
        let mut stream = connect(&server).await;
        stream.write_all(bytes).await.unwrap();
        silent.push(stream);
    }
    pause();
    let started = Instant::now();
    for (stream, bytes) in silent.into_iter().zip(sent_bytes) {
        // The greeting, and READY if the server has received a greeting.
        let expected = if bytes.len() < GREETING_LEN { GREETING_LEN } else { GREETING_LEN + READY_LEN };
        assert_eq!(read_to_end(stream).await, expected);
    }
    let waited = started.elapsed();
    assert!(waited <= HANDSHAKE_TIMEOUT + TIMER_RESOLUTION, "the server waited {waited:?}");
    resume();
    assert_eq!(sum(&server.client().await, 2, 3).await, Ok(Value::Int(5)));
    server.stop().await;
}

/// Bytes of the READY command of a ROUTER.
const READY_LEN: usize = 2 + 41;

#[tokio::test]
async fn a_slow_handshake_has_no_more_time_than_a_missing_one() {
    let server = Running::calculator("async", None).await;
    let mut handshake = greeting().to_vec();
    write_ready(&mut handshake, SocketType::Dealer);
    let mut stream = connect(&server).await;
    let mut received = [0; GREETING_LEN];
    stream.read_exact(&mut received).await.unwrap();
    pause();
    let started = Instant::now();
    let mut sent = 0;
    for byte in &handshake {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        sent += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(
        sent < handshake.len() && started.elapsed() <= HANDSHAKE_TIMEOUT + Duration::from_secs(2),
        "{sent}"
    );
    resume();
    assert_eq!(sum(&server.client().await, 2, 3).await, Ok(Value::Int(5)));
    server.stop().await;
}

#[tokio::test]
async fn only_commands_are_accepted_before_the_end_of_the_handshake() {
    let server = Running::calculator("async", None).await;
    // The first bytes of a message of 16 MiB are enough for it to be refused.
    for message in [&b"\x02\0\0\0\0\x01\0\0\0"[..], b"\x00\x01p", b"\x01\x00\x00\x01p"] {
        let mut stream = connect(&server).await;
        stream.write_all(&greeting()).await.unwrap();
        stream.write_all(message).await.unwrap();
        stream.write_all(&[b'x'; 600]).await.unwrap();
        let waited = tokio::time::timeout(common::TIMEOUT, read_to_end(stream)).await;
        assert!(waited.is_ok(), "the connection stays open");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_never_reads_is_disconnected() {
    let server = Running::calculator("async", None).await;
    let mut peer = Peer::connect(&server.url).await;
    let mut message = b"\x01\x00\x02".to_vec();
    let call = peer.call("echo", &[Value::from(vec![b'x'; 0x4000])]);
    message.extend_from_slice(&(call.len() as u64).to_be_bytes());
    message.extend_from_slice(&call);
    pause();
    let started = Instant::now();
    // The server stops reading when too many bytes wait for this peer, and finally closes the connection.
    while peer.stream.write_all(&message).await.is_ok() {
        assert!(started.elapsed() <= WRITE_STALL_TIMEOUT + TIMER_RESOLUTION);
    }
    let waited = started.elapsed();
    assert!(
        waited >= WRITE_STALL_TIMEOUT && waited <= WRITE_STALL_TIMEOUT + TIMER_RESOLUTION,
        "the server waited {waited:?}"
    );
    resume();
    assert_eq!(sum(&server.client().await, 2, 3).await, Ok(Value::Int(5)));
    server.stop().await;
}
