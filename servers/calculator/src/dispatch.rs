//! Dispatches decoded calls to a service.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::faults::wrong_answer;
use crate::{Call, CallError, ErrorKind, Faults, Service, Value};

/// How a server runs handlers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Executor {
    /// One at a time, while all other callers wait, as in Python's `SimpleXMLRPCServer`.
    Blocking,
    /// On this number of dedicated threads, as with Python's `ThreadingMixIn`.
    Threads(NonZeroUsize),
    /// As tasks of the server's runtime. Other handlers run while one waits.
    #[default]
    Async,
}

/// A text is not the name of an executor.
#[derive(Debug, thiserror::Error)]
#[error("unknown executor `{0}`, expected `blocking`, `threads:N` or `async`")]
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

/// Runs decoded calls on a [`Service`] with an [`Executor`]. Cheap to clone; all clones share their state.
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
    exclusive: Mutex<()>,
    threads: Arc<Semaphore>,
}

impl Dispatcher {
    /// Creates a dispatcher that runs `service` with `executor` and injects `faults`.
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
                exclusive: Mutex::new(()),
                threads: Arc::new(Semaphore::new(threads)),
            }),
        }
    }

    /// The service, for introspection.
    #[must_use]
    pub fn service(&self) -> &dyn Service {
        &*self.inner.service
    }

    /// The number of calls dispatched so far, and of streams that were [counted](Self::count_stream).
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::Relaxed)
    }

    /// Counts a call whose result is a stream: protocols open streams themselves.
    pub fn count_stream(&self) {
        self.inner.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Enables or disables the configured faults. They are enabled initially.
    pub fn set_faults(&self, on: bool) {
        self.inner.faults_on.store(on && !self.inner.faults.is_none(), Ordering::Relaxed);
    }

    /// Executes a call with the executor. Must be awaited in a Tokio runtime.
    ///
    /// # Errors
    /// The errors of the service, or of an injected fault; [`ErrorKind::Internal`] if the handler panics on a dedicated
    /// thread.
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
            // Deliberately on the runtime's thread: while a handler runs, no other call is served.
            Executor::Blocking => self.inner.run_exclusively(call),
            Executor::Threads(_) => {
                let threads = Arc::clone(&self.inner.threads);
                let permit = threads.acquire_owned().await.map_err(unfinished_handler_error)?;
                let inner = Arc::clone(&self.inner);
                let run = move || {
                    // Held until the handler ends, even if its caller has left before.
                    let _permit = permit;
                    inner.run_blocking(call)
                };
                tokio::task::spawn_blocking(run).await.map_err(unfinished_handler_error)?
            }
        }
    }

    /// Executes a call on the current thread, whatever the executor. For servers without an asynchronous runtime.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_blocking(&self, call: Call) -> Result<Value, CallError> {
        match self.inner.executor {
            Executor::Blocking => self.inner.run_exclusively(call),
            Executor::Async | Executor::Threads(_) => self.inner.run_blocking(call),
        }
    }
}

fn unfinished_handler_error(reason: impl fmt::Display) -> CallError {
    CallError::new(ErrorKind::Internal, format!("the handler did not finish: {reason}"))
}

impl Inner {
    fn active_faults(&self) -> Option<&Faults> {
        self.faults_on.load(Ordering::Relaxed).then_some(&self.faults)
    }

    /// How long a call waits before it is executed: for its service, and for an injected delay.
    fn wait(&self, call: &Call, faults: Option<&Faults>) -> Duration {
        let delay = faults.and_then(|faults| faults.delay).unwrap_or_default();
        self.service.wait(&call.method, &call.params).saturating_add(delay)
    }

    fn run_exclusively(&self, call: Call) -> Result<Value, CallError> {
        // The lock protects no data, so it can be used even after a handler has panicked.
        let _guard = self.exclusive.lock().unwrap_or_else(PoisonError::into_inner);
        self.run_blocking(call)
    }

    fn run_blocking(&self, call: Call) -> Result<Value, CallError> {
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
            spin_for(time);
        }
        if faults.fail.is_some_and(|fail| fail.hits(number)) {
            return Err(CallError::new(ErrorKind::Internal, "injected failure (--fail)"));
        }
        let result = self.service.call(&call.method, call.params);
        if faults.wrong.is_some_and(|share| share.hits(number)) { result.map(wrong_answer) } else { result }
    }
}

