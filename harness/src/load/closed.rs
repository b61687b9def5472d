//! The closed loop: each caller has one call in flight and makes the next when it has the answer.

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use calculator::{CallError, Client, Deadline};
use tokio::task::JoinSet;

use super::{Operation, Prepared};
use crate::observe::Observation;
use crate::stack::Driver;

/// A caller that meets this many failures on the way in a row gives up: its server is gone.
const GIVE_UP_AFTER: u32 = 10;

/// When calls count: those that start in `begin..end`. Earlier ones warm up.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The first instant that counts.
    pub begin: Instant,
    /// The first instant that does not count any more.
    pub end: Instant,
}

/// What the callers of a closed loop shall do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is called.
    pub operation: Operation,
    /// How many callers there are.
    pub callers: NonZeroU32,
    /// How long calls are made before they count.
    pub warmup: Duration,
    /// How long they count.
    pub measure: Duration,
    /// How long each call may take.
    pub timeout: Duration,
    /// Where the arguments come from; each caller has its own sequence.
    pub seed: u64,
    /// Set to end early.
    pub interrupted: Arc<AtomicBool>,
}

/// Runs the callers, spread evenly over `clients`, to the end of the window and until the last answer is in.
/// `opened` is told the window when everything is prepared and the first call is about to be made.
///
/// [`Driver::Tokio`] must be called inside a current-thread runtime; all callers then share the calling thread.
/// [`Driver::Threads`] gives each caller a thread of its own, which inherits the calling thread's cores.
pub async fn run(
    plan: Plan,
    driver: Driver,
    clients: &[Arc<dyn Client>],
    opened: impl FnOnce(Window),
) -> Observation {
    let prepare = |number| plan.operation.prepare(plan.seed.wrapping_add(u64::from(number)));
    let calls: Vec<_> = (0..plan.callers.get()).map(prepare).collect();
    let begin = Instant::now() + plan.warmup;
    let window = Window { begin, end: begin + plan.measure };
    opened(window);
    let callers = calls.into_iter().enumerate().map(|(number, calls)| Caller {
        client: Arc::clone(&clients[number % clients.len()]),
        calls,
        window,
        interrupted: Arc::clone(&plan.interrupted),
    });
    match driver {
        Driver::Tokio => as_tasks(callers, plan.timeout).await,
        Driver::Threads => on_threads(callers),
    }
}

/// Each caller is a task: the future that a runtime blocks on is looked at once more per round than a task is, and
/// costs a call an `epoll_wait` of its own.
async fn as_tasks(callers: impl Iterator<Item = Caller>, timeout: Duration) -> Observation {
    let all = Arc::new(Mutex::new(Observation::default()));
    let mut running = JoinSet::new();
    for caller in callers {
        running.spawn(caller.run(Some(Deadline::new(timeout)), Arc::clone(&all)));
    }
    running.join_all().await;
    taken(&all)
}

