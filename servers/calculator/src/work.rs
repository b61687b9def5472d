//! Handlers that take time before they answer, as those of real services do.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::duration::{DurationParseError, parse_duration_above_zero};
use crate::{CallError, MethodInfo, Params, Service, Value};

/// The longest work of a handler.
const MAX_WORK: Duration = Duration::from_secs(10);

/// What each handler does before it answers, written `sleep:TIME` or `compute:TIME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// It waits for this time and uses no CPU, like a handler that waits for a database.
    Sleep(Duration),
    /// It uses this much CPU time.
    Compute(Duration),
}

impl Work {
    /// The name of the kind: `sleep` or `compute`.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Work::Sleep(_) => "sleep",
            Work::Compute(_) => "compute",
        }
    }

    /// How long it takes for one call.
    #[must_use]
    pub fn time(self) -> Duration {
        match self {
            Work::Sleep(time) | Work::Compute(time) => time,
        }
    }
}

/// Why a text is not the work of a handler.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum WorkParseError {
    /// There is no such kind of work.
    #[error("unknown work `{0}`, expected `sleep` or `compute` with a time: sleep:5ms, compute:100us")]
    Kind(String),
    /// The time is not one above zero.
    #[error("{kind}:TIME: {source}")]
    Time {
        /// The kind of work.
        kind: &'static str,
        /// What is wrong with the time.
        source: DurationParseError,
    },
    /// The time is too long.
    #[error("{kind}:TIME: expected at most 10s")]
    TooLong {
        /// The kind of work.
        kind: &'static str,
    },
}

impl FromStr for Work {
    type Err = WorkParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, time) = text.split_once(':').unwrap_or((text, ""));
        let work: fn(Duration) -> Work = match kind {
            "sleep" => Work::Sleep,
            "compute" => Work::Compute,
            _ => return Err(WorkParseError::Kind(kind.to_owned())),
        };
        let kind = work(MAX_WORK).kind();
        match parse_duration_above_zero(time) {
            Ok(time) if time <= MAX_WORK => Ok(work(time)),
            Ok(_) => Err(WorkParseError::TooLong { kind }),
            Err(source) => Err(WorkParseError::Time { kind, source }),
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), humantime::format_duration(self.time()))
    }
}

/// A service whose handlers work before they answer. A call of a method that does not exist has no handler.
#[derive(Clone, Copy, Debug)]
pub struct Working<S> {
    service: S,
    work: Work,
}

impl<S: Service> Working<S> {
    /// The handlers of `service`, each of which does `work` first.
    #[must_use]
    pub fn new(service: S, work: Work) -> Self {
        Working { service, work }
    }

    fn has(&self, method: &str) -> bool {
        self.methods().iter().any(|info| info.name == method)
    }
}

impl<S: Service> Service for Working<S> {
    fn name(&self) -> &'static str {
        self.service.name()
    }

    fn methods(&self) -> &[MethodInfo] {
        self.service.methods()
    }

    fn wait(&self, method: &str, params: &Params) -> Duration {
        let wait = self.service.wait(method, params);
        match self.work {
            Work::Sleep(time) if self.has(method) => wait.saturating_add(time),
            Work::Sleep(_) | Work::Compute(_) => wait,
        }
    }

    fn call(&self, method: &str, params: Params) -> Result<Value, CallError> {
        if let Work::Compute(time) = self.work
            && self.has(method)
        {
            use_cpu_for(time);
        }
        self.service.call(method, params)
    }
}

/// Keeps this thread busy until it has used `time` of a core, by the thread's own clock: what other threads use meanwhile does
/// not count.
fn use_cpu_for(time: Duration) {
    let Some(start) = thread_cpu_time() else { return };
    while thread_cpu_time().is_some_and(|now| now.saturating_sub(start) < time) {
        std::hint::spin_loop();
    }
}

/// The CPU time of this thread; `None` where the system does not report it.
fn thread_cpu_time() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Calculator, ErrorKind};

    fn add(work: Work) -> (Working<Calculator>, Params) {
        (Working::new(Calculator, work), Params::Positional(vec![Value::Int(2), Value::Int(3)]))
    }

    #[test]
    fn work_is_parsed_as_displayed() {
        for text in ["sleep:5ms", "compute:100us", "compute:10s", "sleep:1s 500ms"] {
            assert_eq!(text.parse::<Work>().unwrap().to_string(), text);
        }
        assert_eq!("compute:0.5".parse(), Ok(Work::Compute(Duration::from_millis(500))));
    }

    #[test]
    fn other_text_is_refused_with_what_was_expected() {
        for (text, expected) in [
            ("nap:1ms", "unknown work `nap`, expected `sleep` or `compute`"),
            ("", "unknown work ``"),
            ("5ms", "unknown work `5ms`"),
            ("sleep", "sleep:TIME: expected a duration"),
            ("sleep:-1", "sleep:TIME: expected a duration"),
            ("sleep:0", "sleep:TIME: expected a duration above zero"),
            ("compute:1h", "compute:TIME: expected at most 10s"),
            ("compute:10001ms", "compute:TIME: expected at most 10s"),
            ("compute:99999999999999999999", "compute:TIME: expected a duration of at most 365 days"),
        ] {
            let message = text.parse::<Work>().unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn a_handler_that_sleeps_leaves_the_waiting_to_the_dispatcher() {
        let time = Duration::from_millis(5);
        let (service, params) = add(Work::Sleep(time));
        assert_eq!(service.wait("add", &params), time);
        assert_eq!(service.wait("nosuch", &params), Duration::ZERO);
        assert_eq!(service.call("add", params), Ok(Value::Int(5)));
    }

    #[test]
    fn a_handler_that_computes_uses_as_much_cpu_time_as_it_was_given() {
        let time = Duration::from_millis(3);
        let (service, params) = add(Work::Compute(time));
        assert_eq!(service.wait("add", &params), Duration::ZERO);
        let before = thread_cpu_time().unwrap();
        assert_eq!(service.call("add", params.clone()), Ok(Value::Int(5)));
        assert!(thread_cpu_time().unwrap() - before >= time);
        assert_eq!(service.call("nosuch", params).unwrap_err().kind, ErrorKind::UnknownMethod);
    }

    #[test]
    fn introspection_shows_the_methods_of_the_service() {
        let (service, _) = add(Work::Sleep(MAX_WORK));
        assert_eq!((service.name(), service.methods()), (Calculator.name(), Calculator.methods()));
    }
}
