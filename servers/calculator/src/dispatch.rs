//! How a server runs handlers.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::faults::wrong;
use crate::{Call, CallError, ErrorKind, Faults, Service, Value};

/// How a server runs handlers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Executor {
    /// One at a time, every other caller waiting, as Python's `SimpleXMLRPCServer` does.
    Blocking,
    /// On that many threads of their own, as with Python's `ThreadingMixIn`.
    Threads(NonZeroUsize),
    /// As tasks of the server's runtime; a handler that waits lets others run.
    #[default]
    Async,
}

/// A text that names no executor.
#[derive(Debug, thiserror::Error)]
#[error("unknown executor `{0}`; the executors are blocking, threads:N, async")]
pub struct ExecutorParseError(String);

impl FromStr for Executor {
    type Err = ExecutorParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "blocking" => Ok(Executor::Blocking),
            "async" => Ok(Executor::Async),
            _ => text
                .strip_prefix("threads:")
                .and_then(|n| n.parse().ok())
                .map(Executor::Threads)
                .ok_or_else(|| ExecutorParseError(text.to_owned())),
        }
    }
}

impl fmt::Display for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Executor::Blocking => f.write_str("blocking"),
            Executor::Threads(n) => write!(f, "threads:{n}"),
            Executor::Async => f.write_str("async"),
        }
    }
}

/// Hands decoded calls to a [`Service`] by way of an [`Executor`]. Cheap to clone; all clones are one dispatcher.
#[derive(Clone)]
pub struct Dispatcher {
    inner: Arc<Inner>,
}

struct Inner {
    service: Box<dyn Service>,
    executor: Executor,
    faults: Faults,
    faults_on: AtomicBool,
    started: Instant,
    calls: AtomicU64,
    one_at_a_time: Mutex<()>,
    threads: Semaphore,
}

impl Dispatcher {
    /// A dispatcher that runs `service` by `executor`, committing `faults`.
    #[must_use]
    pub fn new(service: impl Service, executor: Executor, faults: Faults) -> Self {
        let threads = match executor {
            Executor::Threads(n) => n.get().min(Semaphore::MAX_PERMITS),
            Executor::Blocking | Executor::Async => 1,
        };
        Dispatcher {
            inner: Arc::new(Inner {
                service: Box::new(service),
                executor,
                faults_on: AtomicBool::new(!faults.is_none()),
                faults,
                started: Instant::now(),
                calls: AtomicU64::new(0),
                one_at_a_time: Mutex::new(()),
                threads: Semaphore::new(threads),
            }),
        }
    }

    /// The service, for introspection.
    #[must_use]
    pub fn service(&self) -> &dyn Service {
        &*self.inner.service
    }

    /// How many calls were dispatched since the start.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::Relaxed)
    }

    /// Switches the configured faults on or off; they are on at the start.
    pub fn set_faults(&self, on: bool) {
        self.inner.faults_on.store(on && !self.inner.faults.is_none(), Ordering::Relaxed);
    }

    /// Executes one call as the executor tells. Must be awaited inside a Tokio runtime.
    ///
    /// # Errors
    /// The service's, or those of a fault; [`ErrorKind::Internal`] when the handler panicked.
    pub async fn call(&self, call: Call) -> Result<Value, CallError> {
        match self.inner.executor {
            Executor::Async => {
                let faults = self.inner.active_faults();
                let number = self.inner.calls.fetch_add(1, Ordering::Relaxed);
                let wait = self.inner.wait(&call, faults);
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                self.inner.execute(call, number, faults)
            }
            // Deliberately on the runtime's own thread: while a handler runs, nobody else is served.
            Executor::Blocking => self.inner.run_alone(call),
            Executor::Threads(_) => {
                let _permit = self.inner.threads.acquire().await.map_err(stopped)?;
                let inner = Arc::clone(&self.inner);
                tokio::task::spawn_blocking(move || inner.run_waiting(call)).await.map_err(stopped)?
            }
        }
    }

    /// Executes one call on the calling thread, whatever the executor: for the floors, which have no runtime.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_here(&self, call: Call) -> Result<Value, CallError> {
        match self.inner.executor {
            Executor::Blocking => self.inner.run_alone(call),
            Executor::Async | Executor::Threads(_) => self.inner.run_waiting(call),
        }
    }
}

fn stopped(reason: impl fmt::Display) -> CallError {
    CallError::new(ErrorKind::Internal, format!("the handler did not finish: {reason}"))
}

impl Inner {
    fn active_faults(&self) -> Option<&Faults> {
        self.faults_on.load(Ordering::Relaxed).then_some(&self.faults)
    }

    /// How long a call waits: for its service, and for a fault.
    fn wait(&self, call: &Call, faults: Option<&Faults>) -> Duration {
        let delay = faults.and_then(|faults| faults.delay).unwrap_or_default();
        self.service.wait(&call.method, &call.params).saturating_add(delay)
    }

