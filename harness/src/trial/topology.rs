//! A topology: clients that each call every one of several servers, and what that takes.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use calculator::conformance::Numbers;
use calculator::{CallError, Client, ClientOptions, Deadline};
use tokio::task::JoinSet;

use super::error::TrialError;
use super::server::{BrokerLocation, RunningServer, ServerCopy, ServerLocation, TrialContext};
use super::{CLIENT_RUNTIME, TrialBroker};
use crate::load::PreparedCall;
use crate::observe::{Observation, Timing};
use crate::record::{MemoryChange, TopologyObservation, TopologyResult};
use crate::scenario::PlannedTopology;
use crate::stacks::{Destination, Stack};
use crate::sys::{self, Connection};

/// The clients of one component, which stay open: one for each server.
type Component = Vec<Arc<dyn Client>>;

/// The broker of a topology.
pub struct TopologyBroker {
    /// Where it is.
    pub at: TrialBroker,
    /// The resident memory in bytes that it had before it was used; `None` where there is none, or it is not observable.
    pub idle_bytes: Option<u64>,
}

/// Builds the topology `planned` of `stack` in `block`, with `broker`, and counts what it takes. An error of any kind only marks
/// it as failed, with the reason. `None` if it was interrupted.
#[must_use]
pub fn run(
    planned: &PlannedTopology,
    stack: &'static Stack,
    context: &TrialContext<'_>,
    broker: TopologyBroker,
    block: u32,
) -> Option<TopologyResult> {
    let mut result = TopologyResult::new(planned, stack, block);
    result.at_seconds = context.started_at.elapsed().as_secs_f64();
    match observe(planned, stack, context, broker) {
        Ok(seen) => result.fill(seen),
        Err(reason) => result.fail(reason),
    }
    result.audit();
    (!context.interrupted.load(Ordering::Relaxed)).then_some(result)
}

/// Starts the servers, lets the clients call them, and counts.
fn observe(
    planned: &PlannedTopology,
    stack: &'static Stack,
    context: &TrialContext<'_>,
    broker: TopologyBroker,
) -> Result<TopologyObservation, String> {
    if context.targets.contains_key(stack.name) {
        return Err(
            "its server was already running, and this run starts all servers of a topology".to_owned()
        );
    }
    let TopologyBroker { at, idle_bytes } = broker;
    let broker = at.map_err(|reason| format!("no broker: {reason}"))?;
    let broker_pid = broker.as_ref().and_then(|broker| broker.pid);
    let without_servers = open_connections(&[], broker_pid);
    let servers =
        start_servers(planned, stack, context, broker.as_ref()).map_err(|error| error.to_string())?;
    let processes = Processes::of(&servers, broker_pid, idle_bytes);
    let locations: Vec<_> = servers.iter().map(|server| server.location.clone()).collect();
    // A thread, since its cores stay with it.
    std::thread::scope(|scope| {
        let clients = std::thread::Builder::new()
            .spawn_scoped(scope, || connect_and_count(planned, stack, context, &locations, &processes))
            .map_err(|source| TrialError::Load { stack: stack.name, source }.to_string())?;
        let counted =
            clients.join().map_err(|panic| TrialError::panicked(stack.name, &*panic).to_string())?;
        let (seen, open) = counted.map_err(|error| error.to_string())?;
        let new = without_servers.zip(open).map(|(before, open)| open.difference(&before).count());
        // The system lists the connections of TCP only.
        let new = new.filter(|_| stack.transport.is_over_tcp());
        Ok(TopologyObservation { connections: new.and_then(|new| u64::try_from(new).ok()), ..seen })
    })
}

/// Starts the servers, each of which clients can address separately.
fn start_servers(
    planned: &PlannedTopology,
    stack: &'static Stack,
    context: &TrialContext<'_>,
    broker: Option<&BrokerLocation>,
) -> Result<Vec<RunningServer>, TrialError> {
    let mut servers = Vec::new();
    for instance in 0..usize::try_from(planned.topology.servers.get()).unwrap_or(usize::MAX) {
        // The rest of the run is not wanted either.
        if context.interrupted.load(Ordering::Relaxed) {
            break;
        }
        let copy = ServerCopy { options: context.server.clone(), instance };
        servers.push(RunningServer::start(stack, context, broker, &planned.cores.server, copy)?);
    }
    Ok(servers)
}

/// The processes of a topology apart from this one.
struct Processes {
    servers: Vec<u32>,
    broker: Option<u32>,
    /// The memory of the broker before it was used.
    idle_bytes: Option<u64>,
}

impl Processes {
    fn of(servers: &[RunningServer], broker: Option<u32>, idle_bytes: Option<u64>) -> Self {
        let pids = servers.iter().filter_map(|server| server.process.as_ref()).map(|process| process.pid());
        Processes { servers: pids.collect(), broker, idle_bytes }
    }

