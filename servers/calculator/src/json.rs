//! The JSON form of values, shared by the protocols that use JSON.
//!
//! A number with `.` or an exponent is a float, any other is an integer. Floats are always written with one of the two,
//! so that `5.0` does not come back as `5`. A value that JSON cannot represent is an error; it is never altered.

use std::marker::PhantomData;

use serde::de::Error as _;
use serde_json::value::RawValue;

use crate::{CallError, ErrorKind, FormatLengths, Limits, Text, Value};

/// A number has some 9 digits, and a comma; a string has quotation marks instead, a member also a colon.
const LENGTHS: FormatLengths = FormatLengths { scalar: 10, container: 3, member: 3 };

/// Inside a JSON string: each quotation mark has a backslash. That of a string is within the length of a number.
const ESCAPED_LENGTHS: FormatLengths = FormatLengths { member: 5, ..LENGTHS };

/// Estimates the length of a list or a map in compact JSON. 0 for any other value, as
/// [`Value::estimated_length`].
#[must_use]
pub fn estimated_length(value: &Value) -> usize {
    value.estimated_length(&LENGTHS)
}

/// [`estimated_length`] for JSON that becomes the content of a JSON string, in which it is escaped.
#[must_use]
pub fn estimated_escaped_length(value: &Value) -> usize {
    value.estimated_length(&ESCAPED_LENGTHS)
}

/// Appends `value` to `out` as compact JSON.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`] for NaN, infinities, bytes and dates; [`ErrorKind::Overflow`] for an integer beyond
/// 64 bits. `out` is then unchanged.
pub fn write(out: &mut Vec<u8>, value: &Value) -> Result<(), CallError> {
    check_representable(value)?;
    out.reserve(estimated_length(value));
    serde_json::to_writer(out, value).map_err(|error| CallError::new(ErrorKind::Internal, error.to_string()))
}

/// Appends `text` to `out` as a JSON string.
pub fn write_str(out: &mut Vec<u8>, text: &str) {
    // Writing to memory cannot fail, and JSON can represent any string.
    let _ = serde_json::to_writer(out, text);
}

/// Checks that JSON can represent `value`.
///
/// # Errors
/// As [`write()`].
pub fn check_representable(value: &Value) -> Result<(), CallError> {
    let mut found = None;
    value.any(|value| {
        found = match value {
            Value::Float(v) if !v.is_finite() => {
                Some((ErrorKind::NotRepresentable, format!("JSON cannot represent the float {v}")))
            }
            Value::Bytes(_) | Value::DateTime(_) | Value::Extension(_) => {
                Some((ErrorKind::NotRepresentable, format!("JSON cannot represent {}", value.kind())))
            }
            Value::BigInt(digits) => {
                Some((ErrorKind::Overflow, format!("the integer {digits} exceeds 64 bits")))
            }
            _ => None,
        };
        found.is_some()
    });
    found.map_or(Ok(()), |(kind, message)| Err(CallError::new(kind, message)))
}

/// Parses `text` as exactly one JSON value.
///
/// # Errors
/// [`ErrorKind::Malformed`] for text that is not JSON, including a byte order mark or NaN;
/// [`ErrorKind::TooLarge`] for nesting deeper than `limits` allow.
pub fn read(text: &[u8], limits: &Limits) -> Result<Value, CallError> {
    check_depth(text, limits)?;
    let value = serde_json::from_slice(text).map_err(malformed)?;
    Ok(reparse_exactly(text, [&value])?.unwrap_or(value))
}

/// Parses `text` as the members of exactly one JSON object, in a list that can be taken apart. Names may be repeated.
///
/// # Errors
/// As [`read()`]; [`ErrorKind::Malformed`] for any other value.
pub fn read_members(text: &[u8], limits: &Limits) -> Result<Vec<(Text, Value)>, CallError> {
    if !text.trim_ascii_start().starts_with(b"{") {
        let message = format!("a JSON object is expected, not {}", read(text, limits)?.kind());
        return Err(CallError::new(ErrorKind::Malformed, message));
    }
    check_depth(text, limits)?;
    let Members(members) = serde_json::from_slice(text).map_err(malformed)?;
    match reparse_exactly(text, members.iter().map(|(_, value)| value))? {
        Some(Value::Map(exact)) => Ok(exact.into_vec()),
        _ => Ok(members),
    }
}

