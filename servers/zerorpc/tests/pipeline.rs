//! Calls that nobody answers, between our ends and between ours and those of another library.

// Clippy lets test functions unwrap, but not their helpers.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use calculator::{
    Call, CallError, Dispatcher, ErrorKind, Executor, Faults, Limits, MethodInfo, Params, Service, Value,
};
use common::{PATIENCE, shown};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zeromq::{PubSocket, PullSocket, PushSocket, Socket, SocketRecv, SocketSend, SubSocket, ZmqMessage};
use zerorpc::pipeline::{Publisher, Puller, Pusher, Subscriber};
use zerorpc::zmtp::Endpoint;

/// Tells which calls were executed; `fail` does fail.
struct Heard(UnboundedSender<String>);

impl Service for Heard {
    fn name(&self) -> &'static str {
        "Heard"
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

fn heard() -> (Dispatcher, UnboundedReceiver<String>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Dispatcher::new(Heard(sender), Executor::Async, Faults::default()), receiver)
}

fn say(word: &str) -> Call {
    Call::positional("hello", [word.into()])
}

async fn next(heard: &mut UnboundedReceiver<String>) -> String {
    tokio::time::timeout(PATIENCE, heard.recv()).await.unwrap().unwrap()
}

fn anywhere() -> Endpoint {
    "tcp://127.0.0.1:0".parse().unwrap()
}

#[tokio::test]
async fn pushed_calls_are_executed_in_order_and_failures_stop_nothing() {
    let (dispatcher, mut heard) = heard();
    let puller = Puller::bind(&anywhere()).await.unwrap();
    let pusher = Pusher::connect(puller.endpoint());
    let stop = CancellationToken::new();
    let running = tokio::spawn(puller.run(dispatcher, Limits::default(), stop.clone()));
    pusher.push(&Call::positional("fail", [])).await.unwrap();
    for i in 0..1_000 {
        pusher.push(&Call::positional("add", [i.into(), Value::Int(1)])).await.unwrap();
    }
    pusher.flush().await.unwrap();
    assert_eq!(next(&mut heard).await, "fail()");
    for i in 0..1_000 {
        assert_eq!(next(&mut heard).await, format!("add({i}, 1)"));
    }
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_pusher_takes_turns_and_waits_for_the_first_puller() {
    let pusher = Arc::new(Pusher::bind(&anywhere()).await.unwrap());
    let early = tokio::spawn({
        let pusher = Arc::clone(&pusher);
        async move { pusher.push(&say("early")).await }
    });
    let (dispatcher, mut heard) = heard();
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    for _ in 0..2 {
        let puller = Puller::connect(pusher.endpoint());
        running.spawn(puller.run(dispatcher.clone(), Limits::default(), stop.clone()));
    }
    early.await.unwrap().unwrap();
    assert_eq!(next(&mut heard).await, r#"hello("early")"#);
    let mut words = Vec::new();
    for i in 0..100 {
        pusher.push(&say(&i.to_string())).await.unwrap();
        words.push(next(&mut heard).await);
    }
    assert_eq!(words.len(), 100);
    stop.cancel();
    running.join_all().await;
}

#[tokio::test]
async fn published_calls_go_to_all_subscribers_and_to_them_again_after_a_restart() {
    let publisher = Publisher::bind(&anywhere()).await.unwrap();
    let endpoint = publisher.endpoint().clone();
    assert_eq!(publisher.publish(&say("nobody")), Ok(0));
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    let mut ears = Vec::new();
    for _ in 0..3 {
        let (dispatcher, heard) = heard();
        running.spawn(Subscriber::connect(&endpoint).run(dispatcher, Limits::default(), stop.clone()));
        ears.push(heard);
    }
    tokio::time::timeout(PATIENCE, publisher.subscribed(3)).await.unwrap();
    assert_eq!(publisher.publish(&say("all")), Ok(3));
    for heard in &mut ears {
        assert_eq!(next(heard).await, r#"hello("all")"#);
    }
    drop(publisher);
    let publisher = loop {
        // The port is free once the tasks of the first one have ended.
        match Publisher::bind(&endpoint).await {
            Ok(publisher) => break publisher,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    tokio::time::timeout(PATIENCE, publisher.subscribed(3)).await.unwrap();
    assert_eq!(publisher.publish(&say("again")), Ok(3));
    for heard in &mut ears {
        assert_eq!(next(heard).await, r#"hello("again")"#);
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
    let pusher = Pusher::bind(&anywhere()).await.unwrap();
    let mut pull = PullSocket::new();
    pull.connect(&pusher.endpoint().to_string()).await.unwrap();
    pusher.push(&say("x")).await.unwrap();
    let received = pull.recv().await.unwrap();
    assert_eq!((received.len(), shown(received.get(0).unwrap())), (1, r#"hello ["x"]"#.to_owned()));

    let (dispatcher, mut heard) = heard();
    let puller = Puller::bind(&anywhere()).await.unwrap();
    let endpoint = puller.endpoint().to_string();
    let running = tokio::spawn(puller.run(dispatcher, Limits::default(), CancellationToken::new()));
    let mut push = PushSocket::new();
    push.connect(&endpoint).await.unwrap();
    push.send(message("y")).await.unwrap();
    assert_eq!(next(&mut heard).await, r#"hello("y")"#);
    running.abort();
}

#[tokio::test]
async fn sockets_of_another_library_publish_and_subscribe() {
    let publisher = Publisher::bind(&anywhere()).await.unwrap();
    let mut sub = SubSocket::new();
    sub.connect(&publisher.endpoint().to_string()).await.unwrap();
    sub.subscribe("").await.unwrap();
    tokio::time::timeout(PATIENCE, publisher.subscribed(1)).await.unwrap();
    assert_eq!(publisher.publish(&say("x")), Ok(1));
    assert_eq!(shown(sub.recv().await.unwrap().get(0).unwrap()), r#"hello ["x"]"#);

    let mut publish = PubSocket::new();
    let endpoint: Endpoint = publish.bind("tcp://127.0.0.1:0").await.unwrap().to_string().parse().unwrap();
    let (dispatcher, mut heard) = heard();
    let running = tokio::spawn(Subscriber::connect(&endpoint).run(
        dispatcher,
        Limits::default(),
        CancellationToken::new(),
    ));
    // Nobody tells when it has subscribed: until then it misses what is sent.
    let mut word = None;
    while word.is_none() {
        publish.send(message("y")).await.unwrap();
        word = tokio::time::timeout(std::time::Duration::from_millis(20), heard.recv()).await.ok();
    }
    assert_eq!(word.flatten().as_deref(), Some(r#"hello("y")"#));
    running.abort();
}