    fn run_alone(&self, call: Call) -> Result<Value, CallError> {
        // The lock guards no data, so one that a panicking handler left poisoned is as good as new.
        let _turn = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        self.run_waiting(call)
    }

    fn run_waiting(&self, call: Call) -> Result<Value, CallError> {
        let faults = self.active_faults();
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let wait = self.wait(&call, faults);
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        self.execute(call, number, faults)
    }

    fn execute(&self, call: Call, number: u64, faults: Option<&Faults>) -> Result<Value, CallError> {
        let Some(faults) = faults else {
            return self.service.call(&call.method, call.params);
        };
        if let Some(left) = faults.stall.and_then(|stall| stall.remaining(self.started.elapsed())) {
            std::thread::sleep(left);
        }
        if let Some(time) = faults.cpu {
            burn(time);
        }
        if faults.fail.is_some_and(|fail| fail.hits(number)) {
            return Err(CallError::new(ErrorKind::Internal, "failed on request (--fail)"));
        }
        let result = self.service.call(&call.method, call.params);
        if faults.wrong.is_some_and(|share| share.hits(number)) { result.map(wrong) } else { result }
    }
}

/// Keeps the core busy for `time`.
fn burn(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Calculator, MethodInfo, Params};

    fn add(x: i64, y: i64) -> Call {
        Call::positional("add", [x.into(), y.into()])
    }

    /// Counts how many handlers run at the same time.
    struct Crowd {
        now: AtomicU64,
        most: Arc<AtomicU64>,
    }

    impl Service for Crowd {
        fn name(&self) -> &'static str {
            "Crowd"
        }
        fn methods(&self) -> &[MethodInfo] {
            &[]
        }
        fn call(&self, _method: &str, _params: Params) -> Result<Value, CallError> {
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(20));
            self.now.fetch_sub(1, Ordering::SeqCst);
            Ok(Value::Null)
        }
    }

    async fn most_at_once(executor: Executor) -> u64 {
        let most = Arc::new(AtomicU64::new(0));
        let crowd = Crowd { now: AtomicU64::new(0), most: Arc::clone(&most) };
        let dispatcher = Dispatcher::new(crowd, executor, Faults::default());
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let dispatcher = dispatcher.clone();
            tasks.spawn(async move { dispatcher.call(add(1, 1)).await });
        }
        while let Some(result) = tasks.join_next().await {
            assert_eq!(result.unwrap(), Ok(Value::Null));
        }
        most.load(Ordering::SeqCst)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn blocking_runs_one_handler_at_a_time_and_threads_at_most_n() {
        assert_eq!(most_at_once(Executor::Blocking).await, 1);
        let n = NonZeroUsize::new(3).unwrap();
        let most = most_at_once(Executor::Threads(n)).await;
        assert!((1..=3).contains(&most), "{most} handlers at once on 3 threads");
    }

    #[tokio::test(start_paused = true)]
    async fn delays_of_an_async_executor_overlap() {
        let faults = Faults { delay: Some(Duration::from_secs(1)), ..Faults::default() };
        let dispatcher = Dispatcher::new(Calculator, Executor::Async, faults);
        let start = tokio::time::Instant::now();
        let (a, b) = tokio::join!(dispatcher.call(add(2, 3)), dispatcher.call(add(4, 5)));
        assert_eq!((a, b), (Ok(Value::Int(5)), Ok(Value::Int(9))));
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test]
    async fn failing_and_wrong_answers_come_at_their_share_and_can_be_switched_off() {
        let faults = Faults {
            fail: Some("1/10".parse().unwrap()),
            wrong: Some("1/5".parse().unwrap()),
            ..Faults::default()
        };
        let dispatcher = Dispatcher::new(Calculator, Executor::Async, faults);
        let (mut right, mut wrong, mut failed) = (0, 0, 0);
        for _ in 0..100 {
            match dispatcher.call(add(2, 3)).await {
                Ok(Value::Int(5)) => right += 1,
                Ok(_) => wrong += 1,
                Err(_) => failed += 1,
            }
        }
        assert_eq!((right, wrong, failed), (80, 10, 10));
        dispatcher.set_faults(false);
        for _ in 0..20 {
            assert_eq!(dispatcher.call(add(2, 3)).await, Ok(Value::Int(5)));
        }
        assert_eq!(dispatcher.calls(), 120);
    }

    #[test]
    fn executors_are_read_back_as_written() {
        for text in ["blocking", "async", "threads:8"] {
            assert_eq!(text.parse::<Executor>().unwrap().to_string(), text);
        }
        for text in ["threads", "threads:0", "thread:2", ""] {
            assert!(text.parse::<Executor>().unwrap_err().to_string().contains("threads:N"));
        }
    }
}
