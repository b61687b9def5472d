//! AMQP's concepts over a real broker: the examples, several servers of a topic, kinds of queues, notifications, and
//! malformed messages.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use amqp::notify::{Listener, NotificationResult, Notifier, Priority};
use amqp::{
    AmqpClient, Context, Methods, QueueKind, ReplyTo, RpcClient, RpcDispatcher, RpcServer, RpcServerOptions,
    Server, Target, Transport, TransportUrl,
};
use calculator::conformance;
use calculator::{
    Calculator, Call, ClientOptions, Deadline, Dispatcher, ErrorKind, Executor, Faults, Limits, Value,
};
use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};
use rpcbench::deploy::broker::{BrokerKind, PrivateBroker};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

#[path = "../../servers/amqp/examples/rpc_server/endpoints.rs"]
mod endpoints;
#[path = "../../servers/amqp/examples/exchanges/patterns.rs"]
mod patterns;
#[path = "../../servers/amqp/examples/rpc_client/test_client.rs"]
mod test_client;

/// The timeout of events that must happen. Only a defect reaches it.
const TIMEOUT: Duration = Duration::from_secs(60);

fn empty_context() -> Context {
    Context::new()
}

/// One test on one broker, because starting a broker takes longer than most of the checks.
#[tokio::test]
async fn the_concepts_of_oslo_messaging_work_over_a_real_broker() {
    let broker = PrivateBroker::start(BrokerKind::RabbitMq, &[]).unwrap();
    let url: TransportUrl = broker.url().parse().unwrap();
    let transport = Transport::from(url.clone());
    the_examples_work(&transport).await;
    exchanges_route_as_documented(&url).await;
    a_fanout_cast_reaches_every_server(&transport).await;
    the_calculator_conforms_with_every_kind_of_queue_and_reply(&transport).await;
    notifications_are_delivered_and_can_be_requeued(&transport).await;
    malformed_requests_are_answered_or_dropped_as_by_oslo_messaging(&transport).await;
    broker.stop().unwrap();
}

async fn the_examples_work(transport: &Transport) {
    let server = endpoints::serve(transport, "test", "server1").await.unwrap();
    let client = test_client::TestClient::new(transport, "test");
    let document = Value::map(vec![("answer".into(), Value::list(vec![42.into(), Value::Null]))]);
    assert_eq!(client.test(&empty_context().with("user", "bob"), document.clone()).await, Ok(document));

    let kitchen = RpcClient::new(transport, Target::topic("test")).namespace("kitchen");
    let error = kitchen.call(&empty_context(), &Call::named("brew", [])).await.unwrap_err();
    assert_eq!(error.message, "short and stout");
    assert_eq!(error.remote.unwrap().class.as_deref(), Some("kitchen.errors.Teapot"));
    let error = kitchen
        .prepare()
        .namespace("cellar")
        .call(&empty_context(), &Call::named("brew", []))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnsupportedVersion);
    let capped = kitchen.prepare().version_cap("1.3");
    assert_eq!((capped.can_send_version("1.2"), capped.can_send_version("1.4")), (Ok(true), Ok(false)));
    let error = capped.version("1.4").call(&empty_context(), &Call::named("brew", [])).await.unwrap_err();
    assert!(error.kind == ErrorKind::UnsupportedVersion && error.message.contains("cap"), "{error}");

    client.stop(&empty_context(), "server1").await.unwrap();
    timeout(TIMEOUT, server.wait()).await.unwrap();
    // A server that was stopped and waited for can be started again.
    server.start().await.unwrap();
    server.reset();
    assert_eq!(client.test(&empty_context(), 7.into()).await, Ok(7.into()));
    server.stop();
    timeout(TIMEOUT, server.wait()).await.unwrap();
}

