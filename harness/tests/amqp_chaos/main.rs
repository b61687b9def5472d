//! Calls and casts over a real RabbitMQ that is killed, restarted, paused and blocked at random moments.
//!
//! The seed of the moments is printed. `RPCBENCH_CHAOS_SEED` sets it, which repeats the same disturbances as far as a
//! real broker permits. `RPCBENCH_CHAOS_DISTURBANCES` sets their number, and their seed is then random unless it is set,
//! too. Without either, the test has a few disturbances, the same in every run. `scripts/chaos` runs a long form.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
mod disturbance;
mod history;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use amqp::{
    Acknowledge, Context, Methods, QueueKind, ReplyTo, RpcClient, RpcDispatcher, RpcServer, RpcServerOptions,
    Target, Transport,
};
use calculator::{Call, ErrorKind, Value};
use common::broker::rabbitmqctl;
use disturbance::{Disturbance, plan};
use history::{End, Event, check, missing_casts, totals};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rpcbench::deploy::broker::{BrokerKind, PrivateBroker};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The number of disturbances in every test run; a long form has more.
const DISTURBANCES: usize = 6;
/// The seed of those disturbances: one of each kind, and a pause that is long enough for heartbeats to be missed.
const SEED: u64 = 437;
/// How long a call or cast may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long anything that must happen may take. Only a defect takes that long.
const TEST_TIMEOUT: Duration = Duration::from_secs(120);
/// The pause of a caller after each call, so that the history stays short.
const CALLER_PAUSE: Duration = Duration::from_millis(3);
/// The callers of each client.
const CALLERS: usize = 4;
/// By how much memory may grow in a run, in KiB. The history itself takes most of it.
const MAX_GROWTH_KIB: u64 = 64 << 10;
/// How many threads and files may be left of connections that were lost.
const MAX_LEFT: u64 = 8;

/// The events so far, which callers and servers share.
#[derive(Clone, Default)]
struct History(Arc<Mutex<Vec<Event>>>);

impl History {
    fn add(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }

    fn so_far(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }
}

/// A number from the environment.
fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not `{text}`")))
}

/// A server whose method `next` records the argument `id` as an event and returns the id plus one.
async fn serve(
    transport: &Transport,
    topic: &str,
    acknowledge: Acknowledge,
    history: &History,
    event: fn(i64) -> Event,
) -> RpcServer {
    let history = history.clone();
    let endpoint = Methods::new().method("next", move |_, arguments| {
        let [Value::Int(id)] = arguments.bind("next", ["id"])? else { panic!("the id is a number") };
        history.add(event(id));
        Ok(Value::Int(id + 1))
    });
    let dispatcher = RpcDispatcher::new().endpoint(endpoint).build();
    let options = RpcServerOptions { acknowledge, prefetch: 32, ..RpcServerOptions::default() };
    let target = target(transport, topic).server("server");
    let server = RpcServer::new(transport, target, dispatcher, options).unwrap();
    server.start().await.unwrap();
    server
}

/// Durable queues need an exchange that is durable, too.
fn target(transport: &Transport, topic: &str) -> Target {
    let exchange = if transport.queues().kind == QueueKind::Transient { "openstack" } else { "durable" };
    Target::topic(topic).exchange(exchange)
}

fn next(id: i64) -> Call {
    Call::named("next", [("id".into(), id.into())])
}

/// Callers and casters that work until they are stopped.
struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
    ids: Arc<AtomicI64>,
    /// The numbers of calls with the right answer and of confirmed casts.
    successes: [Arc<AtomicI64>; 2],
    history: History,
}

impl Load {
    fn new(history: &History) -> Self {
        Load {
            stop: Arc::default(),
            tasks: JoinSet::new(),
            ids: Arc::default(),
            successes: Default::default(),
            history: history.clone(),
        }
    }

