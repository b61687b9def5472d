//! Clients and servers of both protocols.
#![allow(clippy::unwrap_used, reason = "a helper function fails its test by panicking")]

mod common;

use std::time::Duration;

use calculator::conformance::{self, Profile};
use calculator::document::document;
use calculator::{Call, ClientOptions, Deadline, ErrorKind, Faults, Limits, Value};
use common::{PROTOCOLS, Protocol, Running, add, two_and_three};
use net::Endpoint;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::test]
async fn the_conformance_table_holds() {
    for protocol in PROTOCOLS {
        let server = Running::calculator(protocol).await;
        let client = server.client().await;
        let mut deadline = Deadline::new(Duration::from_secs(60));
        let outcomes = conformance::run(&*client, Profile::default(), &mut deadline).await;
        assert_eq!(outcomes.len(), conformance::vectors(Profile::default()).len());
        for outcome in outcomes {
            assert!(outcome.passed(), "{protocol:?} {}: {}", outcome.vector.title(), outcome.answer());
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn named_arguments_are_sent_by_their_numbers() {
    let server = Running::calculator(Protocol::Compact).await;
    let client = server.client().await;
    let named = |names: &[&str]| {
        Call::named(
            "divide",
            names.iter().zip([2, 7]).map(|(name, value)| ((*name).into(), Value::Int(value))),
        )
    };
    assert_eq!(client.call(&named(&["y", "x"])).await, Ok(Value::Int(3)));
    // The gap tells the server which argument is missing.
    let error = client.call(&named(&["y"])).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidArguments);
    assert!(error.message.contains("'x'") && error.remote.is_some(), "{error}");
    let unknown = client.call(&named(&["z"])).await.unwrap_err();
    assert!(unknown.kind == ErrorKind::InvalidArguments && unknown.remote.is_none(), "{unknown}");
}

#[tokio::test]
async fn values_of_any_size_within_the_limits_are_echoed() {
    const MAX_BODY: usize = 1 << 20;
    for protocol in PROTOCOLS {
        let limits = Limits { max_body: MAX_BODY, ..Limits::default() };
        let server = Running::start(protocol, &Endpoint::loopback(), limits, Faults::default()).await;
        let client = server.client().await;
        let echo = async |value: Value| client.call(&Call::positional("echo", [value])).await;
        let envelope = protocol.request(&Call::positional("echo", ["".into()])).len() - 4;
        // A longer text has a longer length in the compact protocol.
        for bytes in [0, 100, 10_000, MAX_BODY - envelope - 4] {
            let text = Value::from("x".repeat(bytes));
            assert!(echo(text.clone()).await == Ok(text), "{protocol:?}: {bytes} bytes were changed");
        }
        let document = document(1, 100_000);
        assert!(echo(document.clone()).await == Ok(document), "{protocol:?}: the document was changed");
        // The server does not read such a request, and cannot say which one it was.
        let error = echo(Value::from("x".repeat(MAX_BODY))).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Undeliverable, "{error}");
        assert_eq!(add(&*client).await, Ok(Value::Int(5)));
    }
}

#[tokio::test]
async fn a_reply_beyond_the_limits_fails_its_call_alone() {
    for protocol in PROTOCOLS {
        let server = Running::calculator(protocol).await;
        let limits = Limits { max_body: 1_000, ..Limits::default() };
        let options = ClientOptions { limits, ..ClientOptions::default() };
        let client = protocol.connect_with(&server.url, &options).await.unwrap();
        let error = client.call(&Call::positional("echo", ["x".repeat(1_000).into()])).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge);
        assert_eq!(add(&*client).await, Ok(Value::Int(5)));
    }
}

#[tokio::test]
async fn more_calls_than_there_are_sequence_numbers_are_answered() {
    let server = Running::calculator(Protocol::Compact).await;
    let client = server.client().await;
    for number in 0..300 {
        let call = Call::positional("add", [Value::Int(number), Value::Int(1)]);
        assert_eq!(client.call(&call).await, Ok(Value::Int(number + 1)));
    }
}

