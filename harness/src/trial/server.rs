//! Where a trial's server is, and what all trials of a run have in common.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use amqp::Target;
use calculator::{Client, ClientOptions, Executor};

use super::error::TrialError;
use crate::deploy::ServerProcess;
use crate::observe::Meter;
use crate::observe::control::{self, Stats};
use crate::scenario::Scenario;
use crate::stacks::{Address, Stack};

/// The environment variable by which a server process is handed its broker's URL, credentials and all.
pub const BROKER_VARIABLE: &str = "RPCBENCH_BROKER";

/// What all trials of a run have in common.
pub struct TrialContext<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The seed of the arguments.
    pub seed: u64,
    /// How servers run handlers.
    pub executor: Executor,
    /// Threads of a server's runtime.
    pub workers: usize,
    /// Further arguments for servers: faults.
    pub server_arguments: &'a [String],
    /// Further arguments for the server of the second half of an A/A pair, which is then none.
    pub twin_arguments: &'a [String],
    /// Servers that are already running, by stack.
    pub targets: &'a BTreeMap<String, String>,
    /// Where those of them tell of themselves that do: the address of `serve --control`, by stack.
    pub controls: &'a BTreeMap<String, SocketAddr>,
    /// When the run began.
    pub began: Instant,
    /// Set to end early.
    pub interrupted: &'a Arc<AtomicBool>,
}

impl TrialContext<'_> {
    /// The value that `--name=value` among the further arguments of the servers gives an option.
    #[must_use]
    pub fn server_option(&self, name: &str) -> Option<&str> {
        self.server_arguments.iter().rev().find_map(|argument| argument.strip_prefix(name)?.strip_prefix('='))
    }
}

/// A broker that a trial's messages go through.
#[derive(Clone, Debug)]
pub struct BrokerLocation {
    /// Its URL, with credentials.
    pub url: String,
    /// Its process; absent where it is not ours.
    pub pid: Option<u32>,
}

/// A server that can be called.
pub struct RunningServer {
    /// The process, where it is ours.
    pub(super) process: Option<ServerProcess>,
    /// Where it tells of itself, if it was already running and does.
    control: Option<SocketAddr>,
    /// Where clients find it.
    pub place: ServerLocation,
}

/// Where clients find a server.
pub struct ServerLocation {
    /// For clients; may hold credentials.
    pub address: Address,
    /// For people.
    pub shown: String,
}

impl RunningServer {
    /// Starts `stack`'s server on `cores`, or takes the one that is already running.
    ///
    /// # Errors
    /// [`TrialError::Server`].
    pub fn start(
        stack: &'static Stack,
        setting: &TrialContext<'_>,
        broker: Option<&BrokerLocation>,
        cores: &[usize],
        twin: bool,
    ) -> Result<Self, TrialError> {
        // A topic of its own: an AMQP server of another stack must not answer.
        let topic = format!("calc-{}", stack.name);
        let url = broker.map(|broker| broker.url.clone()).unwrap_or_default();
        let queues = setting.server_option("--queues").and_then(|kind| kind.parse().ok());
        let mut address = Address { target: Target::topic(topic.clone()), queues, ..Address::new(url) };
        if let Some(target) = setting.targets.get(stack.name) {
            let control = setting.controls.get(stack.name).copied();
            return Ok(RunningServer {
                process: None,
                control,
                place: ServerLocation::new(Address::new(target.clone())),
            });
        }
        if !stack.has_server() {
            return Ok(RunningServer { process: None, control: None, place: ServerLocation::new(address) });
        }
        let mut arguments = vec![];
        if stack.reference().is_none() {
            arguments.push(format!("--executor={}", setting.executor));
            arguments.push(format!("--workers={}", setting.workers));
        }
        if stack.needs_broker() {
            arguments.push(format!("--topic={topic}"));
        }
        arguments.extend_from_slice(setting.server_arguments);
        if twin {
            arguments.extend_from_slice(setting.twin_arguments);
        }
        let secret =
            broker.filter(|_| stack.needs_broker()).map(|broker| (BROKER_VARIABLE, broker.url.as_str()));
        let process = ServerProcess::start(stack, cores, &arguments, secret)?;
        if !stack.needs_broker() {
            address.url = process.url().to_owned();
        }
        Ok(RunningServer { process: Some(process), control: None, place: ServerLocation::new(address) })
    }

    /// What the server's process tells of itself; `None` where it does not.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        match &self.process {
            Some(process) => process.stats(),
            None => control::request_stats(self.control?).ok(),
        }
    }

    /// Whether its server is of this suite: started by this run, or one that has a control port.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.process.is_some() || self.control.is_some()
    }

    pub(super) fn meter(&self) -> Option<Meter> {
        let process = self.process.as_ref().map(|process| Meter::Process(process.pid()));
        process.or(self.control.map(Meter::Control))
    }
}

impl ServerLocation {
    /// The place at `address`.
    #[must_use]
    pub fn new(address: Address) -> Self {
        let shown = without_credentials(&address.url);
        ServerLocation { address, shown }
    }

    /// Opens `connections` connections.
    ///
    /// # Errors
    /// [`TrialError::Connect`] at the first that fails.
    pub async fn connect(
        &self,
        stack: &'static Stack,
        connections: u32,
        timeout: Duration,
    ) -> Result<Vec<Arc<dyn Client>>, TrialError> {
        let options = ClientOptions { timeout, ..ClientOptions::default() };
        let mut clients = Vec::new();
        for _ in 0..connections {
            let client = stack.connect(self.address.clone(), options.clone()).await.map_err(|source| {
                TrialError::Connect { stack: stack.name, address: self.shown.clone(), source }
            })?;
            clients.push(client);
        }
        Ok(clients)
    }
}

/// A URL as it may be shown.
#[must_use]
pub fn without_credentials(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, rest)| rest))
        }
        None => url.to_owned(),
    }
}
