//! Calls without replies, between the sockets of this crate, and between those and the sockets of another library.

// Clippy lets test functions unwrap, but not their helpers.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use calculator::{
    Call, CallError, Dispatcher, ErrorKind, Executor, Faults, Limits, MethodInfo, Params, Service, Value,
};
use common::{TIMEOUT, event_text};
use net::Endpoint;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zeromq::{PubSocket, PullSocket, PushSocket, Socket, SocketRecv, SocketSend, SubSocket, ZmqMessage};
use zerorpc::pipeline::{Publisher, Puller, Pusher, Subscriber};
use zerorpc::{parse_url, url_of};

/// Reports the calls that it executes. `fail` fails.
struct Recorder(UnboundedSender<String>);

impl Service for Recorder {
    fn name(&self) -> &'static str {
        "Recorder"
    }
    fn methods(&self) -> &[MethodInfo] {
        &[]
    }
    fn call(&self, method: &str, params: Params) -> Result<Value, CallError> {
        let args: Vec<_> = params.values().map(|value| format!("{value:?}")).collect();
        let _ = self.0.send(format!("{method}({})", args.join(", ")));
        if method == "fail" {
            Err(CallError::new(ErrorKind::Internal, "on purpose"))
        } else {
            Ok(Value::Null)
        }
    }
}

fn recorder() -> (Dispatcher, UnboundedReceiver<String>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Dispatcher::new(Recorder(sender), Executor::Async, Faults::default()), receiver)
}

fn hello(word: &str) -> Call {
    Call::positional("hello", [word.into()])
}

async fn next(executed: &mut UnboundedReceiver<String>) -> String {
    tokio::time::timeout(TIMEOUT, executed.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn pushed_calls_are_executed_in_order_despite_failures() {
    let (dispatcher, mut executed) = recorder();
    let puller = Puller::bind(&Endpoint::loopback()).await.unwrap();
    let pusher = Pusher::connect(puller.endpoint());
    let stop = CancellationToken::new();
    let running = tokio::spawn(puller.run(dispatcher, Limits::default(), stop.clone()));
    pusher.push(&Call::positional("fail", [])).await.unwrap();
    for i in 0..1_000 {
        pusher.push(&Call::positional("add", [i.into(), Value::Int(1)])).await.unwrap();
    }
    pusher.flush().await.unwrap();
    assert_eq!(next(&mut executed).await, "fail()");
    for i in 0..1_000 {
        assert_eq!(next(&mut executed).await, format!("add({i}, 1)"));
    }
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_pusher_takes_turns_and_waits_for_the_first_puller() {
    let pusher = Arc::new(Pusher::bind(&Endpoint::loopback()).await.unwrap());
    let early = tokio::spawn({
        let pusher = Arc::clone(&pusher);
        async move { pusher.push(&hello("early")).await }
    });
    let (dispatcher, mut executed) = recorder();
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    for _ in 0..2 {
        let puller = Puller::connect(pusher.endpoint());
        running.spawn(puller.run(dispatcher.clone(), Limits::default(), stop.clone()));
    }
    early.await.unwrap().unwrap();
    assert_eq!(next(&mut executed).await, r#"hello("early")"#);
    let mut words = Vec::new();
    for i in 0..100 {
        pusher.push(&hello(&i.to_string())).await.unwrap();
        words.push(next(&mut executed).await);
    }
    assert_eq!(words.len(), 100);
    stop.cancel();
    running.join_all().await;
}

#[tokio::test]
async fn published_calls_reach_all_subscribers_also_after_a_restart_of_the_publisher() {
    let publisher = Publisher::bind(&Endpoint::loopback()).await.unwrap();
    let endpoint = publisher.endpoint().clone();
    assert_eq!(publisher.publish(&hello("unheard")), Ok(0));
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    let mut subscribers = Vec::new();
    for _ in 0..3 {
        let (dispatcher, executed) = recorder();
        running.spawn(Subscriber::connect(&endpoint).run(dispatcher, Limits::default(), stop.clone()));
        subscribers.push(executed);
    }
    tokio::time::timeout(TIMEOUT, publisher.subscribed(3)).await.unwrap();
    assert_eq!(publisher.publish(&hello("all")), Ok(3));
    for executed in &mut subscribers {
        assert_eq!(next(executed).await, r#"hello("all")"#);
    }
    drop(publisher);
    let publisher = loop {
        // The port is free once the tasks of the first publisher have ended.
        match Publisher::bind(&endpoint).await {
            Ok(publisher) => break publisher,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    tokio::time::timeout(TIMEOUT, publisher.subscribed(3)).await.unwrap();
    assert_eq!(publisher.publish(&hello("again")), Ok(3));
    for executed in &mut subscribers {
        assert_eq!(next(executed).await, r#"hello("again")"#);
    }
    stop.cancel();
    running.join_all().await;
}

fn message(word: &str) -> ZmqMessage {
    let mut payload = b"\x93\x82\xaamessage_id\xc4\x03abc\xa1v\x03\xa5hello\x91".to_vec();
    payload.push(0xa0 | u8::try_from(word.len()).unwrap());
    payload.extend_from_slice(word.as_bytes());
    ZmqMessage::from(Bytes::from(payload))
}

#[tokio::test]
async fn sockets_of_another_library_push_and_pull() {
    let pusher = Pusher::bind(&Endpoint::loopback()).await.unwrap();
    let mut pull = PullSocket::new();
    pull.connect(&url_of(pusher.endpoint())).await.unwrap();
    pusher.push(&hello("x")).await.unwrap();
    let received = pull.recv().await.unwrap();
    assert_eq!((received.len(), event_text(received.get(0).unwrap())), (1, r#"hello ["x"]"#.to_owned()));

    let (dispatcher, mut executed) = recorder();
    let puller = Puller::bind(&Endpoint::loopback()).await.unwrap();
    let endpoint = url_of(puller.endpoint());
    let running = tokio::spawn(puller.run(dispatcher, Limits::default(), CancellationToken::new()));
    let mut push = PushSocket::new();
    push.connect(&endpoint).await.unwrap();
    push.send(message("y")).await.unwrap();
    assert_eq!(next(&mut executed).await, r#"hello("y")"#);
    running.abort();
}

#[tokio::test]
async fn sockets_of_another_library_publish_and_subscribe() {
    let publisher = Publisher::bind(&Endpoint::loopback()).await.unwrap();
    let mut sub = SubSocket::new();
    sub.connect(&url_of(publisher.endpoint())).await.unwrap();
    sub.subscribe("").await.unwrap();
    tokio::time::timeout(TIMEOUT, publisher.subscribed(1)).await.unwrap();
    assert_eq!(publisher.publish(&hello("x")), Ok(1));
    assert_eq!(event_text(sub.recv().await.unwrap().get(0).unwrap()), r#"hello ["x"]"#);

    let mut publish = PubSocket::new();
    let endpoint = parse_url(&publish.bind("tcp://127.0.0.1:0").await.unwrap().to_string()).unwrap();
    let (dispatcher, mut executed) = recorder();
    let running = tokio::spawn(Subscriber::connect(&endpoint).run(
        dispatcher,
        Limits::default(),
        CancellationToken::new(),
    ));
    // The other library does not report subscriptions, so the call is published until one arrives.
    let mut word = None;
    while word.is_none() {
        publish.send(message("y")).await.unwrap();
        word = tokio::time::timeout(std::time::Duration::from_millis(20), executed.recv()).await.ok();
    }
    assert_eq!(word.flatten().as_deref(), Some(r#"hello("y")"#));
    running.abort();
}
