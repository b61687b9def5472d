//! Calls and casts under faults of the broker, the connections and the servers, over a real broker.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use amqp::{
    Acknowledge, Context, Methods, QueueKind, ReplyTo, RpcClient, RpcDispatcher, RpcServer, RpcServerOptions,
    Target, Transport,
};
use calculator::{Calculator, Call, CallError, Dispatcher, ErrorKind, Executor, Faults, Value};
use common::broker::rabbitmqctl;
use common::{Process, rpcbench};
use lapin::options::QueueDeleteOptions;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rpcbench::deploy::broker::{BrokerKind, PrivateBroker};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// The timeout of calls that may be lost.
const CALL_TIMEOUT: Duration = Duration::from_secs(1);
/// The timeout of events that must happen. Only a defect reaches it.
const TIMEOUT: Duration = Duration::from_secs(60);

fn context() -> Context {
    Context::new()
}

fn add(x: i64, y: i64) -> Call {
    Call::named("add", [("x".into(), x.into()), ("y".into(), y.into())])
}

fn transport(broker: &PrivateBroker) -> Transport {
    broker.url().parse().unwrap()
}

async fn serve(transport: &Transport, topic: &str, name: &str, faults: Faults) -> RpcServer {
    let calculator = Dispatcher::new(Calculator, Executor::Async, faults);
    start(transport, topic, name, RpcDispatcher::new().endpoint(calculator), Acknowledge::Before).await
}

async fn start(
    transport: &Transport,
    topic: &str,
    name: &str,
    dispatcher: RpcDispatcher,
    acknowledge: Acknowledge,
) -> RpcServer {
    let options = RpcServerOptions { acknowledge, prefetch: 32, ..RpcServerOptions::default() };
    let target = Target::topic(topic).server(name).exchange(exchange_of(transport));
    let server = RpcServer::new(transport, target, dispatcher.build(), options).unwrap();
    server.start().await.unwrap();
    server
}

/// Durable and transient queues need separate exchanges.
fn exchange_of(transport: &Transport) -> &'static str {
    if transport.queues().kind == QueueKind::Transient { "openstack" } else { "durable" }
}

async fn stop_server(server: &RpcServer) {
    server.stop();
    timeout(TIMEOUT, server.wait()).await.expect("a stopped server ends");
}

/// Repeats a call until it succeeds.
async fn call_until_success(client: &RpcClient) {
    let start = Instant::now();
    while let Err(error) = client.call(&context(), &add(2, 3)).await {
        assert!(error.kind.is_transport(), "{error}");
        assert!(start.elapsed() < TIMEOUT, "still {error}");
    }
}

/// One test on one broker, because starting a broker takes longer than most of the checks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_hangs_and_nothing_confirmed_is_lost() {
    let mut broker = PrivateBroker::start_restarting(BrokerKind::RabbitMq).unwrap();
    let transport = transport(&broker);
    tokio::join!(
        a_deleted_reply_queue_fails_its_calls_and_no_others(&transport),
        missing_heartbeats_fail_a_monitored_call(&transport)
    );
    another_server_takes_over_the_calls_of_a_killed_one(&broker);
    a_late_acknowledgement_is_logged_with_the_broker_s_reason(&broker);
    calls_and_casts_to_a_blocked_broker_time_out(&broker).await;
    a_killed_broker_loses_calls_but_no_confirmed_cast(&mut broker).await;
    broker.stop().unwrap();
}

