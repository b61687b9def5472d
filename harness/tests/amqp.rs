//! The AMQP stacks through a real broker.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amqp::bare::{BareClient, BareServer};
use amqp::{AmqpClient, RpcServerOptions, Server, Target, TransportUrl};
use calculator::conformance::{self, Outcome};
use calculator::{
    Calculator, Call, Client, ClientOptions, Deadline, Dispatcher, ErrorKind, Executor, Faults, Limits, Value,
};
use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel};
use rpcbench::deploy::rabbitmq::PrivateBroker;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

const TIMEOUT: Duration = Duration::from_secs(60);

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
    let server =
        Server::bind(&url.clone().into(), target, dispatcher(), RpcServerOptions::default()).await.unwrap();
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
    assert_eq!(outcomes.len(), conformance::vectors(conformance::Profile::default()).len());
}

/// One broker for all of it: starting one takes longer than everything else together.
#[tokio::test]
async fn calls_travel_through_a_real_broker() {
    let (broker, url) = broker();
    conforms(&url).await;
    several_calls_share_a_client(&url).await;
    a_missing_server_is_told_or_times_out(&url).await;
    the_bare_exchange_conforms(&url).await;
    a_server_survives_what_it_must_not_answer(&url).await;
    both_ends_connect_anew(&broker).await;
    broker.stop().unwrap();
}

async fn conforms(url: &TransportUrl) {
    let (stop, server) = serve(url, "conforms").await;
    for target in [Target::topic("conforms"), Target::topic("conforms").server("s1")] {
        let client = AmqpClient::connect(&url.clone().into(), target, &options()).await.unwrap();
        assert_all_passed(
            &conformance::run(&client, conformance::Profile::default(), &mut Deadline::new(TIMEOUT)).await,
        );
    }
    let mut target = Target::topic("conforms");
    target.version = Some("1.3".to_owned());
    let client = AmqpClient::connect(&url.clone().into(), target, &options()).await.unwrap();
    assert_eq!(client.call(&add(2, 3)).await.unwrap_err().kind, ErrorKind::UnsupportedVersion);
    stop.cancel();
    server.await.unwrap();
}

