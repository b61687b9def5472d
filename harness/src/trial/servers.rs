//! The servers of a trial: one, or several of the same stack.

use std::sync::Arc;
use std::time::Duration;

use calculator::Client;

use super::error::TrialError;
use super::server::{BrokerLocation, RunningServer, ServerLocation, TrialContext};
use crate::deploy::ServerProcess;
use crate::observe::Meter;
use crate::scenario::TrialSpec;
use crate::stacks::Undeclare;

/// The servers of a trial, in the order in which they were started; at least one.
pub(super) struct TrialServers(Vec<RunningServer>);

impl TrialServers {
    /// Starts the servers of `spec`, or uses the one that is already running.
    ///
    /// # Errors
    /// [`TrialError::Server`].
    pub(super) fn start(
        spec: &TrialSpec,
        context: &TrialContext<'_>,
        broker: Option<&BrokerLocation>,
    ) -> Result<Self, TrialError> {
        let start = |index| {
            let copy = context.server_of(spec, index)?;
            RunningServer::start(spec.stack, context, broker, &spec.cores.server, copy)
        };
        (0..spec.servers.get()).map(start).collect::<Result<_, _>>().map(TrialServers)
    }

    /// Where the clients of `spec` find the servers: a single location if they are behind a broker.
    pub(super) fn locations(&self, spec: &TrialSpec) -> Vec<ServerLocation> {
        let different = if spec.stack.needs_broker() { 1 } else { self.0.len() };
        let location = |server: &RunningServer| {
            let mut location = server.location.clone();
            if let (Some(exchange), Some(broker)) = (spec.exchange, spec.stack.protocol.brokered()) {
                broker.route(exchange, &mut location.destination.options);
            }
            location
        };
        self.0.iter().take(different).map(location).collect()
    }

    /// The meters of the processes; none where one is not observable.
    pub(super) fn meters(&self) -> Vec<Meter> {
        self.0.iter().map(RunningServer::meter).collect::<Option<_>>().unwrap_or_default()
    }

    /// Whether this run started all of them.
    pub(super) fn are_own(&self) -> bool {
        self.0.iter().all(|server| server.process.is_some())
    }

    /// The number of calls that each has executed since it started; `None` where it does not report them.
    pub(super) fn calls(&self) -> Vec<Option<u64>> {
        self.0.iter().map(|server| Some(server.stats()?.calls)).collect()
    }

    /// The exit status of the first server that has ended, as text, if the first one does within `timeout` or another one has
    /// already.
    pub(super) fn exit_status_within(&mut self, timeout: Duration) -> Option<String> {
        let processes = self.0.iter_mut().filter_map(|server| server.process.as_mut());
        let timeouts = std::iter::once(timeout).chain(std::iter::repeat(Duration::ZERO));
        processes.zip(timeouts).find_map(|(process, timeout)| process.exit_status_within(timeout))
    }

    /// Stops the servers, and returns the last lines of the first log that is not empty.
    pub(super) fn stop(self) -> String {
        let logs = self.0.into_iter().filter_map(|server| server.process.map(ServerProcess::stop));
        logs.collect::<Vec<_>>().into_iter().find(|log| !log.is_empty()).unwrap_or_default()
    }
}

/// Declares the exchange of `spec`, if it has one, at the broker of `locations`. Returns what removes it.
///
/// # Errors
/// [`TrialError::Exchange`].
pub(super) async fn declare(
    locations: &[ServerLocation],
    spec: &TrialSpec,
    timeout: Duration,
) -> Result<Option<Undeclare>, TrialError> {
    let (Some(exchange), Some(broker), Some(location)) =
        (spec.exchange, spec.stack.protocol.brokered(), locations.first())
    else {
        return Ok(None);
    };
    let declared = broker.declare(location.destination.clone(), exchange, timeout).await;
    declared.map(Some).map_err(|reason| TrialError::Exchange { stack: spec.stack.name, reason })
}

/// Opens the connections of `spec`, to each of `locations` in turn.
///
/// # Errors
/// [`TrialError::Connect`] at the first that fails.
pub(super) async fn connect(
    locations: &[ServerLocation],
    spec: &TrialSpec,
    timeout: Duration,
) -> Result<Vec<Arc<dyn Client>>, TrialError> {
    let mut clients = Vec::new();
    for (_, location) in (0..spec.connections.get()).zip(locations.iter().cycle()) {
        clients.push(location.connect_in(spec.stack, spec.way, timeout).await?);
    }
    Ok(clients)
}
