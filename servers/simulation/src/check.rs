//! Recorded calls, and what is wrong with them.

use std::time::Duration;

use calculator::document::size;
use calculator::{CallError, ErrorKind, Value};

use crate::plan::{CallKind, CallPlan, MAX_BODY};

/// The tolerance of all times: the resolution of Tokio's timers, several times over.
pub(crate) const TOLERANCE: Duration = Duration::from_millis(20);

/// A call that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    /// The id of its plan; the calls after the faults have further ids.
    pub id: i64,
    /// The time since the start of the simulation at which it began.
    pub began: Duration,
    /// The time at which it ended.
    pub ended: Duration,
    /// How it ended.
    pub ending: Ending,
}

impl CallRecord {
    /// Bytes of the record and of its answer.
    pub(crate) fn size(&self) -> usize {
        let answer = match &self.ending {
            Ending::Result(Ok(value)) => size(value),
            _ => 0,
        };
        size_of_val(self) + answer
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// With a result or an error.
    Result(Result<Value, CallError>),
    /// It was a stream of so many items, in order, with the end or an error of the transport after them.
    Stream {
        /// The number of items.
        items: usize,
        /// The error that ended it.
        error: Option<CallError>,
        /// Whether the caller dropped it.
        dropped: bool,
    },
    /// It was a stream with an item that was not the next number.
    Disorder {
        /// The number that should have followed.
        expected: usize,
        /// What followed.
        received: Value,
    },
}

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Violation {
    /// A call has an answer that it should not have.
    #[error("call {id} ({kind:?}) has a wrong answer: {ending}")]
    WrongAnswer {
        /// The call.
        id: i64,
        /// What was called.
        kind: CallKind,
        /// How it ended.
        ending: String,
    },
    /// A call failed although nothing was wrong with the network and the server.
    #[error("call {id} ({kind:?}) failed without a fault: {ending}")]
    FailedWithoutFault {
        /// The call.
        id: i64,
        /// What was called.
        kind: CallKind,
        /// How it ended.
        ending: String,
    },
    /// A call ended after its deadline.
    #[error("call {id} took {took:?}, with a timeout of {timeout:?}")]
    LateEnd {
        /// The call.
        id: i64,
        /// How long it took.
        took: Duration,
        /// Its timeout.
        timeout: Duration,
    },
    /// A call was executed more than once, or answered without having been executed.
    #[error("call {id} was executed {times} times; its answer arrived: {answered}")]
    Executions {
        /// The call.
        id: i64,
        /// How often.
        times: u32,
        /// Whether its caller got the answer.
        answered: bool,
    },
    /// A call has not ended exactly once.
    #[error("call {id} ended {times} times")]
    Endings {
        /// The call.
        id: i64,
        /// How often.
        times: usize,
    },
    /// Callers were still waiting when all deadlines were over.
    #[error("callers were still waiting after {0:?}, when all deadlines were over")]
    StillWaiting(Duration),
    /// Connecting took longer than its timeout.
    #[error("connecting took {took:?}, with a timeout of {timeout:?}")]
    LateConnect {
        /// How long it took.
        took: Duration,
        /// Its timeout.
        timeout: Duration,
    },
    /// No call succeeded after the network had healed.
    #[error("client {client} had no answer {waited:?} after the network had healed; the last error: {error}")]
    NotRecovered {
        /// The client, counted from 0.
        client: usize,
        /// How long it tried.
        waited: Duration,
        /// The last error.
        error: String,
    },
    /// A client still counts calls as pending that have all ended.
    #[error("client {client} still has {calls} pending calls")]
    PendingCalls {
        /// The client, counted from 0.
        client: usize,
        /// How many.
        calls: usize,
    },
    /// More connections are open than there are clients.
    #[error("{connections} connections are open for {clients} clients")]
    Connections {
        /// How many are open.
        connections: usize,
        /// The number of clients.
        clients: usize,
    },
    /// Tasks have not ended, although server and clients have.
    #[error("{0} tasks are left at the end")]
    Tasks(usize),
    /// The server did not end in time after its stop.
    #[error("the server did not end within {0:?} of its stop")]
    NotStopped(Duration),
    /// Server or clients used too much memory.
    #[error("server and clients used {bytes} bytes; the limit is {limit}")]
    Memory {
        /// The maximum that was in use.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Memory was still in use when everything had ended.
    #[error("{0} bytes were not released at the end")]
    MemoryLeft(usize),
    /// A task panicked.
    #[error("a task panicked: {0}")]
    Panic(String),
    /// The server could not be bound again.
    #[error("the server could not be started: {0}")]
    NotStarted(String),
}

/// What is wrong with a call that was executed `executions` times.
pub(crate) fn check(call: &CallPlan, record: &CallRecord, executions: u32, is_calm: bool) -> Vec<Violation> {
    let mut violations = Vec::new();
    let (id, kind) = (call.id, call.kind);
    let ending = || format!("{:?}", record.ending).chars().take(300).collect::<String>();
    let judged = judge(kind, id, &record.ending);
    match judged {
        Judged::Right => {}
        Judged::Failed if is_calm => {
            violations.push(Violation::FailedWithoutFault { id, kind, ending: ending() });
        }
        Judged::Failed => {}
        Judged::Wrong => violations.push(Violation::WrongAnswer { id, kind, ending: ending() }),
    }
    let answered = judged == Judged::Right && is_executed(kind, &record.ending);
    if executions > 1 || answered && executions == 0 {
        violations.push(Violation::Executions { id, times: executions, answered });
    }
    let took = record.ended - record.began;
    // Each item of a stream has the timeout anew.
    let is_stream = matches!(kind, CallKind::Stream { .. });
    if !is_stream && took > call.timeout + TOLERANCE {
        violations.push(Violation::LateEnd { id, took, timeout: call.timeout });
    }
    violations
}

/// Whether a call has the expected answer.
pub(crate) fn is_success(call: &CallPlan, ending: &Ending) -> bool {
    judge(call.kind, call.id, ending) == Judged::Right
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    Right,
    /// The transport failed.
    Failed,
    Wrong,
}

/// Whether the service must have executed a call with this right answer.
fn is_executed(kind: CallKind, ending: &Ending) -> bool {
    match kind {
        CallKind::Echo { bytes } => fits(bytes),
        CallKind::Unknown => false,
        CallKind::Add { .. } | CallKind::DivideByZero => true,
        // Otherwise it was refused.
        CallKind::Stream { .. } => matches!(ending, Ending::Stream { .. }),
    }
}

/// The bytes that a message may have in addition to its text.
const MAX_OVERHEAD: usize = 1 << 10;

/// Whether a text of so many bytes is certainly within the limit for messages.
fn fits(bytes: usize) -> bool {
    bytes + MAX_OVERHEAD <= MAX_BODY
}

fn judge(kind: CallKind, id: i64, ending: &Ending) -> Judged {
    match (kind, ending) {
        (_, Ending::Result(Err(error))) if is_expected(kind, error) => Judged::Right,
        (CallKind::Stream { .. }, Ending::Result(Err(error))) if error.kind.is_transport() => Judged::Failed,
        (
            CallKind::Stream { items, dropped_after, .. },
            Ending::Stream { items: received, error, dropped },
        ) => match error {
            Some(error) if error.kind.is_transport() && *received <= items => Judged::Failed,
            Some(_) => Judged::Wrong,
            None if *dropped && dropped_after == Some(*received) => Judged::Right,
            None if !*dropped && *received == items => Judged::Right,
            None => Judged::Wrong,
        },
        (CallKind::Stream { .. }, _) => Judged::Wrong,
        (_, Ending::Result(Err(error))) if error.kind.is_transport() => Judged::Failed,
        (_, Ending::Result(Ok(value))) if is_answer(kind, id, value) => Judged::Right,
        _ => Judged::Wrong,
    }
}

fn is_expected(kind: CallKind, error: &CallError) -> bool {
    match kind {
        CallKind::DivideByZero => error.kind == ErrorKind::ZeroDivision,
        CallKind::Unknown => error.kind == ErrorKind::UnknownMethod,
        CallKind::Echo { bytes } => !fits(bytes) && is_too_large(error),
        CallKind::Add { .. } => false,
        // A stream that its caller has dropped stays open at the server until heartbeats are missing.
        CallKind::Stream { .. } => is_too_large(error),
    }
}

/// Whether a limit was exceeded. zerorpc has no kind for that, only the class of Python's exception.
fn is_too_large(error: &CallError) -> bool {
    let class = error.remote.as_ref().and_then(|remote| remote.class.as_deref());
    error.kind == ErrorKind::TooLarge || class == Some("ValueError")
}

fn is_answer(kind: CallKind, id: i64, value: &Value) -> bool {
    match kind {
        CallKind::Add { wait } => {
            i64::try_from(wait.as_millis()).is_ok_and(|wait| *value == Value::Int(id + wait))
        }
        // A text near the limit may be accepted.
        CallKind::Echo { bytes } => {
            bytes <= MAX_BODY && matches!(value, Value::Str(text) if *text == echo_text(id, bytes))
        }
        CallKind::DivideByZero | CallKind::Unknown | CallKind::Stream { .. } => false,
    }
}

/// The text of an echo: the call's id, and what fills it up to `bytes`.
pub(crate) fn echo_text(id: i64, bytes: usize) -> String {
    let mut text = format!("{id}:");
    let digit = char::from(b'a' + u8::try_from(id.rem_euclid(26)).unwrap_or(0));
    while text.len() < bytes {
        text.push(digit);
    }
    text
}
