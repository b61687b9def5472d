//! The comparison of values, and the first difference between two.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::iter::Zip;
use std::slice::Iter;

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
    /// Whether `a` equals `b`. The order of the members of a map does not matter, as in JSON.
    #[must_use]
    pub fn are_equal(self, a: &Value, b: &Value) -> bool {
        // Equal values of the same kind are the usual case: their comparison costs what it would without this type.
        a == b || self.are_equal_in_any_order(a, b)
    }

    fn are_equal_in_any_order(self, a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Int(int), Value::Float(float)) | (Value::Float(float), Value::Int(int)) => {
                self == Numbers::Any && is_same_number(*int, *float)
            }
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.are_equal_in_any_order(a, b))
            }
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len()
                    && Pairs::of(a, b).all(|(a, b)| b.is_some_and(|b| self.are_equal_in_any_order(a, b)))
            }
            _ => a == b,
        }
    }
}

type Members<'a> = Iter<'a, (Text, Value)>;

/// The values of the members of a map, each with the value of the member of the same name of another map.
enum Pairs<'a> {
    /// Both maps have the same names in the same order.
    InOrder(Zip<Members<'a>, Members<'a>>),
    /// An index of the other map: a comparison of each name with each other one would take long for large maps.
    ByName(Members<'a>, HashMap<&'a str, &'a Value>),
}

impl<'a> Pairs<'a> {
    fn of(a: &'a [(Text, Value)], b: &'a [(Text, Value)]) -> Self {
        if a.len() == b.len() && a.iter().zip(b).all(|((a, _), (b, _))| a == b) {
            return Pairs::InOrder(a.iter().zip(b));
        }
        Pairs::ByName(a.iter(), b.iter().map(|(name, value)| (name.as_str(), value)).collect())
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a Value, Option<&'a Value>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Pairs::InOrder(pairs) => pairs.next().map(|((_, a), (_, b))| (a, Some(b))),
            Pairs::ByName(members, others) => {
                members.next().map(|(name, value)| (value, others.get(name.as_str()).copied()))
            }
        }
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
                    let differs = |(_, (value, other)): &(&(Text, Value), (&Value, Option<&Value>))| {
                        other.is_some_and(|other| !numbers.are_equal(value, other))
                    };
                    let mut members = found.iter().zip(Pairs::of(found, expected));
                    if let Some(((name, _), (found, Some(expected)))) = members.find(differs) {
                        let _ = write!(path, ".{}", crate::printable(name));
                        Some((found, expected))
                    } else {
                        return Self::of_names(path, found, expected);
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

    /// Two maps with different names: the first name that only the one or the other has.
    fn of_names(path: String, found: &[(Text, Value)], expected: &[(Text, Value)]) -> Self {
        fn only<'a>(of: &'a [(Text, Value)], other: &'a [(Text, Value)]) -> Option<&'a str> {
            let mut members = of.iter().zip(Pairs::of(of, other));
            members.find(|(_, (_, other))| other.is_none()).map(|((name, _), _)| name.as_str())
        }
        let (Some(name), Some(expected_name)) = (only(found, expected), only(expected, found)) else {
            return Self::of_lengths(path, "members", found.len(), expected.len());
        };
        let Difference { path, found, expected } = Self::of_texts(path, name, expected_name);
        let member = |name| format!("the member {name}");
        Difference { path, found: member(found), expected: member(expected) }
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