async fn exchanges_route_as_documented(url: &TransportUrl) {
    let connection = url.connect("test", TIMEOUT).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    assert_eq!(patterns::direct(&channel).await.unwrap(), [vec!["error"], vec!["info", "warning", "error"]]);
    let all = ["quick.orange.rabbit", "lazy.orange.elephant", "lazy.brown.fox.that.sleeps", "lazy", "orange"];
    assert_eq!(
        patterns::topic(&channel).await.unwrap(),
        // The second queue has two bindings. It receives a message that matches both only once.
        [all[..2].to_vec(), all[..4].to_vec(), all.to_vec()]
    );
    assert_eq!(patterns::fanout(&channel).await.unwrap(), [["one", "two"], ["one", "two"], ["one", "two"]]);
    let mut received = patterns::round_robin(&channel).await.unwrap();
    received.sort();
    assert_eq!(received, [["0", "3"], ["1", "4"], ["2", "5"]]);
    let _ = connection.close(200, "done".into()).await;
}

async fn a_fanout_cast_reaches_every_server(transport: &Transport) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let mut servers = Vec::new();
    for name in ["a", "b", "c"] {
        let sender = sender.clone();
        let endpoint = Methods::new().method("notify", move |context, _| {
            sender.send((name, context.get("user").cloned())).unwrap();
            Ok(name.into())
        });
        let dispatcher = RpcDispatcher::new().endpoint(endpoint).build();
        let target = Target::topic("fanout").server(name);
        let server = RpcServer::new(transport, target, dispatcher, RpcServerOptions::default()).unwrap();
        server.start().await.unwrap();
        servers.push(server);
    }
    let client = RpcClient::new(transport, Target::topic("fanout"));
    let (context, call) = (empty_context().with("user", "bob"), Call::named("notify", []));
    client.fanout_cast(&context, &call).await.unwrap();
    let mut names = Vec::new();
    for _ in &servers {
        let (name, user) = timeout(TIMEOUT, receiver.recv()).await.unwrap().unwrap();
        assert_eq!(user, Some("bob".into()));
        names.push(name);
    }
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(client.prepare().server("b").call(&context, &call).await, Ok("b".into()));
    for server in servers {
        server.stop();
        server.wait().await;
    }
    // The broker has deleted the exchange with its last queue. A fanout cast declares it again, and without servers it is
    // no error.
    client.fanout_cast(&context, &call).await.unwrap();
}

async fn the_calculator_conforms_with_every_kind_of_queue_and_reply(transport: &Transport) {
    for (topic, transport) in [
        ("direct", transport.clone().reply_to(ReplyTo::Direct)),
        ("durable", transport.clone().queue_kind(QueueKind::Durable)),
        ("quorum", transport.clone().queue_kind(QueueKind::Quorum)),
    ] {
        let target = Target::topic(topic).exchange(topic);
        let calculator = Dispatcher::new(Calculator, Executor::Async, Faults::default());
        let options = RpcServerOptions::default();
        let server =
            Server::bind(&transport, target.clone().server("s1"), calculator, options).await.unwrap();
        let stop = CancellationToken::new();
        let server = tokio::spawn(server.run(stop.clone()));
        let options = ClientOptions { timeout: TIMEOUT, ..ClientOptions::default() };
        for target in [target.clone(), target.clone().server("s1")] {
            let client = AmqpClient::connect(&transport, target, &options).await.unwrap();
            let outcomes =
                conformance::run(&client, conformance::Profile::default(), &mut Deadline::new(TIMEOUT)).await;
            for outcome in outcomes {
                assert!(outcome.passed(), "{topic}: {}: {}", outcome.vector.title(), outcome.answer());
            }
        }
        let rpc = RpcClient::new(&transport, target);
        let large = Value::from("x".repeat(300_000));
        let echo = Call::named("echo", [("value".into(), large.clone())]);
        assert_eq!(rpc.call(&empty_context(), &echo).await, Ok(large));
        stop.cancel();
        server.await.unwrap();
    }
    let transient = RpcClient::new(transport, Target::topic("durable").exchange("durable"));
    let error = transient.connect().await.unwrap_err();
    assert!(error.kind == ErrorKind::Undeliverable && error.message.contains("durable"), "{error}");
}