async fn a_deleted_reply_queue_fails_its_calls_and_no_others(transport: &Transport) {
    // Calls are in progress until they are released.
    let (started_sender, mut started) = unbounded_channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Mutex::new(released);
    let endpoint = Methods::new().method("wait", move |_, arguments| {
        let [value] = arguments.bind("wait", ["value"])?;
        let _ = started_sender.send(());
        let _ = released.lock().unwrap().recv();
        Ok(value)
    });
    let dispatcher = RpcDispatcher::new().endpoint(endpoint).executor("threads:4".parse().unwrap());
    let server = start(transport, "deleted-reply-queue", "s1", dispatcher, Acknowledge::Before).await;
    let wait = |value: i64| Call::named("wait", [("value".into(), value.into())]);
    let other = RpcClient::new(transport, Target::topic("deleted-reply-queue")).timeout(TIMEOUT);
    let victim = RpcClient::new(transport, Target::topic("deleted-reply-queue")).timeout(TIMEOUT);
    victim.connect().await.unwrap();

    let connection = transport.url().connect("test", TIMEOUT).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let (failing_call, other_call) = {
        let (victim, other) = (victim.clone(), other.clone());
        (
            tokio::spawn(async move { victim.call(&context(), &wait(5)).await }),
            tokio::spawn(async move { other.call(&context(), &wait(9)).await }),
        )
    };
    for _ in 0..2 {
        timeout(TIMEOUT, started.recv()).await.unwrap().unwrap();
    }
    let queue = victim.reply_queue().await.unwrap().unwrap();
    channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    let error = timeout(TIMEOUT, failing_call).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Undeliverable);
    drop(release);
    assert_eq!(other_call.await.unwrap(), Ok(Value::Int(9)));
    // The client declares a new queue. The server still retries the reply to the old one, which delays no other reply.
    assert_eq!(victim.call(&context(), &wait(6)).await, Ok(Value::Int(6)));
    assert_ne!(victim.reply_queue().await, Ok(Some(queue)));
    stop_server(&server).await;
}

async fn missing_heartbeats_fail_a_monitored_call(transport: &Transport) {
    let slow = Faults { delay: Some(Duration::from_millis(2_500)), ..Faults::default() };
    let server = serve(transport, "monitored", "s1", slow).await;
    let client = RpcClient::new(transport, Target::topic("monitored")).timeout(TIMEOUT);
    let monitored = client.prepare().call_monitor_timeout(Duration::from_secs(2));
    // The call takes longer than the monitor's interval, and heartbeats keep it alive. A short timeout ends it all the same.
    let impatient = monitored.prepare().timeout(Duration::from_millis(500));
    // Without a server there are no heartbeats.
    let silent = monitored.prepare().topic("without-a-server");
    let calls = [add(2, 3), add(4, 5), add(6, 7)];
    let empty = context();
    let (completed, timed_out, abandoned) = tokio::join!(
        monitored.call(&empty, &calls[0]),
        impatient.call(&empty, &calls[1]),
        silent.call(&empty, &calls[2])
    );
    assert_eq!(completed, Ok(Value::Int(5)));
    assert_eq!(timed_out.unwrap_err().kind, ErrorKind::Timeout);
    let error = abandoned.unwrap_err();
    assert!(error.kind == ErrorKind::Timeout && error.message.contains("heartbeat"), "{error}");
    stop_server(&server).await;
}

/// Runs the program: with `--ack after`, the broker redelivers a killed server's call in progress to another server.
fn another_server_takes_over_the_calls_of_a_killed_one(broker: &PrivateBroker) {
    let serve = |arguments: &[&str]| {
        let all = [&["serve", "amqp", "--topic", "killed", "--ack", "after"], arguments].concat();
        let server = Process::start(rpcbench(&all).env("RPCBENCH_BROKER", broker.url()));
        server.url();
        server
    };
    let killed = serve(&["--server", "a", "--handler-delay", "600s"]);
    let mut call = Process::start(&mut rpcbench(&[
        "call",
        "amqp",
        broker.url(),
        "add",
        "x=2",
        "y=3",
        "--topic",
        "killed",
        "--timeout",
        "60s",
    ]));
    // The call is in progress once its message is unacknowledged.
    let start = Instant::now();
    loop {
        let listed = rabbitmqctl(broker, &["-q", "list_queues", "name", "messages_unacknowledged"]);
        if listed.lines().any(|line| line.split_whitespace().eq(["killed", "1"])) {
            break;
        }
        assert!(start.elapsed() < TIMEOUT, "{listed}");
    }
    let successor = serve(&["--server", "b"]);
    killed.signal(Signal::SIGKILL);
    assert_eq!(call.ended().with(0, &[]).out, ["5"]);
    drop(successor);
}

