//! The open loop: calls begin on a schedule, whatever the answers do.
//!
//! A call's clock runs from its slot in the schedule, so that a server that makes callers wait is seen by every call
//! that would have been made meanwhile (G. Tene, "How NOT to measure latency": coordinated omission).

use std::collections::VecDeque;
use std::io;
use std::iter::Peekable;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use calculator::{Client, Deadline};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::arrivals::Schedule;
use super::caller::{Caller, Shared, taken};
use super::threads;
use super::time::{Alarm, Time};
use super::{MOST_IN_FLIGHT, Plan, Prepared};
use crate::observe::Observation;
use crate::sys;

/// The slots that are due and not sent, and those to come.
struct Backlog {
    schedule: Peekable<Schedule>,
    due: VecDeque<Instant>,
    /// Calls that were sent and not answered.
    busy: usize,
    /// Callers there are.
    callers: usize,
    /// Slots that count and were given up.
    not_sent: u64,
}

impl Backlog {
    fn new(schedule: Schedule) -> Self {
        Backlog { schedule: schedule.peekable(), due: VecDeque::new(), busy: 0, callers: 0, not_sent: 0 }
    }

    /// Takes the slots that are due by `now` from the schedule. Past [`MOST_IN_FLIGHT`] they are counted as not sent:
    /// a server that cannot keep up must not fill the memory.
    fn admit<T>(&mut self, now: Instant, shared: &Shared<T>) {
        while let Some(slot) = self.schedule.next_if(|slot| *slot <= now && !shared.stage.is_over(*slot)) {
            if self.due.len() + self.busy < MOST_IN_FLIGHT {
                self.due.push_back(slot);
            } else if shared.stage.counts(slot) {
                self.not_sent += 1;
            }
        }
    }

    /// The next slot of the schedule; `None` when the window has ended before it.
    fn next<T>(&mut self, shared: &Shared<T>) -> Option<Instant> {
        self.schedule.peek().copied().filter(|slot| !shared.stage.is_over(*slot))
    }

    /// Takes the first slot that is due, which is now being sent.
    fn take(&mut self) -> Option<Instant> {
        let slot = self.due.pop_front()?;
        self.busy += 1;
        Some(slot)
    }

    /// Gives up what is due.
    fn give_up<T>(&mut self, shared: &Shared<T>) {
        let due = self.due.drain(..).filter(|slot| shared.stage.counts(*slot)).count();
        self.not_sent += due as u64;
    }
}

fn lock(backlog: &Mutex<Backlog>) -> MutexGuard<'_, Backlog> {
    backlog.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the pacer and the callers of a Tokio driver share.
struct Pool<T> {
    shared: Arc<Shared<T>>,
    backlog: Mutex<Backlog>,
    /// A permit for each slot that is due.
    due: Semaphore,
    /// How long after the window slots that are due may still be sent; as long as it takes where not given.
    patience: Option<Duration>,
}

/// Callers are tasks. As many as the clients can serve at once are started as they are needed.
///
/// # Errors
/// When the system has no timer.
pub(super) async fn as_tasks<T: Time>(
    plan: &Plan,
    schedule: Schedule,
    most_callers: usize,
    clients: &[Arc<dyn Client>],
    shared: Arc<Shared<T>>,
) -> io::Result<Observation> {
    let calls: Arc<[Prepared]> = plan.operation.prepare(plan.seed).into();
    let seen = Arc::new(Mutex::new(Observation::default()));
    let alarm = shared.time.alarm()?;
    let pool = Arc::new(Pool {
        shared,
        backlog: Mutex::new(Backlog::new(schedule)),
        due: Semaphore::new(0),
        patience: plan.timeout,
    });
    let caller = {
        let (pool, seen, clients) = (Arc::clone(&pool), Arc::clone(&seen), clients.to_vec());
        let timeout = plan.timeout;
        move |number: usize| {
            let client = &clients[number % clients.len()];
            let mut caller = Caller::new(&pool.shared, client, &calls, &seen, timeout.map(Deadline::new));
            caller.next = number % calls.len();
            serve_slots(Arc::clone(&pool), caller)
        }
    };
    let interrupted = Arc::clone(&plan.interrupted);
    // A task of its own, for the reason that the callers of a closed loop are.
    let pacing =
        tokio::spawn(pace(Arc::clone(&pool), alarm, most_callers.min(MOST_IN_FLIGHT), caller, move || {
            interrupted.load(Ordering::Relaxed)
        }));
    pacing.await.map_err(io::Error::other)??;
    let mut all = taken(&seen);
    all.counts.not_sent = lock(&pool.backlog).not_sent;
    Ok(all)
}