async fn notifications_are_delivered_and_can_be_requeued(transport: &Transport) {
    let target = Target::topic("notifications");
    let notifier = Notifier::new(transport, target.clone(), "test.host1");
    let context = empty_context().with("user", "bob");
    // Published before there is a listener, and kept.
    notifier.notify(&context, Priority::Info, "early", 1.into()).await.unwrap();
    notifier.notify(&context, Priority::Debug, "without a listener", 2.into()).await.unwrap();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let requeued = Arc::new(Mutex::new(false));
    let listener =
        Listener::bind(transport, target, &[Priority::Info, Priority::Error], move |notification| {
            let first = !std::mem::replace(&mut *requeued.lock().unwrap(), true);
            sender.send(notification).unwrap();
            if first { NotificationResult::Requeue } else { NotificationResult::Handled }
        });
    let stop = CancellationToken::new();
    let listener = tokio::spawn(listener.await.unwrap().run(stop.clone()));
    notifier.notify(&context, Priority::Error, "late", 3.into()).await.unwrap();
    let mut events = Vec::new();
    for _ in 0..3 {
        let notification = timeout(TIMEOUT, receiver.recv()).await.unwrap().unwrap();
        assert_eq!((notification.publisher_id.as_str(), &notification.context), ("test.host1", &context));
        assert!(notification.timestamp.starts_with("20") && notification.timestamp.len() == 26);
        events.push((notification.event_type, notification.priority));
    }
    events.sort();
    let event = |event_type: &str, priority: &str| (event_type.to_owned(), priority.to_owned());
    let expected = if events[2].0 == "late" && events[1].0 == "late" {
        [event("early", "INFO"), event("late", "ERROR"), event("late", "ERROR")]
    } else {
        [event("early", "INFO"), event("early", "INFO"), event("late", "ERROR")]
    };
    assert_eq!(events, expected);
    stop.cancel();
    listener.await.unwrap();
}

/// Publishes `body` with `properties` to the topic `strict`.
async fn publish(channel: &Channel, properties: BasicProperties, body: &[u8]) {
    let options = BasicPublishOptions::default();
    channel.basic_publish("openstack".into(), "strict".into(), options, body, properties).await.unwrap();
}

