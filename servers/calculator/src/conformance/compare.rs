//! The comparison of values, and the first difference between two.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::shortened;
use crate::{Text, Value};

/// How numbers are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Numbers {
    /// By kind and value: 5 and 5.0 differ.
    #[default]
    Exact,
    /// By value: 5 and 5.0 are equal. For peers in languages with one type of numbers.
    Any,
}

impl Numbers {
    /// Whether `a` equals `b`.
    #[must_use]
    pub fn are_equal(self, a: &Value, b: &Value) -> bool {
        // Equal values of the same kind are the usual case: their comparison costs what it would without this type.
        a == b || (self == Numbers::Any && equal_by_value(a, b))
    }
}

fn equal_by_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Int(int), Value::Float(float)) | (Value::Float(float), Value::Int(int)) => {
            is_same_number(*int, *float)
        }
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal_by_value(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            let mut pairs = a.iter().zip(b);
            a.len() == b.len() && pairs.all(|((a, x), (b, y))| a == b && equal_by_value(x, y))
        }
        _ => a == b,
    }
}

/// Whether the integer and the float are the same number, without rounding of either.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::float_cmp)]
fn is_same_number(int: i64, float: f64) -> bool {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    // At 2⁶³ the conversion back saturates, which would make i64::MAX equal to it.
    (-LIMIT..LIMIT).contains(&float) && float as i64 == int && int as f64 == float
}

/// The first place at which two values differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// The path from the whole value, such as `[3].name`; empty for the whole.
    pub(super) path: String,
    /// What is there.
    pub(super) found: String,
    /// What was expected there.
    pub(super) expected: String,
}

impl Difference {
    /// The first difference between `found` and `expected`, which differ.
    pub(super) fn between(found: &Value, expected: &Value, numbers: Numbers) -> Self {
        let (mut found, mut expected) = (found, expected);
        let mut path = String::new();
        // Each step enters one level of both values.
        loop {
            let next = match (found, expected) {
                (Value::List(found), Value::List(expected)) => {
                    let differs = |(a, b): &(&Value, &Value)| !numbers.are_equal(a, b);
                    match found.iter().zip(expected).enumerate().find(|(_, pair)| differs(pair)) {
                        Some((index, pair)) => {
                            let _ = write!(path, "[{index}]");
                            Some(pair)
                        }
                        None => return Self::of_lengths(path, "items", found.len(), expected.len()),
                    }
                }
                (Value::Map(found), Value::Map(expected)) => {
                    let differs = |((a, x), (b, y)): &(&(Text, Value), &(Text, Value))| {
                        a != b || !numbers.are_equal(x, y)
                    };
                    match found.iter().zip(expected).find(differs) {
                        Some(((name, found), (expected_name, expected))) if name == expected_name => {
                            let _ = write!(path, ".{}", crate::printable(name));
                            Some((found, expected))
                        }
                        Some(((name, _), (expected_name, _))) => {
                            let Difference { path, found, expected } =
                                Self::of_texts(path, name, expected_name);
                            let member = |name| format!("the member {name}");
                            return Difference { path, found: member(found), expected: member(expected) };
                        }
                        None => return Self::of_lengths(path, "members", found.len(), expected.len()),
                    }
                }
                (Value::Str(found), Value::Str(expected)) => return Self::of_texts(path, found, expected),
                _ => None,
            };
            match next {
                Some(pair) => (found, expected) = pair,
                None => {
                    return Difference { path, found: shortened(found), expected: shortened(expected) };
                }
            }
        }
    }

    fn of_lengths(path: String, what: &str, found: usize, expected: usize) -> Self {
        Difference { path, found: format!("{found} {what}"), expected: format!("{expected} {what}") }
    }

    /// Two texts from shortly before their first difference on, if that is far from their start.
    fn of_texts(mut path: String, found: &str, expected: &str) -> Self {
        const CONTEXT: usize = 8;
        let same = found.chars().zip(expected.chars()).take_while(|(a, b)| a == b).count();
        let skipped = if same > 2 * CONTEXT { same - CONTEXT } else { 0 };
        if skipped > 0 {
            let _ = write!(path, " from character {skipped} on");
        }
        let rest = |text: &str| shortened(&Value::Str(text.chars().skip(skipped).collect()));
        Difference { path, found: rest(found), expected: rest(expected) }
    }
}
