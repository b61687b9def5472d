//! Interoperability of the AMQP crate and the Python library oslo.messaging in both directions, over a real broker.
//! `interop.rs` runs the calculator's conformance checks against the library.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use amqp::notify::{Listener, NotificationResult, Notifier, Priority};
use amqp::wire::{Failure, Notification};
use amqp::{Context, Methods, RpcClient, RpcDispatcher, RpcServer, RpcServerOptions, Target, Transport};
use calculator::{Call, CallError, ErrorKind, Text, Value};
use common::{Process, python};
use rpcbench::deploy::broker::{BrokerKind, PrivateBroker};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The timeout of events that must happen. Only a defect reaches it.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The call monitor timeout: the longest interval between heartbeats.
const CALL_MONITOR_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a slow call takes, in seconds: longer than [`CALL_MONITOR_TIMEOUT`].
const SLOW_CALL_S: f64 = 3.5;

/// A Python process with servers, a client, a notifier and a listener of oslo.messaging.
struct Peer {
    process: Process,
    /// Lines received while waiting for another one.
    skipped: VecDeque<Json>,
}

impl Peer {
    fn start(broker: &PrivateBroker) -> Self {
        let mut command = python("oslo_peer.py");
        let process = Process::start(command.env("RPCBENCH_BROKER", broker.url()).stdin(Stdio::piped()));
        let mut peer = Peer { process, skipped: VecDeque::new() };
        peer.receive("ready");
        peer
    }

    /// Waits for a line with one of `members`.
    fn receive_any(&mut self, members: &[&str]) -> Json {
        let matches = |line: &Json| members.iter().any(|member| line.get(member).is_some());
        if let Some(at) = self.skipped.iter().position(matches) {
            return self.skipped.remove(at).unwrap();
        }
        loop {
            let line = serde_json::from_str(&self.process.line()).unwrap();
            if matches(&line) {
                return line;
            }
            self.skipped.push_back(line);
        }
    }

    fn receive(&mut self, member: &str) -> Json {
        self.receive_any(&[member])
    }

    fn send(&mut self, command: &Json) {
        self.process.say(&command.to_string());
    }

    fn result(&mut self) -> Json {
        self.receive_any(&["result", "error"])
    }

    /// Sends a command and returns its result.
    fn execute(&mut self, command: &Json) -> Json {
        self.send(command);
        self.result()
    }

    /// Waits until `servers` servers have noted `word` of the user `bob`. Returns their names in alphabetical order.
    fn noted(&mut self, word: &str, servers: usize) -> Vec<String> {
        let mut by = Vec::new();
        for _ in 0..servers {
            let note = self.receive("noted");
            assert_eq!((&note["noted"], &note["user"]), (&json!(word), &json!("bob")));
            by.push(note["by"].as_str().unwrap().to_owned());
        }
        by.sort();
        by
    }
}

fn bob() -> Context {
    Context::new().with("user", "bob")
}

fn call(method: &'static str, arguments: &[(&str, Value)]) -> Call {
    Call::named(method, arguments.iter().map(|(name, value)| ((*name).into(), value.clone())))
}

fn remote_class(error: &CallError) -> Option<&str> {
    error.remote.as_ref()?.class.as_deref()
}

/// One test on one broker and one Python process, because starting those takes longer than the checks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn this_crate_and_oslo_messaging_interoperate() {
    let broker = PrivateBroker::start(BrokerKind::RabbitMq, &[]).unwrap();
    let transport: Transport = broker.url().parse().unwrap();
    let mut peer = Peer::start(&broker);
    this_client_calls_oslo_servers(&transport, &mut peer).await;
    the_oslo_client_calls_these_servers(&transport, &mut peer).await;
    notifications_work_in_both_directions(&transport, &mut peer).await;
    peer.process.ended().with(0, &[]);
    broker.stop().unwrap();
}

