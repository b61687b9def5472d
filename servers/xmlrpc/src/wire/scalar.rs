//! Decodes the elements that hold a single value as text.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use calculator::Value;

use super::error::DecodeError;

/// The elements that hold a single value as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Int,
    Boolean,
    Double,
    String,
    Nil,
    Base64,
    DateTime,
}

impl Scalar {
    /// The scalar with this tag, which must not have a prefix.
    pub(super) fn from_tag(tag: &str) -> Option<Self> {
        Some(match tag {
            "int" | "i4" | "i8" | "i1" | "i2" | "biginteger" => Scalar::Int,
            "boolean" => Scalar::Boolean,
            "double" | "float" => Scalar::Double,
            "string" => Scalar::String,
            "nil" => Scalar::Nil,
            "base64" => Scalar::Base64,
            "dateTime.iso8601" => Scalar::DateTime,
            _ => return None,
        })
    }

    /// Decodes the text of an element, by CPython's rules.
    pub(super) fn decode(self, text: Cow<'_, str>) -> Result<Value, DecodeError> {
        match self {
            Scalar::Int => int(&text),
            Scalar::Boolean => match &*text {
                "0" => Ok(Value::Bool(false)),
                "1" => Ok(Value::Bool(true)),
                _ => Err(DecodeError::Boolean),
            },
            Scalar::Double => double(&text),
            Scalar::String => Ok(Value::from(&*text)),
            // Neither checked nor converted, as in CPython.
            Scalar::DateTime => Ok(Value::DateTime(text.into())),
            Scalar::Nil => Ok(Value::Null),
            Scalar::Base64 => base64(text.as_bytes()),
        }
    }
}

/// The maximum number of decimal digits of an integer: the default of Python (`sys.int_info.default_max_str_digits`).
const MAX_DIGITS: usize = 4_300;

/// Parses an integer as Python's `int()` does: a decimal of any length, with optional white space around it and
/// underscores between digits.
fn int(text: &str) -> Result<Value, DecodeError> {
    if let Ok(int) = text.parse() {
        return Ok(Value::Int(int));
    }
    let invalid = || DecodeError::Number(shortened(text));
    let digits = without_underscores(text.trim()).ok_or_else(invalid)?;
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits.strip_prefix('+').unwrap_or(&digits)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid());
    }
    if digits.len() > MAX_DIGITS {
        return Err(DecodeError::TooLarge {
            what: "digits of an integer",
            found: digits.len(),
            limit: MAX_DIGITS,
        });
    }
    let digits = format!("{sign}{}", digits.trim_start_matches('0'));
    Ok(match digits.as_str() {
        "" | "-" => Value::Int(0),
        _ => digits.parse().map_or_else(|_| Value::BigInt(digits.into()), Value::Int),
    })
}

/// Parses a float as Python's `float()` does: also `inf`, `infinity` and `nan` in any case, with optional white space
/// around it and underscores between digits.
fn double(text: &str) -> Result<Value, DecodeError> {
    let plain = text.trim();
    without_underscores(plain)
        .and_then(|digits| digits.parse().ok())
        .map(Value::Float)
        .ok_or_else(|| DecodeError::Number(shortened(text)))
}

/// The text without its underscores; `None` if one of them is not between two digits.
fn without_underscores(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('_') {
        return Some(Cow::Borrowed(text));
    }
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let between_digits =
        |at: usize| digit(at.checked_sub(1).and_then(|i| bytes.get(i))) && digit(bytes.get(at + 1));
    let valid = bytes.iter().enumerate().all(|(at, byte)| *byte != b'_' || between_digits(at));
    valid.then(|| Cow::Owned(text.replace('_', "")))
}

/// The beginning of a peer's text, for an error message.
fn shortened(text: &str) -> String {
    const MAX_CHARS: usize = 40;
    calculator::shortened(text, MAX_CHARS).into_owned()
}

/// Drops surplus bits at the end and does not require padding, which `base64` has already checked.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes base64 as CPython's `binascii.a2b_base64` does: ASCII characters outside the alphabet are skipped, as RFC 2045
/// (§ 6.8) requires, and anything after complete padding is ignored.
fn base64(text: &[u8]) -> Result<Value, DecodeError> {
    if !text.is_ascii() {
        return Err(DecodeError::Base64);
    }
    let mut symbols = Vec::with_capacity(text.len());
    let mut padding = 0;
    let mut complete = false;
    for &byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => {
                symbols.push(byte);
                padding = 0;
            }
            b'=' if symbols.len() % 4 >= 2 => {
                padding += 1;
                if symbols.len() % 4 + padding >= 4 {
                    complete = true;
                    break;
                }
            }
            _ => {}
        }
    }
    if !complete && symbols.len() % 4 != 0 {
        return Err(DecodeError::Base64);
    }
    ENGINE.decode(&symbols).map(Value::from).map_err(|_| DecodeError::Base64)
}