/// Keeps the core busy for `time`.
fn spin_for(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
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

    /// Counts the handlers that run at the same time.
    struct ConcurrencyProbe {
        running: AtomicU64,
        max_running: Arc<AtomicU64>,
    }

    impl Service for ConcurrencyProbe {
        fn name(&self) -> &'static str {
            "ConcurrencyProbe"
        }
        fn methods(&self) -> &[MethodInfo] {
            &[]
        }
        fn call(&self, _method: &str, _params: Params) -> Result<Value, CallError> {
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.max_running.fetch_max(running, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(20));
            self.running.fetch_sub(1, Ordering::SeqCst);
            Ok(Value::Null)
        }
    }

    async fn max_concurrency(executor: Executor) -> u64 {
        let max_running = Arc::new(AtomicU64::new(0));
        let probe = ConcurrencyProbe { running: AtomicU64::new(0), max_running: Arc::clone(&max_running) };
        let dispatcher = Dispatcher::new(probe, executor, Faults::default());
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let dispatcher = dispatcher.clone();
            tasks.spawn(async move { dispatcher.call(add(1, 1)).await });
        }
        while let Some(result) = tasks.join_next().await {
            assert_eq!(result.unwrap(), Ok(Value::Null));
        }
        max_running.load(Ordering::SeqCst)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn blocking_runs_one_handler_at_a_time_and_threads_at_most_n() {
        assert_eq!(max_concurrency(Executor::Blocking).await, 1);
        let n = NonZeroUsize::new(3).unwrap();
        let max = max_concurrency(Executor::Threads(n)).await;
        assert!((1..=3).contains(&max), "{max} handlers at a time on 3 threads");
    }

    /// A service whose handlers report that they run and then wait for a message.
    struct Gate {
        entered: tokio::sync::mpsc::UnboundedSender<()>,
        leave: Mutex<std::sync::mpsc::Receiver<()>>,
    }

    impl Service for Gate {
        fn name(&self) -> &'static str {
            "Gate"
        }
        fn methods(&self) -> &[MethodInfo] {
            &[]
        }
        fn call(&self, _method: &str, _params: Params) -> Result<Value, CallError> {
            let _ = self.entered.send(());
            let _ = self.leave.lock().map(|leave| leave.recv());
            Ok(Value::Null)
        }
    }

    #[tokio::test]
    async fn a_handler_whose_caller_has_left_occupies_its_thread_until_it_ends() {
        let (entered, mut running) = tokio::sync::mpsc::unbounded_channel();
        let (leave, gate) = std::sync::mpsc::channel();
        let executor = Executor::Threads(NonZeroUsize::MIN);
        let gate = Gate { entered, leave: Mutex::new(gate) };
        let dispatcher = Dispatcher::new(gate, executor, Faults::default());
        let start = || {
            let dispatcher = dispatcher.clone();
            tokio::spawn(async move { dispatcher.call(add(1, 1)).await })
        };
        let abandoned = start();
        running.recv().await.unwrap();
        abandoned.abort();
        assert!(abandoned.await.unwrap_err().is_cancelled());
        assert_eq!(dispatcher.inner.threads.available_permits(), 0);
        let next = start();
        leave.send(()).unwrap();
        running.recv().await.unwrap();
        leave.send(()).unwrap();
        assert_eq!(next.await.unwrap(), Ok(Value::Null));
    }

    #[tokio::test(start_paused = true)]
    async fn injected_delays_overlap_in_the_async_executor() {
        let faults = Faults { delay: Some(Duration::from_secs(1)), ..Faults::default() };
        let dispatcher = Dispatcher::new(Calculator, Executor::Async, faults);
        let start = tokio::time::Instant::now();
        let (a, b) = tokio::join!(dispatcher.call(add(2, 3)), dispatcher.call(add(4, 5)));
        assert_eq!((a, b), (Ok(Value::Int(5)), Ok(Value::Int(9))));
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test]
    async fn injected_failures_and_wrong_answers_have_their_share_and_can_be_disabled() {
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
    fn executors_are_parsed_as_displayed() {
        for text in ["blocking", "async", "threads:8"] {
            assert_eq!(text.parse::<Executor>().unwrap().to_string(), text);
        }
        for text in ["threads", "threads:0", "thread:2", ""] {
            assert!(text.parse::<Executor>().unwrap_err().to_string().contains("threads:N"));
        }
    }
}