    fn start_callers(&mut self, client: &RpcClient) {
        for _ in 0..CALLERS {
            let (client, ids) = (client.prepare().retry(0), Arc::clone(&self.ids));
            let (stop, history) = (Arc::clone(&self.stop), self.history.clone());
            let successes = Arc::clone(&self.successes[0]);
            self.tasks.spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let id = ids.fetch_add(1, Ordering::SeqCst);
                    history.add(Event::CallStarted(id));
                    let end = match client.call(&Context::new(), &next(id)).await {
                        Ok(Value::Int(answer)) if answer == id + 1 => End::Right,
                        Ok(_) => End::Wrong,
                        Err(error) if error.kind == ErrorKind::Timeout => End::Timeout,
                        Err(error) if error.kind == ErrorKind::Undeliverable => End::Error,
                        Err(error) => {
                            println!("call {id}: {error}");
                            End::OtherError
                        }
                    };
                    history.add(Event::CallEnded(id, end));
                    successes.fetch_add(i64::from(end == End::Right), Ordering::SeqCst);
                    tokio::time::sleep(CALLER_PAUSE).await;
                }
            });
        }
    }

    fn start_casters(&mut self, client: &RpcClient) {
        for _ in 0..CALLERS {
            let (client, ids) = (client.prepare(), Arc::clone(&self.ids));
            let (stop, history) = (Arc::clone(&self.stop), self.history.clone());
            let successes = Arc::clone(&self.successes[1]);
            self.tasks.spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let id = ids.fetch_add(1, Ordering::SeqCst);
                    history.add(Event::CastStarted(id));
                    let confirmed = client.cast(&Context::new(), &next(id)).await.is_ok();
                    history.add(if confirmed { Event::CastConfirmed(id) } else { Event::CastFailed(id) });
                    successes.fetch_add(i64::from(confirmed), Ordering::SeqCst);
                    tokio::time::sleep(CALLER_PAUSE).await;
                }
            });
        }
    }

    /// Waits until calls succeed and casts are confirmed again.
    async fn await_success(&self) {
        let count = || self.successes.each_ref().map(|number| number.load(Ordering::SeqCst));
        let ([calls, casts], start) = (count(), Instant::now());
        while count()[0] == calls || count()[1] == casts {
            assert!(start.elapsed() < TEST_TIMEOUT, "calls and casts do not succeed again");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops the load, and waits until every call and cast has ended.
    async fn stop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) =
            timeout(TEST_TIMEOUT, self.tasks.join_next()).await.expect("a call never ends")
        {
            ended.unwrap();
        }
    }
}

/// A server that executes casts, in a runtime with which it can be killed.
struct Executor {
    runtime: Option<Runtime>,
    transport: Transport,
    history: History,
}

impl Executor {
    fn new(transport: &Transport, history: &History) -> Self {
        Executor { runtime: None, transport: transport.clone(), history: history.clone() }
    }