#[tokio::test]
async fn requests_that_arrive_together_are_answered_in_their_order() {
    for protocol in PROTOCOLS {
        let server = Running::calculator(protocol).await;
        let mut peer = server.raw().await;
        let unknown = protocol.request(&Call::positional("nosuch", []));
        let batch =
            [protocol.request(&two_and_three()), unknown, protocol.request(&two_and_three())].concat();
        // Cut inside a request.
        let (first, second) = batch.split_at(20);
        peer.write_all(first).await.unwrap();
        tokio::task::yield_now().await;
        peer.write_all(second).await.unwrap();
        let five = protocol.reply(&Ok(Value::Int(5)));
        let mut received = vec![0; five.len()];
        peer.read_exact(&mut received).await.unwrap();
        assert_eq!(received, five);
        let mut head = [0; 4];
        peer.read_exact(&mut head).await.unwrap();
        let mut failure = vec![0; u32::from_be_bytes(head) as usize];
        peer.read_exact(&mut failure).await.unwrap();
        assert!(failure.windows(6).any(|window| window == b"nosuch"), "{}", failure.escape_ascii());
        peer.read_exact(&mut received).await.unwrap();
        assert_eq!(received, five);
    }
}

#[tokio::test]
async fn calls_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a socket");
    let listen = Endpoint::Unix(path.clone());
    let server = Running::start(Protocol::Compact, &listen, Limits::default(), Faults::default()).await;
    assert!(server.url.starts_with("unix:///") && server.url.ends_with("/a%20socket"), "{}", server.url);
    let client = server.client().await;
    assert_eq!(add(&*client).await, Ok(Value::Int(5)));
    server.stop().await;
    assert!(!path.exists());
    assert_eq!(add(&*client).await.unwrap_err().kind, ErrorKind::Undeliverable);
}

#[tokio::test]
async fn a_call_in_progress_is_answered_although_the_server_stops() {
    let delay = Some(Duration::from_millis(50));
    let faults = Faults { delay, ..Faults::default() };
    let server = Running::start(Protocol::Binary, &Endpoint::loopback(), Limits::default(), faults).await;
    let client = server.client().await;
    let (result, ()) = tokio::join!(add(&*client), async {
        while server.dispatcher.calls() < 1 {
            tokio::task::yield_now().await;
        }
        server.stop().await;
    });
    assert_eq!(result, Ok(Value::Int(5)));
}

#[tokio::test]
async fn the_reply_to_an_abandoned_call_is_not_taken_for_that_to_the_next() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("thrift://{}", listener.local_addr().unwrap());
    for protocol in PROTOCOLS {
        let request_len = protocol.request(&two_and_three()).len();
        let client = protocol.connect(&url).await;
        let accept_request = async || {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_exact(&mut vec![0; request_len]).await.unwrap();
            stream
        };
        let mut abandoned = tokio::select! {
            _ = add(&*client) => panic!("it has no reply"),
            stream = accept_request() => stream,
        };
        // Too late. The next call has another connection and another number.
        let _ = abandoned.write_all(&protocol.reply(&Ok(Value::Int(7)))).await;
        let answer = async {
            let mut stream = accept_request().await;
            stream.write_all(&protocol.reply(&Ok(Value::Int(5)))).await.unwrap();
            stream
        };
        let (result, _stream) = tokio::join!(add(&*client), answer);
        // The number 0 is that of the first call.
        assert_eq!(result.unwrap_err().kind, ErrorKind::Malformed, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_client_of_the_other_protocol_is_disconnected() {
    for [ours, theirs] in [PROTOCOLS, [Protocol::Compact, Protocol::Binary]] {
        let server = Running::calculator(ours).await;
        let client = theirs.connect(&server.url).await;
        assert_eq!(add(&*client).await.unwrap_err().kind, ErrorKind::Undeliverable);
        server.assert_serves().await;
    }
}

#[tokio::test]
async fn no_server_and_a_wrong_url_are_undeliverable() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("thrift://{}", unused.local_addr().unwrap());
    drop(unused);
    for url in [url.as_str(), "http://127.0.0.1:1/", "tcp://127.0.0.1:1"] {
        let refused = Protocol::Binary.connect_with(url, &ClientOptions::default()).await;
        assert!(refused.is_err_and(|error| error.kind == ErrorKind::Undeliverable), "{url}");
    }
}