/// Parses the whole of `text` again, with every integer kept exactly, if the parser turned an integer into one of the
/// floats in `parsed`. Otherwise, which is nearly always, returns `None`.
///
/// serde_json silently reads `-0` and integers beyond 64 bits as floats. A decoder that deserializes a message into
/// another type than [`Value`] calls this with the parsed values, and replaces them if there is a result. The nesting
/// of `text` must have been [checked](check_depth) before.
///
/// # Errors
/// [`ErrorKind::Malformed`] for text that is not JSON.
pub fn reparse_exactly<'a>(
    text: &[u8],
    parsed: impl IntoIterator<Item = &'a Value>,
) -> Result<Option<Value>, CallError> {
    if !parsed.into_iter().any(may_hold_misread_integer) || !has_misread_integer(text) {
        return Ok(None);
    }
    serde_json::from_slice::<&RawValue>(text).and_then(parse_exactly).map(Some).map_err(malformed)
}

fn malformed(error: serde_json::Error) -> CallError {
    CallError::new(ErrorKind::Malformed, format!("not JSON: {error}"))
}

/// Checks that `text` is not nested deeper than the limit, without building anything from it.
///
/// # Errors
/// [`ErrorKind::TooLarge`].
pub fn check_depth(text: &[u8], limits: &Limits) -> Result<(), CallError> {
    // Each level takes at least its two brackets.
    if text.len() / 2 <= limits.max_depth {
        return Ok(());
    }
    // Nor can there be more levels than opening brackets, which are quickly counted.
    if text.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() <= limits.max_depth {
        return Ok(());
    }
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for &byte in text {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    if deepest > limits.max_depth {
        let message = format!("{deepest} nested levels; the limit is {}", limits.max_depth);
        return Err(CallError::new(ErrorKind::TooLarge, message));
    }
    Ok(())
}

/// Whether `value` holds a float that the parser may have converted from an integer.
fn may_hold_misread_integer(value: &Value) -> bool {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    value.any(|value| match value {
        Value::Float(v) => v.abs() >= TWO_TO_63 || (*v == 0.0 && v.is_sign_negative()),
        _ => false,
    })
}

/// Whether `text` holds an integer literal that the parser reads as a float. Slower than [`may_hold_misread_integer`],
/// so it is only called if that returned true.
fn has_misread_integer(text: &[u8]) -> bool {
    let mut at = 0;
    let mut in_string = false;
    while at < text.len() {
        match text[at] {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'-' | b'0'..=b'9' if !in_string => {
                let end = text[at..]
                    .iter()
                    .position(|b| !matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
                    .map_or(text.len(), |length| at + length);
                let literal = str::from_utf8(&text[at..end]).unwrap_or_default();
                if is_integer(literal) && (literal == "-0" || literal.parse::<i64>().is_err()) {
                    return true;
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    false
}

fn is_integer(literal: &str) -> bool {
    !literal.contains(['.', 'e', 'E'])
}

/// Parses a value literal by literal, so that every integer keeps its digits. Slower than the usual path.
fn parse_exactly(raw: &RawValue) -> Result<Value, serde_json::Error> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            items.into_iter().map(parse_exactly).collect::<Result<_, _>>().map(Value::List)
        }
        Some(b'{') => {
            let Members::<&RawValue>(members) = serde_json::from_str(text)?;
            let members = members
                .into_iter()
                .map(|(name, raw)| Ok((name, parse_exactly(raw)?)))
                .collect::<Result<_, serde_json::Error>>()?;
            Ok(Value::map(members))
        }
        Some(b'-' | b'0'..=b'9') if is_integer(text) => {
            Ok(text.parse().map_or_else(|_| Value::BigInt(text.into()), Value::Int))
        }
        Some(_) => serde_json::from_str(text),
        None => Err(serde_json::Error::custom("empty value")),
    }
}

/// The string literal at the beginning of `text`, with its quotation marks; `None` if it has no end. The first character
/// must be a quotation mark.
#[must_use]
pub fn string_literal(text: &str) -> Option<&str> {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    text.get(..end + 2)
}

/// The members of an object in their order. Names may be repeated. A value of type [`RawValue`] is not parsed yet.
pub struct Members<T>(pub Vec<(Text, T)>);

impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for Members<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);
        impl<'de, T: serde::Deserialize<'de>> serde::de::Visitor<'de> for Visitor<T> {
            type Value = Members<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members<T>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Extension;
    use crate::strategies::json_values;
    use proptest::prelude::*;

    fn read_str(text: &str) -> Result<Value, ErrorKind> {
        read(text.as_bytes(), &Limits::default()).map_err(|error| error.kind)
    }

    fn written(value: &Value) -> String {
        let mut out = Vec::new();
        write(&mut out, value).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_number_literal_determines_the_kind_of_its_value() {
        assert_eq!(read_str("5"), Ok(Value::Int(5)));
        assert_eq!(read_str("-0"), Ok(Value::Int(0)));
        assert_eq!(read_str("5.0"), Ok(Value::Float(5.0)));
        assert_eq!(read_str("5e0"), Ok(Value::Float(5.0)));
        assert_eq!(written(&Value::Float(5.0)), "5.0");
        assert_eq!(written(&Value::Float(1e300)), "1e+300");
        assert_eq!(written(&Value::Float(-0.0)), "-0.0");
    }

    #[test]
    fn integers_beyond_64_bits_keep_their_digits() {
        let big = |digits: &str| Value::BigInt(digits.into());
        assert_eq!(read_str("18446744073709551616"), Ok(big("18446744073709551616")));
        assert_eq!(read_str("-9223372036854775809"), Ok(big("-9223372036854775809")));
        assert_eq!(read_str("1e30"), Ok(Value::Float(1e30)));
        assert_eq!(
            read_str(r#"{"a":[1e30,"7\"",184467440737095516160],"b":2}"#),
            Ok(Value::map(vec![
                (
                    "a".into(),
                    Value::list(vec![Value::Float(1e30), Value::from("7\""), big("184467440737095516160")])
                ),
                ("b".into(), Value::Int(2)),
            ]))
        );
        // Digits inside a string are not a number.
        assert_eq!(
            read_str(r#"["99999999999999999999", 1e30]"#),
            Ok(Value::list(vec![Value::from("99999999999999999999"), Value::Float(1e30)]))
        );
    }

    #[test]
    fn rejects_values_that_json_cannot_represent() {
        for (value, kind) in [
            (Value::Float(f64::NAN), ErrorKind::NotRepresentable),
            (Value::Float(f64::NEG_INFINITY), ErrorKind::NotRepresentable),
            (Value::from(vec![1]), ErrorKind::NotRepresentable),
            (Value::DateTime("19980717T14:08:55".into()), ErrorKind::NotRepresentable),
            (
                Value::Extension(Box::new(Extension { number: -1, data: vec![0; 4] })),
                ErrorKind::NotRepresentable,
            ),
            (Value::BigInt("9223372036854775808".into()), ErrorKind::Overflow),
        ] {
            let nested = Value::list(vec![Value::map(vec![("x".into(), value)])]);
            let mut out = b"kept".to_vec();
            assert_eq!(write(&mut out, &nested).unwrap_err().kind, kind);
            assert_eq!(out, b"kept");
        }
    }

    #[test]
    fn distinguishes_malformed_from_too_deeply_nested_text() {
        for text in ["", "nul", "NaN", "-Infinity", "1e400", "[1", "1 2", "\u{feff}1", "{\"a\"}", "'a'"] {
            assert_eq!(read_str(text), Err(ErrorKind::Malformed), "{text}");
        }
        let deep = |levels| "[".repeat(levels) + &"]".repeat(levels);
        assert!(read_str(&deep(64)).is_ok());
        assert_eq!(read_str(&deep(65)), Err(ErrorKind::TooLarge));
        assert_eq!(read_str(&deep(100_000)), Err(ErrorKind::TooLarge));
        let brackets_in_a_string = format!("\"{}\"", "[\\\"".repeat(200));
        assert!(read_str(&brackets_in_a_string).is_ok());
    }

    #[test]
    fn the_last_member_with_a_name_wins() {
        assert_eq!(read_str(r#"{"a":1,"a":2}"#), Ok(Value::map(vec![("a".into(), Value::Int(2))])));
    }

    #[test]
    fn the_buffer_of_a_document_does_not_grow() {
        let document = crate::document::document(1, 64 << 10);
        let text = written(&document);
        let escaped = serde_json::to_string(&text).unwrap();
        for (estimated, length) in [
            (estimated_length(&document), text.len()),
            (estimated_escaped_length(&document), escaped.len() - 2),
        ] {
            assert!((length..length * 3 / 2).contains(&estimated), "{estimated} estimated, {length} written");
        }
        assert_eq!(estimated_length(&Value::from("long".repeat(100))), 0);
    }

    proptest! {
        #[test]
        fn written_values_are_read_back(value in json_values()) {
            prop_assert_eq!(read(written(&value).as_bytes(), &Limits::default()).unwrap(), value);
        }

        #[test]
        fn any_bytes_are_parsed_or_rejected_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, &Limits::default());
        }
    }
}
