//! What becomes of calls and casts when something between their ends breaks, through a real broker.

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
use common::{Process, finish, rpcbench};
use lapin::options::QueueDeleteOptions;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rpcbench::deploy::rabbitmq::PrivateBroker;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// How long a call that is lost may take to say so.
const SHORT: Duration = Duration::from_secs(1);
/// Only a defect takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

fn context() -> Context {
    Context::new()
}

fn add(x: i64, y: i64) -> Call {
    Call::named("add", [("x".to_owned(), x.into()), ("y".to_owned(), y.into())])
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

/// Durable and transient queues have exchanges of their own.
fn exchange_of(transport: &Transport) -> &'static str {
    if transport.queues().kind == QueueKind::Transient { "openstack" } else { "durable" }
}

async fn end(server: &RpcServer) {
    server.stop();
    timeout(PATIENCE, server.wait()).await.expect("a stopped server ends");
}

/// Calls until one is answered.
async fn answered(client: &RpcClient) {
    let begun = Instant::now();
    while let Err(error) = client.call(&context(), &add(2, 3)).await {
        assert!(error.kind.is_transport(), "{error}");
        assert!(begun.elapsed() < PATIENCE, "still {error}");
    }
}

/// One broker for all of it: each start takes longer than most of the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_hangs_and_nothing_confirmed_is_lost() {
    let mut broker = PrivateBroker::start_restarting().unwrap();
    let transport = transport(&broker);
    tokio::join!(
        a_reply_queue_that_vanishes_fails_its_calls_and_no_others(&transport),
        a_silent_server_is_noticed_by_its_missing_signs_of_life(&transport)
    );
    a_server_that_dies_is_replaced(&broker);
    blocked_publishers_end_at_their_timeouts(&broker).await;
    a_broker_that_is_killed_costs_calls_but_no_confirmed_cast(&mut broker).await;
    broker.stop().unwrap();
}

async fn a_reply_queue_that_vanishes_fails_its_calls_and_no_others(transport: &Transport) {
    // Calls are in hand until they are released.
    let (enter, mut entered) = unbounded_channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Mutex::new(released);
    let endpoint = Methods::new().method("wait", move |_, arguments| {
        let [value] = arguments.bind("wait", ["value"])?;
        let _ = enter.send(());
        let _ = released.lock().unwrap().recv();
        Ok(value)
    });
    let dispatcher = RpcDispatcher::new().endpoint(endpoint).executor("threads:4".parse().unwrap());
    let server = start(transport, "vanishing", "s1", dispatcher, Acknowledge::Before).await;
    let wait = |value: i64| Call::named("wait", [("value".to_owned(), value.into())]);
    let patient = RpcClient::new(transport, Target::topic("vanishing")).timeout(PATIENCE);
    let victim = RpcClient::new(transport, Target::topic("vanishing")).timeout(PATIENCE);
    victim.connect().await.unwrap();

    let connection = transport.url().connect("test", PATIENCE).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let (waits, waits_too) = {
        let (victim, patient) = (victim.clone(), patient.clone());
        (
            tokio::spawn(async move { victim.call(&context(), &wait(5)).await }),
            tokio::spawn(async move { patient.call(&context(), &wait(9)).await }),
        )
    };
    for _ in 0..2 {
        timeout(PATIENCE, entered.recv()).await.unwrap().unwrap();
    }
    let queue = victim.reply_queue().await.unwrap().unwrap();
    channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    let error = timeout(PATIENCE, waits).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Undeliverable);
    drop(release);
    assert_eq!(waits_too.await.unwrap(), Ok(Value::Int(9)));
    // It has a new one, and the answer to the old one, which the server still tries to give, holds nobody up.
    assert_eq!(victim.call(&context(), &wait(6)).await, Ok(Value::Int(6)));
    assert_ne!(victim.reply_queue().await, Ok(Some(queue)));
    end(&server).await;
}

async fn a_silent_server_is_noticed_by_its_missing_signs_of_life(transport: &Transport) {
    let slow = Faults { delay: Some(Duration::from_millis(2_500)), ..Faults::default() };
    let server = serve(transport, "monitored", "s1", slow).await;
    let client = RpcClient::new(transport, Target::topic("monitored")).timeout(PATIENCE);
    let monitored = client.prepare().call_monitor_timeout(Duration::from_secs(2));
    // Longer than the interval, and kept alive by the signs; a short timeout ends it nevertheless.
    let hasty = monitored.prepare().timeout(Duration::from_millis(500));
    // A queue that nobody consumes any more gives no signs.
    let silent = monitored.prepare().topic("monitored-by-nobody");
    let (call, late, lost) = (add(2, 3), add(4, 5), add(6, 7));
    let nobody = context();
    let (kept, hurried, given_up) =
        tokio::join!(monitored.call(&nobody, &call), hasty.call(&nobody, &late), silent.call(&nobody, &lost));
    assert_eq!(kept, Ok(Value::Int(5)));
    assert_eq!(hurried.unwrap_err().kind, ErrorKind::Timeout);
    let error = given_up.unwrap_err();
    assert!(error.kind == ErrorKind::Timeout && error.message.contains("heartbeat"), "{error}");
    end(&server).await;
}

