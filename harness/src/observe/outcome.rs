//! How calls end.

use calculator::conformance::Numbers;
use calculator::{CallError, ErrorKind, Value};

use super::expectation::Expectation;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// As it was expected to: usually with the right value.
    Right,
    /// With any other value.
    Wrong,
    /// With an error of this kind, which is not a timeout.
    Failed(ErrorKind),
    /// Without an answer at its deadline.
    TimedOut,
}

impl CallOutcome {
    /// How a call ended that has this `result`, which `numbers` compares with what is `expected`.
    #[must_use]
    pub fn of(result: &Result<Value, CallError>, expected: &Expectation, numbers: Numbers) -> Self {
        match result {
            _ if expected.is_met_by(result, numbers) => CallOutcome::Right,
            Ok(_) => CallOutcome::Wrong,
            Err(error) if error.kind == ErrorKind::Timeout => CallOutcome::TimedOut,
            Err(error) => CallOutcome::Failed(error.kind),
        }
    }
}
