//! The open loop: calls are made on a schedule, whether or not earlier ones have been answered.
//!
//! Latency is measured from the slot, the scheduled send time. When a server makes callers wait, the latency of every call
//! that was scheduled meanwhile therefore includes the wait (G. Tene, "How NOT to measure latency": coordinated omission).

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
use super::caller::{self, Caller, Shared};
use super::plan::{MAX_IN_FLIGHT, Plan};
use super::threads;
use super::time::{Alarm, Time};
use crate::observe::Observation;
use crate::sys;

/// The slots for which no call has been started yet: those that are due, and those to come.
struct Backlog {
    schedule: Peekable<Schedule>,
    due: VecDeque<Instant>,
    /// Number of calls in flight.
    busy: usize,
    /// Number of callers started.
    callers: usize,
    /// Number of slots inside the window for which no call was made.
    not_sent: u64,
}

impl Backlog {
    fn new(schedule: Schedule) -> Self {
        Backlog { schedule: schedule.peekable(), due: VecDeque::new(), busy: 0, callers: 0, not_sent: 0 }
    }

    /// Moves the slots that are due at `now` from the schedule to the backlog. When [`MAX_IN_FLIGHT`] is reached they are
    /// counted as not sent, so that the backlog of a slow server does not fill the memory.
    fn admit<T>(&mut self, now: Instant, shared: &Shared<T>) {
        while let Some(slot) = self.schedule.next_if(|slot| *slot <= now && !shared.phases.is_over(*slot)) {
            if self.due.len() + self.busy < MAX_IN_FLIGHT {
                self.due.push_back(slot);
            } else if shared.phases.is_measured(slot) {
                self.not_sent += 1;
            }
        }
    }

    /// The next slot of the schedule; `None` if it lies after the window.
    fn next<T>(&mut self, shared: &Shared<T>) -> Option<Instant> {
        self.schedule.peek().copied().filter(|slot| !shared.phases.is_over(*slot))
    }

    /// Removes and returns the first slot that is due. The caller must start the call of this slot now.
    fn take(&mut self) -> Option<Instant> {
        let slot = self.due.pop_front()?;
        self.busy += 1;
        Some(slot)
    }

    /// Counts all slots that are due as not sent.
    fn discard_due<T>(&mut self, shared: &Shared<T>) {
        let discarded = self.due.drain(..).filter(|slot| shared.phases.is_measured(*slot)).count();
        self.not_sent += discarded as u64;
    }
}

fn lock(backlog: &Mutex<Backlog>) -> MutexGuard<'_, Backlog> {
    backlog.lock().unwrap_or_else(PoisonError::into_inner)
}

/// State that the pacer and the callers share when callers are tasks.
struct Pool<T> {
    shared: Arc<Shared<T>>,
    backlog: Mutex<Backlog>,
    /// One permit for each slot that is due.
    due: Semaphore,
    /// For how long after the window overdue calls may still be started; without limit if absent.
    grace_period: Option<Duration>,
}

/// Runs callers as tasks. They are started as needed, up to `max_callers`.
///
/// # Errors
/// When the system has no timer.
pub(super) async fn as_tasks<T: Time>(
    plan: &Plan,
    schedule: Schedule,
    max_callers: usize,
    clients: &[Arc<dyn Client>],
    shared: Arc<Shared<T>>,
) -> io::Result<Observation> {
    let calls_of = plan.shared_calls();
    let observation = Arc::new(Mutex::new(Observation::default()));
    let alarm = shared.time.alarm()?;
    let pool = Arc::new(Pool {
        shared,
        backlog: Mutex::new(Backlog::new(schedule)),
        due: Semaphore::new(0),
        grace_period: plan.timeout,
    });
    let caller = {
        let (pool, observation, clients) = (Arc::clone(&pool), Arc::clone(&observation), clients.to_vec());
        let timeout = plan.timeout;
        move |number: usize| {
            let client = &clients[number % clients.len()];
            let deadline = timeout.map(Deadline::new);
            let caller = Caller::new(&pool.shared, client, calls_of(number), &observation, deadline);
            serve_slots(Arc::clone(&pool), caller)
        }
    };
    let interrupted = Arc::clone(&plan.interrupted);
    // A task for the same reason as the callers of a closed loop.
    let pacer =
        tokio::spawn(pace(Arc::clone(&pool), alarm, max_callers.min(MAX_IN_FLIGHT), caller, move || {
            interrupted.load(Ordering::Relaxed)
        }));
    pacer.await.map_err(io::Error::other)??;
    let mut observation = caller::take(&observation);
    observation.counts.not_sent = lock(&pool.backlog).not_sent;
    Ok(observation)
}