/// Runs the program: the broker closes the channel of a server that acknowledges too late.
fn a_late_acknowledgement_is_logged_with_the_broker_s_reason(broker: &PrivateBroker) {
    let limit_acknowledgements_to = |milliseconds: u32, checked_every: u32| {
        let set = format!(
            "application:set_env(rabbit, consumer_timeout, {milliseconds}), \
             application:set_env(rabbit, channel_tick_interval, {checked_every})."
        );
        rabbitmqctl(broker, &["eval", &set]);
    };
    limit_acknowledgements_to(100, 100);
    let arguments = ["serve", "amqp", "--topic", "late", "--ack", "after", "--handler-delay", "600s"];
    let server = Process::start(rpcbench(&arguments).env("RPCBENCH_BROKER", broker.url()));
    server.url();
    let words = ["call", "amqp", broker.url(), "add", "2", "3", "--topic", "late", "--timeout", "600s"];
    let call = Process::start(&mut rpcbench(&words));
    let logged = server.err.recv_timeout(TIMEOUT).expect("the server logs the reason");
    assert!(logged.contains("406 PRECONDITION_FAILED - delivery acknowledgement on channel"), "{logged}");
    limit_acknowledgements_to(1_800_000, 60_000);
    drop((call, server));
}

async fn calls_and_casts_to_a_blocked_broker_time_out(broker: &PrivateBroker) {
    let transport = transport(broker);
    let server = serve(&transport, "blocked", "s1", Faults::default()).await;
    let client = RpcClient::new(&transport, Target::topic("blocked")).timeout(TIMEOUT);
    call_until_success(&client).await;
    // With such a low watermark, any memory use blocks publishers.
    rabbitmqctl(broker, &["set_vm_memory_high_watermark", "0.000001"]);
    let impatient = client.prepare().timeout(Duration::from_millis(500));
    // The first messages may be published before the broker's notification arrives.
    let start = Instant::now();
    loop {
        let (call, cast) = (add(2, 3), add(4, 5));
        let empty = context();
        let (call, cast) = tokio::join!(impatient.call(&empty, &call), impatient.cast(&empty, &cast));
        if let (Err(call), Err(cast)) = (call, cast) {
            assert_eq!((call.kind, cast.kind), (ErrorKind::Timeout, ErrorKind::Timeout));
            break;
        }
        assert!(start.elapsed() < TIMEOUT, "the broker still accepts messages");
    }
    // A call with a long timeout succeeds once the broker is unblocked.
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.call(&context(), &add(2, 3)).await }
    });
    rabbitmqctl(broker, &["set_vm_memory_high_watermark", "0.4"]);
    assert_eq!(timeout(TIMEOUT, waiting).await.unwrap().unwrap(), Ok(Value::Int(5)));
    stop_server(&server).await;
}

/// Callers that call until they are stopped, and count successes and errors.
struct Load {
    stop: Arc<AtomicBool>,
    successes: Arc<AtomicU64>,
    errors: Arc<AtomicU64>,
    callers: JoinSet<()>,
}

