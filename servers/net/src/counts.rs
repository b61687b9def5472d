//! Byte counts of streams whose bytes the kernel does not count.

use std::sync::atomic::{AtomicU64, Ordering};

/// The numbers of bytes that passed through a stream, or through all streams of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByteCounts {
    /// Bytes written.
    pub sent: u64,
    /// Bytes read.
    pub received: u64,
}

/// A byte counter for both directions.
#[derive(Debug)]
pub(crate) struct Counter {
    sent: AtomicU64,
    received: AtomicU64,
}

/// The counter of this process.
static PROCESS: Counter = Counter::new();

/// The bytes that this process has sent and received so far over streams for which the kernel keeps no count (Unix
/// sockets). Bytes of closed streams are included; bytes of TCP connections are not.
#[must_use]
pub fn bytes_counted() -> ByteCounts {
    PROCESS.read()
}

impl Counter {
    pub(crate) const fn new() -> Self {
        Counter { sent: AtomicU64::new(0), received: AtomicU64::new(0) }
    }

    pub(crate) fn read(&self) -> ByteCounts {
        ByteCounts {
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
        }
    }

    /// Adds `bytes` to what was sent, here and for the process.
    pub(crate) fn add_sent(&self, bytes: usize) {
        // A usize fits a u64 on every target of Rust.
        let bytes = bytes as u64;
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        PROCESS.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Adds `bytes` to what was received, here and for the process.
    pub(crate) fn add_received(&self, bytes: usize) {
        let bytes = bytes as u64;
        self.received.fetch_add(bytes, Ordering::Relaxed);
        PROCESS.received.fetch_add(bytes, Ordering::Relaxed);
    }
}
