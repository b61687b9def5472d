//! The state of a server that outlives its connections.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use net::AnomalyCounter;
use tokio::sync::Semaphore;

use super::deduplicator::Deduplicator;
use super::dispatcher::RpcDispatcher;
use super::options::RpcServerOptions;
use super::refusals::Refusals;
use crate::target::Target;
use crate::transport::Transport;

/// The parts of a server other than its connections.
pub(super) struct ServerState {
    pub(super) transport: Transport,
    pub(super) target: Target,
    pub(super) dispatcher: Arc<RpcDispatcher>,
    pub(super) options: RpcServerOptions,
    /// Has a permit for each request that may be in progress.
    pub(super) in_flight: Arc<Semaphore>,
    /// The number of those permits.
    pub(super) max_in_flight: u32,
    /// Compressed messages that are refused.
    pub(super) refusals: Arc<Refusals>,
    /// Messages that could not be read.
    pub(super) unreadable: AnomalyCounter,
    /// Calls that name no valid reply queue.
    pub(super) unanswerable: AnomalyCounter,
    deduplicator: Mutex<Deduplicator>,
}

impl ServerState {
    pub(super) fn new(
        transport: Transport,
        target: Target,
        dispatcher: Arc<RpcDispatcher>,
        options: RpcServerOptions,
    ) -> Arc<Self> {
        let max = u32::try_from(options.limits.max_in_flight.max(1)).unwrap_or(u32::MAX);
        let max_in_flight = max.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Arc::new(ServerState {
            transport,
            target,
            dispatcher,
            options,
            refusals: Refusals::new(),
            in_flight: Arc::new(Semaphore::new(max_in_flight as usize)),
            max_in_flight,
            unreadable: AnomalyCounter::new("rejected a message", "messages were rejected"),
            unanswerable: AnomalyCounter::new("a call gets no reply", "calls got no reply"),
            deduplicator: Mutex::default(),
        })
    }

    pub(super) fn deduplicator(&self) -> MutexGuard<'_, Deduplicator> {
        self.deduplicator.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
