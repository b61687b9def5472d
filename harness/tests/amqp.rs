//! The AMQP stacks over a real broker.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amqp::bare::{BareClient, BareServer};
use amqp::notify::{Listener, Notification, NotificationResult, Priority};
use amqp::{AmqpClient, Context, RpcClient, RpcServerOptions, Server, Target, TransportUrl};
use calculator::conformance::{self, Outcome};
use calculator::{
    Calculator, Call, Client, ClientOptions, Deadline, Dispatcher, ErrorKind, Executor, Faults, Limits, Value,
};
use futures_util::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, Consumer, ExchangeKind};
use rpcbench::deploy::broker::{BrokerKind, PrivateBroker};
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
    let broker = PrivateBroker::start(BrokerKind::RabbitMq, &[]).unwrap();
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

/// One test on one broker, because starting a broker takes longer than all the checks together.
#[tokio::test]
async fn the_amqp_stacks_work_over_a_real_broker() {
    let (broker, url) = broker();
    the_calculator_conforms(&url).await;
    concurrent_calls_share_a_client(&url).await;
    a_call_without_a_server_times_out_or_is_undeliverable(&url).await;
    the_bare_server_conforms(&url).await;
    a_server_ignores_hostile_messages(&url).await;
    a_server_answers_requests_that_it_cannot_read(&url).await;
    a_client_reports_replies_that_it_cannot_read(&url).await;
    a_listener_goes_on_after_notifications_that_it_cannot_read(&url).await;
    the_broker_s_reason_for_closing_a_channel_is_reported(&url).await;
    a_reply_queue_is_deleted_with_its_client(&url).await;
    server_and_client_reconnect(&broker).await;
    broker.stop().unwrap();
}

async fn the_calculator_conforms(url: &TransportUrl) {
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

async fn concurrent_calls_share_a_client(url: &TransportUrl) {
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

async fn a_call_without_a_server_times_out_or_is_undeliverable(url: &TransportUrl) {
    let target = Target::topic("no-server");
    let client = AmqpClient::connect(&url.clone().into(), target.clone(), &options()).await.unwrap();
    let mut short = Deadline::new(Duration::from_millis(200));
    let error = short.within(std::time::Instant::now(), client.call(&add(2, 3))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);

    let client = AmqpClient::connect(&url.clone().into(), target, &options()).await.unwrap().at_least_once();
    for _ in 0..2 {
        assert_eq!(client.call(&add(2, 3)).await.unwrap_err().kind, ErrorKind::Undeliverable);
        assert_eq!(client.cast(&add(2, 3)).await.unwrap_err().kind, ErrorKind::Undeliverable);
    }
}

/// Publishes `body` to `topic`, unmodified.
async fn publish_raw(channel: &Channel, topic: &str, content_type: &str, body: &str) {
    let properties = BasicProperties::default().with_content_type(content_type.into());
    let options = BasicPublishOptions::default();
    channel
        .basic_publish("openstack".into(), topic.into(), options, body.as_bytes(), properties)
        .await
        .unwrap();
}

async fn a_server_ignores_hostile_messages(url: &TransportUrl) {
    let (stop, server) = serve(url, "hostile").await;
    let connection = url.connect("test", TIMEOUT).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for queue in ["reply_test", "victim"] {
        let options = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap();
    }
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let table = FieldTable::default();
    let mut replies = channel.basic_consume("reply_test".into(), "".into(), options, table).await.unwrap();

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

    let mut msg_ids = Vec::new();
    while msg_ids.last().is_none_or(|id| id != "last") {
        let delivery = replies.next().await.unwrap().unwrap();
        let reply = amqp::wire::read_reply(&delivery.data, &Limits::default()).unwrap();
        assert_eq!(reply.result, Ok(Value::Int(5)));
        msg_ids.push(reply.msg_id);
    }
    assert_eq!(msg_ids, ["first", "last"]);
    let victim = channel.basic_get("victim".into(), BasicGetOptions::default()).await.unwrap();
    assert_eq!(victim, None, "a reply went to a queue that is not a reply queue");
    stop.cancel();
    server.await.unwrap();
    let left = channel.basic_get("hostile".into(), BasicGetOptions::default()).await.unwrap();
    assert_eq!(left, None, "malformed messages must not stay in the queue");
}

/// Declares a queue named `reply_…` and consumes it.
async fn reply_queue(channel: &Channel, name: &str) -> Consumer {
    let options = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), options, FieldTable::default()).await.unwrap();
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    channel.basic_consume(name.into(), "".into(), options, FieldTable::default()).await.unwrap()
}

