//! Peers that say nothing, too little, or never read: given up after a bounded time, which is virtual here. The clock
//! goes to the next timer whenever nobody has anything to do, so none of this waits; what is waited for on a socket has
//! no limit of its own, since that would be such a timer.

// Clippy lets test functions unwrap, but not their helpers.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use calculator::Value;
use common::{Peer, Running, sum};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, pause, resume};
use zerorpc::zmtp::wire::{GREETING_LEN, SocketType, greeting, ready};
use zerorpc::zmtp::{HANDSHAKE_TIMEOUT, STALLED_AFTER};

/// What a timer of Tokio may be late by.
const TICK: Duration = Duration::from_millis(10);

async fn connect(server: &Running) -> TcpStream {
    TcpStream::connect(server.url.strip_prefix("tcp://").unwrap()).await.unwrap()
}

/// Reads until the server closes the connection; gives how many octets came.
async fn ended(mut stream: TcpStream) -> usize {
    let mut rest = Vec::new();
    // What the server has not read makes its end of the connection a reset.
    let _ = stream.read_to_end(&mut rest).await;
    rest.len()
}

#[tokio::test]
async fn a_peer_that_does_not_finish_the_handshake_is_given_up() {
    let server = Running::calculator("async", None).await;
    let mut hello = greeting().to_vec();
    ready(&mut hello, SocketType::Dealer);
    // Nothing, a part of a greeting, all of it, a part of READY, a large command that never ends.
    let endless = [&hello[..GREETING_LEN], b"\x06\0\0\0\0\0\0\x10\0\x05READY"].concat();
    let said = [&[][..], &hello[..10], &hello[..GREETING_LEN], &hello[..hello.len() - 1], &endless];
    let mut silent = Vec::new();
    for said in said {
        let mut stream = connect(&server).await;
        stream.write_all(said).await.unwrap();
        silent.push(stream);
    }
    pause();
    let begun = Instant::now();
    for (stream, said) in silent.into_iter().zip(said) {
        // The greeting, and READY where the server has seen theirs.
        let own = if said.len() < GREETING_LEN { GREETING_LEN } else { GREETING_LEN + READY_LEN };
        assert_eq!(ended(stream).await, own);
    }
    let waited = begun.elapsed();
    assert!(waited <= HANDSHAKE_TIMEOUT + TICK, "they were waited for {waited:?}");
    resume();
    assert_eq!(sum(&server.client().await, 2, 3).await, Ok(Value::Int(5)));
    server.stop().await;
}

/// Octets of a ROUTER's READY.
const READY_LEN: usize = 2 + 41;

#[tokio::test]
async fn a_handshake_that_trickles_in_has_no_more_time_than_one_that_does_not_come() {
    let server = Running::calculator("async", None).await;
    let mut hello = greeting().to_vec();
    ready(&mut hello, SocketType::Dealer);
    let mut stream = connect(&server).await;
    let mut theirs = [0; GREETING_LEN];
    stream.read_exact(&mut theirs).await.unwrap();
    pause();
    let begun = Instant::now();
    let mut sent = 0;
    for octet in &hello {
        if stream.write_all(&[*octet]).await.is_err() {
            break;
        }
        sent += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(sent < hello.len() && begun.elapsed() <= HANDSHAKE_TIMEOUT + Duration::from_secs(2), "{sent}");
    resume();
    assert_eq!(sum(&server.client().await, 2, 3).await, Ok(Value::Int(5)));
    server.stop().await;
}

#[tokio::test]
async fn nothing_but_a_command_is_taken_before_the_handshake_has_ended() {
    let server = Running::calculator("async", None).await;
    // The first octets of a message of 16 MiB are enough.
    for message in [&b"\x02\0\0\0\0\x01\0\0\0"[..], b"\x00\x01p", b"\x01\x00\x00\x01p"] {
        let mut stream = connect(&server).await;
        stream.write_all(&greeting()).await.unwrap();
        stream.write_all(message).await.unwrap();
        stream.write_all(&[b'x'; 600]).await.unwrap();
        let waited = tokio::time::timeout(common::PATIENCE, ended(stream)).await;
        assert!(waited.is_ok(), "the connection is kept");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_never_reads_is_given_up() {
    let server = Running::calculator("async", None).await;
    let mut peer = Peer::connect(&server.url).await;
    let mut message = b"\x01\x00\x02".to_vec();
    let call = peer.call("echo", &[Value::Bytes(vec![b'x'; 0x4000])]);
    message.extend_from_slice(&(call.len() as u64).to_be_bytes());
    message.extend_from_slice(&call);
    pause();
    let begun = Instant::now();
    // The server reads no more once too much waits for this peer, and closes the connection in the end.
    while peer.stream.write_all(&message).await.is_ok() {
        assert!(begun.elapsed() <= STALLED_AFTER + TICK);
    }
    let waited = begun.elapsed();
    assert!(waited >= STALLED_AFTER && waited <= STALLED_AFTER + TICK, "it was waited for {waited:?}");
    resume();
    assert_eq!(sum(&server.client().await, 2, 3).await, Ok(Value::Int(5)));
    server.stop().await;
}
