//! The brokers of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::{Event, Progress};
use crate::deploy::Cores;
use crate::deploy::rabbitmq::{BrokerError, PrivateBroker};
use crate::scenario::TrialSpec;
use crate::stacks::Stack;
use crate::sys;
use crate::trial::{BrokerLocation, TrialBroker};

/// The brokers of a run: an external one, or a private one for each set of cores, since the placement of a trial decides
/// where its broker runs.
pub(crate) struct Brokers {
    external: Option<String>,
    private: Vec<OnCores>,
}

/// A private broker on these cores, or why it could not be started.
type OnCores = (Vec<usize>, Result<PrivateBroker, Arc<BrokerError>>);

impl Brokers {
    /// The broker at the URL `external`, or private ones, each started when it is first needed.
    pub(crate) fn new(external: Option<String>) -> Self {
        Brokers { external, private: vec![] }
    }

    /// The broker for the conformance check of `stack`.
    pub(super) fn for_stack(
        &mut self,
        stack: &Stack,
        has_target: bool,
        progress: Progress<'_>,
    ) -> TrialBroker {
        if !stack.needs_broker() || has_target {
            return Ok(None);
        }
        // The cores do not matter here, so a broker that already runs is used.
        let cores = self.private.first().map(|(cores, _)| cores.clone());
        let cores = cores.unwrap_or_else(|| sys::allowed_cores().last().copied().into_iter().collect());
        self.on_cores(&cores, progress).map(Some)
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
        if !stack.needs_broker() || targets.contains_key(stack.name) {
            return Ok(None);
        }
        self.on_cores(&cores.server, progress).map(Some)
    }

    /// The same external broker, or private ones that are not yet started.
    pub(super) fn fresh(&self) -> Self {
        Brokers::new(self.external.clone())
    }

    /// A separate broker for the timeline of `spec`, which kills it and starts it again.
    pub(super) fn for_outage(
        &mut self,
        spec: &TrialSpec,
        progress: Progress<'_>,
    ) -> Result<PrivateBroker, Arc<BrokerError>> {
        if self.external.is_some() {
            return Err(Arc::new(BrokerError::NotStarted));
        }
        progress(Event::StartingBroker);
        PrivateBroker::start_restartable(&spec.cores.server).map_err(Arc::new)
    }

    fn on_cores(
        &mut self,
        cores: &[usize],
        progress: Progress<'_>,
    ) -> Result<BrokerLocation, Arc<BrokerError>> {
        if let Some(url) = &self.external {
            return Ok(BrokerLocation { url: url.clone(), pid: None });
        }
        let known = self.private.iter().position(|(mask, _)| mask == cores);
        let index = known.unwrap_or_else(|| {
            progress(Event::StartingBroker);
            self.private.push((cores.to_vec(), PrivateBroker::start(cores).map_err(Arc::new)));
            self.private.len() - 1
        });
        let broker = self.private[index].1.as_mut().map_err(|error| Arc::clone(error))?;
        if broker.is_running() {
            Ok(BrokerLocation { url: broker.url().to_owned(), pid: Some(broker.pid()) })
        } else {
            Err(Arc::new(BrokerError::Ended))
        }
    }
}
