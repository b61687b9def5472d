//! The conformance table: calls with their expected results, which every calculator server is tested with.
//!
//! All reference implementations pass the `core` rows, and only these decide whether a server may be measured. In the
//! `strict` rows some reference implementation differs: integers beyond 32 or 64 bits, kinds of errors that a peer does
//! not report, and `echo`, which is an addition of this suite.

mod compare;
mod outcome;
mod run;

use std::fmt;

pub use compare::Numbers;
pub use outcome::{NotSent, Outcome, Reply, RowStatus};
pub use run::{MAX_UNANSWERED, MAX_UNANSWERED_AT_START, run, run_reconnecting};

use crate::document::document;
use crate::{Call, CallError, ErrorKind, Value};

/// The properties of a protocol, and of a peer, that change what the table expects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The widest integer that the protocol can carry.
    pub integer_width: IntegerWidth,
    /// How numbers are compared.
    pub numbers: Numbers,
}

impl Profile {
    /// Whether the protocol can carry every argument of `call`.
    #[must_use]
    pub fn carries(&self, call: &Call) -> bool {
        let exceeds = |value: &Value| match value {
            Value::Int(v) => self.integer_width == IntegerWidth::Bits32 && i32::try_from(*v).is_err(),
            _ => false,
        };
        !call.params.values().any(|value| value.any(exceeds))
    }
}

/// The width of a signed integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IntegerWidth {
    /// 32 bits, as XML-RPC's `<int>`.
    Bits32,
    /// 64 bits, the calculator's own width.
    #[default]
    Bits64,
}

/// Whether every server must pass a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Required of a server that is to be measured; all reference implementations pass it.
    Core,
    /// Not required; some reference implementation fails it.
    Strict,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Core => "core",
            Level::Strict => "strict",
        })
    }
}

/// The expected result of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// This value, of this kind.
    Value(Value),
    /// One of two values: a peer with one type of numbers cannot know which of them is meant.
    Either(Value, Value),
    /// An error of any kind, reported by the server, or by the client before sending.
    AnyError,
    /// An error of this kind.
    Error(ErrorKind),
}

impl Expected {
    /// Whether `result` is as expected. A transport error, such as a timeout, never is.
    #[must_use]
    pub fn matches(&self, result: &Result<Value, CallError>, numbers: Numbers) -> bool {
        match (self, result) {
            (Expected::Value(expected), Ok(value)) => numbers.are_equal(value, expected),
            (Expected::Either(one, other), Ok(value)) => {
                numbers.are_equal(value, one) || numbers.are_equal(value, other)
            }
            (Expected::AnyError, Err(error)) => !error.kind.is_transport(),
            (Expected::Error(kind), Err(error)) => *kind == error.kind,
            _ => false,
        }
    }

    /// Whether a value is expected, and not an error.
    #[must_use]
    pub fn is_value(&self) -> bool {
        matches!(self, Expected::Value(_) | Expected::Either(..))
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Value(value) => f.write_str(&shortened(value)),
            Expected::Either(one, other) => write!(f, "{} or {}", shortened(one), shortened(other)),
            Expected::AnyError => f.write_str("an error"),
            Expected::Error(kind) => write!(f, "error {kind}"),
        }
    }
}

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Vector {
    /// Whether every server must pass it.
    pub level: Level,
    /// The call.
    pub call: Call,
    /// Its expected result.
    pub expected: Expected,
}

impl Vector {
    /// The call in the notation of a function call, with long arguments shortened.
    #[must_use]
    pub fn title(&self) -> String {
        let arguments: Vec<_> = self.call.params.values().map(shortened).collect();
        format!("{}({})", self.call.method, arguments.join(", "))
    }
}

/// `value` on one line, cut after so many characters that a row of a table has room for it.
fn shortened(value: &Value) -> String {
    const MAX_CHARS: usize = 40;
    // The debug form of strings escapes what is not printable.
    let text = format!("{value:?}");
    crate::shortened(&text, MAX_CHARS).into_owned()
}

/// The table for a protocol with this `profile`. The calls are the same for every protocol; an expectation differs
/// only where the profile says that the protocol cannot carry the result.
#[must_use]
pub fn vectors(profile: Profile) -> Vec<Vector> {
    let int = Value::Int;
    let float = Value::Float;
    let mut rows = Vec::new();
    let mut row = |level, method: &'static str, values: &[Value], expected| {
        rows.push(Vector { level, call: Call::positional(method, values.iter().cloned()), expected });
    };
    let ok = |value: Value| Expected::Value(value);

    row(Level::Core, "add", &[int(2), int(3)], ok(int(5)));
    row(Level::Core, "add", &[int(2), float(3.0)], ok(float(5.0)));
    row(Level::Core, "multiply", &[int(-4), int(5)], ok(int(-20)));
    row(Level::Core, "multiply", &[float(0.1), int(3)], ok(float(0.300_000_000_000_000_04)));
    row(Level::Core, "subtract", &[int(3), int(10)], ok(int(7)));
    row(Level::Core, "subtract", &[int(10), int(3)], ok(int(7)));
    row(Level::Core, "subtract", &[float(1.5), int(2)], ok(float(0.5)));
    row(Level::Core, "divide", &[int(2), int(3)], ok(int(0)));
    row(Level::Core, "divide", &[int(-7), int(2)], ok(int(-4)));
    let quotient = match profile.numbers {
        Numbers::Exact => ok(float(3.5)),
        // Such a peer receives 7 and 2, whose quotient is rounded down.
        Numbers::Any => Expected::Either(float(3.5), int(3)),
    };
    row(Level::Core, "divide", &[int(7), float(2.0)], quotient);
    row(Level::Core, "hello", &["".into()], ok("hello, ".into()));
    row(Level::Core, "hello", &["zürich <&> 😀".into()], ok("hello, zürich <&> 😀".into()));

    for (method, values, kind) in [
        ("divide", vec![int(1), int(0)], ErrorKind::ZeroDivision),
        ("divide", vec![float(1.0), float(0.0)], ErrorKind::ZeroDivision),
        ("add", vec![int(1)], ErrorKind::InvalidArguments),
        ("add", vec![int(1), int(2), int(3)], ErrorKind::InvalidArguments),
        ("nosuch", vec![], ErrorKind::UnknownMethod),
        ("_private", vec![], ErrorKind::UnknownMethod),
    ] {
        row(Level::Core, method, &values, Expected::AnyError);
        row(Level::Strict, method, &values, Expected::Error(kind));
    }

    let beyond_32_bits = match profile.integer_width {
        IntegerWidth::Bits32 => Expected::Error(ErrorKind::Overflow),
        IntegerWidth::Bits64 => ok(int(2_147_483_648)),
    };
    row(Level::Strict, "add", &[int(2_147_483_647), int(1)], beyond_32_bits);
    row(Level::Strict, "multiply", &[int(i64::MAX), int(2)], Expected::Error(ErrorKind::Overflow));
    let echoed = document(1, 2_000);
    row(Level::Strict, "echo", std::slice::from_ref(&echoed), ok(echoed.clone()));
    rows
}

#[cfg(test)]
mod tests;
