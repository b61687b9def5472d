//! The server of a simulation, and the faults that it and its network have.

use std::time::Duration;

use net::DRAIN_TIMEOUT;
use net::simulated::{Conditions, Link, Loss};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::check::Violation;
use crate::defect::Defect;
use crate::peers::bind;
use crate::plan::{Fault, Plan};
use crate::service::Executions;

/// The maximum latency after the faults, so that connecting takes less than the shortest timeout.
const HEALED_LATENCY: Duration = Duration::from_millis(10);

/// How long a server may take to stop in addition to its drain time.
const STOP_TIME: Duration = Duration::from_secs(1);

pub(crate) struct SimulatedServer<'a> {
    plan: &'a Plan,
    defect: Defect,
    pub(crate) link: Link,
    pub(crate) executions: Executions,
    running: Option<(CancellationToken, JoinHandle<()>)>,
    pub(crate) violations: Vec<Violation>,
}

impl<'a> SimulatedServer<'a> {
    pub(crate) fn new(plan: &'a Plan, defect: Defect, link: Link) -> Self {
        link.set_conditions(plan.conditions.clone());
        SimulatedServer {
            plan,
            defect,
            link,
            executions: Executions::default(),
            running: None,
            violations: Vec::new(),
        }
    }

    pub(crate) async fn start(&mut self) {
        let stop = CancellationToken::new();
        match bind(self.plan, &self.executions, self.defect, stop.clone()).await {
            Ok(serving) => self.running = Some((stop, tokio::spawn(serving))),
            Err(error) => self.violations.push(Violation::NotStarted(error.to_string())),
        }
    }

    /// Injects faults one after another. Afterwards, the network carries bytes, and the server runs.
    pub(crate) async fn inject_faults(&mut self, faults: &[(Duration, Fault)]) {
        for (pause, fault) in faults {
            sleep(*pause).await;
            self.inject(fault).await;
        }
        if !faults.is_empty() {
            self.link.set_conditions(Conditions {
                latency: Duration::ZERO..=HEALED_LATENCY,
                ..Conditions::default()
            });
        }
    }

    async fn inject(&mut self, fault: &Fault) {
        match fault {
            Fault::Conditions(conditions) => self.link.set_conditions(conditions.clone()),
            Fault::Stall(time) => {
                self.link.set_stalled(true);
                sleep(*time).await;
                self.link.set_stalled(false);
            }
            Fault::Partition(time) => self.partition(*time).await,
            Fault::Reset => self.link.reset(),
            Fault::LoseConnections(loss) => self.link.lose_connections(*loss),
            Fault::Stop(down) => {
                self.stop(DRAIN_TIMEOUT + STOP_TIME).await;
                sleep(*down).await;
                self.start().await;
            }
            Fault::Kill(down) => {
                self.kill().await;
                sleep(*down).await;
                self.start().await;
            }
            Fault::HostFailure(down, loss) => self.fail_host(*down, *loss).await,
        }
    }

    async fn partition(&self, time: Duration) {
        self.link.set_partitioned(true);
        sleep(time).await;
        self.link.set_partitioned(false);
    }

    async fn fail_host(&mut self, down: Duration, loss: Loss) {
        self.link.lose_connections(loss);
        self.kill().await;
        self.partition(down).await;
        self.start().await;
    }

    async fn kill(&mut self) {
        let Some((_, task)) = self.running.take() else { return };
        task.abort();
        self.end(task.await);
    }

    /// Stops the server, which must end within `time`.
    async fn stop(&mut self, time: Duration) {
        let Some((stop, mut task)) = self.running.take() else { return };
        stop.cancel();
        match timeout(time, &mut task).await {
            Ok(ended) => self.end(ended),
            Err(_) => {
                self.violations.push(Violation::NotStopped(time));
                task.abort();
            }
        }
    }

    /// Stops a server that works on no call.
    pub(crate) async fn stop_idle(&mut self) {
        self.stop(STOP_TIME).await;
    }

    fn end(&mut self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            self.violations.push(Violation::Panic(error.to_string()));
        }
    }
}
