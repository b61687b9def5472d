//! The closed loop: each caller has one call in flight and makes the next when it has the answer.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use calculator::{Client, Deadline};
use tokio::task::JoinSet;

use super::caller::{Caller, Shared, taken};
use super::threads;
use super::time::Time;
use super::{Plan, Prepared};
use crate::observe::Observation;

/// A caller that meets this many failures on the way in a row gives up: its server is gone.
pub(super) const GIVE_UP_AFTER: u32 = 10;

/// The calls of each caller: a sequence of its own.
fn sequences(plan: &Plan, callers: NonZeroU32) -> Vec<Arc<[Prepared]>> {
    let prepare = |number| plan.operation.prepare(plan.seed.wrapping_add(u64::from(number))).into();
    (0..callers.get()).map(prepare).collect()
}

/// The client that a caller goes by: they are spread evenly.
fn client_of(clients: &[Arc<dyn Client>], number: u32) -> &Arc<dyn Client> {
    &clients[number as usize % clients.len()]
}

/// Each caller is a task: the future that a runtime blocks on is looked at once more per round than a task is, and
/// costs a call an `epoll_wait` of its own.
pub(super) async fn as_tasks<T: Time>(
    plan: &Plan,
    callers: NonZeroU32,
    clients: &[Arc<dyn Client>],
    shared: impl FnOnce() -> Arc<Shared<T>>,
) -> Observation {
    let calls = sequences(plan, callers);
    let (seen, shared) = (Arc::new(Mutex::new(Observation::default())), shared());
    let mut running = JoinSet::new();
    for (number, calls) in (0..).zip(&calls) {
        let deadline = plan.timeout.map(Deadline::new);
        let caller = Caller::new(&shared, client_of(clients, number), calls, &seen, deadline);
        running.spawn(one_after_another(caller, Arc::clone(&plan.interrupted)));
    }
    running.join_all().await;
    taken(&seen)
}

/// Each caller is a thread.
pub(super) fn on_threads<T: Time>(
    plan: &Plan,
    callers: NonZeroU32,
    clients: &[Arc<dyn Client>],
    shared: impl FnOnce() -> Arc<Shared<T>>,
) -> Observation {
    let calls = sequences(plan, callers);
    let shared = shared();
    threads::run(callers, |number, seen| {
        let caller = Caller::new(&shared, client_of(clients, number), &calls[number as usize], seen, None);
        let interrupted = Arc::clone(&plan.interrupted);
        move || threads::finish_at_once(one_after_another(caller, interrupted))
    })
}

/// One caller: both drivers run this same loop.
async fn one_after_another<T: Time>(mut caller: Caller<T>, interrupted: Arc<AtomicBool>) {
    let shared = Arc::clone(&caller.shared);
    let mut lost_in_a_row = 0;
    loop {
        let started = shared.time.now();
        if shared.stage.is_over(started) || interrupted.load(Ordering::Relaxed) {
            break;
        }
        // A trial that dies while warming up has failures to show all the same.
        let lost = caller.call(started, None, || lost_in_a_row + 1 == GIVE_UP_AFTER).await;
        lost_in_a_row = if lost { lost_in_a_row + 1 } else { 0 };
        if lost_in_a_row == GIVE_UP_AFTER {
            caller.seen.lock().unwrap_or_else(PoisonError::into_inner).callers_gave_up += 1;
            break;
        }
    }
}