/// The pacer: admits each slot when it is due, and starts callers while there are too few.
async fn pace<T: Time, F: Future<Output = ()> + Send + 'static>(
    pool: Arc<Pool<T>>,
    mut alarm: T::Alarm,
    max_callers: usize,
    caller: impl Fn(usize) -> F,
    interrupted: impl Fn() -> bool,
) -> io::Result<()> {
    let mut running = JoinSet::new();
    loop {
        let now = pool.shared.time.now();
        pool.shared.phases.advance(now);
        let next = {
            let mut backlog = lock(&pool.backlog);
            let before = backlog.due.len();
            backlog.admit(now, &pool.shared);
            while backlog.callers < max_callers && backlog.callers < backlog.busy + backlog.due.len() {
                running.spawn(caller(backlog.callers));
                backlog.callers += 1;
            }
            pool.due.add_permits(backlog.due.len() - before);
            backlog.next(&pool.shared)
        };
        let Some(next) = next.filter(|_| !interrupted()) else { break };
        // Lets the callers start the calls that are due first: setting a timer takes some microseconds.
        tokio::task::yield_now().await;
        alarm.wait_until(next).await?;
    }
    if interrupted() {
        lock(&pool.backlog).discard_due(&pool.shared);
    }
    pool.due.close();
    running.join_all().await;
    lock(&pool.backlog).discard_due(&pool.shared);
    Ok(())
}

/// The loop of one caller that is a task: takes a slot that is due and makes its call. Ends when the schedule has ended and
/// no slot is left, or the grace period is over.
async fn serve_slots<T: Time>(pool: Arc<Pool<T>>, mut caller: Caller<T>) {
    loop {
        let permit = pool.due.acquire().await;
        // The pacer closes the semaphore at the end of the schedule.
        let is_over = permit.is_err();
        if let Ok(permit) = permit {
            permit.forget();
        }
        let started = pool.shared.time.now();
        let too_late = || {
            let latest = pool.grace_period.and_then(|grace_period| started.checked_sub(grace_period));
            latest.is_some_and(|latest| pool.shared.phases.is_over(latest))
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

/// Runs callers on threads, one per client. A caller that is free takes the next slot and sleeps until it is due.
///
/// # Errors
/// When the system refuses one of the threads.
pub(super) fn on_threads<T: Time>(
    plan: &Plan,
    schedule: Schedule,
    clients: &[Arc<dyn Client>],
    shared: &Arc<Shared<T>>,
) -> io::Result<Observation> {
    let calls_of = plan.shared_calls();
    let backlog = Mutex::new(Backlog::new(schedule));
    let callers = u32::try_from(clients.len()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
    let mut observation = threads::run(callers, |number, observation| {
        let calls = calls_of(number as usize);
        let mut caller = Caller::new(shared, &clients[number as usize], calls, observation, None);
        let backlog = &backlog;
        move || {
            sys::sleep_precisely();
            while let Some(slot) = next_slot(backlog, shared) {
                if plan.interrupted.load(Ordering::Relaxed) {
                    break;
                }
                sys::sleep_until(slot);
                threads::poll_to_completion(caller.call(shared.time.now(), Some(slot), || false));
                lock(backlog).busy -= 1;
            }
        }
    })?;
    let mut backlog = backlog.into_inner().unwrap_or_else(PoisonError::into_inner);
    backlog.discard_due(shared);
    observation.counts.not_sent = backlog.not_sent;
    Ok(observation)
}

/// Takes the first slot that is due, or else the next one of the schedule. `None` at the end of the window.
fn next_slot<T: Time>(backlog: &Mutex<Backlog>, shared: &Shared<T>) -> Option<Instant> {
    let now = shared.time.now();
    shared.phases.advance(now);
    let mut backlog = lock(backlog);
    backlog.admit(now, shared);
    if backlog.due.is_empty() {
        let next = backlog.next(shared)?;
        backlog.schedule.next();
        backlog.due.push_back(next);
    }
    backlog.take()
}