fn on_threads(callers: impl Iterator<Item = Caller>) -> Observation {
    std::thread::scope(|scope| {
        let threads: Vec<_> = callers
            .map(|caller| {
                scope.spawn(move || {
                    let seen = Arc::new(Mutex::new(Observation::default()));
                    finish_at_once(caller.run(None, Arc::clone(&seen)));
                    taken(&seen)
                })
            })
            .collect();
        let mut all = Observation::default();
        for thread in threads {
            match thread.join() {
                Ok(seen) => all.merge(&seen),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    })
}

fn taken(seen: &Mutex<Observation>) -> Observation {
    std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Polls a future that never waits: the clients of [`Driver::Threads`] block inside their first poll.
fn finish_at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
        std::thread::yield_now();
    }
}

/// One caller: both drivers run this same loop.
struct Caller {
    client: Arc<dyn Client>,
    calls: Vec<Prepared>,
    window: Window,
    interrupted: Arc<AtomicBool>,
}

impl Caller {
    async fn run(self, mut deadline: Option<Deadline>, seen: Arc<Mutex<Observation>>) {
        let mut failures_in_a_row = 0;
        for prepared in self.calls.iter().cycle() {
            let started = Instant::now();
            if started >= self.window.end || self.interrupted.load(Ordering::Relaxed) {
                break;
            }
            let call = self.client.call(&prepared.call);
            let result = match &mut deadline {
                Some(deadline) => deadline.within(started, call).await,
                None => call.await,
            };
            let took = started.elapsed();
            failures_in_a_row = if lost(&result) { failures_in_a_row + 1 } else { 0 };
            let gives_up = failures_in_a_row == GIVE_UP_AFTER;
            // A trial that dies while warming up has failures to show all the same.
            if started >= self.window.begin || gives_up {
                // All callers of a Tokio driver share one thread, so nobody is ever waited for.
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.record(took, &result, &prepared.answer);
            }
            if gives_up {
                seen.lock().unwrap_or_else(PoisonError::into_inner).gave_up += 1;
                break;
            }
        }
    }
}

fn lost<T>(result: &Result<T, CallError>) -> bool {
    result.as_ref().is_err_and(|error| error.kind.is_transport())
}

#[cfg(test)]
mod tests {
    use super::*;
    use calculator::{Calculator, Call, CallFuture, ErrorKind, Service, Value};
    use std::sync::atomic::AtomicU64;

    /// Answers from the calculator; each n-th answer is what `spoil` makes of it.
    struct Spoiled {
        calls: AtomicU64,
        every: u64,
        spoil: fn() -> Result<Value, CallError>,
    }

    impl Client for Spoiled {
        fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
            let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
            Box::pin(async move {
                if number.is_multiple_of(self.every) {
                    (self.spoil)()
                } else {
                    Calculator.call(&call.method, call.params.clone())
                }
            })
        }
    }

    fn observe(
        driver: Driver,
        callers: u32,
        every: u64,
        spoil: fn() -> Result<Value, CallError>,
    ) -> (Observation, u64) {
        let client = Arc::new(Spoiled { calls: AtomicU64::new(0), every, spoil });
        let clients: Vec<Arc<dyn Client>> = vec![Arc::clone(&client) as _];
        let plan = Plan {
            operation: Operation::ADD,
            callers: NonZeroU32::new(callers).unwrap(),
            warmup: Duration::ZERO,
            measure: Duration::from_millis(30),
            timeout: Duration::from_secs(5),
            seed: 1,
            interrupted: Arc::new(AtomicBool::new(false)),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let observation = runtime.block_on(run(plan, driver, &clients, |_| ()));
        (observation, client.calls.load(Ordering::Relaxed))
    }

    #[test]
    fn every_call_is_counted_and_every_answer_is_checked() {
        for driver in [Driver::Tokio, Driver::Threads] {
            for callers in [1, 3] {
                let (seen, made) = observe(driver, callers, 10, || Ok(Value::Int(-1)));
                assert_eq!(seen.counts.started, made);
                assert_eq!(seen.counts.wrong, made / 10);
                assert_eq!(seen.counts.right, made - made / 10);
                assert_eq!(seen.latency.len(), seen.counts.right);
            }
        }
    }

    #[test]
    fn failures_are_counted_by_kind() {
        let (seen, made) = observe(Driver::Tokio, 1, 4, || Err(CallError::new(ErrorKind::ZeroDivision, "")));
        assert_eq!(seen.counts.failed.get(&ErrorKind::ZeroDivision), Some(&(made / 4)));
        assert_eq!(seen.counts.right + made / 4, made);
    }

    #[test]
    fn a_caller_whose_server_is_gone_gives_up() {
        let (seen, made) = observe(Driver::Tokio, 1, 1, || Err(CallError::new(ErrorKind::Undeliverable, "")));
        assert_eq!((made, seen.gave_up), (u64::from(GIVE_UP_AFTER), 1));
        assert_eq!(seen.counts.failed.get(&ErrorKind::Undeliverable), Some(&made));
    }
}