async fn a_server_answers_requests_that_it_cannot_read(url: &TransportUrl) {
    let (stop, server) = serve(url, "unreadable").await;
    let connection = url.connect("test", TIMEOUT).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut replies = reply_queue(&channel, "reply_unreadable").await;
    let ids = r#""_msg_id":"m","_reply_q":"reply_unreadable""#;
    let deep = "[".repeat(200) + &"]".repeat(200);
    for (arguments, message) in [
        (r#"{"x":"\ud800","y":1}"#, "cannot read the request"),
        (&format!(r#"{{"x":{deep},"y":1}}"#), "nested levels"),
        (r#"{"x":1,}"#, "cannot read the request"),
        (r#"{"x":nan,"y":1}"#, "cannot read the request"),
        // Python's constants can be read. JSON has no form for the result.
        (r#"{"x":NaN,"y":1}"#, "JSON cannot represent"),
    ] {
        let message_text = format!(r#"{{"method":"add","args":{arguments},{ids}}}"#);
        let enveloped = serde_json::json!({ "oslo.version": "2.0", "oslo.message": message_text });
        for body in [message_text, enveloped.to_string()] {
            publish_raw(&channel, "unreadable", "application/json", &body).await;
            let delivery = replies.next().await.unwrap().unwrap();
            let reply = amqp::wire::read_reply(&delivery.data, &Limits::default()).unwrap();
            let error = reply.result.unwrap_err();
            assert!(error.message.contains(message), "{body}: {error}");
            assert_eq!((reply.msg_id.as_str(), reply.ending), ("m", true));
        }
    }
    let infinite = format!(r#"{{"method":"divide","args":{{"x":1,"y":-Infinity}},{ids}}}"#);
    publish_raw(&channel, "unreadable", "application/json", &infinite).await;
    let delivery = replies.next().await.unwrap().unwrap();
    let reply = amqp::wire::read_reply(&delivery.data, &Limits::default()).unwrap();
    assert_eq!(reply.result, Ok(Value::Float(-0.0)));
    stop.cancel();
    server.await.unwrap();
}

/// Answers the calls of `topic` with the inner messages that `reply` makes of the call's id.
async fn answer(
    url: &TransportUrl,
    topic: &str,
    reply: impl Fn(&str) -> String + Send + 'static,
) -> Connection {
    let connection = url.connect("test", TIMEOUT).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let options = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(topic.into(), options, FieldTable::default()).await.unwrap();
    channel
        .queue_bind(topic.into(), "openstack".into(), topic.into(), Default::default(), FieldTable::default())
        .await
        .unwrap();
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let table = FieldTable::default();
    let mut requests = channel.basic_consume(topic.into(), "".into(), options, table).await.unwrap();
    tokio::spawn(async move {
        while let Some(Ok(delivery)) = requests.next().await {
            let request = amqp::wire::read_request(&delivery.data, &Limits::default()).unwrap();
            let inner = reply(&request.msg_id.unwrap());
            let body = serde_json::json!({ "oslo.version": "2.0", "oslo.message": inner }).to_string();
            let queue = request.reply_queue.unwrap();
            let options = BasicPublishOptions::default();
            let properties = BasicProperties::default().with_content_type("application/json".into());
            channel
                .basic_publish("".into(), queue.as_str().into(), options, body.as_bytes(), properties)
                .await
                .unwrap();
        }
    });
    connection
}

async fn a_client_reports_replies_that_it_cannot_read(url: &TransportUrl) {
    let deep = "[".repeat(200) + &"]".repeat(200);
    for (topic, result, expected) in [
        ("reply-nan", "NaN", Ok(f64::NAN)),
        ("reply-infinity", "-Infinity", Ok(f64::NEG_INFINITY)),
        ("reply-lower-case", "nan", Err(ErrorKind::Malformed)),
        ("reply-surrogate", r#""\udc00""#, Err(ErrorKind::Malformed)),
        ("reply-deep", deep.as_str(), Err(ErrorKind::TooLarge)),
    ] {
        let result = result.to_owned();
        let reply =
            move |id: &str| format!(r#"{{"result":{result},"failure":null,"ending":true,"_msg_id":"{id}"}}"#);
        let _server = answer(url, topic, reply).await;
        let client =
            AmqpClient::connect(&url.clone().into(), Target::topic(topic), &options()).await.unwrap();
        let answer = tokio::time::timeout(TIMEOUT, client.call(&add(2, 3))).await.expect("an answer at once");
        match (answer, expected) {
            (Ok(Value::Float(answer)), Ok(expected)) => {
                assert_eq!(answer.to_string(), expected.to_string(), "{topic}");
            }
            (answer, expected) => assert_eq!(answer.unwrap_err().kind, expected.unwrap_err(), "{topic}"),
        }
    }
}

async fn a_listener_goes_on_after_notifications_that_it_cannot_read(url: &TransportUrl) {
    let (sender, mut handled) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |notification: Notification| {
        sender.send(notification.event_type).unwrap();
        NotificationResult::Handled
    };
    let target = Target::topic("events");
    let listener = Listener::bind(&url.clone().into(), target, &[Priority::Info, Priority::Error], handler)
        .await
        .unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(listener.run(stop.clone()));
    let connection = url.connect("test", TIMEOUT).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for body in ["", "{", r#"{"event_type":"\ud800"}"#, r#"{"event_type":"first","payload":NaN}"#] {
        publish_raw(&channel, "events.info", "application/json", body).await;
    }
    assert_eq!(handled.recv().await.as_deref(), Some("first"));
    // A listener whose queue is deleted declares it again, even if it still consumes another one.
    channel.queue_delete("events.info".into(), Default::default()).await.unwrap();
    let again = async {
        loop {
            publish_raw(&channel, "events.info", "application/json", r#"{"event_type":"again"}"#).await;
            let received = tokio::time::timeout(Duration::from_millis(100), handled.recv()).await;
            if let Ok(received) = received {
                return received;
            }
        }
    };
    let again = tokio::time::timeout(TIMEOUT, again).await.expect("the listener consumes again");
    assert_eq!(again.as_deref(), Some("again"));
    stop.cancel();
    running.await.unwrap();
}

async fn the_broker_s_reason_for_closing_a_channel_is_reported(url: &TransportUrl) {
    let mut target = Target::topic("closed");
    target.exchange = "to-be-deleted".to_owned();
    let client = AmqpClient::connect(&url.clone().into(), target.clone(), &options()).await.unwrap();
    let connection = url.connect("test", TIMEOUT).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.exchange_delete("to-be-deleted".into(), Default::default()).await.unwrap();
    let error = client.call(&add(2, 3)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Undeliverable);
    assert!(error.message.contains("404 NOT_FOUND - no exchange 'to-be-deleted'"), "{error}");

    // An exchange of another kind.
    let options = ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
    let exchange = ("another-kind".into(), ExchangeKind::Fanout, options, FieldTable::default());
    channel.exchange_declare(exchange.0, exchange.1, exchange.2, exchange.3).await.unwrap();
    target.exchange = "another-kind".to_owned();
    let refused = AmqpClient::connect(&url.clone().into(), target, &self::options()).await.err().unwrap();
    assert!(
        refused.message.contains("the broker refused: 406 PRECONDITION_FAILED - inequivalent"),
        "{refused}"
    );
}

async fn a_reply_queue_is_deleted_with_its_client(url: &TransportUrl) {
    let (stop, server) = serve(url, "left-behind").await;
    let client = RpcClient::new(&url.clone().into(), Target::topic("left-behind")).timeout(TIMEOUT);
    let call = Call::named("add", [("x".into(), 2.into()), ("y".into(), 3.into())]);
    assert_eq!(client.call(&Context::new(), &call).await, Ok(Value::Int(5)));
    let queue = client.reply_queue().await.unwrap().unwrap();
    let connection = url.connect("test", TIMEOUT).await.unwrap();
    let exists = async || {
        // The broker closes the channel if the queue does not exist.
        let channel = connection.create_channel().await.unwrap();
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.as_str().into(), passive, FieldTable::default()).await.is_ok()
    };
    assert!(exists().await);
    drop(client);
    let deleted = async {
        while exists().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, deleted).await.expect("the broker deletes the queue");
    stop.cancel();
    server.await.unwrap();
}

/// A TCP proxy in front of the broker whose connections can be cut.
struct Proxy {
    address: SocketAddr,
    connections: Arc<Mutex<JoinSet<()>>>,
}

impl Proxy {
    async fn start(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let accepted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut server = TcpStream::connect(broker).await.unwrap();
                accepted.lock().unwrap().spawn(async move {
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Proxy { address, connections }
    }

    /// Closes all connections. New ones are accepted.
    async fn cut(&self) {
        let mut connections = std::mem::take(&mut *self.connections.lock().unwrap());
        connections.shutdown().await;
    }
}

async fn server_and_client_reconnect(broker: &PrivateBroker) {
    let address = broker.public_url().replace("amqp://", "").replace("/%2f", "");
    let proxy = Proxy::start(address.parse().unwrap()).await;
    let url: TransportUrl = broker.url().replace(&address, &proxy.address.to_string()).parse().unwrap();
    let (stop, server) = serve(&url, "reconnect").await;
    let client =
        AmqpClient::connect(&url.clone().into(), Target::topic("reconnect"), &options()).await.unwrap();
    assert_eq!(client.call(&add(2, 3)).await, Ok(Value::Int(5)));
    for _ in 0..2 {
        proxy.cut().await;
        // A call that was sent before the loss was noticed may fail, but only as undeliverable.
        while let Err(error) = client.call(&add(2, 3)).await {
            assert_eq!(error.kind, ErrorKind::Undeliverable);
        }
        assert_eq!(client.call(&add(4, 5)).await, Ok(Value::Int(9)));
    }
    stop.cancel();
    server.await.unwrap();
}

async fn the_bare_server_conforms(url: &TransportUrl) {
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