async fn malformed_requests_are_answered_or_dropped_as_by_oslo_messaging(transport: &Transport) {
    let calculator = Dispatcher::new(Calculator, Executor::Async, Faults::default());
    let limits = Limits { max_body: 10_000, ..Limits::default() };
    let options = RpcServerOptions { limits, ..RpcServerOptions::default() };
    let target = Target::topic("strict").server("s1");
    let server = Server::bind(transport, target, calculator, options).await.unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(server.run(stop.clone()));

    let connection = transport.url().connect("test", TIMEOUT).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for queue in ["reply_strict", "not-a-reply-queue"] {
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap();
    }
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let table = FieldTable::default();
    let mut replies = channel.basic_consume("reply_strict".into(), "".into(), options, table).await.unwrap();

    let json = || BasicProperties::default().with_content_type("application/json".into());
    let request = |id: &str, members: &str| {
        format!(r#"{{{members},"_msg_id":"{id}","_reply_q":"reply_strict","_unique_id":"{id}"}}"#)
    };
    let add = r#""method":"add","args":{"x":2,"y":3}"#;
    let enveloped = |version: &str, inner: &str| {
        format!(r#"{{"oslo.version":{version},"oslo.message":{}}}"#, serde_json::Value::from(inner))
    };

    // These get no reply.
    for content_type in ["text/plain", "application/octet-stream", "application/x-python-serialize"] {
        let properties = BasicProperties::default().with_content_type(content_type.into());
        publish(&channel, properties, request(content_type, add).as_bytes()).await;
    }
    publish(&channel, BasicProperties::default(), request("untyped", add).as_bytes()).await;
    publish(&channel, json().with_content_encoding("utf-16".into()), request("utf-16", add).as_bytes()).await;
    let unreadable = [enveloped(r#""2.0""#, "[]"), enveloped(r#""2.0""#, "{")];
    for body in ["", "{", "[]", "null"].into_iter().chain(unreadable.iter().map(String::as_str)) {
        publish(&channel, json(), body.as_bytes()).await;
    }
    // Nor do requests that name a queue which is not a reply queue.
    let misdirected = request("misdirected", add).replace("reply_strict", "not-a-reply-queue");
    publish(&channel, json(), misdirected.as_bytes()).await;
    let unaddressed = format!(r#"{{{add},"_msg_id":"unaddressed"}}"#);
    publish(&channel, json().with_reply_to("not-a-reply-queue".into()), unaddressed.as_bytes()).await;

    // These cannot be read, but show their ids, and get a failure.
    let inner = request("refused", add);
    let deep = format!(r#""method":"echo","args":{{"value":{}{}}}"#, "[".repeat(2_000), "]".repeat(2_000));
    let long = format!(r#""method":"echo","args":{{"value":"{}"}}"#, "x".repeat(20_000));
    let versions = [r#""2.1""#, r#""2.0.1""#, r#""1.9""#, r#""3.0""#, "2"];
    let others = [request("refused", &deep), request("refused", &long)];
    let bodies = versions.map(|version| enveloped(version, &inner)).into_iter().chain(others);
    // A message may declare a compression that it does not have.
    let mut compressed = FieldTable::default();
    compressed.insert("compression".into(), AMQPValue::LongString("application/x-gzip".into()));
    let not_compressed = (json().with_headers(compressed), inner.clone());
    for (properties, body) in bodies.map(|body| (json(), body)).chain([not_compressed]) {
        publish(&channel, properties, body.as_bytes()).await;
        let delivery = timeout(TIMEOUT, replies.next()).await.unwrap().unwrap().unwrap();
        let reply = amqp::wire::read_reply(&delivery.data, &Limits::default()).unwrap();
        assert_eq!((reply.msg_id.as_str(), reply.ending), ("refused", true));
        let class = reply.result.unwrap_err().remote.unwrap().class;
        assert_eq!(class.as_deref(), Some("ValueError"));
    }

    // These can be read, and get a reply.
    let rows = [
        (add, Ok(Value::Int(5))),
        (r#""args":{}"#, Err("TypeError")),
        (r#""method":7"#, Err("TypeError")),
        (r#""method":"add""#, Err("TypeError")),
        (r#""method":"add","args":[2,3]"#, Err("AttributeError")),
        (r#""method":"add","args":null"#, Err("AttributeError")),
        (r#""method":"add","version":"1""#, Err("IndexError")),
        (r#""method":"add","version":"abc""#, Err("ValueError")),
        (r#""method":"add","version":1.0"#, Err("AttributeError")),
        (r#""method":"add","version":null"#, Err("UnsupportedVersion")),
        (r#""method":"add","version":"1.3""#, Err("UnsupportedVersion")),
        (r#""method":"add","namespace":"""#, Err("UnsupportedVersion")),
        (r#""method":"target""#, Err("NoSuchMethod")),
        (r#""method":"_private""#, Err("NoSuchMethod")),
    ];
    for (row, (members, expected)) in rows.iter().enumerate() {
        publish(&channel, json(), enveloped(r#""2.0""#, &request(&row.to_string(), members)).as_bytes())
            .await;
        let delivery = timeout(TIMEOUT, replies.next()).await.unwrap().unwrap().unwrap();
        let reply = amqp::wire::read_reply(&delivery.data, &Limits::default()).unwrap();
        assert_eq!((reply.msg_id, reply.ending), (row.to_string(), true), "{members}");
        let result = reply.result.map_err(|error| error.remote.unwrap().class.unwrap());
        assert_eq!(result, expected.clone().map_err(str::to_owned), "{members}");
    }
    let options = BasicGetOptions { no_ack: true };
    assert_eq!(channel.basic_get("not-a-reply-queue".into(), options).await.unwrap(), None);
    stop.cancel();
    server.await.unwrap();
    let left = channel.basic_get("strict".into(), options).await.unwrap();
    assert_eq!(left, None, "malformed messages must not stay in the queue");
}