/// Through the program: with `--ack after` the call in the hands of a server that is killed goes to another one.
fn a_server_that_dies_is_replaced(broker: &PrivateBroker) {
    let serve = |arguments: &[&str]| {
        let all = [&["serve", "amqp", "--topic", "dying", "--ack", "after"], arguments].concat();
        let server = Process::start(rpcbench(&all).env("RPCBENCH_BROKER", broker.url()));
        server.url();
        server
    };
    let dying = serve(&["--server", "a", "--handler-delay", "600s"]);
    let call = Process::start(&mut rpcbench(&[
        "call",
        "amqp",
        broker.url(),
        "add",
        "x=2",
        "y=3",
        "--topic",
        "dying",
        "--timeout",
        "60s",
    ]));
    // The call is in hand once the queue is empty, and its message unacknowledged.
    let begun = Instant::now();
    loop {
        let listed =
            broker.control().unwrap().args(["-q", "list_queues", "name", "messages_unacknowledged"]).output();
        let listed = String::from_utf8_lossy(&listed.unwrap().stdout).into_owned();
        if listed.lines().any(|line| line.split_whitespace().eq(["dying", "1"])) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{listed}");
    }
    let heir = serve(&["--server", "b"]);
    dying.signal(Signal::SIGKILL);
    let mut call = call;
    assert_eq!(call.ended().with(0, &[]).out, ["5"]);
    drop(heir);
}

