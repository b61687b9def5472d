//! Carrying out a plan.

use std::io;
use std::time::Duration;

use futures_util::future::join_all;
use net::simulated::{Network, Trace};
use net::{Endpoint, KEEPALIVE_TIMEOUT};
use tokio::runtime::{Builder, Handle};
use tokio::task::{self, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::callers::{make_call, make_calls};
use crate::check::{CallRecord, TOLERANCE, Violation, check, is_success};
use crate::defect::Defect;
use crate::memory::{Allocated, MemoryCheck};
use crate::peers::{AnyClient, SERVER, connect};
use crate::plan::{CALM_TIMEOUT, CallKind, CallPlan, ClientPlan, Plan};
use crate::server::SimulatedServer;

/// How long after the network has healed a client may need until a call succeeds. It must notice that its connection is
/// lost, which takes zerorpc somewhat more than three heartbeat periods of at most 5 s, and the server may still work on
/// calls whose callers are gone, for at most 20 s.
pub const RECOVERY_TIME: Duration = Duration::from_secs(30);

/// The timeout of the calls that are made to see whether a client has recovered.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause between two attempts to connect or to recover.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// The number of concurrent calls of each client after it has recovered, all of which must succeed.
const CALLS_AFTER_RECOVERY: i64 = 8;

/// The virtual time at which all deadlines of a plan are over.
const END_OF_DEADLINES: Duration = Duration::from_secs(7_200);

/// After this time without calls, the server has closed the connections of clients that have vanished.
const IDLE_TIME: Duration = Duration::from_secs(KEEPALIVE_TIMEOUT.as_secs() + 60);

/// How long the ends of connections may take to arrive.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// How a plan is carried out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// What is wrong with servers and clients.
    pub defect: Defect,
    /// Whether the trace keeps all events.
    pub record_events: bool,
    /// Reads the number of bytes that the program has allocated. `None`: memory is not checked.
    pub allocated: Option<Allocated>,
}

/// What has happened. It follows from the plan alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What happened in the network.
    pub trace: Trace,
    /// The calls, in the order of their ids.
    pub records: Vec<CallRecord>,
    /// The virtual time that passed.
    pub time: Duration,
    /// What is wrong.
    pub violations: Vec<Violation>,
}

/// Carries out a plan on the current thread.
///
/// # Errors
/// If no runtime can be created.
pub fn run(plan: &Plan, options: &Options) -> io::Result<Outcome> {
    let memory = MemoryCheck::new(options.allocated);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let network = Network::from_seed(plan.seed);
    if options.record_events {
        network.record_events();
    }
    let entered = network.enter();
    // Not on the runtime's main task: its wakers may differ without need, and hyper wakes a task whose waker has changed, so
    // that such a task would be polled forever while the clock stands still.
    let mut outcome = runtime.block_on(task::LocalSet::new().run_until(async {
        let simulating = simulate(plan.clone(), *options, network.clone(), memory.clone());
        task::spawn_local(simulating).await.map_err(io::Error::other)
    }))?;
    drop((runtime, entered, network));
    // What the outcome contains. A vector may have twice the capacity that it needs.
    let events = outcome.trace.events.as_ref().map_or(0, |events| size_of_val(&**events));
    let answers: usize = outcome.records.iter().map(|record| record.size()).sum();
    let kept = 2 * (events + answers);
    outcome.violations.extend(memory.violation(kept));
    Ok(outcome)
}

async fn simulate(plan: Plan, options: Options, network: Network, memory: MemoryCheck) -> Outcome {
    let plan = &plan;
    let started = Instant::now();
    let watch = memory.watch();
    let mut simulation = Simulation {
        plan,
        defect: options.defect,
        server: SimulatedServer::new(plan, options.defect, network.link(SERVER)),
        started,
        violations: Vec::new(),
    };
    let mut clients = JoinSet::new();
    simulation.server.start().await;
    for client in &plan.clients {
        clients.spawn(run_client(plan.clone(), client.clone(), started, options.defect));
    }
    simulation.server.inject_faults(&plan.faults).await;
    let (clients, mut records) = simulation.wait_for(clients).await;
    simulation.check_calls(plan.calls(), &records, plan.is_calm());
    simulation.check_recovery(&clients).await;
    simulation.check_idle(&clients).await;
    drop(clients);
    if let Some(watch) = watch {
        watch.abort();
    }
    simulation.check_end().await;
    records.sort_by_key(|record| record.id);
    let mut violations = simulation.server.violations;
    violations.append(&mut simulation.violations);
    Outcome { trace: network.trace(), records, time: started.elapsed(), violations }
}

/// A simulation that is being carried out.
struct Simulation<'a> {
    plan: &'a Plan,
    defect: Defect,
    server: SimulatedServer<'a>,
    started: Instant,
    violations: Vec<Violation>,
}

/// A client whose callers have ended.
struct EndedClient {
    client: AnyClient,
    records: Vec<CallRecord>,
    violations: Vec<Violation>,
    /// Connections that a defective client has not closed.
    _kept: Vec<net::Stream>,
}

