//! Callers that are threads, for clients that block.

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::caller::taken;
use crate::observe::Observation;

/// Beyond so many threads several share an observation: its histograms take a megabyte.
const OBSERVATIONS: u32 = 64;

/// Runs `callers` threads to their end, each of which does what `caller` makes for its number, and returns what they
/// saw together. The threads inherit the calling thread's cores.
pub(super) fn run<F: FnOnce() + Send>(
    callers: NonZeroU32,
    caller: impl Fn(u32, &Arc<Mutex<Observation>>) -> F,
) -> Observation {
    let seen: Vec<_> = (0..callers.get().min(OBSERVATIONS)).map(|_| Arc::default()).collect();
    std::thread::scope(|scope| {
        for number in 0..callers.get() {
            scope.spawn(caller(number, &seen[(number % OBSERVATIONS) as usize]));
        }
    });
    let mut all = Observation::default();
    for part in &seen {
        all.merge(&taken(part));
    }
    all
}

/// Polls a future that never waits: clients for threads block inside their first poll.
pub(super) fn finish_at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
        std::thread::yield_now();
    }
}
