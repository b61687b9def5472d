//! The clients and the server over a socket.

#![allow(clippy::unwrap_used, reason = "a helper function fails its test by panicking")]

mod common;

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::time::Duration;

use calculator::conformance::{self, Profile};
use calculator::{
    Calculator, Call, CallError, ClientOptions, Deadline, Dispatcher, ErrorKind, Executor, Faults, Limits,
    MethodInfo, Params, Service, Value,
};
use common::{CLIENTS, Running, add, call, connect, connect_with, dispatcher, receive};
use grpc::Server;
use net::Endpoint;
use tokio_util::sync::CancellationToken;

const TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn both_clients_pass_the_conformance_table() {
    let server = Running::calculator().await;
    for client in CLIENTS {
        let client = connect(client, &server.url).await;
        let outcomes = conformance::run(&*client, Profile::default(), &mut Deadline::new(TIMEOUT)).await;
        assert_eq!(outcomes.len(), conformance::vectors(Profile::default()).len());
        for outcome in outcomes {
            assert!(outcome.passed(), "{}: {}", outcome.vector.title(), outcome.answer());
        }
    }
}

#[tokio::test]
async fn calls_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let listen = Endpoint::Unix(folder.path().join("calculator.sock"));
    let server = Running::at(&listen, dispatcher(Calculator), Limits::default()).await;
    assert!(server.url.starts_with("unix:///"), "{}", server.url);
    for client in CLIENTS {
        assert_eq!(add(&*connect(client, &server.url).await).await, Ok(5.into()));
    }
}

#[tokio::test]
async fn calls_with_named_arguments() {
    let server = Running::calculator().await;
    for client in CLIENTS {
        let client = connect(client, &server.url).await;
        let call = Call::named("divide", [("y".into(), 2.into()), ("x".into(), Value::Int(-7))]);
        assert_eq!(client.call(&call).await, Ok(Value::Int(-4)));
        let call = Call::named("divide", [("y".into(), 2.into())]);
        let error = client.call(&call).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArguments);
        assert!(error.message.contains("'x'"), "{error}");
    }
}

#[tokio::test]
async fn an_error_keeps_its_kind_its_message_and_its_code() {
    let server = Running::calculator().await;
    for client in CLIENTS {
        let client = connect(client, &server.url).await;
        let error = client.call(&call("divide", [1.into(), 0.into()])).await.unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::ZeroDivision, "integer division or modulo by zero")
        );
        let remote = error.remote.unwrap();
        assert_eq!((remote.code, remote.class.as_deref()), (Some(3), Some("INVALID_ARGUMENT")));
        for (method, kind) in [("nosuch", ErrorKind::UnknownMethod), ("a/b", ErrorKind::UnknownMethod)] {
            assert_eq!(client.call(&call(method, [])).await.unwrap_err().kind, kind);
        }
    }
}

#[tokio::test]
async fn messages_above_the_limit_are_too_large_at_both_ends() {
    let text = |len: usize| [Value::from("x".repeat(len))];
    let small = Limits { max_body: 1_000, max_depth: 8, ..Limits::default() };
    let server = Running::with(small).await;
    let tolerant = Running::calculator().await;
    for name in CLIENTS {
        let client = connect(name, &server.url).await;
        let error = client.call(&call("hello", text(1_000))).await.unwrap_err();
        assert_eq!((error.kind, error.remote.unwrap().code), (ErrorKind::TooLarge, Some(8)), "{name}");
        let deep = (0..20).fold(Value::Int(1), |value, _| Value::list(vec![value]));
        assert_eq!(client.call(&call("echo", [deep])).await.unwrap_err().kind, ErrorKind::TooLarge);
        // The connection is still usable.
        assert_eq!(add(&*client).await, Ok(5.into()));

        let options = ClientOptions { limits: small, ..ClientOptions::default() };
        let client = connect_with(name, &tolerant.url, &options).await.unwrap();
        let error = client.call(&call("echo", text(1_000))).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge, "{name}: {error}");
        assert_eq!(client.call(&call("echo", text(900))).await, Ok(text(900)[0].clone()));
        assert_eq!(add(&*client).await, Ok(5.into()));
    }
}

#[tokio::test]
async fn documents_larger_than_the_windows_of_flow_control_pass() {
    let server = Running::calculator().await;
    let document = calculator::document::document(1, 3 << 20);
    for client in CLIENTS {
        let client = connect(client, &server.url).await;
        let echoed = client.call(&call("echo", [document.clone()])).await.unwrap();
        assert!(echoed == document, "the document changed");
    }
}