fn control(broker: &PrivateBroker, arguments: &[&str]) {
    let output = broker.control().unwrap().args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn blocked_publishers_end_at_their_timeouts(broker: &PrivateBroker) {
    let transport = transport(broker);
    let server = serve(&transport, "blocked", "s1", Faults::default()).await;
    let client = RpcClient::new(&transport, Target::topic("blocked")).timeout(PATIENCE);
    answered(&client).await;
    // RabbitMQ takes less than nothing to be too much.
    control(broker, &["set_vm_memory_high_watermark", "0.000001"]);
    let hasty = client.prepare().timeout(Duration::from_millis(500));
    // The broker's word may come after the first of them.
    let begun = Instant::now();
    loop {
        let (call, cast) = (add(2, 3), add(4, 5));
        let nobody = context();
        let (call, cast) = tokio::join!(hasty.call(&nobody, &call), hasty.cast(&nobody, &cast));
        if let (Err(call), Err(cast)) = (call, cast) {
            assert_eq!((call.kind, cast.kind), (ErrorKind::Timeout, ErrorKind::Timeout));
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the broker still takes messages");
    }
    // One that waits long enough goes through.
    let waits = tokio::spawn({
        let client = client.clone();
        async move { client.call(&context(), &add(2, 3)).await }
    });
    control(broker, &["set_vm_memory_high_watermark", "0.4"]);
    assert_eq!(timeout(PATIENCE, waits).await.unwrap().unwrap(), Ok(Value::Int(5)));
    end(&server).await;
}

/// Callers under way until told to stop, who count how their calls ended.
struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    errors: Arc<AtomicU64>,
    callers: JoinSet<()>,
}

impl Load {
    fn start(client: &RpcClient, callers: usize) -> Self {
        let mut load = Load {
            stop: Arc::default(),
            answers: Arc::default(),
            errors: Arc::default(),
            callers: JoinSet::new(),
        };
        for x in 0..callers {
            let (client, stop) = (client.prepare().retry(0), Arc::clone(&load.stop));
            let (answers, errors) = (Arc::clone(&load.answers), Arc::clone(&load.errors));
            load.callers.spawn(async move {
                let x = i64::try_from(x).unwrap();
                while !stop.load(Ordering::SeqCst) {
                    match client.call(&context(), &add(x, 1)).await {
                        Ok(value) => {
                            assert_eq!(value, Value::Int(x + 1));
                            answers.fetch_add(1, Ordering::SeqCst);
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

    /// Waits until that many calls more were answered.
    async fn goes_on(&self, more: u64) {
        let goal = self.answers.load(Ordering::SeqCst) + more;
        let begun = Instant::now();
        while self.answers.load(Ordering::SeqCst) < goal {
            assert!(begun.elapsed() < PATIENCE, "calls are not answered");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Every caller comes back: none hangs.
    async fn end(mut self) -> (u64, u64) {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = timeout(PATIENCE, self.callers.join_next()).await.expect("a call hangs") {
            ended.unwrap();
        }
        (self.answers.load(Ordering::SeqCst), self.errors.load(Ordering::SeqCst))
    }
}

/// Casts numbers one after another until told to stop; gives back those that were confirmed.
fn cast_numbers(client: RpcClient, stop: Arc<AtomicBool>) -> JoinHandle<Vec<i64>> {
    tokio::spawn(async move {
        let mut confirmed = Vec::new();
        for number in 0.. {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            let cast = Call::named("note", [("number".to_owned(), number.into())]);
            if client.cast(&context(), &cast).await.is_ok() {
                confirmed.push(number);
            }
        }
        confirmed
    })
}

type Notes = Arc<Mutex<HashSet<i64>>>;

/// A server that notes numbers, in a runtime of its own that can be taken away from it.
async fn note_taker(transport: &Transport, name: &'static str, notes: &Notes) -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (transport, notes) = (transport.clone(), Arc::clone(notes));
    let started = runtime.spawn(async move {
        let endpoint = Methods::new().method("note", move |_, arguments| {
            let [Value::Int(number)] = arguments.bind("note", ["number"])? else { panic!("no number") };
            notes.lock().unwrap().insert(number);
            Ok(Value::Null)
        });
        let dispatcher = RpcDispatcher::new().endpoint(endpoint);
        // Kept for as long as the runtime lasts.
        std::mem::forget(start(&transport, "notes", name, dispatcher, Acknowledge::After).await);
    });
    started.await.unwrap();
    runtime
}

async fn a_broker_that_is_killed_costs_calls_but_no_confirmed_cast(broker: &mut PrivateBroker) {
    let plain = transport(broker);
    // The first host of this URL is never there.
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let several: Transport =
        broker.url().replace("amqp://", &format!("rabbit://nobody@{unused},")).parse().unwrap();
    let direct = plain.clone().reply_to(ReplyTo::Direct);
    let durable = plain.clone().queue_kind(QueueKind::Durable);

    let mut servers = Vec::new();
    let mut loads = Vec::new();
    for (transport, topic) in [(&plain, "load"), (&several, "load-several"), (&direct, "load-direct")] {
        servers.push(serve(transport, topic, "s1", Faults::default()).await);
        // Whoever is back before the servers are publishes to nobody, and is told, or times out with direct reply-to.
        let client = RpcClient::new(transport, Target::topic(topic)).at_least_once().timeout(SHORT);
        loads.push(Load::start(&client, 8));
    }
    let (notes, stop) = (Notes::default(), Arc::new(AtomicBool::new(false)));
    let first = note_taker(&durable, "first", &notes).await;
    let caster = RpcClient::new(&durable, Target::topic("notes").exchange(exchange_of(&durable)))
        .timeout(Duration::from_secs(5));
    let casts = cast_numbers(caster.clone(), Arc::clone(&stop));
    for load in &loads {
        load.goes_on(50).await;
    }

    kill(Pid::from_raw(broker.pid().try_into().unwrap()), Signal::SIGKILL).unwrap();
    broker.await_restart().unwrap();
    let back = Instant::now();
    for load in &loads {
        load.goes_on(1).await;
    }
    println!("calls were answered again {:?} after the broker was back", back.elapsed());
    for load in &loads {
        load.goes_on(50).await;
    }

    // The server dies too, with casts in hand; another one takes over.
    first.shutdown_background();
    let second = note_taker(&durable, "second", &notes).await;
    for load in loads {
        let (answers, errors) = load.end().await;
        println!("{answers} answers, {errors} errors");
    }
    stop.store(true, Ordering::SeqCst);
    let confirmed = timeout(PATIENCE, casts).await.expect("a cast hangs").unwrap();
    let begun = Instant::now();
    let missing = || {
        let notes = notes.lock().unwrap();
        confirmed.iter().filter(|number| !notes.contains(number)).count()
    };
    while missing() > 0 {
        assert!(begun.elapsed() < PATIENCE, "{} of {} confirmed casts were lost", missing(), confirmed.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{} confirmed casts, none lost", confirmed.len());
    assert!(confirmed.len() > 50, "only {} casts", confirmed.len());
    second.shutdown_background();
    for server in servers {
        end(&server).await;
    }
}

/// `user:password` of a broker's URL.
fn credentials(broker: &PrivateBroker) -> String {
    broker.url().split("//").nth(1).unwrap().split('@').next().unwrap().to_owned()
}

#[test]
fn what_keeps_a_program_from_its_broker_is_one_line_without_the_password() {
    let broker = PrivateBroker::start(&[]).unwrap();
    let address = broker.public_url().replace("amqp://", "").replace("/%2f", "");
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let secret = "s3cr3t-of-nobody";
    let user = credentials(&broker);
    for (url, word) in [
        (format!("amqp://rpcbench:{secret}@{address}/"), "ACCESS_REFUSED"),
        (format!("amqp://{user}@{address}/nowhere"), "nowhere"),
        (format!("amqp://rpcbench:{secret}@{unused}/"), "refused"),
    ] {
        let password = url.split(['@', ':']).nth(2).unwrap().to_owned();
        let serve = finish(rpcbench(&["serve", "amqp"]).env("RPCBENCH_BROKER", &url)).with(3, &[word]);
        let call = finish(&mut rpcbench(&["call", "amqp", &url, "add", "x=2", "y=3"])).with(3, &[word]);
        let check = finish(&mut rpcbench(&["check", "amqp", &url])).with(3, &[word]);
        for ended in [serve, call, check] {
            assert_eq!((ended.out.len(), ended.err.len()), (0, 1), "{:?}", ended.err);
            assert!(!ended.err[0].contains(&password), "{}", ended.err[0]);
        }
    }
    broker.stop().unwrap();
}