    /// Kills the server, if there is one, and starts another.
    async fn replace(&mut self) {
        if let Some(killed) = self.runtime.take() {
            killed.shutdown_background();
        }
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let (transport, history) = (self.transport.clone(), self.history.clone());
        let started = runtime.spawn(async move {
            // It must live as long as its runtime.
            std::mem::forget(
                serve(&transport, "casts", Acknowledge::After, &history, Event::CastExecuted).await,
            );
        });
        started.await.unwrap();
        self.runtime = Some(runtime);
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn signal(broker: &PrivateBroker, signal: Signal) {
    kill(Pid::from_raw(broker.pid().try_into().unwrap()), signal).unwrap();
}

/// Disturbs the broker, and returns when it can work again.
async fn disturb(broker: &mut PrivateBroker, executor: &mut Executor, disturbance: Disturbance) {
    let restart = |broker: &mut PrivateBroker, with: Signal| {
        tokio::task::block_in_place(|| {
            signal(broker, with);
            broker.await_restart().unwrap();
        });
    };
    let control = |broker: &PrivateBroker, arguments: &[&str]| {
        tokio::task::block_in_place(|| rabbitmqctl(broker, arguments));
    };
    match disturbance {
        Disturbance::Kill => restart(broker, Signal::SIGKILL),
        Disturbance::Restart => restart(broker, Signal::SIGTERM),
        Disturbance::Pause(time) => {
            signal(broker, Signal::SIGSTOP);
            tokio::time::sleep(time).await;
            signal(broker, Signal::SIGCONT);
        }
        Disturbance::Block(time) => {
            // With such a low watermark, any memory use blocks publishers.
            control(broker, &["set_vm_memory_high_watermark", "0.000001"]);
            tokio::time::sleep(time).await;
            control(broker, &["set_vm_memory_high_watermark", "0.4"]);
        }
        Disturbance::CloseConnections => control(broker, &["close_all_connections", "disturbed"]),
        Disturbance::KillServer => executor.replace().await,
    }
}

/// The resources of this process.
#[derive(Clone, Copy, Debug)]
struct Resources {
    rss_kib: u64,
    threads: u64,
    files: u64,
}

impl Resources {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        Resources {
            rss_kib: number("VmRSS:"),
            threads: number("Threads:"),
            files: std::fs::read_dir("/proc/self/fd").unwrap().count() as u64,
        }
    }

    /// Waits until no more is in use than `before`, apart from what a run may leave.
    async fn settle(before: Resources) -> Self {
        let start = Instant::now();
        loop {
            let now = Resources::now();
            let settled = now.threads <= before.threads + MAX_LEFT && now.files <= before.files + MAX_LEFT;
            if settled || start.elapsed() > TEST_TIMEOUT {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_disturbance_of_the_broker_loses_a_confirmed_cast_or_confuses_a_call() {
    let count = setting("RPCBENCH_CHAOS_DISTURBANCES");
    let default_seed = || if count.is_some() { rand::random() } else { SEED };
    let seed = setting("RPCBENCH_CHAOS_SEED").unwrap_or_else(default_seed);
    let count = count.unwrap_or(DISTURBANCES);
    println!("seed {seed}; to repeat it: scripts/chaos --seed {seed} --disturbances {count}");

    let mut broker = PrivateBroker::start_restarting(BrokerKind::RabbitMq).unwrap();
    // Heartbeats every second, so that a long pause is noticed.
    let plain: Transport = format!("{}?heartbeat=2", broker.url()).parse().unwrap();
    let direct = plain.clone().reply_to(ReplyTo::Direct);
    let durable = plain.clone().queue_kind(QueueKind::Durable);
    let history = History::default();
    let servers = [
        serve(&plain, "calls", Acknowledge::Before, &history, Event::CallExecuted).await,
        serve(&direct, "calls-direct", Acknowledge::Before, &history, Event::CallExecuted).await,
    ];
    let mut executor = Executor::new(&durable, &history);
    executor.replace().await;
    let client = |transport: &Transport, topic: &str| {
        RpcClient::new(transport, target(transport, topic)).timeout(CALL_TIMEOUT)
    };
    let mut load = Load::new(&history);
    load.start_callers(&client(&plain, "calls"));
    load.start_callers(&client(&direct, "calls-direct"));
    load.start_casters(&client(&durable, "casts"));
    load.await_success().await;
    let before = Resources::now();

    let (start, mut kinds) = (Instant::now(), BTreeMap::new());
    for (index, (calm, disturbance)) in plan(seed, count).into_iter().enumerate() {
        tokio::time::sleep(calm).await;
        println!("{:>7.1} s  {} of {count}: {disturbance}", start.elapsed().as_secs_f64(), index + 1);
        *kinds.entry(disturbance.kind()).or_insert(0) += 1;
        disturb(&mut broker, &mut executor, disturbance).await;
        load.await_success().await;
        let Resources { rss_kib, threads, files } = Resources::now();
        println!("           then {} MiB, {threads} threads, {files} files", rss_kib >> 10);
    }

    let connected = Resources::settle(before).await;
    load.stop().await;
    let waiting = Instant::now();
    while missing_casts(&history.so_far()) > 0 && waiting.elapsed() < TEST_TIMEOUT {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for server in &servers {
        server.stop();
        timeout(TEST_TIMEOUT, server.wait()).await.expect("a stopped server ends");
    }
    drop(executor);
    let events = history.so_far();
    let violations = check(&events);
    println!("{count} disturbances in {:.0} s: {kinds:?}", start.elapsed().as_secs_f64());
    println!("{:?}", totals(&events));
    println!("{before:?} before, {connected:?} after them");
    assert!(violations.is_empty(), "seed {seed}: {violations:?}");
    assert!(connected.threads <= before.threads + MAX_LEFT, "seed {seed}: {before:?}, {connected:?}");
    assert!(connected.files <= before.files + MAX_LEFT, "seed {seed}: {before:?}, {connected:?}");
    let event_kib = (events.len() * size_of::<Event>()) as u64 >> 10;
    let growth = connected.rss_kib.saturating_sub(before.rss_kib + 3 * event_kib);
    assert!(growth <= MAX_GROWTH_KIB, "seed {seed}: the memory grew by {growth} KiB");
    broker.stop().unwrap();
}