#[tokio::test]
async fn many_calls_share_a_connection() {
    let server = Running::calculator().await;
    for client in CLIENTS {
        let client = connect(client, &server.url).await;
        let mut calls = tokio::task::JoinSet::new();
        for i in 0..500_i64 {
            let client = std::sync::Arc::clone(&client);
            calls.spawn(async move {
                let sum = client.call(&call("add", [i.into(), 1.into()])).await;
                assert_eq!(sum, Ok(Value::Int(i + 1)));
            });
        }
        while let Some(call) = calls.join_next().await {
            call.unwrap();
        }
    }
}

#[tokio::test]
async fn a_stream_of_replies_is_not_taken_for_one_result() {
    let server = Running::calculator().await;
    for name in CLIENTS {
        let client = connect(name, &server.url).await;
        assert_eq!(client.call(&call("count", [1.into()])).await, Ok(Value::Int(0)), "{name}");
        for limit in [0, 2, 1_000_000] {
            let error = client.call(&call("count", [limit.into()])).await.unwrap_err();
            assert!(matches!(error.kind, ErrorKind::Malformed | ErrorKind::Internal), "{name}: {error}");
        }
        assert_eq!(add(&*client).await, Ok(5.into()));
    }
}

#[tokio::test]
async fn a_stream_has_all_its_items_at_their_places() {
    let server = Running::calculator().await;
    for name in CLIENTS {
        let client = connect(name, &server.url).await;
        for limit in [0, 1, 2, 100_000] {
            let items = receive(&*client, &call("count", [limit.into()])).await;
            assert!(items == Ok((0..limit).map(Value::Int).collect()), "{name} {limit}");
        }
        // A method with one result is a stream of one item.
        assert_eq!(receive(&*client, &call("add", [2.into(), 3.into()])).await, Ok(vec![Value::Int(5)]));
        for (wrong, kind) in [
            (call("count", ["3".into()]), ErrorKind::InvalidArguments),
            (call("count", []), ErrorKind::InvalidArguments),
            (call("nothing", []), ErrorKind::UnknownMethod),
        ] {
            assert_eq!(receive(&*client, &wrong).await.unwrap_err().kind, kind, "{name}: {wrong:?}");
        }
        let mut seen = 0;
        let mut until_ten = |_| {
            seen += 1;
            if seen < 10 { Ok(()) } else { Err(CallError::new(ErrorKind::Malformed, "enough")) }
        };
        let endless = call("count", [i64::MAX.into()]);
        let ended = client.call_stream(&endless, &mut until_ten).unwrap().await;
        assert_eq!((ended.unwrap_err().message.as_ref(), seen), ("enough", 10), "{name}");
        assert_eq!(add(&*client).await, Ok(5.into()), "{name}");
    }
}

/// A method that never ends, and one that does.
struct Endless;

const ENDLESS: &[MethodInfo] = &[
    MethodInfo { name: "endless", params: &[], doc: "Wait for a day." },
    MethodInfo { name: "quick", params: &[], doc: "Return null." },
];

impl Service for Endless {
    fn name(&self) -> &'static str {
        "Endless"
    }

    fn methods(&self) -> &[MethodInfo] {
        ENDLESS
    }

    fn wait(&self, method: &str, _: &Params) -> Duration {
        Duration::from_secs(if method == "endless" { 86_400 } else { 0 })
    }

    fn call(&self, _: &str, _: Params) -> Result<Value, CallError> {
        Ok(Value::Null)
    }
}

#[tokio::test]
async fn the_deadline_of_a_call_ends_it_and_its_handler() {
    let one_at_a_time = Limits { max_in_flight: 1, ..Limits::default() };
    let server = Running::at(&Endpoint::loopback(), dispatcher(Endless), one_at_a_time).await;
    for name in CLIENTS {
        let client = connect(name, &server.url).await;
        // Time passes only while nothing else happens.
        tokio::time::pause();
        let error = client.call(&call("endless", [])).await.unwrap_err();
        tokio::time::resume();
        assert_eq!(error.kind, ErrorKind::Timeout, "{name}: {error}");
        if name == "h2" {
            assert_eq!(error.remote.unwrap().code, Some(4), "the server ended it");
        }
        assert_eq!(client.call(&call("quick", [])).await, Ok(Value::Null), "{name}: the handler still runs");
    }
}

