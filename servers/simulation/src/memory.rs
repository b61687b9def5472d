//! The memory that a simulation uses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::check::Violation;

/// The maximum number of bytes that server and clients together may use. The largest buffers are those of connections that
/// are not read: half a MiB at each end, and as much in transit.
const LIMIT: usize = 24 << 20;

/// The maximum number of bytes that may remain in use at the end, for what a program initialises once.
const LEFT_LIMIT: usize = 256 << 10;

/// How often the memory in use is read, in virtual time.
const INTERVAL: Duration = Duration::from_millis(250);

/// Reads the number of bytes that the program has allocated.
pub(crate) type Allocated = fn() -> usize;

/// Observes the memory that is in use, if there is a way to read it.
#[derive(Clone)]
pub(crate) struct MemoryCheck {
    allocated: Option<Allocated>,
    before: usize,
    peak: Arc<AtomicUsize>,
}

impl MemoryCheck {
    pub(crate) fn new(allocated: Option<Allocated>) -> Self {
        MemoryCheck { allocated, before: allocated.map_or(0, |read| read()), peak: Arc::default() }
    }

    /// Reads the memory in use periodically, until the task is aborted.
    pub(crate) fn watch(&self) -> Option<JoinHandle<()>> {
        let read = self.allocated?;
        let peak = Arc::clone(&self.peak);
        Some(tokio::spawn(async move {
            loop {
                peak.fetch_max(read(), Ordering::Relaxed);
                tokio::time::sleep(INTERVAL).await;
            }
        }))
    }

    /// What is wrong after the end, when everything but `kept` bytes should have been released.
    pub(crate) fn violation(&self, kept: usize) -> Option<Violation> {
        let read = self.allocated?;
        let bytes = self.peak.load(Ordering::Relaxed).saturating_sub(self.before);
        if bytes > LIMIT {
            return Some(Violation::Memory { bytes, limit: LIMIT });
        }
        let left = read().saturating_sub(self.before + kept);
        (left > LEFT_LIMIT).then_some(Violation::MemoryLeft(left))
    }
}
