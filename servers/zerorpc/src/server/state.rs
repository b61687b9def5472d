//! The state that all connections of a server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize};

use calculator::{Dispatcher, Limits};
use net::AnomalyCounter;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::introspection::Catalog;
use crate::streams::Streams;
use crate::wire::Ids;
use crate::zmtp::LinkError;
use crate::zmtp::wire::{MAX_FRAMES, MessageLimits};

/// The state that all connections of a server share.
pub(super) struct ServerState {
    pub(super) dispatcher: Dispatcher,
    pub(super) streams: Option<Box<dyn Streams>>,
    pub(super) catalog: Catalog,
    pub(super) limits: Limits,
    /// Whether the runtime has a single worker thread. Each call is then started by the task that reads it, and becomes
    /// a task only if its handler waits; a task for each call is measurably slower.
    pub(super) single_threaded: bool,
    pub(super) ids: Ids,
    /// Permits for calls whose handlers wait.
    pub(super) call_permits: Arc<Semaphore>,
    /// How many of those permits one peer may hold.
    pub(super) permits_per_peer: usize,
    /// The number of open channels.
    pub(super) open_channels: AtomicUsize,
    /// Notified when a channel opens.
    pub(super) channel_opened: Notify,
    /// Quarters of a heartbeat period during which a channel was open.
    pub(super) tick: AtomicU32,
    /// Messages that cannot be handled.
    pub(super) dropped: AnomalyCounter,
    /// Heartbeats and credit on channels that are not open. Some are normal, because a channel may end while they are
    /// in transit.
    pub(super) late_events: AnomalyCounter,
    /// Connections that were closed because the peer violated the protocol or its time limits.
    pub(super) refused: AnomalyCounter,
    pub(super) stop: CancellationToken,
}

impl ServerState {
    pub(super) fn message_limits(&self) -> MessageLimits {
        MessageLimits { bytes: self.limits.max_body, frames: MAX_FRAMES }
    }

    /// Records why a connection ended.
    pub(super) fn record_connection_end(&self, error: &LinkError) {
        if error.is_misconduct() {
            self.refused.add(error);
        } else {
            tracing::debug!("a connection has ended: {error}");
        }
    }
}