async fn this_client_calls_oslo_servers(transport: &Transport, peer: &mut Peer) {
    let client = RpcClient::new(transport, Target::topic("oslo")).timeout(TIMEOUT);
    let context = &bob();
    // In progress during the other calls.
    let slow = tokio::spawn({
        let monitored = client.prepare().call_monitor_timeout(CALL_MONITOR_TIMEOUT);
        async move { monitored.call(&bob(), &call("slow", &[("seconds", SLOW_CALL_S.into())])).await }
    });

    let note = |word: &str| call("note", &[("word", word.into())]);
    client.cast(context, &note("cast")).await.unwrap();
    assert!(["a", "b", "c"].contains(&peer.noted("cast", 1)[0].as_str()));
    client.prepare().server("b").cast(context, &note("to b")).await.unwrap();
    assert_eq!(peer.noted("to b", 1), ["b"]);
    client.fanout_cast(context, &note("to all")).await.unwrap();
    assert_eq!(peer.noted("to all", 3), ["a", "b", "c"]);
    assert_eq!(client.prepare().server("c").call(context, &note("call")).await, Ok("c".into()));
    assert_eq!(peer.noted("call", 1), ["c"]);

    let brew = call("brew", &[]);
    let within = |namespace: &str, version: &str| client.prepare().namespace(namespace).version(version);
    assert_eq!(within("kitchen", "2.1").call(context, &brew).await, Ok("kitchen 2.3".into()));
    for (namespace, version) in [("kitchen", "2.4"), ("kitchen", "1.0"), ("unknown", "2.1")] {
        let error = within(namespace, version).call(context, &brew).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::UnsupportedVersion, "{error}");
    }

    for (how, kind, class) in [
        ("zero", ErrorKind::ZeroDivision, "ZeroDivisionError"),
        ("key", ErrorKind::Internal, "KeyError"),
        ("overcooked", ErrorKind::Internal, "__main__.Overcooked"),
    ] {
        let error = client.call(context, &call("fail", &[("how", how.into())])).await.unwrap_err();
        assert_eq!((error.kind, remote_class(&error)), (kind, Some(class)), "{error}");
    }
    for method in ["nosuch", "_private"] {
        let error = client.call(context, &call(method, &[])).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::UnknownMethod, "{error}");
    }
    let error = client.call(context, &call("note", &[])).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidArguments, "{error}");

    let long = Value::from("ü".repeat(150_000));
    assert_eq!(client.call(context, &call("echo", &[("value", long.clone())])).await, Ok(long));

    let impatient = client.prepare().timeout(Duration::from_millis(300));
    for impatient in [impatient.prepare(), impatient.topic("no-server")] {
        let error = impatient.call(context, &call("slow", &[("seconds", 1.5.into())])).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
    }
    assert_eq!(slow.await.unwrap(), Ok("at last".into()));
}