#[tokio::test]
async fn an_abandoned_call_ends_its_handler() {
    let one_at_a_time = Limits { max_in_flight: 1, ..Limits::default() };
    let dispatcher = dispatcher(Endless);
    let server = Running::at(&Endpoint::loopback(), dispatcher.clone(), one_at_a_time).await;
    for (name, calls) in CLIENTS.into_iter().zip([1, 3]) {
        let client = connect(name, &server.url).await;
        let abandoned = tokio::spawn({
            let client = std::sync::Arc::clone(&client);
            async move { client.call(&call("endless", [])).await }
        });
        while dispatcher.calls() < calls {
            tokio::task::yield_now().await;
        }
        abandoned.abort();
        assert_eq!(client.call(&call("quick", [])).await, Ok(Value::Null), "{name}");
    }
}

/// A service whose handlers report that they run and then wait for a message.
struct Gate {
    entered: tokio::sync::mpsc::UnboundedSender<()>,
    leave: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Service for Gate {
    fn name(&self) -> &'static str {
        "Gate"
    }

    fn methods(&self) -> &[MethodInfo] {
        const METHODS: &[MethodInfo] = &[MethodInfo { name: "pass", params: &[], doc: "Pass." }];
        METHODS
    }

    fn call(&self, _: &str, _: Params) -> Result<Value, CallError> {
        let _ = self.entered.send(());
        let _ = self.leave.lock().map(|leave| leave.recv());
        Ok(Value::Int(1))
    }
}

#[tokio::test]
async fn a_server_that_is_stopped_finishes_its_calls_and_refuses_others() {
    for name in CLIENTS {
        let (entered, mut running) = tokio::sync::mpsc::unbounded_channel();
        let (leave, gate) = std::sync::mpsc::channel();
        let gate = Gate { entered, leave: Mutex::new(gate) };
        let executor = Executor::Threads(NonZeroUsize::MIN);
        let dispatcher = Dispatcher::new(gate, executor, Faults::default());
        let server = Server::bind(&Endpoint::loopback(), dispatcher, Limits::default()).await.unwrap();
        let (url, stop) = (server.url(), CancellationToken::new());
        let served = tokio::spawn(server.run(stop.clone()));
        let client = connect(name, &url).await;
        let waiting = tokio::spawn({
            let client = std::sync::Arc::clone(&client);
            async move { client.call(&call("pass", [])).await }
        });
        running.recv().await.unwrap();
        stop.cancel();
        leave.send(()).unwrap();
        assert_eq!(waiting.await.unwrap(), Ok(Value::Int(1)), "{name}");
        served.await.unwrap();
        let refused = client.call(&call("pass", [])).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Undeliverable, "{name}: {refused}");
        let Err(error) = connect_with(name, &url, &ClientOptions::default()).await else {
            panic!("{name}: connected")
        };
        assert_eq!(error.kind, ErrorKind::Undeliverable, "{error}");
    }
}

#[tokio::test]
async fn a_client_connects_again_after_its_connection_has_ended() {
    let server =
        Server::bind(&Endpoint::loopback(), dispatcher(Calculator), Limits::default()).await.unwrap();
    let (url, stop) = (server.url(), CancellationToken::new());
    let served = tokio::spawn(server.run(stop.clone()));
    let mut clients = Vec::new();
    for name in CLIENTS {
        let client = connect(name, &url).await;
        assert_eq!(add(&*client).await, Ok(5.into()));
        clients.push(client);
    }
    stop.cancel();
    served.await.unwrap();
    let endpoint = net::Address::parse(&url, grpc::SCHEMES).unwrap().endpoint().clone();
    let _again = Running::at(&endpoint, dispatcher(Calculator), Limits::default()).await;
    for client in clients {
        // The first call may find the end of the old connection.
        let first = add(&*client).await;
        assert!(first.is_ok() || first.is_err_and(|error| error.kind.is_transport()));
        assert_eq!(add(&*client).await, Ok(5.into()));
    }
}

#[tokio::test]
async fn urls_of_another_form_are_refused() {
    for url in ["http://127.0.0.1:1", "grpc://", "grpc://127.0.0.1", "grpc://h:1/path", "127.0.0.1:1"] {
        for client in CLIENTS {
            let Err(error) = connect_with(client, url, &ClientOptions::default()).await else {
                panic!("{url}")
            };
            assert_eq!(error.kind, ErrorKind::Undeliverable, "{url}");
        }
    }
}
