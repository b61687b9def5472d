//! The brokers of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::{Event, Progress};
use crate::deploy::Cores;
use crate::deploy::broker::{BrokerError, PrivateBroker};
use crate::scenario::TrialSpec;
use crate::stacks::{BrokerKind, BrokerUrls, Stack};
use crate::sys;
use crate::trial::{BrokerLocation, TrialBroker};

/// The brokers of a run: external ones, or private ones of each kind for each set of cores, since the placement of a trial
/// decides where its broker runs.
pub(crate) struct Brokers {
    external: BrokerUrls,
    /// Whether private ones accept TLS, where they can.
    have_tls: bool,
    private: Vec<Private>,
}

/// A private broker of a kind on these cores, or why it could not be started.
struct Private {
    kind: BrokerKind,
    cores: Vec<usize>,
    broker: Result<PrivateBroker, Arc<BrokerError>>,
}

impl Brokers {
    /// The brokers `external`, and private ones of other kinds, each started when it is first needed.
    pub(crate) fn new(external: BrokerUrls) -> Self {
        Brokers { external, have_tls: false, private: vec![] }
    }

    /// The same with private ones that accept TLS, if one of `stacks` needs that.
    pub(crate) fn for_stacks(self, stacks: &[&Stack]) -> Self {
        let have_tls = stacks.iter().any(|stack| stack.needs_broker() && stack.transport.has_tls());
        Brokers { have_tls, ..self }
    }

    /// The broker for the conformance check of `stack`.
    pub(super) fn for_stack(
        &mut self,
        stack: &Stack,
        has_target: bool,
        progress: Progress<'_>,
    ) -> TrialBroker {
        let Some(kind) = stack.broker().filter(|_| !has_target) else { return Ok(None) };
        // The cores do not matter here, so a broker that already runs is used.
        let running = self.private.iter().find(|private| private.kind == kind);
        let cores = running.map(|private| private.cores.clone());
        let cores = cores.unwrap_or_else(|| sys::allowed_cores().last().copied().into_iter().collect());
        self.on_cores(kind, &cores, progress).map(Some)
    }

    /// The broker for the trial `spec`, started if necessary. `None` if its stack needs no broker, or its server is one of
    /// `targets`.
    pub(super) fn for_trial(
        &mut self,
        spec: &TrialSpec,
        targets: &BTreeMap<String, String>,
        progress: Progress<'_>,
    ) -> TrialBroker {
        self.for_servers(spec.stack, &spec.cores, targets, progress)
    }

    /// The broker for servers of `stack` on `cores`. `None` as in [`Self::for_trial`].
    pub(super) fn for_servers(
        &mut self,
        stack: &Stack,
        cores: &Cores,
        targets: &BTreeMap<String, String>,
        progress: Progress<'_>,
    ) -> TrialBroker {
        match stack.broker().filter(|_| !targets.contains_key(stack.name)) {
            Some(kind) => self.on_cores(kind, &cores.server, progress).map(Some),
            None => Ok(None),
        }
    }

    /// The same external brokers, and private ones that are not yet started.
    pub(super) fn fresh(&self) -> Self {
        Brokers { have_tls: self.have_tls, ..Brokers::new(self.external.clone()) }
    }

    /// A separate broker for the timeline of `spec`, which kills it and starts it again.
    pub(super) fn for_outage(
        &mut self,
        spec: &TrialSpec,
        progress: Progress<'_>,
    ) -> Result<PrivateBroker, Arc<BrokerError>> {
        match spec.stack.broker() {
            Some(_) if spec.stack.transport.has_tls() => Err(Arc::new(BrokerError::NoTls)),
            Some(kind) if self.external.of(kind).is_none() => {
                progress(Event::StartingBroker(kind));
                PrivateBroker::start_restartable(kind, &spec.cores.server).map_err(Arc::new)
            }
            _ => Err(Arc::new(BrokerError::NotStarted)),
        }
    }

    fn on_cores(
        &mut self,
        kind: BrokerKind,
        cores: &[usize],
        progress: Progress<'_>,
    ) -> Result<BrokerLocation, Arc<BrokerError>> {
        if let Some(url) = self.external.of(kind) {
            return Ok(BrokerLocation { url: url.to_owned(), pid: None, tls: None });
        }
        let known = self.private.iter().position(|private| private.kind == kind && private.cores == cores);
        let index = known.unwrap_or_else(|| {
            progress(Event::StartingBroker(kind));
            let started = if self.have_tls && kind == BrokerKind::RabbitMq {
                PrivateBroker::start_with_tls(kind, cores)
            } else {
                PrivateBroker::start(kind, cores)
            };
            let broker = started.map_err(Arc::new);
            self.private.push(Private { kind, cores: cores.to_vec(), broker });
            self.private.len() - 1
        });
        let broker = self.private[index].broker.as_mut().map_err(|error| Arc::clone(error))?;
        if broker.is_running() {
            let (url, pid) = (broker.url().to_owned(), Some(broker.pid()));
            Ok(BrokerLocation { url, pid, tls: broker.tls() })
        } else {
            Err(Arc::new(BrokerError::Ended(kind)))
        }
    }
}
