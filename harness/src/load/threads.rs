//! Runs callers on threads, for clients that block.

use std::future::Future;
use std::io;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll, Waker};

use super::caller;
use crate::observe::Observation;
use crate::sys;

/// Maximum number of observations; if there are more threads, they share observations, because the histograms of each
/// take a megabyte.
const MAX_OBSERVATIONS: u32 = 64;

/// Runs `callers` threads, each with the function that `closure` returns for its number, until all have ended. Returns the
/// merged observation. The threads inherit the cores of the calling thread.
///
/// # Errors
/// When the system refuses one of the threads. The error names the limits; no function is called.
pub(super) fn run<F: FnOnce() + Send>(
    callers: NonZeroU32,
    closure: impl Fn(u32, &Arc<Mutex<Observation>>) -> F,
) -> io::Result<Observation> {
    let observations: Vec<_> = (0..callers.get().min(MAX_OBSERVATIONS)).map(|_| Arc::default()).collect();
    // Whether all threads exist. They wait for the lock until that is known.
    let complete = RwLock::new(false);
    std::thread::scope(|scope| {
        let mut undecided = complete.write().unwrap_or_else(PoisonError::into_inner);
        for number in 0..callers.get() {
            let call = closure(number, &observations[(number % MAX_OBSERVATIONS) as usize]);
            let complete = &complete;
            let start = move || {
                if *complete.read().unwrap_or_else(PoisonError::into_inner) {
                    call();
                    sys::keep_run_queue_delay();
                }
            };
            std::thread::Builder::new()
                .spawn_scoped(scope, start)
                .map_err(|error| refused_thread(&error, number, callers))?;
        }
        *undecided = true;
        io::Result::Ok(())
    })?;
    let mut all = Observation::default();
    for part in &observations {
        all.merge(&caller::take(part));
    }
    Ok(all)
}

/// The error for a thread that the system refused after `started` others, with the limits that may be the reason.
fn refused_thread(error: &io::Error, started: u32, callers: NonZeroU32) -> io::Error {
    let limits = sys::thread_limits();
    let limits = if limits.is_empty() { String::new() } else { format!(" ({limits})") };
    io::Error::new(
        error.kind(),
        format!("the system allows {started} of the {callers} threads of the callers: {error}{limits}"),
    )
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