/// Connects a client, trying again until that succeeds, and makes its calls.
async fn run_client(plan: Plan, client: ClientPlan, started: Instant, defect: Defect) -> EndedClient {
    let mut violations = Vec::new();
    let mut kept = Vec::new();
    if defect == Defect::ClientKeepsConnections {
        for _ in 0..8 {
            kept.extend(net::connect(&Endpoint::Simulated(SERVER.to_owned())).await);
        }
    }
    let connected = loop {
        let began = Instant::now();
        let connected = connect(&plan, client.connect_timeout, defect).await;
        let took = began.elapsed();
        if took > client.connect_timeout + TOLERANCE {
            violations.push(Violation::LateConnect { took, timeout: client.connect_timeout });
        }
        match connected {
            Ok(connected) => break connected,
            Err(_) => sleep(RETRY_PAUSE).await,
        }
    };
    let calling = client
        .callers
        .into_iter()
        .map(|calls| tokio::spawn(make_calls(connected.clone(), calls, started, defect)));
    let mut records = Vec::new();
    for caller in calling.collect::<Vec<_>>() {
        match caller.await {
            Ok(of_caller) => records.extend(of_caller),
            Err(error) => violations.push(Violation::Panic(error.to_string())),
        }
    }
    EndedClient { client: connected, records, violations, _kept: kept }
}

impl Simulation<'_> {
    /// Waits until all callers have ended.
    async fn wait_for(&mut self, mut clients: JoinSet<EndedClient>) -> (Vec<EndedClient>, Vec<CallRecord>) {
        let (mut ended, mut records) = (Vec::new(), Vec::new());
        let ending = async {
            while let Some(client) = clients.join_next().await {
                match client {
                    Ok(client) => ended.push(client),
                    Err(error) => self.violations.push(Violation::Panic(error.to_string())),
                }
            }
        };
        if timeout(END_OF_DEADLINES, ending).await.is_err() {
            self.violations.push(Violation::StillWaiting(END_OF_DEADLINES));
        }
        for client in &mut ended {
            records.append(&mut client.records);
            self.violations.append(&mut client.violations);
        }
        (ended, records)
    }

    fn check_calls<'c>(
        &mut self,
        calls: impl Iterator<Item = &'c CallPlan>,
        records: &[CallRecord],
        is_calm: bool,
    ) {
        for call in calls {
            let of_call: Vec<_> = records.iter().filter(|record| record.id == call.id).collect();
            if let [record] = of_call.as_slice() {
                let executions = self.server.executions.of(call.id);
                self.violations.extend(check(call, record, executions, is_calm));
            } else {
                self.violations.push(Violation::Endings { id: call.id, times: of_call.len() });
            }
        }
    }

    /// Each client must succeed with a call in [`RECOVERY_TIME`], and then with all calls.
    async fn check_recovery(&mut self, clients: &[EndedClient]) {
        let recovering = clients.iter().enumerate().map(|(index, client)| self.recover(index, client));
        for recovered in join_all(recovering).await {
            match recovered {
                Ok((calls, records)) => self.check_calls(calls.iter(), &records, true),
                Err(violation) => self.violations.push(violation),
            }
        }
    }

    /// Makes calls until one succeeds, and then several at once, which it returns.
    async fn recover(
        &self,
        index: usize,
        client: &EndedClient,
    ) -> Result<(Vec<CallPlan>, Vec<CallRecord>), Violation> {
        // Far from the ids of the plan and of other clients.
        let mut next_id = 1_000_000 * (1 + i64::try_from(index).unwrap_or(0));
        let began = Instant::now();
        loop {
            let call = probe(next_id, PROBE_TIMEOUT);
            next_id += 1;
            let ending = make_call(&client.client, &call, self.defect).await;
            if is_success(&call, &ending) {
                break;
            }
            if began.elapsed() > RECOVERY_TIME {
                let error = format!("{ending:?}");
                return Err(Violation::NotRecovered { client: index, waited: began.elapsed(), error });
            }
            sleep(RETRY_PAUSE).await;
        }
        let calls: Vec<_> =
            (0..CALLS_AFTER_RECOVERY).map(|number| probe(next_id + number, CALM_TIMEOUT)).collect();
        let making = calls
            .iter()
            .map(|call| make_calls(client.client.clone(), vec![*call], self.started, self.defect));
        let records = join_all(making).await.into_iter().flatten().collect();
        Ok((calls, records))
    }

    /// Without calls, only the connections of the clients may stay open, and no call may be pending.
    async fn check_idle(&mut self, clients: &[EndedClient]) {
        sleep(IDLE_TIME).await;
        for (client, ended) in clients.iter().enumerate() {
            let calls = ended.client.zerorpc.as_ref().map_or(0, |zerorpc| zerorpc.pending_calls());
            if calls > 0 {
                self.violations.push(Violation::PendingCalls { client, calls });
            }
        }
        self.check_connections(self.plan.clients.len());
    }

    fn check_connections(&mut self, clients: usize) {
        let [of_clients, of_server] = self.server.link.open_ends();
        let connections = of_clients.max(of_server);
        if connections > clients {
            self.violations.push(Violation::Connections { connections, clients });
        }
    }

    /// When clients and server have ended, nothing may be left.
    async fn check_end(&mut self) {
        sleep(CLOSING_TIME).await;
        self.check_connections(0);
        self.server.stop_idle().await;
        sleep(CLOSING_TIME).await;
        let tasks = Handle::current().metrics().num_alive_tasks();
        if tasks > 0 {
            self.violations.push(Violation::Tasks(tasks));
        }
    }
}

/// A call that shows whether client and server work.
fn probe(id: i64, timeout: Duration) -> CallPlan {
    CallPlan { id, pause: Duration::ZERO, timeout, kind: CallKind::Add { wait: Duration::ZERO } }
}