async fn several_calls_share_a_client(url: &TransportUrl) {
    let (stop, server) = serve(url, "several").await;
    let client = Arc::new(
        AmqpClient::connect(&url.clone().into(), Target::topic("several"), &options()).await.unwrap(),
    );
    let mut calls = JoinSet::new();
    for i in 0..500 {
        let client = Arc::clone(&client);
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
    let client = AmqpClient::connect(&url.clone().into(), target.clone(), &options()).await.unwrap();
    let mut soon = Deadline::new(Duration::from_millis(200));
    let error = soon.within(std::time::Instant::now(), client.call(&add(2, 3))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);

    let client = AmqpClient::connect(&url.clone().into(), target, &options()).await.unwrap().at_least_once();
    for _ in 0..2 {
        assert_eq!(client.call(&add(2, 3)).await.unwrap_err().kind, ErrorKind::Undeliverable);
        assert_eq!(client.cast(&add(2, 3)).await.unwrap_err().kind, ErrorKind::Undeliverable);
    }
}

/// Publishes `body` to `topic` as it is.
async fn publish_raw(channel: &Channel, topic: &str, content_type: &str, body: &str) {
    let properties = BasicProperties::default().with_content_type(content_type.into());
    let options = BasicPublishOptions::default();
    channel
        .basic_publish("openstack".into(), topic.into(), options, body.as_bytes(), properties)
        .await
        .unwrap();
}

async fn a_server_survives_what_it_must_not_answer(url: &TransportUrl) {
    let (stop, server) = serve(url, "hostile").await;
    let connection = url.connect("test", TIMEOUT).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for queue in ["reply_test", "victim"] {
        let options = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap();
    }
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let table = FieldTable::default();
    let mut answers = channel.basic_consume("reply_test".into(), "".into(), options, table).await.unwrap();

    let json = "application/json";
    let request = |msg_id: &str, unique_id: &str, queue: &str| {
        format!(
            r#"{{"method":"add","args":{{"x":2,"y":3}},"_msg_id":"{msg_id}","_reply_q":"{queue}","_unique_id":"{unique_id}"}}"#
        )
    };
    for body in ["", "{", "[]", r#"{"oslo.version":"3.0","oslo.message":"{}"}"#, r#"{"_msg_id":"x"}"#] {
        publish_raw(&channel, "hostile", json, body).await;
    }
    publish_raw(&channel, "hostile", "application/x-python-serialize", &request("p", "0", "reply_test"))
        .await;
    publish_raw(&channel, "hostile", json, &request("v", "1", "victim")).await;
    publish_raw(&channel, "hostile", json, &request("g", "2", "reply_gone")).await;
    publish_raw(&channel, "hostile", json, &request("first", "3", "reply_test")).await;
    publish_raw(&channel, "hostile", json, &request("again", "3", "reply_test")).await;
    publish_raw(&channel, "hostile", json, &request("last", "4", "reply_test")).await;

    let mut answered = Vec::new();
    while answered.last().is_none_or(|id| id != "last") {
        let answer = answers.next().await.unwrap().unwrap();
        let reply = amqp::wire::read_reply(&answer.data, &Limits::default()).unwrap();
        assert_eq!(reply.result, Ok(Value::Int(5)));
        answered.push(reply.msg_id);
    }
    assert_eq!(answered, ["first", "last"]);
    let victim = channel.basic_get("victim".into(), BasicGetOptions::default()).await.unwrap();
    assert_eq!(victim, None, "an answer went to a queue that is nobody's reply queue");
    stop.cancel();
    server.await.unwrap();
    let left = channel.basic_get("hostile".into(), BasicGetOptions::default()).await.unwrap();
    assert_eq!(left, None, "what cannot be read must not stay in the queue");
}

/// A way to the broker that can be cut.
struct Cable {
    address: SocketAddr,
    ends: Arc<Mutex<JoinSet<()>>>,
}

impl Cable {
    async fn to(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ends = Arc::new(Mutex::new(JoinSet::new()));
        let plugged = Arc::clone(&ends);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut far = TcpStream::connect(broker).await.unwrap();
                plugged.lock().unwrap().spawn(async move {
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Cable { address, ends }
    }

    async fn cut(&self) {
        let mut cut = std::mem::take(&mut *self.ends.lock().unwrap());
        cut.shutdown().await;
    }
}

async fn both_ends_connect_anew(broker: &PrivateBroker) {
    let address = broker.public_url().replace("amqp://", "").replace("/%2f", "");
    let cable = Cable::to(address.parse().unwrap()).await;
    let url: TransportUrl = broker.url().replace(&address, &cable.address.to_string()).parse().unwrap();
    let (stop, server) = serve(&url, "anew").await;
    let client = AmqpClient::connect(&url.clone().into(), Target::topic("anew"), &options()).await.unwrap();
    assert_eq!(client.call(&add(2, 3)).await, Ok(Value::Int(5)));
    for _ in 0..2 {
        cable.cut().await;
        // A call that was sent just before the loss was noticed may fail, but as nothing else than lost.
        while let Err(error) = client.call(&add(2, 3)).await {
            assert_eq!(error.kind, ErrorKind::Undeliverable);
        }
        assert_eq!(client.call(&add(4, 5)).await, Ok(Value::Int(9)));
    }
    stop.cancel();
    server.await.unwrap();
}

async fn the_bare_exchange_conforms(url: &TransportUrl) {
    let server = BareServer::bind(url, "bare", dispatcher(), Limits::default()).await.unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(server.run(stop.clone()));
    let client = BareClient::connect(url, "bare", &options()).await.unwrap();
    assert_all_passed(
        &conformance::run(&client, conformance::Profile::default(), &mut Deadline::new(TIMEOUT)).await,
    );
    stop.cancel();
    server.await.unwrap();
}
