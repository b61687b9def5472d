//! The AMQP stacks through a real broker.

use std::time::Duration;

use amqp::direct::{BareClient, BareServer};
use amqp::{AmqpClient, Server, ServerOptions, Target, TransportUrl};
use calculator::conformance::{self, Outcome};
use calculator::{
    Calculator, Call, Client, ClientOptions, Deadline, Dispatcher, ErrorKind, Executor, Faults, Limits,
    Protocol, Value,
};
use rpcbench::deploy::rabbitmq::PrivateBroker;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

const TIMEOUT: Duration = Duration::from_secs(20);

fn options() -> ClientOptions {
    ClientOptions { timeout: TIMEOUT, ..ClientOptions::default() }
}

fn dispatcher() -> Dispatcher {
    Dispatcher::new(Calculator, Executor::Async, Faults::default())
}

fn broker() -> (PrivateBroker, TransportUrl) {
    let broker = PrivateBroker::start(&[]).unwrap();
    let url = broker.url().parse().unwrap();
    (broker, url)
}

async fn serve(url: &TransportUrl, topic: &str) -> (CancellationToken, JoinHandle<()>) {
    let target = Target::topic(topic).server("s1");
    let server = Server::bind(url, target, dispatcher(), ServerOptions::default()).await.unwrap();
    let stop = CancellationToken::new();
    (stop.clone(), tokio::spawn(server.run(stop)))
}

fn add(x: i64, y: i64) -> Call {
    Call::positional("add", [x.into(), y.into()])
}

fn assert_all_passed(outcomes: &[Outcome]) {
    for outcome in outcomes {
        assert!(outcome.passed(), "{}: {}", outcome.vector.title(), outcome.answer());
    }
    assert_eq!(outcomes.len(), conformance::vectors(Protocol::Amqp).len());
}

/// One broker for all of it: starting one takes longer than everything else together.
#[tokio::test]
async fn calls_travel_through_a_real_broker() {
    let (broker, url) = broker();
    conforms(&url).await;
    several_calls_share_a_client(&url).await;
    a_missing_server_is_told_or_times_out(&url).await;
    the_bare_exchange_conforms(&url).await;
    broker.stop().unwrap();
}

async fn conforms(url: &TransportUrl) {
    let (stop, server) = serve(url, "conforms").await;
    for target in [Target::topic("conforms"), Target::topic("conforms").server("s1")] {
        let client = AmqpClient::connect(url, target, &options()).await.unwrap();
        assert_all_passed(&conformance::run(&client, Protocol::Amqp, &mut Deadline::new(TIMEOUT)).await);
    }
    let mut target = Target::topic("conforms");
    target.version = Some("1.3".to_owned());
    let client = AmqpClient::connect(url, target, &options()).await.unwrap();
    assert_eq!(client.call(&add(2, 3)).await.unwrap_err().kind, ErrorKind::UnsupportedVersion);
    stop.cancel();
    server.await.unwrap();
}

async fn several_calls_share_a_client(url: &TransportUrl) {
    let (stop, server) = serve(url, "several").await;
    let client =
        std::sync::Arc::new(AmqpClient::connect(url, Target::topic("several"), &options()).await.unwrap());
    let mut calls = JoinSet::new();
    for i in 0..500 {
        let client = std::sync::Arc::clone(&client);
        calls.spawn(async move { (i, client.call(&add(i, 1)).await) });
    }
    while let Some(done) = calls.join_next().await {
        let (i, result) = done.unwrap();
        assert_eq!(result, Ok(Value::Int(i + 1)));
    }
    client.cast(&add(1, 1)).await.unwrap();
    stop.cancel();
    server.await.unwrap();
}

async fn a_missing_server_is_told_or_times_out(url: &TransportUrl) {
    let target = Target::topic("nobody");
    let client = AmqpClient::connect(url, target.clone(), &options()).await.unwrap();
    let mut soon = Deadline::new(Duration::from_millis(200));
    let error = soon.within(std::time::Instant::now(), client.call(&add(2, 3))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);

    let client = AmqpClient::connect(url, target, &options()).await.unwrap().at_least_once();
    for _ in 0..2 {
        assert_eq!(client.call(&add(2, 3)).await.unwrap_err().kind, ErrorKind::Undeliverable);
        assert_eq!(client.cast(&add(2, 3)).await.unwrap_err().kind, ErrorKind::Undeliverable);
    }
}

async fn the_bare_exchange_conforms(url: &TransportUrl) {
    let server = BareServer::bind(url, "bare", dispatcher(), Limits::default()).await.unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(server.run(stop.clone()));
    let client = BareClient::connect(url, "bare", &options()).await.unwrap();
    assert_all_passed(&conformance::run(&client, Protocol::Amqp, &mut Deadline::new(TIMEOUT)).await);
    stop.cancel();
    server.await.unwrap();
}
