//! The outcome of a row.

use std::fmt;

use super::compare::Difference;
use super::{Expected, Numbers, Vector, shortened};
use crate::{CallError, Value};

/// Why the call of a row was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The protocol cannot carry an argument.
    NotRepresentable,
    /// Too many rows before it had no answer.
    NoAnswers,
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotSent::NotRepresentable => "not sent: the protocol cannot carry an argument",
            NotSent::NoAnswers => "not sent: too many rows before it had no answer",
        })
    }
}

/// What came of the call of a row.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The result of the call.
    Result(Result<Value, CallError>),
    /// The call was not made.
    NotSent(NotSent),
}

/// Whether a row passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowStatus {
    /// The result is as expected.
    Passed,
    /// The result is another one, or there is none.
    Failed,
    /// The call was not made, so that the row shows nothing about the server.
    NotSent,
}

/// The outcome of a row.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The row.
    pub vector: Vector,
    /// What came of its call.
    pub reply: Reply,
    /// How numbers are compared.
    pub numbers: Numbers,
}

impl Outcome {
    /// Whether the row passed.
    #[must_use]
    pub fn status(&self) -> RowStatus {
        match &self.reply {
            Reply::NotSent(_) => RowStatus::NotSent,
            Reply::Result(result) if self.vector.expected.matches(result, self.numbers) => RowStatus::Passed,
            Reply::Result(_) => RowStatus::Failed,
        }
    }

    /// Whether the result is as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.status() == RowStatus::Passed
    }

    /// Whether the result is not as expected. A row that was not sent has neither passed nor failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.status() == RowStatus::Failed
    }

    /// Whether the call was made, or would have been made if rows before it had been answered. It is not made where the
    /// protocol cannot carry an argument.
    #[must_use]
    pub fn was_tried(&self) -> bool {
        !matches!(self.reply, Reply::NotSent(NotSent::NotRepresentable))
    }

    /// The transport error, if there is no reply for that reason.
    #[must_use]
    pub fn transport_error(&self) -> Option<&CallError> {
        match &self.reply {
            Reply::Result(Err(error)) if error.kind.is_transport() => Some(error),
            _ => None,
        }
    }

    /// The result as a short text on one line. Where a value differs from the expected one, the place of the first
    /// difference and what is there.
    #[must_use]
    pub fn answer(&self) -> String {
        match (&self.reply, self.difference()) {
            (_, Some(Difference { path, found, .. })) if !path.is_empty() => {
                format!("{} is {found}", path.trim_start_matches(['.', ' ']))
            }
            (_, Some(difference)) => difference.found,
            (Reply::Result(Ok(value)), None) => shortened(value),
            (Reply::Result(Err(error)), _) => format!("error {error}"),
            (Reply::NotSent(reason), _) => reason.to_string(),
        }
    }

    /// The expected result as a short text on one line; of a value that differs, what was expected at the place that
    /// [`answer`](Self::answer) names.
    #[must_use]
    pub fn expected(&self) -> String {
        self.difference().map_or_else(|| self.vector.expected.to_string(), |difference| difference.expected)
    }

    fn difference(&self) -> Option<Difference> {
        match (&self.reply, &self.vector.expected) {
            (Reply::Result(Ok(found)), Expected::Value(expected)) if self.failed() => {
                Some(Difference::between(found, expected, self.numbers))
            }
            _ => None,
        }
    }
}
