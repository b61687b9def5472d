//! Peers that do not follow the protocol: the server refuses them and serves others; the clients report them.
#![allow(clippy::unwrap_used, reason = "a helper function fails its test by panicking")]

mod common;

use calculator::{Call, ErrorKind, Faults, Limits, Value};
use common::{PROTOCOLS, Protocol, Running, add, two_and_three};
use differential::Mutator;
use net::{Endpoint, WRITE_STALL_TIMEOUT};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The number of mutated requests to the server, and of mutated replies to the client, in each protocol.
const MUTATIONS: u32 = 10_000;

/// Parts of messages that mutations insert.
const DICTIONARY: &[&[u8]] = &[
    b"\x80\x01\0\x01",
    b"\x82\x21\x01",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff\x0f",
    b"\0\0\0\x04",
    b"\x0c\0\x01",
];

async fn read_to_end(mut stream: TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    // If the server closes with unread bytes, the connection is reset.
    let _ = stream.read_to_end(&mut received).await;
    received
}

#[tokio::test]
async fn what_cannot_be_answered_ends_the_connection() {
    for protocol in PROTOCOLS {
        let server = Running::calculator(protocol).await;
        for bytes in [
            &b"\0\0\0\0"[..],
            b"\0\0\0\x01\0",
            b"GET / HTTP/1.1\r\n\r\n",
            // Lengths above the limit, and a negative one.
            b"\x7f\xff\xff\xff",
            b"\x01\0\0\x01",
            b"\xff\xff\xff\xff",
        ] {
            let mut peer = server.raw().await;
            peer.write_all(bytes).await.unwrap();
            assert_eq!(read_to_end(peer).await, b"", "{}", bytes.escape_ascii());
            server.assert_serves().await;
        }
    }
}

#[tokio::test]
async fn what_was_asked_before_is_answered_before_the_connection_ends() {
    for protocol in PROTOCOLS {
        let server = Running::calculator(protocol).await;
        let mut peer = server.raw().await;
        peer.write_all(&[&protocol.request(&two_and_three())[..], b"\0\0\0\x01x"].concat()).await.unwrap();
        let mut received = vec![0; protocol.reply(&Ok(Value::Int(5))).len()];
        peer.read_exact(&mut received).await.unwrap();
        assert_eq!(received, protocol.reply(&Ok(Value::Int(5))));
        assert_eq!(read_to_end(peer).await, b"");
    }
}

#[tokio::test]
async fn a_stated_length_takes_no_memory_and_blocks_no_other_client() {
    let server = Running::calculator(Protocol::Binary).await;
    let mut peers = Vec::new();
    for _ in 0..100 {
        let mut peer = server.raw().await;
        peer.write_all(b"\0\xff\xff\xff\x80").await.unwrap();
        peers.push(peer);
    }
    server.assert_serves().await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_disconnected() {
    let server = Running::calculator(Protocol::Compact).await;
    let mut peer = server.raw().await;
    let echo = Protocol::Compact.request(&Call::positional("echo", ["x".repeat(1 << 20).into()]));
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    // Sends until the server, whose replies are not read, closes the connection.
    while peer.write_all(&echo).await.is_ok() {}
    let waited = started.elapsed();
    assert!((WRITE_STALL_TIMEOUT..2 * WRITE_STALL_TIMEOUT).contains(&waited), "{waited:?}");
    tokio::time::resume();
    server.assert_serves().await;
}

#[tokio::test]
async fn a_connection_above_the_limit_is_refused() {
    let limits = Limits { max_in_flight: 1, ..Limits::default() };
    let server = Running::start(Protocol::Binary, &Endpoint::loopback(), limits, Faults::default()).await;
    let first = server.client().await;
    assert_eq!(add(&*first).await, Ok(Value::Int(5)));
    let second = server.client().await;
    assert_eq!(add(&*second).await.unwrap_err().kind, ErrorKind::Undeliverable);
    drop(first);
    // Its place is free again as soon as the server has noticed that it has left.
    while add(&*second).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn ten_thousand_mutated_requests_do_not_stop_the_server() {
    for protocol in PROTOCOLS {
        let server = Running::calculator(protocol).await;
        let document = Value::map(vec![("a".into(), Value::list([Value::Null, Value::Float(0.5)]))]);
        let seeds = [two_and_three(), Call::positional("echo", [document])];
        let mut mutator =
            Mutator::new(1, seeds.iter().map(|call| protocol.request(call)).collect(), DICTIONARY);
        for i in 0..MUTATIONS {
            let mut client = server.raw().await;
            // The server may close the connection before it has everything.
            let _ = client.write_all(&mutator.message()).await;
            let _ = client.shutdown().await;
            read_to_end(client).await;
            if i % 1_000 == 0 {
                server.assert_serves().await;
            }
        }
        server.assert_serves().await;
    }
}

/// A listener that answers each connection's first bytes with what `reply` makes, and closes it.
async fn lying_server(mut reply: impl FnMut() -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("thrift://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let reply = reply();
            tokio::spawn(async move {
                let mut received = [0; 1_024];
                if stream.read(&mut received).await.unwrap_or(0) > 0 {
                    let _ = stream.write_all(&reply).await;
                    let _ = stream.shutdown().await;
                    while stream.read(&mut received).await.unwrap_or(0) > 0 {}
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn ten_thousand_mutated_replies_are_reported() {
    for protocol in PROTOCOLS {
        let failed =
            calculator::CallError::new(ErrorKind::ZeroDivision, "integer division or modulo by zero");
        let seeds = vec![protocol.reply(&Ok(Value::Int(5))), protocol.reply(&Err(failed))];
        let mut mutator = Mutator::new(1, seeds, DICTIONARY);
        let mut first = true;
        let five = protocol.reply(&Ok(Value::Int(5)));
        let url =
            lying_server(move || if std::mem::take(&mut first) { five.clone() } else { mutator.message() })
                .await;
        let (mut right, mut other) = (0, 0);
        for i in 0..MUTATIONS {
            let outcome = add(&*protocol.connect(&url).await).await;
            assert!(i > 0 || outcome == Ok(Value::Int(5)), "{outcome:?}");
            match outcome {
                Ok(Value::Int(5)) => right += 1,
                Ok(_) => other += 1,
                // A peer can report any kind of error.
                Err(error) => {
                    other += 1;
                    assert!(error.kind != ErrorKind::Timeout || error.remote.is_some(), "{error}");
                }
            }
        }
        assert!(right > 0 && other > 1_000, "{protocol:?}: {right} {other}");
    }
}

#[tokio::test]
async fn replies_that_are_not_of_the_protocol_are_reported() {
    use ErrorKind::{Malformed, TooLarge, Undeliverable};
    for protocol in PROTOCOLS {
        for (reply, kind) in [
            (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), TooLarge),
            (b"\0\0\0\x01x".to_vec(), Malformed),
            (b"\0\0\0\0".to_vec(), Malformed),
            (b"\x7f\xff\xff\xff".to_vec(), TooLarge),
            (b"\xff\xff\xff\xff".to_vec(), TooLarge),
            (b"\0\0\0\x20\x80".to_vec(), Undeliverable),
            (vec![], Undeliverable),
            (protocol.request(&two_and_three()), Malformed),
        ] {
            let shown = reply.escape_ascii().to_string();
            let url = lying_server(move || reply.clone()).await;
            let error = add(&*protocol.connect(&url).await).await.unwrap_err();
            assert_eq!(error.kind, kind, "{protocol:?} {shown}: {error}");
        }
    }
}
