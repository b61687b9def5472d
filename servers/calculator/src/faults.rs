//! Faults that a server injects on request, to test the harness against known answers.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use crate::Value;

/// The faults that a server injects. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Each call waits for this time before it is executed.
    pub delay: Option<Duration>,
    /// Each call keeps its core busy for this time.
    pub cpu: Option<Duration>,
    /// The server stalls periodically.
    pub stall: Option<Stall>,
    /// Every n-th call fails.
    pub fail: Option<OneIn>,
    /// Every n-th call gets a wrong answer.
    pub wrong: Option<OneIn>,
}

impl Faults {
    /// Whether no fault is set.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Faults::default()
    }
}

/// A stall of `length` at every multiple of `period` (start to start), written `100ms/1s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// The duration of a stall.
    pub length: Duration,
    /// The time from the start of a stall to the start of the next.
    pub period: Duration,
}

impl Stall {
    /// The remaining time of the stall at `elapsed` since the server's start; `None` between stalls. The first stall
    /// begins one period after the start.
    #[must_use]
    pub fn remaining(&self, elapsed: Duration) -> Option<Duration> {
        if elapsed < self.period {
            return None;
        }
        let into = elapsed.as_nanos() % self.period.as_nanos();
        let left = self.length.as_nanos().checked_sub(into).filter(|left| *left > 0)?;
        u64::try_from(left).ok().map(Duration::from_nanos)
    }
}

impl FromStr for Stall {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (length, period) = text.split_once('/').ok_or("expected LENGTH/PERIOD, for example 100ms/1s")?;
        let duration = |text| crate::parse_duration(text).map_err(|error| error.to_string());
        let stall = Stall { length: duration(length)?, period: duration(period)? };
        if stall.length.is_zero() || stall.length >= stall.period {
            return Err("a stall must be longer than zero and shorter than its period".to_owned());
        }
        Ok(stall)
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", humantime::format_duration(self.length), humantime::format_duration(self.period))
    }
}

/// Every n-th call, written `1/N`, beginning with the n-th.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneIn(pub NonZeroU32);

impl OneIn {
    /// Whether the call with this number, counted from 0, is one of them.
    #[must_use]
    pub fn hits(&self, number: u64) -> bool {
        let n = u64::from(self.0.get());
        number % n == n - 1
    }
}

impl FromStr for OneIn {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("1/")
            .and_then(|n| n.parse().ok())
            .map(OneIn)
            .ok_or("expected 1/N, for example 1/10")
    }
}

impl fmt::Display for OneIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1/{}", self.0)
    }
}

/// A value that differs from `value`, of the same kind if possible.
pub(crate) fn wrong_answer(value: Value) -> Value {
    match value {
        Value::Int(v) => Value::Int(v.wrapping_add(1)),
        Value::Float(v) => Value::Float(if v == 0.0 { 1.0 } else { -v }),
        Value::Bool(v) => Value::Bool(!v),
        Value::Str(v) => Value::Str(v + "!"),
        Value::List(items) => Value::List(items.into_iter().chain([Value::Bool(true)]).collect()),
        Value::Null
        | Value::BigInt(_)
        | Value::Bytes(_)
        | Value::DateTime(_)
        | Value::Extension(_)
        | Value::Map(_) => Value::Bool(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stalls_begin_at_multiples_of_the_period() {
        let stall: Stall = "100ms/1s".parse().unwrap();
        let at = |ms| stall.remaining(Duration::from_millis(ms)).map(|left| left.as_millis());
        assert_eq!([at(0), at(50), at(999)], [None; 3]);
        assert_eq!([at(1_000), at(1_060), at(7_099)], [Some(100), Some(40), Some(1)]);
        assert_eq!([at(1_100), at(1_999)], [None; 2]);
    }

    #[test]
    fn one_in_n_selects_exactly_that_share() {
        let one: OneIn = "1/10".parse().unwrap();
        assert_eq!((0..1_000).filter(|number| one.hits(*number)).count(), 100);
        assert!(one.hits(9) && !one.hits(0));
    }

    #[test]
    fn rejects_invalid_notation() {
        for text in ["", "100ms", "1s/1s", "2s/1s", "0s/1s", "x/y"] {
            assert!(text.parse::<Stall>().is_err(), "{text}");
        }
        for text in ["", "10", "1/0", "1/-3", "2/10"] {
            assert!(text.parse::<OneIn>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_wrong_answer_differs_from_the_right_one() {
        for value in [
            Value::Null,
            Value::Bool(false),
            Value::Bool(true),
            Value::Int(i64::MAX),
            Value::Float(0.0),
            Value::Float(1e300),
            Value::from(""),
            Value::list([]),
            Value::Map(Box::default()),
        ] {
            assert_ne!(wrong_answer(value.clone()), value);
        }
    }
}