impl Load {
    fn start(client: &RpcClient, callers: usize) -> Self {
        let mut load = Load {
            stop: Arc::default(),
            successes: Arc::default(),
            errors: Arc::default(),
            callers: JoinSet::new(),
        };
        for x in 0..callers {
            let (client, stop) = (client.prepare().retry(0), Arc::clone(&load.stop));
            let (successes, errors) = (Arc::clone(&load.successes), Arc::clone(&load.errors));
            load.callers.spawn(async move {
                let x = i64::try_from(x).unwrap();
                while !stop.load(Ordering::SeqCst) {
                    match client.call(&context(), &add(x, 1)).await {
                        Ok(value) => {
                            assert_eq!(value, Value::Int(x + 1));
                            successes.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(CallError { kind, message, .. }) => {
                            assert!(kind.is_transport(), "{kind}: {message}");
                            errors.fetch_add(1, Ordering::SeqCst);
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    }
                }
            });
        }
        load
    }

    /// Waits until `count` more calls have succeeded.
    async fn await_successes(&self, count: u64) {
        let goal = self.successes.load(Ordering::SeqCst) + count;
        let start = Instant::now();
        while self.successes.load(Ordering::SeqCst) < goal {
            assert!(start.elapsed() < TIMEOUT, "calls do not succeed");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Stops the callers, checks that none hangs, and returns the numbers of successes and errors.
    async fn stop(mut self) -> (u64, u64) {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = timeout(TIMEOUT, self.callers.join_next()).await.expect("a call hangs") {
            ended.unwrap();
        }
        (self.successes.load(Ordering::SeqCst), self.errors.load(Ordering::SeqCst))
    }
}

/// Casts consecutive numbers until `stop` is set. Returns those that were confirmed.
fn cast_numbers(client: RpcClient, stop: Arc<AtomicBool>) -> JoinHandle<Vec<i64>> {
    tokio::spawn(async move {
        let mut confirmed = Vec::new();
        for number in 0.. {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            let cast = Call::named("note", [("number".into(), number.into())]);
            if client.cast(&context(), &cast).await.is_ok() {
                confirmed.push(number);
            }
        }
        confirmed
    })
}

type Notes = Arc<Mutex<HashSet<i64>>>;

/// Starts a server that records numbers, in a separate runtime, with which it can be killed.
async fn start_recorder(transport: &Transport, name: &'static str, notes: &Notes) -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (transport, notes) = (transport.clone(), Arc::clone(notes));
    let started = runtime.spawn(async move {
        let endpoint = Methods::new().method("note", move |_, arguments| {
            let [Value::Int(number)] = arguments.bind("note", ["number"])? else { panic!("not a number") };
            notes.lock().unwrap().insert(number);
            Ok(Value::Null)
        });
        let dispatcher = RpcDispatcher::new().endpoint(endpoint);
        // Must live as long as the runtime.
        std::mem::forget(start(&transport, "notes", name, dispatcher, Acknowledge::After).await);
    });
    started.await.unwrap();
    runtime
}

async fn a_killed_broker_loses_calls_but_no_confirmed_cast(broker: &mut PrivateBroker) {
    let plain = transport(broker);
    // The first host of this URL does not exist.
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let several: Transport =
        broker.url().replace("amqp://", &format!("rabbit://user@{unused},")).parse().unwrap();
    let direct = plain.clone().reply_to(ReplyTo::Direct);
    let durable = plain.clone().queue_kind(QueueKind::Durable);

    let mut servers = Vec::new();
    let mut loads = Vec::new();
    for (transport, topic) in [(&plain, "load"), (&several, "load-several"), (&direct, "load-direct")] {
        servers.push(serve(transport, topic, "s1", Faults::default()).await);
        // A client that reconnects before the servers has its calls returned as undeliverable, or with direct reply-to times
        // out.
        let client = RpcClient::new(transport, Target::topic(topic)).at_least_once().timeout(CALL_TIMEOUT);
        loads.push(Load::start(&client, 8));
    }
    let (notes, stop) = (Notes::default(), Arc::new(AtomicBool::new(false)));
    let first = start_recorder(&durable, "first", &notes).await;
    let caster = RpcClient::new(&durable, Target::topic("notes").exchange(exchange_of(&durable)))
        .timeout(Duration::from_secs(5));
    let casts = cast_numbers(caster.clone(), Arc::clone(&stop));
    for load in &loads {
        load.await_successes(50).await;
    }

    kill(Pid::from_raw(broker.pid().try_into().unwrap()), Signal::SIGKILL).unwrap();
    broker.await_restart().unwrap();
    let restarted = Instant::now();
    for load in &loads {
        load.await_successes(1).await;
    }
    println!("calls succeeded again {:?} after the broker's restart", restarted.elapsed());
    for load in &loads {
        load.await_successes(50).await;
    }

    // The server is killed as well, with casts in progress; another one takes over.
    first.shutdown_background();
    let second = start_recorder(&durable, "second", &notes).await;
    for load in loads {
        let (successes, errors) = load.stop().await;
        println!("{successes} successes, {errors} errors");
    }
    stop.store(true, Ordering::SeqCst);
    let confirmed = timeout(TIMEOUT, casts).await.expect("a cast hangs").unwrap();
    let start = Instant::now();
    let missing = || {
        let notes = notes.lock().unwrap();
        confirmed.iter().filter(|number| !notes.contains(number)).count()
    };
    while missing() > 0 {
        assert!(start.elapsed() < TIMEOUT, "{} of {} confirmed casts were lost", missing(), confirmed.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{} confirmed casts, none lost", confirmed.len());
    assert!(confirmed.len() > 50, "only {} casts", confirmed.len());
    second.shutdown_background();
    for server in servers {
        stop_server(&server).await;
    }
}
