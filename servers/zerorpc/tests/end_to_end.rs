//! Client and server over the loopback interface, in one process.

mod common;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use calculator::{
    Calculator, Call, CallError, Client, ClientOptions, Deadline, Dispatcher, ErrorKind, Executor, Faults,
    Limits, Service, Value, conformance,
};
use common::{Running, add, calculator, sum, with_limits};
use net::Endpoint;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zeromq::{DealerSocket, RouterSocket, Socket, SocketRecv, SocketSend, ZmqMessage};
use zerorpc::wire::{ChannelEvent, Event, Id, Ids, write_call, write_event};
use zerorpc::{Server, ServerOptions, ZerorpcClient, parse_url, url_of};

#[tokio::test]
async fn every_row_of_the_conformance_table_passes_with_every_executor() {
    for executor in ["async", "blocking", "threads:2"] {
        let server = Running::calculator(executor, None).await;
        let client = server.client().await;
        let mut deadline = Deadline::new(Duration::from_secs(10));
        let outcomes = conformance::run(&client, conformance::Profile::default(), &mut deadline).await;
        assert_eq!(outcomes.len(), conformance::vectors(conformance::Profile::default()).len());
        for outcome in outcomes {
            assert!(outcome.passed(), "{executor}: {}: {}", outcome.vector.title(), outcome.answer());
        }
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn many_calls_in_flight_each_get_their_own_answer() {
    let server = Running::calculator("async", None).await;
    let client = Arc::new(server.client().await);
    let mut calls = JoinSet::new();
    for x in 0..500 {
        let client = Arc::clone(&client);
        calls.spawn(async move { (x, sum(&client, x, x).await) });
    }
    while let Some(finished) = calls.join_next().await {
        let (x, result) = finished.unwrap();
        assert_eq!(result, Ok(Value::Int(2 * x)));
    }
    server.stop().await;
}

#[tokio::test]
async fn calls_beyond_the_limit_of_waiting_ones_are_all_answered() {
    let faults = Faults { delay: Some(Duration::from_millis(20)), ..Faults::default() };
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, faults);
    let limits = Limits { max_in_flight: 3, ..Limits::default() };
    let server = Running::start(dispatcher, with_limits(limits)).await;
    let client = server.client().await;
    let calls: Vec<_> = (0..10).map(|x| add(x, 1)).collect();
    let answers = futures_util::future::join_all(calls.iter().map(|call| client.call(call))).await;
    for (x, answer) in (0..).zip(answers) {
        assert_eq!(answer, Ok(Value::Int(x + 1)));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_call_outlasts_many_heartbeat_periods_when_both_sides_send_heartbeats() {
    let period = Some(Duration::from_millis(50));
    let faults = Faults { delay: Some(Duration::from_millis(600)), ..Faults::default() };
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, faults);
    let server =
        Running::start(dispatcher, ServerOptions { heartbeat: period, ..ServerOptions::default() }).await;
    let client = ZerorpcClient::connect_with(&server.url, &ClientOptions::default(), period).await.unwrap();
    assert_eq!(sum(&client, 2, 3).await, Ok(Value::Int(5)));

    // A client that sends no heartbeats counts as lost, and its call is cancelled.
    let silent = ZerorpcClient::connect_with(&server.url, &ClientOptions::default(), None).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(1_200), sum(&silent, 2, 3)).await;
    assert!(waited.is_err(), "the server answered a caller that it must have lost: {waited:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_sends_no_heartbeats_counts_as_lost() {
    let faults = Faults { delay: Some(Duration::from_millis(600)), ..Faults::default() };
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, faults);
    let server =
        Running::start(dispatcher, ServerOptions { heartbeat: None, ..ServerOptions::default() }).await;
    let period = Some(Duration::from_millis(50));
    let client = ZerorpcClient::connect_with(&server.url, &ClientOptions::default(), period).await.unwrap();
    let error = sum(&client, 2, 3).await.unwrap_err();
    assert_eq!(error, CallError::new(ErrorKind::Undeliverable, "Lost remote after 0.1s heartbeat"));
    // The connection was closed with the call, and the next call opens another. Built-in methods have no delay.
    let pong = client.call(&Call::positional("_zerorpc_ping", [])).await;
    assert_eq!(pong, Ok(Value::list(vec!["pong".into(), "Calculator".into()])));
    server.stop().await;
}

#[tokio::test]
async fn a_dropped_call_leaves_the_connection_to_the_others() {
    let server = Running::calculator("async", Some(Duration::from_millis(100))).await;
    let client = server.client().await;
    let dropped = tokio::time::timeout(Duration::from_millis(10), sum(&client, 1, 1)).await;
    assert!(dropped.is_err());
    assert_eq!(sum(&client, 2, 3).await, Ok(Value::Int(5)));
    assert_eq!(server.dispatcher.calls(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_stopping_server_finishes_calls_in_progress_and_later_ones_are_undeliverable() {
    let server = Running::calculator("async", Some(Duration::from_millis(100))).await;
    let client = server.client().await;
    let call = add(2, 3);
    let mut in_progress = std::pin::pin!(client.call(&call));
    while server.dispatcher.calls() == 0 {
        assert!(futures_util::poll!(in_progress.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    server.stop.cancel();
    assert_eq!(in_progress.await, Ok(Value::Int(5)));
    server.stop().await;
    for _ in 0..2 {
        assert_eq!(sum(&client, 2, 3).await.unwrap_err().kind, ErrorKind::Undeliverable);
    }
}

#[tokio::test]
async fn calls_in_flight_fail_when_the_connection_ends_and_the_next_call_opens_another() {
    // A relay whose open connections can be cut.
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let server = Running::calculator("async", None).await;
    let address = server.url.strip_prefix("tcp://").unwrap().to_owned();
    let cut = Arc::new(Mutex::new(CancellationToken::new()));
    let relay = tokio::spawn({
        let cut = Arc::clone(&cut);
        async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut far = tokio::net::TcpStream::connect(&address).await.unwrap();
                let cut = cut.lock().unwrap().clone();
                connections.spawn(async move {
                    let copied = tokio::io::copy_bidirectional(&mut near, &mut far);
                    let _ = cut.run_until_cancelled(copied).await;
                });
            }
        }
    });
    let client = ZerorpcClient::connect(&url, &ClientOptions::default()).await.unwrap();
    assert_eq!(sum(&client, 2, 3).await, Ok(Value::Int(5)));
    let call = add(2, 3);
    let mut in_flight = std::pin::pin!(client.call(&call));
    assert!(futures_util::poll!(in_flight.as_mut()).is_pending());
    std::mem::take(&mut *cut.lock().unwrap()).cancel();
    assert_eq!(in_flight.await.unwrap_err().kind, ErrorKind::Undeliverable);
    assert_eq!(sum(&client, 4, 5).await, Ok(Value::Int(9)));
    relay.abort();
    server.stop().await;
}

#[tokio::test]
async fn connecting_fails_in_time() {
    let options = ClientOptions { timeout: Duration::from_millis(50), ..ClientOptions::default() };
    let connect = async |url: String| ZerorpcClient::connect(&url, &options).await.err().unwrap().kind;
    let silent = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("tcp://{}", silent.local_addr().unwrap());
    assert_eq!(connect(url.clone()).await, ErrorKind::Timeout);
    drop(silent);
    assert_eq!(connect(url).await, ErrorKind::Undeliverable);
    for wrong in ["", "http://127.0.0.1:1", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "ipc://"] {
        assert_eq!(connect(wrong.to_owned()).await, ErrorKind::Undeliverable, "{wrong}");
    }
}

#[tokio::test]
async fn named_arguments_and_too_large_integers_are_refused_before_they_are_sent() {
    let server = Running::calculator("async", None).await;
    let client = server.client().await;
    for (call, kind) in [
        (Call::named("hello", [("name".into(), "x".into())]), ErrorKind::InvalidArguments),
        (Call::positional("echo", [Value::BigInt("18446744073709551616".into())]), ErrorKind::Overflow),
    ] {
        assert_eq!(client.call(&call).await.unwrap_err().kind, kind);
    }
    assert_eq!(server.dispatcher.calls(), 0);
    // Other values that MessagePack can represent survive the round trip.
    for value in [
        Value::BigInt("18446744073709551615".into()),
        Value::from(vec![0, 255]),
        Value::Float(f64::NEG_INFINITY),
        Value::Null,
    ] {
        assert_eq!(client.call(&Call::positional("echo", [value.clone()])).await, Ok(value));
    }
    server.stop().await;
}

#[tokio::test]
async fn messages_above_the_limit_are_refused_by_both_sides() {
    let limits = Limits { max_body: 2_000, ..Limits::default() };
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, Faults::default());
    let server = Running::start(dispatcher, with_limits(limits)).await;
    let large = Call::positional("echo", ["x".repeat(1_000).into()]);
    let too_large = Call::positional("echo", ["x".repeat(2_000).into()]);
    let small =
        ClientOptions { limits: Limits { max_body: 500, ..Limits::default() }, ..ClientOptions::default() };
    let client = ZerorpcClient::connect(&server.url, &small).await.unwrap();
    assert_eq!(client.call(&large).await.unwrap_err().kind, ErrorKind::TooLarge);
    let refused = client.call(&too_large).await.unwrap_err();
    assert!(refused.message.contains("the limit of 2000 bytes"), "{refused}");
    assert_eq!(sum(&client, 2, 3).await, Ok(Value::Int(5)));
    assert_eq!(server.dispatcher.calls(), 2);
    server.stop().await;
}

#[tokio::test]
async fn other_framings_of_a_call_are_answered_and_garbage_is_dropped() {
    let server = Running::calculator("async", None).await;
    let mut peer = DealerSocket::new();
    peer.connect(&server.url).await.unwrap();
    let ids = Ids::new();
    let call = |x: i64| {
        let mut out = Vec::new();
        write_call(&mut out, &ids.id(ids.next()), "add", &[x.into(), 1.into()]).unwrap();
        Bytes::from(out)
    };
    let mut unexpected = Vec::new();
    write_event(&mut unexpected, &ids.id(0), Id::Bin(b"nosuch"), ChannelEvent::Heartbeat).unwrap();
    let frames: [Vec<Bytes>; 7] = [
        vec![Bytes::new()],
        vec![Bytes::new(), Bytes::from_static(b"\xc1 no MessagePack")],
        // An event on a channel that is not open.
        vec![Bytes::new(), unexpected.into()],
        vec![Bytes::new(), Bytes::from_static(b"\x93\x80\xa3add\x92\x01\x02")],
        vec![Bytes::new(), call(1)],
        vec![call(2)],
        vec![Bytes::from_static(b"envelope"), Bytes::new(), call(3)],
    ];
    for frames in frames {
        peer.send(ZmqMessage::try_from(frames).unwrap()).await.unwrap();
    }
    for (result, envelope) in [(2, None), (3, None), (4, Some(Bytes::from_static(b"envelope")))] {
        let mut frames = peer.recv().await.unwrap().into_vec();
        let payload = frames.pop().unwrap();
        assert_eq!(frames.pop(), Some(Bytes::new()));
        assert_eq!((frames.pop(), frames.len()), (envelope, 0));
        let reply = Event::decode(&payload, 64).unwrap();
        assert_eq!(reply.reply(64), Ok(Value::Int(result)));
    }
    server.stop().await;
}

/// A service whose methods panic.
struct Panics;

impl Service for Panics {
    fn name(&self) -> &'static str {
        "Panics"
    }
    fn methods(&self) -> &[calculator::MethodInfo] {
        &[]
    }
    fn call(&self, _method: &str, _params: calculator::Params) -> Result<Value, CallError> {
        std::panic::resume_unwind(Box::new("on purpose"));
    }
}

#[tokio::test]
async fn a_panicking_handler_is_an_error_of_its_call_only() {
    for executor in ["async", "threads:1"] {
        let dispatcher = Dispatcher::new(Panics, executor.parse().unwrap(), Faults::default());
        let server = Running::start(dispatcher, ServerOptions::default()).await;
        let client = server.client().await;
        for _ in 0..2 {
            assert_eq!(sum(&client, 2, 3).await.unwrap_err().kind, ErrorKind::Internal);
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn a_client_reconnects_to_a_restarted_server() {
    let server = Running::calculator("async", None).await;
    let client = server.client().await;
    assert_eq!(sum(&client, 2, 3).await, Ok(Value::Int(5)));
    let endpoint = parse_url(&server.url).unwrap();
    server.stop().await;
    assert_eq!(sum(&client, 2, 3).await.unwrap_err().kind, ErrorKind::Undeliverable);
    let dispatcher = calculator();
    let restarted = Server::bind(&endpoint, dispatcher.clone(), ServerOptions::default()).await.unwrap();
    let restarted = Running::run(restarted, dispatcher);
    assert_eq!(sum(&client, 4, 5).await, Ok(Value::Int(9)));
    restarted.stop().await;
}

#[tokio::test]
async fn a_server_binds_to_several_endpoints_over_tcp_and_unix_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    // A socket that another server has left behind is replaced.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let dispatcher = calculator();
    let mut server =
        Server::bind(&Endpoint::loopback(), dispatcher.clone(), ServerOptions::default()).await.unwrap();
    let ipc = server.bind_another(&Endpoint::Unix(path.clone())).await.unwrap();
    let tcp = server.bind_another(&parse_url("tcp://127.0.0.1:*").unwrap()).await.unwrap();
    let in_use = server.bind_another(&Endpoint::Unix(path.clone())).await.unwrap_err();
    assert_eq!(in_use.kind(), std::io::ErrorKind::AddrInUse);
    let server = Running::run(server, dispatcher);
    for url in [server.url.clone(), url_of(&ipc), url_of(&tcp)] {
        let client = ZerorpcClient::connect(&url, &ClientOptions::default()).await.unwrap();
        assert_eq!(sum(&client, 2, 3).await, Ok(Value::Int(5)), "{url}");
    }
    server.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn an_ordinary_file_in_place_of_a_unix_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "precious").unwrap();
    let endpoint = Endpoint::Unix(path.clone());
    let error = Server::bind(&endpoint, calculator(), ServerOptions::default()).await.err().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn the_client_understands_a_router_of_another_library() {
    let mut router = RouterSocket::new();
    let url = router.bind("tcp://127.0.0.1:0").await.unwrap().to_string();
    let serving = tokio::spawn(async move {
        let mut frames = router.recv().await.unwrap().into_vec();
        let call = frames.pop().unwrap();
        let event = Event::decode(&call, 64).unwrap();
        let mut reply = Vec::new();
        write_event(
            &mut reply,
            &Ids::new().id(0),
            event.message_id.unwrap(),
            ChannelEvent::Result(&7.into()),
        )
        .unwrap();
        frames.push(reply.into());
        router.send(ZmqMessage::try_from(frames).unwrap()).await.unwrap();
        router
    });
    let client = ZerorpcClient::connect(&url, &ClientOptions::default()).await.unwrap();
    assert_eq!(sum(&client, 3, 4).await, Ok(Value::Int(7)));
    serving.await.unwrap();
}

#[tokio::test]
async fn small_and_large_documents_survive_the_round_trip() {
    let server = Running::calculator("async", None).await;
    let client = server.client().await;
    for bytes in [200, 300, 20_000, 3 << 20] {
        let document = calculator::document::document(1, bytes);
        assert_eq!(client.call(&Call::positional("echo", [document.clone()])).await, Ok(document));
    }
    server.stop().await;
}
