//! The server of a trial, and the context that all trials of a run share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use calculator::{Client, ClientOptions};

use super::error::TrialError;
use crate::deploy::broker::TlsListener;
use crate::deploy::{ServerProcess, ServerStart};
use crate::observe::control::{self, ControlPort, Stats};
use crate::observe::{Live, Meter};
use crate::scenario::{Scenario, TrialSpec};
use crate::stacks::{Destination, Options, ServerOptions, Stack, Way};

/// The context that all trials of a run share.
pub struct TrialContext<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The seed of the arguments.
    pub seed: u64,
    /// The options of servers.
    pub server: &'a ServerOptions,
    /// The options of the second server of an A/A pair; where they differ, the pair measures the difference.
    pub twin: &'a ServerOptions,
    /// Servers that are already running, by stack.
    pub targets: &'a BTreeMap<String, String>,
    /// The options with which clients address those servers.
    pub clients: &'a Options,
    /// The control ports (`serve --control`) of those servers that have one, by stack.
    pub controls: &'a BTreeMap<String, ControlPort>,
    /// The start of the run.
    pub started_at: Instant,
    /// Set to end early.
    pub interrupted: &'a Arc<AtomicBool>,
    /// Where calls are published as they end; `None` without a view of the run.
    pub live: Option<&'a Arc<Live>>,
}

impl TrialContext<'_> {
    /// The first server of a stack with the run's options.
    pub(crate) fn first_server(&self) -> ServerCopy {
        ServerCopy { options: self.server.clone(), instance: 0 }
    }

    /// A second server of `stack` beside the first, which executes what is sent in `way`.
    pub(crate) fn receiver(&self, stack: &Stack, way: Way) -> ServerCopy {
        let mut options = self.server.clone();
        receive(stack, way, &mut options.protocol);
        ServerCopy { options, instance: 1 }
    }

    /// Server number `index` of `spec`, from 0.
    ///
    /// # Errors
    /// [`TrialError::Option`].
    pub(super) fn server_of(&self, spec: &TrialSpec, index: u32) -> Result<ServerCopy, TrialError> {
        let mut options = if spec.twin { self.twin } else { self.server }.clone();
        let common = &mut options.common;
        common.executor = spec.executor.unwrap_or(common.executor);
        let others = spec.slow.map_or(u32::MAX, |slow| spec.servers.get().saturating_sub(slow.servers.get()));
        let slow = spec.slow.filter(|_| index >= others).map(|slow| slow.work);
        common.work = slow.or(spec.work).or(common.work);
        spec.options.set(&mut options.protocol, spec.stack.protocol.server_options())?;
        receive(spec.stack, spec.way, &mut options.protocol);
        Ok(ServerCopy { options, instance: spec.instance })
    }
}

/// Changes the options of a server of `stack` so that it executes what is sent in `way`.
fn receive(stack: &Stack, way: Way, server: &mut Options) {
    if let Some(broker) = stack.protocol.brokered() {
        broker.receive(way, server);
    }
}

/// The broker of a trial.
#[derive(Clone, Debug)]
pub struct BrokerLocation {
    /// The URL of the broker, with credentials.
    pub url: String,
    /// The process id; absent if this run did not start the broker.
    pub pid: Option<u32>,
    /// Where it accepts TLS; absent if it does not, or this run did not start it.
    pub tls: Option<TlsListener>,
}

impl BrokerLocation {
    /// Where it accepts TLS, for a stack that uses that.
    fn tls_of(&self, stack: &Stack) -> Option<&TlsListener> {
        self.tls.as_ref().filter(|_| stack.transport.has_tls())
    }

    /// The URL for clients and servers of `stack`, with credentials.
    #[must_use]
    pub fn url_of(&self, stack: &Stack) -> &str {
        self.tls_of(stack).map_or(&self.url, |tls| &tls.url)
    }
}

/// Which one of the servers of a stack.
#[derive(Clone, Debug, Default)]
pub struct ServerCopy {
    /// Its options.
    pub options: ServerOptions,
    /// Counts the servers of the stack that run at the same time, from 0. Each is reached separately.
    pub instance: usize,
}

