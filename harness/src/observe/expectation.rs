//! What the answer to a call must be.

use std::fmt;

use calculator::conformance::Numbers;
use calculator::{CallError, ErrorKind, Value, shortened};

use super::pointer::Pointer;

/// The maximum number of characters of a value in a message.
const MAX_SHOWN_CHARS: usize = 200;

/// What the answer to a call must be, so that it counts as right.
#[derive(Clone, Debug, PartialEq)]
pub enum Expectation {
    /// This result.
    Value(Value),
    /// A result with this value at the place that the pointer names.
    At {
        /// The place.
        pointer: Pointer,
        /// The value.
        equals: Value,
    },
    /// A response with this HTTP status. The client compares it, and returns an error for any other.
    Status(u16),
    /// An error of this kind.
    Error(ErrorKind),
    /// Any result: it is not checked.
    AnyResult,
}

impl Expectation {
    /// Whether `result` is as expected. `numbers` is how numbers are compared.
    #[must_use]
    pub fn is_met_by(&self, result: &Result<Value, CallError>, numbers: Numbers) -> bool {
        match (self, result) {
            (Expectation::Value(expected), Ok(value)) => numbers.are_equal(value, expected),
            (Expectation::At { pointer, equals }, Ok(value)) => {
                pointer.find(value).is_some_and(|found| numbers.are_equal(found, equals))
            }
            (Expectation::Status(_) | Expectation::AnyResult, Ok(_)) => true,
            (Expectation::Error(kind), Err(error)) => error.kind == *kind,
            _ => false,
        }
    }

    /// The whole result, where it is known.
    #[must_use]
    pub fn value(&self) -> Option<&Value> {
        match self {
            Expectation::Value(value) => Some(value),
            _ => None,
        }
    }
}

/// The expectation of exactly this outcome: the value, or an error of the same kind.
impl From<Result<Value, CallError>> for Expectation {
    fn from(outcome: Result<Value, CallError>) -> Self {
        match outcome {
            Ok(value) => Expectation::Value(value),
            Err(error) => Expectation::Error(error.kind),
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expectation::Value(value) => write!(f, "the result {}", shown(value)),
            Expectation::At { pointer, equals } => write!(f, "{} at {pointer}", shown(equals)),
            Expectation::Status(status) => write!(f, "status {status}"),
            Expectation::Error(kind) => write!(f, "an error of the kind {kind}"),
            Expectation::AnyResult => f.write_str("a result"),
        }
    }
}

/// `value` for a message, shortened.
pub(crate) fn shown(value: &Value) -> String {
    shortened(&format!("{value:?}"), MAX_SHOWN_CHARS).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_expectation_accepts_what_it_names_and_nothing_else() {
        let error = |kind| Err(CallError::new(kind, "m"));
        let ann = Value::map(vec![("name".into(), "Ann".into()), ("id".into(), Value::Int(7))]);
        let at = |pointer: &str, equals: Value| Expectation::At { pointer: pointer.parse().unwrap(), equals };
        for (expectation, met, not_met) in [
            (Expectation::Value(Value::Int(5)), Ok(Value::Int(5)), Ok(Value::Float(5.0))),
            (at("/name", "Ann".into()), Ok(ann.clone()), Ok(Value::Null)),
            (at("/id", Value::Int(7)), Ok(ann.clone()), error(ErrorKind::Internal)),
            (Expectation::Status(404), Ok(Value::Null), error(ErrorKind::UnknownMethod)),
            (Expectation::Error(ErrorKind::UnknownMethod), error(ErrorKind::UnknownMethod), Ok(ann.clone())),
            (Expectation::Error(ErrorKind::Overflow), error(ErrorKind::Overflow), error(ErrorKind::Internal)),
            (Expectation::AnyResult, Ok(Value::Null), error(ErrorKind::Internal)),
        ] {
            assert!(expectation.is_met_by(&met, Numbers::Exact), "{expectation}: {met:?}");
            assert!(!expectation.is_met_by(&not_met, Numbers::Exact), "{expectation}: {not_met:?}");
        }
        // As the parser of TOML has them: sorted by their names.
        let sorted = Value::map(vec![("id".into(), Value::Int(7)), ("name".into(), "Ann".into())]);
        for numbers in [Numbers::Exact, Numbers::Any] {
            assert!(Expectation::Value(sorted.clone()).is_met_by(&Ok(ann.clone()), numbers));
            assert!(at("", sorted.clone()).is_met_by(&Ok(ann.clone()), numbers));
        }
        assert!(at("/id", Value::Float(7.0)).is_met_by(&Ok(ann.clone()), Numbers::Any));
        assert!(!at("/id", Value::Float(7.0)).is_met_by(&Ok(ann), Numbers::Exact));
    }
}