/// Admits each slot when it is due, and starts callers while there are too few.
async fn pace<T: Time, F: Future<Output = ()> + Send + 'static>(
    pool: Arc<Pool<T>>,
    mut alarm: T::Alarm,
    most_callers: usize,
    caller: impl Fn(usize) -> F,
    interrupted: impl Fn() -> bool,
) -> io::Result<()> {
    let mut running = JoinSet::new();
    loop {
        let now = pool.shared.time.now();
        pool.shared.stage.at(now);
        let next = {
            let mut backlog = lock(&pool.backlog);
            let before = backlog.due.len();
            backlog.admit(now, &pool.shared);
            while backlog.callers < most_callers && backlog.callers < backlog.busy + backlog.due.len() {
                running.spawn(caller(backlog.callers));
                backlog.callers += 1;
            }
            pool.due.add_permits(backlog.due.len() - before);
            backlog.next(&pool.shared)
        };
        let Some(next) = next.filter(|_| !interrupted()) else { break };
        // Whoever has a slot now makes the call first: setting a timer takes some microseconds.
        tokio::task::yield_now().await;
        alarm.until(next).await?;
    }
    if interrupted() {
        lock(&pool.backlog).give_up(&pool.shared);
    }
    pool.due.close();
    running.join_all().await;
    lock(&pool.backlog).give_up(&pool.shared);
    Ok(())
}

async fn serve_slots<T: Time>(pool: Arc<Pool<T>>, mut caller: Caller<T>) {
    loop {
        let paced = pool.due.acquire().await;
        let is_over = paced.is_err();
        if let Ok(permit) = paced {
            permit.forget();
        }
        let started = pool.shared.time.now();
        let too_late = || {
            let then = pool.patience.and_then(|patience| started.checked_sub(patience));
            then.is_some_and(|then| pool.shared.stage.is_over(then))
        };
        if is_over && too_late() {
            break;
        }
        let slot = lock(&pool.backlog).take();
        match slot {
            Some(slot) => caller.call(started, Some(slot), || false).await,
            None if is_over => break,
            None => continue,
        };
        lock(&pool.backlog).busy -= 1;
    }
}

/// Callers are threads, one for each client. Whoever is free takes the next slot and sleeps until it is due.
pub(super) fn on_threads<T: Time>(
    plan: &Plan,
    schedule: Schedule,
    clients: &[Arc<dyn Client>],
    shared: &Arc<Shared<T>>,
) -> Observation {
    let calls: Arc<[Prepared]> = plan.operation.prepare(plan.seed).into();
    let backlog = Mutex::new(Backlog::new(schedule));
    let callers = u32::try_from(clients.len()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
    let mut all = threads::run(callers, |number, seen| {
        let mut caller = Caller::new(shared, &clients[number as usize], &calls, seen, None);
        caller.next = number as usize % calls.len();
        let backlog = &backlog;
        move || {
            sys::sleep_precisely();
            while let Some(slot) = next_slot(backlog, shared) {
                if plan.interrupted.load(Ordering::Relaxed) {
                    break;
                }
                sys::sleep_until(slot);
                threads::finish_at_once(caller.call(shared.time.now(), Some(slot), || false));
                lock(backlog).busy -= 1;
            }
        }
    });
    let mut backlog = backlog.into_inner().unwrap_or_else(PoisonError::into_inner);
    backlog.give_up(shared);
    all.counts.not_sent = backlog.not_sent;
    all
}

/// The first slot that is due, or else the next of the schedule.
fn next_slot<T: Time>(backlog: &Mutex<Backlog>, shared: &Shared<T>) -> Option<Instant> {
    let now = shared.time.now();
    shared.stage.at(now);
    let mut backlog = lock(backlog);
    backlog.admit(now, shared);
    if backlog.due.is_empty() {
        let next = backlog.next(shared)?;
        backlog.schedule.next();
        backlog.due.push_back(next);
    }
    backlog.take()
}
