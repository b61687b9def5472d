//! The closed loop: each caller makes its next call when the previous one has ended.

use std::io;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use calculator::{Client, Deadline};
use tokio::task::JoinSet;

use super::caller::{self, Caller, Shared};
use super::calls::Calls;
use super::plan::Plan;
use super::threads;
use super::time::Time;
use crate::observe::Observation;

/// After this many transport errors in a row a caller gives up, because the server has gone.
pub(super) const MAX_CONSECUTIVE_LOSSES: u32 = 10;

/// The calls of each caller, in order.
fn prepare_calls(plan: &Plan, callers: NonZeroU32) -> Vec<Calls> {
    (0..callers.get()).map(|number| plan.calls_of(number)).collect()
}

/// The client of caller `number`. Callers are spread evenly over the clients.
fn client_of(clients: &[Arc<dyn Client>], number: u32) -> &Arc<dyn Client> {
    &clients[number as usize % clients.len()]
}

/// Runs each caller as a task, even a single one: polling a future by `block_on` costs one more `epoll_wait` per call.
pub(super) async fn as_tasks<T: Time>(
    plan: &Plan,
    callers: NonZeroU32,
    clients: &[Arc<dyn Client>],
    start: impl FnOnce() -> Arc<Shared<T>>,
) -> Observation {
    let calls = prepare_calls(plan, callers);
    let (observation, shared) = (Arc::new(Mutex::new(Observation::default())), start());
    let mut running = JoinSet::new();
    for (number, calls) in (0..).zip(calls) {
        let deadline = plan.timeout.map(Deadline::new);
        let caller = Caller::new(&shared, client_of(clients, number), calls, &observation, deadline);
        running.spawn(run_sequentially(caller, Arc::clone(&plan.interrupted)));
    }
    running.join_all().await;
    caller::take(&observation)
}

/// Runs each caller on a thread.
///
/// # Errors
/// When the system refuses one of the threads.
pub(super) fn on_threads<T: Time>(
    plan: &Plan,
    callers: NonZeroU32,
    clients: &[Arc<dyn Client>],
    start: impl FnOnce() -> Arc<Shared<T>>,
) -> io::Result<Observation> {
    let calls = Mutex::new(prepare_calls(plan, callers).into_iter());
    let shared = start();
    threads::run(callers, |number, observation| {
        let client = client_of(clients, number);
        let calls = calls.lock().unwrap_or_else(PoisonError::into_inner).next();
        let calls = calls.unwrap_or_else(|| plan.calls_of(number));
        let caller = Caller::new(&shared, client, calls, observation, None);
        let interrupted = Arc::clone(&plan.interrupted);
        move || threads::poll_to_completion(run_sequentially(caller, interrupted))
    })
}

/// The loop of one caller, with either driver.
async fn run_sequentially<T: Time>(mut caller: Caller<T>, interrupted: Arc<AtomicBool>) {
    let shared = Arc::clone(&caller.shared);
    let mut lost_in_a_row = 0;
    loop {
        let started = shared.time.now();
        if shared.phases.is_over(started) || interrupted.load(Ordering::Relaxed) {
            break;
        }
        // Recorded even in the warm-up, so that a trial that fails there shows the reason.
        let lost = caller.call(started, None, || lost_in_a_row + 1 == MAX_CONSECUTIVE_LOSSES).await;
        lost_in_a_row = if lost { lost_in_a_row + 1 } else { 0 };
        if lost_in_a_row == MAX_CONSECUTIVE_LOSSES {
            caller.observation.lock().unwrap_or_else(PoisonError::into_inner).callers_gave_up += 1;
            break;
        }
    }
}
