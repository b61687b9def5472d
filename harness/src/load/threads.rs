//! Runs callers on threads, for clients that block.

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::caller;
use crate::observe::Observation;

/// Maximum number of observations; if there are more threads, they share observations, because the histograms of each
/// take a megabyte.
const MAX_OBSERVATIONS: u32 = 64;

/// Runs `callers` threads, each with the function that `closure` returns for its number, until all have ended. Returns the
/// merged observation. The threads inherit the cores of the calling thread.
pub(super) fn run<F: FnOnce() + Send>(
    callers: NonZeroU32,
    closure: impl Fn(u32, &Arc<Mutex<Observation>>) -> F,
) -> Observation {
    let observations: Vec<_> = (0..callers.get().min(MAX_OBSERVATIONS)).map(|_| Arc::default()).collect();
    std::thread::scope(|scope| {
        for number in 0..callers.get() {
            scope.spawn(closure(number, &observations[(number % MAX_OBSERVATIONS) as usize]));
        }
    });
    let mut all = Observation::default();
    for part in &observations {
        all.merge(&caller::take(part));
    }
    all
}

/// Polls a future until it is ready, without a runtime. The clients used on threads block inside their first poll.
pub(super) fn poll_to_completion<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
        std::thread::yield_now();
    }
}