/// The words that were noted, each with the server and the user.
type Notes = UnboundedReceiver<(Text, &'static str, Option<Value>)>;

async fn start_servers(transport: &Transport) -> (Vec<RpcServer>, Notes) {
    let (note_sender, notes) = unbounded_channel();
    let mut servers = Vec::new();
    for name in ["a", "b", "c"] {
        let note_sender: UnboundedSender<_> = note_sender.clone();
        let plain = Methods::new()
            .method("note", move |context, arguments| {
                let [Value::Str(word)] = arguments.bind("note", ["word"])? else { panic!("not a string") };
                note_sender.send((word, name, context.get("user").cloned())).unwrap();
                Ok(name.into())
            })
            .method("echo", |_, arguments| {
                let [value] = arguments.bind("echo", ["value"])?;
                Ok(value)
            })
            .method("slow", |_, _| {
                std::thread::sleep(Duration::from_secs_f64(SLOW_CALL_S));
                Ok("at last".into())
            })
            .method("fail", |_, arguments| {
                let [Value::Str(how)] = arguments.bind("fail", ["how"])? else { panic!("not a string") };
                Err(match how.as_str() {
                    "key" => Failure::builtin("KeyError", "no such key"),
                    _ => Failure::new("kitchen.errors", "Teapot", "short and stout"),
                })
            });
        let kitchen = Methods::new()
            .namespace("kitchen")
            .version("2.3")
            .method("brew", |_, _| Ok("kitchen 2.3".into()));
        let dispatcher = RpcDispatcher::new().endpoint(plain).endpoint(kitchen);
        let dispatcher = dispatcher.executor("threads:4".parse().unwrap()).build();
        let target = Target::topic("ours").server(name);
        let options = RpcServerOptions { decompress: true, ..RpcServerOptions::default() };
        let server = RpcServer::new(transport, target, dispatcher, options).unwrap();
        server.start().await.unwrap();
        servers.push(server);
    }
    (servers, notes)
}

async fn the_oslo_client_calls_these_servers(transport: &Transport, peer: &mut Peer) {
    let (servers, mut notes) = start_servers(transport).await;
    let mut noted = async |word: &str, servers: usize| {
        let mut by = Vec::new();
        for _ in 0..servers {
            let (noted, name, user) = timeout(TIMEOUT, notes.recv()).await.unwrap().unwrap();
            assert_eq!((noted.as_str(), user), (word, Some("bob".into())));
            by.push(name);
        }
        by.sort_unstable();
        by
    };
    let note = |action: &str, word: &str| json!({"do": action, "method": "note", "arguments": {"word": word}, "context": {"user": "bob"}});
    let with = |mut command: Json, options: Json| {
        command.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        command
    };

    assert_eq!(peer.execute(&note("cast", "cast")), json!({"result": null}));
    assert_eq!(noted("cast", 1).await.len(), 1);
    assert_eq!(peer.execute(&with(note("cast", "to all"), json!({"fanout": true}))), json!({"result": null}));
    assert_eq!(noted("to all", 3).await, ["a", "b", "c"]);
    assert_eq!(peer.execute(&with(note("call", "call"), json!({"server": "b"}))), json!({"result": "b"}));
    assert_eq!(noted("call", 1).await, ["b"]);

    let brew = |namespace: &str, version: &str| json!({"do": "call", "method": "brew", "namespace": namespace, "version": version});
    assert_eq!(peer.execute(&brew("kitchen", "2.1")), json!({"result": "kitchen 2.3"}));
    for (namespace, version) in [("kitchen", "2.4"), ("kitchen", "1.0"), ("unknown", "2.1")] {
        assert_eq!(peer.execute(&brew(namespace, version))["error"], "UnsupportedVersion");
    }

    // The client raises built-in exceptions as they are, and reports others by their names.
    for (how, class, text) in [("key", "KeyError", "no such key"), ("tea", "Teapot", "short and stout")] {
        let answer = peer.execute(&json!({"do": "call", "method": "fail", "arguments": {"how": how}}));
        assert_eq!(answer["error"], class);
        assert!(answer["text"].as_str().unwrap().contains(text), "{answer}");
    }
    let answer = peer.execute(&json!({"do": "call", "method": "nosuch"}));
    assert_eq!(answer["error"], "NoSuchMethod");

    let long = "ü".repeat(150_000);
    let echo = json!({"do": "call", "method": "echo", "arguments": {"value": long}});
    for compressed in [false, true] {
        let echo = with(echo.clone(), json!({"compressed": compressed}));
        assert_eq!(peer.execute(&echo)["result"].as_str(), Some(long.as_str()));
    }

    let without_server = json!({"do": "call", "method": "echo", "topic": "no-server", "timeout": 0.3});
    assert_eq!(peer.execute(&without_server)["error"], "MessagingTimeout");
    let monitored =
        json!({"do": "call", "method": "slow", "call_monitor_timeout": CALL_MONITOR_TIMEOUT.as_secs()});
    assert_eq!(peer.execute(&monitored), json!({"result": "at last"}));

    for server in servers {
        server.stop();
        timeout(TIMEOUT, server.wait()).await.unwrap();
    }
}

async fn notifications_work_in_both_directions(transport: &Transport, peer: &mut Peer) {
    let notifier = Notifier::new(transport, Target::topic("events-in"), "this.host").timeout(TIMEOUT);
    let payload = Value::map(vec![("grams".into(), 250.into())]);
    for (priority, event) in [(Priority::Info, "event"), (Priority::Error, "again.event")] {
        notifier.notify(&bob(), priority, event, payload.clone()).await.unwrap();
        // The second event is requeued once.
        for _ in 0..if event == "event" { 1 } else { 2 } {
            let received = peer.receive("heard");
            let expected = json!({
                "heard": event, "priority": priority.name(), "publisher": "this.host",
                "payload": {"grams": 250}, "user": "bob",
            });
            assert_eq!(received, expected);
        }
    }

    let (sender, mut receiver) = unbounded_channel::<Notification>();
    let requeued = Mutex::new(false);
    let listened = [Priority::Info, Priority::Error];
    let listener = Listener::bind(transport, Target::topic("events-out"), &listened, move |notification| {
        let again = notification.event_type == "again.event";
        sender.send(notification).unwrap();
        let mut requeued = requeued.lock().unwrap();
        if again && !*requeued {
            *requeued = true;
            return NotificationResult::Requeue;
        }
        NotificationResult::Handled
    });
    let stop = CancellationToken::new();
    let listener = tokio::spawn(listener.await.unwrap().run(stop.clone()));
    for (priority, event, times) in [("info", "event", 1), ("error", "again.event", 2)] {
        let notify = json!({
            "do": "notify", "priority": priority, "event": event, "payload": {"grams": 250},
        });
        assert_eq!(peer.execute(&notify), json!({"result": null}));
        for _ in 0..times {
            let notification = timeout(TIMEOUT, receiver.recv()).await.unwrap().unwrap();
            assert_eq!(notification.event_type, event);
            // oslo.messaging's notifier sends only contexts of the library's context class, and an empty one for a
            // dictionary.
            assert_eq!(notification.context, Context::new());
            assert_eq!(notification.publisher_id, "oslo.host");
            assert_eq!((notification.priority, &notification.payload), (priority.to_uppercase(), &payload));
        }
    }
    stop.cancel();
    listener.await.unwrap();
}