    /// The resident memory of this process, of all servers together, and of the broker, in bytes, where it is observable.
    fn memory(&self) -> [Option<u64>; 3] {
        let servers = self.servers.iter().map(|pid| sys::resident_memory(*pid)).sum();
        [sys::resident_memory(std::process::id()), servers, self.broker.and_then(sys::resident_memory)]
    }
}

/// The open TCP connections of this process, of `servers` and of `broker`.
fn open_connections(servers: &[u32], broker: Option<u32>) -> Option<BTreeSet<Connection>> {
    let pids: Vec<_> =
        [std::process::id()].into_iter().chain(servers.iter().copied()).chain(broker).collect();
    sys::connections(&pids)
}

/// Connects all clients on their cores and makes their calls. Returns what was seen, without the number of connections, and the
/// connections that were open in the end.
fn connect_and_count(
    planned: &PlannedTopology,
    stack: &'static Stack,
    context: &TrialContext<'_>,
    servers: &[ServerLocation],
    processes: &Processes,
) -> Result<(TopologyObservation, Option<BTreeSet<Connection>>), TrialError> {
    let name = stack.name;
    let cores = &planned.cores.client;
    if !cores.is_empty() {
        sys::pin_current_thread(cores).map_err(|source| TrialError::Pin { stack: name, source })?;
    }
    let runtime = CLIENT_RUNTIME
        .builder()
        .enable_all()
        .build()
        .map_err(|source| TrialError::Runtime { stack: name, source })?;
    let calls = FirstCalls {
        stack,
        destinations: servers.iter().map(|server| server.destination.clone()).collect(),
        timeout: context.scenario.timeout,
        numbers: context.scenario.numbers,
        // The plan has checked that there is one.
        prepared: planned.topology.operation.example(context.seed).into_iter().collect(),
        observation: Mutex::new(Observation::default()),
    };
    let calls = Arc::new(calls);
    runtime.block_on(async {
        // Otherwise the clients would fill memory that earlier ones have left.
        sys::release_free_memory();
        let [clients, servers_before, _] = processes.memory();
        let before = [clients, servers_before, processes.idle_bytes];
        let (components, took) = calls.all(planned.topology.clients).await.map_err(|source| {
            let address = servers.first().map(|server| server.shown.clone()).unwrap_or_default();
            TrialError::Connect { stack: name, address, source }
        })?;
        let after = processes.memory();
        let open = open_connections(&processes.servers, processes.broker);
        // All of them stayed open until here.
        drop(components);
        let memory =
            std::array::from_fn(|party| Some(MemoryChange { before: before[party]?, after: after[party]? }));
        let observation = calls.observation.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = TopologyObservation {
            connections: None,
            setup_ns: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
            counts: observation.counts.clone(),
            memory,
        };
        Ok((seen, open))
    })
}

/// The first calls of all clients.
struct FirstCalls {
    stack: &'static Stack,
    /// Where each server is found.
    destinations: Vec<Destination>,
    /// The timeout of connecting, and of a call.
    timeout: Duration,
    numbers: Numbers,
    /// The call that each client makes to each server.
    prepared: Vec<PreparedCall>,
    observation: Mutex<Observation>,
}

impl FirstCalls {
    /// Lets `clients` connect at the same time, and call every server. Returns the clients, whose connections stay open, and the
    /// time from the first connect to the last answer.
    ///
    /// # Errors
    /// When one of them cannot connect.
    async fn all(self: &Arc<Self>, clients: NonZeroU32) -> Result<(Vec<Component>, Duration), CallError> {
        let mut running = JoinSet::new();
        let started = Instant::now();
        for number in 0..usize::try_from(clients.get()).unwrap_or(usize::MAX) {
            let calls = Arc::clone(self);
            running.spawn(async move { calls.of_component(number).await });
        }
        let components = running.join_all().await.into_iter().collect::<Result<_, _>>()?;
        Ok((components, started.elapsed()))
    }

    /// Connects component `number` to all servers, and calls one after the other. Each component begins with another server.
    async fn of_component(&self, number: usize) -> Result<Component, CallError> {
        let mut destinations = self.destinations.clone();
        if !destinations.is_empty() {
            let first = number % destinations.len();
            destinations.rotate_left(first);
        }
        let options = ClientOptions { timeout: self.timeout, ..ClientOptions::default() };
        let clients = self.stack.connect_all(destinations, options).await?;
        let mut deadline = Deadline::new(self.timeout);
        for client in &clients {
            for PreparedCall { call, expected, .. } in &self.prepared {
                let started = Instant::now();
                let result = deadline.within(started, client.call(call)).await;
                let timing = Timing::closed(started.elapsed());
                let mut observation = self.observation.lock().unwrap_or_else(PoisonError::into_inner);
                observation.record(timing, &result, expected, self.numbers);
            }
        }
        Ok(clients)
    }
}
