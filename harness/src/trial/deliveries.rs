//! Messages without an answer: how many were sent, and how many each receiver has got.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use calculator::{Call, CallFuture, Client};

use super::servers::TrialServers;
use crate::record::{Deliveries, ServerCalls};
use crate::stacks::Way;

/// How often receivers are asked for their counts.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long no message may arrive before those that are missing count as lost.
const MAX_SILENCE: Duration = Duration::from_secs(2);

/// The messages that the clients of a trial have sent, those of the warm-up included.
#[derive(Debug, Default)]
pub(super) struct Sent {
    started: AtomicU64,
    confirmed: AtomicU64,
}

/// A client whose messages are counted.
struct Counted {
    client: Arc<dyn Client>,
    sent: Arc<Sent>,
}

impl Client for Counted {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(async move {
            self.sent.started.fetch_add(1, Ordering::Relaxed);
            let result = self.client.call(call).await;
            if result.is_ok() {
                self.sent.confirmed.fetch_add(1, Ordering::Relaxed);
            }
            result
        })
    }
}

impl Sent {
    /// Counts what `clients` send from now on.
    pub(super) fn counting(self: &Arc<Self>, clients: Vec<Arc<dyn Client>>) -> Vec<Arc<dyn Client>> {
        let counted = |client| Arc::new(Counted { client, sent: Arc::clone(self) }) as Arc<dyn Client>;
        clients.into_iter().map(counted).collect()
    }

    /// What `servers` have received of it so far.
    fn deliveries(&self, servers: &TrialServers) -> Deliveries {
        Deliveries {
            sent: self.started.load(Ordering::Relaxed),
            confirmed: self.confirmed.load(Ordering::Relaxed),
            receivers: servers.calls().into_iter().map(|calls| ServerCalls { calls }).collect(),
        }
    }

    /// Waits until `servers` have received every message that was confirmed, sent in `way`, or until none arrives any more or
    /// `interrupted` is set. No message may be sent meanwhile.
    pub(super) fn wait_for_deliveries(
        &self,
        servers: &TrialServers,
        way: Way,
        interrupted: &AtomicBool,
    ) -> Deliveries {
        let mut last = self.deliveries(servers);
        let mut changed_at = Instant::now();
        while !last.is_complete(way)
            && last.received().is_some()
            && changed_at.elapsed() < MAX_SILENCE
            && !interrupted.load(Ordering::Relaxed)
        {
            std::thread::sleep(POLL_INTERVAL);
            let now = self.deliveries(servers);
            if now != last {
                (last, changed_at) = (now, Instant::now());
            }
        }
        last
    }
}
