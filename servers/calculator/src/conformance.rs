//! The conformance table: calls with their expected results, which every calculator server is tested with.
//!
//! All reference implementations pass the `core` rows, and only these decide whether a server may be measured. In the
//! `strict` rows some reference implementation differs: integers beyond 32 or 64 bits, kinds of errors that a peer does
//! not report, and `echo`, which is an addition of this suite.

use std::fmt;
use std::time::Instant;

use crate::document::document;
use crate::{Call, CallError, Client, Deadline, ErrorKind, Value};

/// The properties of a protocol that change what the table expects of its servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The widest integer that the protocol can carry.
    pub integer_width: IntegerWidth,
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
    /// An error of any kind, reported by the server, or by the client before sending.
    AnyError,
    /// An error of this kind.
    Error(ErrorKind),
}

impl Expected {
    /// Whether `result` is as expected. A transport error, such as a timeout, never is.
    #[must_use]
    pub fn matches(&self, result: &Result<Value, CallError>) -> bool {
        match (self, result) {
            (Expected::Value(expected), Ok(value)) => expected == value,
            (Expected::AnyError, Err(error)) => !error.kind.is_transport(),
            (Expected::Error(kind), Err(error)) => *kind == error.kind,
            _ => false,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Value(value) => write!(f, "{}", shortened(value)),
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

fn shortened(value: &Value) -> String {
    const MAX_CHARS: usize = 40;
    let text = format!("{value:?}");
    match text.char_indices().nth(MAX_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
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
    row(Level::Core, "divide", &[int(7), float(2.0)], ok(float(3.5)));
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

/// The result of a row.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The row.
    pub vector: Vector,
    /// The result of its call.
    pub result: Result<Value, CallError>,
}

impl Outcome {
    /// Whether the result is as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.vector.expected.matches(&self.result)
    }

    /// The result as a short text.
    #[must_use]
    pub fn answer(&self) -> String {
        match &self.result {
            Ok(value) => shortened(value),
            Err(error) => format!("error {error}"),
        }
    }
}

/// Makes every call of the table for `profile` sequentially, each with the full time of `deadline`. Stops after the
/// first transport error.
pub async fn run(client: &dyn Client, profile: Profile, deadline: &mut Deadline) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for vector in vectors(profile) {
        let result = deadline.within(Instant::now(), client.call(&vector.call)).await;
        // After a transport error, each further call would only wait for its deadline as well.
        let lost = result.as_ref().is_err_and(|error| error.kind.is_transport());
        outcomes.push(Outcome { vector, result });
        if lost {
            break;
        }
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Calculator, CallFuture, Service};
    use std::time::Duration;

    struct Direct(fn(&Call) -> Result<Value, CallError>);

    impl Client for Direct {
        fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
            Box::pin(async move { (self.0)(call) })
        }
    }

    async fn outcomes(answer: fn(&Call) -> Result<Value, CallError>) -> Vec<Outcome> {
        run(&Direct(answer), Profile::default(), &mut Deadline::new(Duration::from_secs(5))).await
    }

    #[tokio::test]
    async fn the_calculator_passes_every_row() {
        let outcomes = outcomes(|call| Calculator.call(&call.method, call.params.clone())).await;
        for outcome in &outcomes {
            assert!(outcome.passed(), "{}: {}", outcome.vector.title(), outcome.answer());
        }
        assert_eq!(outcomes.iter().filter(|o| o.vector.level == Level::Core).count(), 18);
        assert_eq!(outcomes.len(), 27);
    }

    #[tokio::test]
    async fn a_float_instead_of_an_integer_does_not_pass() {
        let outcomes = outcomes(|_| Ok(Value::Float(5.0))).await;
        assert!(!outcomes[0].passed());
        assert!(outcomes[1].passed());
    }

    #[tokio::test]
    async fn a_transport_error_does_not_pass_and_ends_the_table() {
        let outcomes = outcomes(|_| Err(CallError::new(ErrorKind::Undeliverable, "gone"))).await;
        assert_eq!(outcomes.len(), 1);
        assert!(!Expected::AnyError.matches(&outcomes[0].result));
    }
}
