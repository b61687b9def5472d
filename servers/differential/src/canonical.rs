//! The notation of values in which outcomes are compared: that of `canonical` in `servers/python/decoders.py`.

use std::fmt::Write as _;

use calculator::{Params, Value};

/// The notation of a value. Members of maps are sorted.
pub(crate) fn canonical(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(v) => v.to_string(),
        Value::Int(v) => v.to_string(),
        Value::BigInt(digits) => digits.to_string(),
        Value::Float(v) if v.is_nan() => "nan".to_owned(),
        Value::Float(v) => format!("f{:016x}", v.to_bits()),
        Value::Str(v) => text(v),
        Value::Bytes(v) => bytes(v),
        Value::DateTime(v) => format!("d{}", text(v)),
        Value::List(items) => list(items.iter().map(canonical)),
        Value::Map(members) => map(members.iter().map(|(name, value)| (text(name), canonical(value)))),
        Value::Extension(value) => format!("x{}:{}", value.number, hex(&value.data)),
    }
}

/// The notation of arguments: that of a list or a map.
pub(crate) fn canonical_params(params: &Params) -> String {
    match params {
        Params::Positional(values) => list(values.iter().map(canonical)),
        Params::Named(members) => map(members.iter().map(|(name, value)| (text(name), canonical(value)))),
    }
}

/// The notation of a string: in quotation marks, with every character but the printable ones of ASCII as a code point.
pub(crate) fn text(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => escape(&mut out, character),
            ' '..='~' => out.push(character),
            _ => escape(&mut out, character),
        }
    }
    out.push('"');
    out
}

fn escape(out: &mut String, character: char) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
}

/// The notation of octets.
pub(crate) fn bytes(value: &[u8]) -> String {
    format!("b{}", hex(value))
}

fn hex(value: &[u8]) -> String {
    let mut out = String::with_capacity(2 * value.len());
    for byte in value {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// The notation of a list, from those of its items.
pub(crate) fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

/// The notation of a map, from those of the names and values of its members.
pub(crate) fn map(members: impl IntoIterator<Item = (String, String)>) -> String {
    let mut members: Vec<_> = members.into_iter().collect();
    members.sort();
    let members: Vec<_> = members.into_iter().map(|(name, value)| format!("{name}:{value}")).collect();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notation_is_that_of_the_python_script() {
        let value = Value::map(vec![
            (
                "z".into(),
                Value::list(vec![Value::Null, Value::Bool(true), Value::Int(-1), Value::Float(2.5)]),
            ),
            ("a\"ü".into(), Value::from(vec![0, 255])),
        ]);
        assert_eq!(canonical(&value), r#"{"a\u{22}\u{fc}":b00ff,"z":[null,true,-1,f4004000000000000]}"#);
        assert_eq!(canonical(&Value::Float(-f64::NAN)), "nan");
    }
}