impl ServerCopy {
    /// The options of this server of `stack`, and its destination for clients. Without a broker, the URL of that is known once
    /// the server listens.
    pub(crate) fn of(
        self,
        stack: &'static Stack,
        broker: Option<&BrokerLocation>,
    ) -> (ServerOptions, Destination) {
        let ServerCopy { mut options, instance } = self;
        let mut clients = stack.separate(instance, &mut options.protocol);
        if let Some(tls) = broker.and_then(|broker| broker.tls_of(stack)) {
            stack.trust(&tls.authority, [&mut options.protocol, &mut clients]);
        }
        let url = broker.map(|broker| broker.url_of(stack).to_owned()).unwrap_or_default();
        (options, Destination { url, options: clients })
    }
}

/// A server that is ready to be called.
pub struct RunningServer {
    /// The process, if this run started it.
    pub(super) process: Option<ServerProcess>,
    /// The control port of a server that was already running, if it has one.
    control: Option<ControlPort>,
    /// The location for clients.
    pub location: ServerLocation,
}

/// The location of a server for clients.
#[derive(Clone)]
pub struct ServerLocation {
    /// The address to connect to; may hold credentials.
    pub destination: Destination,
    /// The URL without credentials, to be shown.
    pub shown: String,
}

impl RunningServer {
    /// Starts the server of `stack` on `cores`, or uses the one that is already running. `copy` says which one of those of the
    /// stack it is.
    ///
    /// # Errors
    /// [`TrialError::Server`].
    pub fn start(
        stack: &'static Stack,
        setting: &TrialContext<'_>,
        broker: Option<&BrokerLocation>,
        cores: &[usize],
        copy: ServerCopy,
    ) -> Result<Self, TrialError> {
        if let Some(target) = setting.targets.get(stack.name) {
            let control = setting.controls.get(stack.name).cloned();
            return Ok(RunningServer {
                process: None,
                control,
                location: ServerLocation::new(Destination {
                    url: target.clone(),
                    options: setting.clients.clone(),
                }),
            });
        }
        let (options, mut destination) = copy.of(stack, broker);
        if !stack.has_server() {
            destination.options = options.in_process()?;
            return Ok(RunningServer::elsewhere(ServerLocation::new(destination)));
        }
        let broker = broker.map(|broker| broker.url_of(stack));
        let process = ServerProcess::start(ServerStart { cores, options, broker, ..ServerStart::of(stack) })?;
        if !stack.needs_broker() {
            destination.url = process.url().to_owned();
        }
        Ok(RunningServer {
            process: Some(process),
            control: None,
            location: ServerLocation::new(destination),
        })
    }

    /// A server of which only the location is known.
    #[must_use]
    pub fn elsewhere(location: ServerLocation) -> Self {
        RunningServer { process: None, control: None, location }
    }

    /// Requests the statistics of the server's process; `None` if the server does not report any.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        match &self.process {
            Some(process) => process.stats(),
            None => control::request_stats(self.control.as_ref()?).ok(),
        }
    }

    /// Whether this server is one of the suite: this run started it, or it has a control port.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.process.is_some() || self.control.is_some()
    }

    pub(super) fn meter(&self) -> Option<Meter> {
        let process = self.process.as_ref().map(|process| Meter::Process(process.pid()));
        process.or(self.control.clone().map(Meter::Control))
    }
}

impl ServerLocation {
    /// The location of the server at `destination`.
    #[must_use]
    pub fn new(destination: Destination) -> Self {
        let shown = net::redacted(&destination.url);
        ServerLocation { destination, shown }
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
        let mut clients = Vec::new();
        for _ in 0..connections {
            clients.push(self.connect_in(stack, Way::Call, timeout).await?);
        }
        Ok(clients)
    }

    /// Opens one connection that sends in `way`.
    ///
    /// # Errors
    /// [`TrialError::Connect`].
    pub async fn connect_in(
        &self,
        stack: &'static Stack,
        way: Way,
        timeout: Duration,
    ) -> Result<Arc<dyn Client>, TrialError> {
        let options = ClientOptions { timeout, ..ClientOptions::default() };
        stack.connect_in(way, self.destination.clone(), options).await.map_err(|source| TrialError::Connect {
            stack: stack.name,
            address: self.shown.clone(),
            source,
        })
    }
}
