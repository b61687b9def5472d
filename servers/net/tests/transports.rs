//! The same exchange of bytes over every transport, async and blocking.

// Clippy lets test functions unwrap, but not their helpers.
#![allow(clippy::unwrap_used)]

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use net::{ByteCounts, Endpoint, Listener, PeerEnd, Stream, blocking, connect};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const TIMEOUT: Duration = Duration::from_secs(60);

/// An endpoint of each kind, in a folder that is removed when dropped.
fn endpoints() -> (TempDir, [Endpoint; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let socket = Endpoint::Unix(folder.path().join("s"));
    (folder, [Endpoint::loopback(), socket])
}

/// Reads by readiness until `len` bytes have arrived.
async fn read_exactly(stream: &Stream, len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < len {
        poll_fn(|context| stream.poll_read_ready(context)).await.unwrap();
        match stream.try_read_buf(&mut bytes) {
            Ok(0) => panic!("the stream ended after {} bytes", bytes.len()),
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
    bytes
}

async fn write_all(stream: &Stream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        poll_fn(|context| stream.poll_write_ready(context)).await.unwrap();
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
}

#[tokio::test]
async fn bytes_pass_both_ways_by_readiness_and_by_the_traits() {
    let (_folder, endpoints) = endpoints();
    for endpoint in endpoints {
        let listener = Listener::bind(&endpoint).await.unwrap();
        let (client, server) = tokio::join!(connect(listener.endpoint()), listener.next());
        let mut client = client.unwrap();
        // More than a socket accepts in one write.
        let many = vec![7; 4 << 20];
        let ((), received) = tokio::join!(write_all(&client, &many), read_exactly(&server, many.len()));
        assert!(received == many);
        let counts = ByteCounts { sent: many.len() as u64, received: 0 };
        assert_eq!(client.bytes_counted(), (!endpoint.is_counted_by_kernel()).then_some(counts));

        let mut server = server;
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
        assert_eq!(
            client.bytes_counted().map(|counts| counts.received),
            (!endpoint.is_counted_by_kernel()).then_some(6)
        );
    }
}

#[tokio::test]
async fn the_end_of_the_peer_is_seen_while_its_bytes_are_unread() {
    let (_folder, endpoints) = endpoints();
    for endpoint in endpoints {
        let listener = Listener::bind(&endpoint).await.unwrap();
        let (client, server) = tokio::join!(connect(listener.endpoint()), listener.next());
        let mut client = client.unwrap();
        client.write_all(b"unread").await.unwrap();
        poll_fn(|context| server.poll_read_ready(context)).await.unwrap();
        assert_eq!(server.peer_end(), PeerEnd::Open);
        client.shutdown().await.unwrap();
        until(|| server.peer_end() == PeerEnd::HalfClosed).await;
        drop(client);
        if endpoint.is_counted_by_kernel() {
            // TCP shows that the peer has gone when it refuses bytes.
            write_all(&server, b"answer").await;
        }
        until(|| server.peer_end() == PeerEnd::Closed).await;
    }
}

/// Lets the runtime read events until `condition` holds.
async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, waiting).await.unwrap();
}

#[test]
fn threads_share_a_blocking_stream() {
    let (_folder, endpoints) = endpoints();
    for endpoint in endpoints {
        let listener = blocking::Listener::bind(&endpoint).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut stream = listener.accept().unwrap();
                let mut request = [0; 3];
                stream.read_exact(&mut request).unwrap();
                stream.write_all(&request).unwrap();
                // Returns when the other end is shut down.
                assert_eq!(stream.read(&mut request).unwrap(), 0);
            });
            let stream = blocking::connect(listener.endpoint(), TIMEOUT).unwrap();
            (&stream).write_all(b"abc").unwrap();
            let mut reply = [0; 3];
            (&stream).read_exact(&mut reply).unwrap();
            assert_eq!(&reply, b"abc");
            stream.shutdown(Shutdown::Write).unwrap();
            let counts = ByteCounts { sent: 3, received: 3 };
            assert_eq!(stream.bytes_counted(), (!endpoint.is_counted_by_kernel()).then_some(counts));
        });
    }
}

#[test]
fn the_process_counts_bytes_that_the_kernel_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let listener = blocking::Listener::bind(&Endpoint::Unix(folder.path().join("s"))).unwrap();
    let before = net::bytes_counted();
    let mut client = blocking::connect(listener.endpoint(), TIMEOUT).unwrap();
    client.write_all(&[0; 1000]).unwrap();
    listener.accept().unwrap().read_exact(&mut [0; 1000]).unwrap();
    drop(client);
    // Other tests of this process count, too.
    let after = net::bytes_counted();
    assert!(after.sent - before.sent >= 1000 && after.received - before.received >= 1000);
}

#[test]
fn a_thread_that_accepts_can_be_woken() {
    let (_folder, [tcp, unix]) = endpoints();
    let unspecified = Endpoint::Tcp { host: "*".to_owned(), port: 0 };
    for endpoint in [tcp, unix, unspecified] {
        let listener = blocking::Listener::bind(&endpoint).unwrap();
        std::thread::scope(|scope| {
            let accepting = scope.spawn(|| drop(listener.accept()));
            listener.wake();
            accepting.join().unwrap();
        });
    }
}

#[tokio::test]
async fn an_endpoint_without_a_listener_refuses() {
    let (_folder, endpoints) = endpoints();
    for endpoint in endpoints {
        let listener = Listener::bind(&endpoint).await.unwrap();
        let endpoint = listener.endpoint().clone();
        drop(listener);
        let expected = match endpoint {
            // The file is gone.
            Endpoint::Unix(_) => io::ErrorKind::NotFound,
            _ => io::ErrorKind::ConnectionRefused,
        };
        assert_eq!(connect(&endpoint).await.unwrap_err().kind(), expected);
        assert_eq!(blocking::connect(&endpoint, TIMEOUT).unwrap_err().kind(), expected);
    }
}

#[tokio::test]
async fn an_endpoint_in_use_cannot_be_bound_again() {
    let (_folder, endpoints) = endpoints();
    for endpoint in endpoints {
        let listener = Listener::bind(&endpoint).await.unwrap();
        let taken = Listener::bind(listener.endpoint()).await.unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        assert!(connect(listener.endpoint()).await.is_ok());
    }
}
