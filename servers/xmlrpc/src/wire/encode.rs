//! Encodes messages.

use std::io::Write as _;
use std::slice;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use calculator::{Call, FormatLengths, Text, Value};
use http_layer::xml::replace_invalid_chars;

use super::error::EncodeError;
use super::fault::Fault;

/// Options of the encoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Encode null as `<nil/>`, an extension of the XML-RPC specification. Off by default, as in CPython.
    pub allow_none: bool,
}

/// The initial capacity of the output in bytes: enough for a call with two numbers.
const INITIAL_CAPACITY: usize = 320;

const HEADER: &[u8] = b"<?xml version='1.0'?>\n";

/// Encodes the `methodCall` document of `call`. Integers are sent as `int`, which has 32 bits; a
/// [`BigInt`](Value::BigInt) of at most 64 bits, which no decoder returns, is sent as `i8`.
///
/// # Errors
/// [`EncodeError`] if XML-RPC cannot represent an argument.
pub fn encode_call(call: &Call, options: &EncodeOptions) -> Result<Vec<u8>, EncodeError> {
    let params = call.params.as_positional().map_err(|_| EncodeError::NamedArguments)?;
    let mut out = Vec::with_capacity(INITIAL_CAPACITY);
    out.extend_from_slice(HEADER);
    out.extend_from_slice(b"<methodCall>\n<methodName>");
    write_text(&mut out, &call.method)?;
    out.extend_from_slice(b"</methodName>\n<params>\n");
    for value in params {
        out.extend_from_slice(b"<param>\n");
        write_value(&mut out, value, options)?;
        out.extend_from_slice(b"</param>\n");
    }
    out.extend_from_slice(b"</params>\n</methodCall>\n");
    Ok(out)
}

/// Encodes a value as it appears in a document: `<value>…</value>` followed, except after null, by a line feed.
///
/// # Errors
/// [`EncodeError`] if XML-RPC cannot represent the value.
pub fn encode_value(value: &Value, options: &EncodeOptions) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    write_value(&mut out, value, options)?;
    Ok(out)
}

/// Encodes the `methodResponse` document of a result.
///
/// # Errors
/// [`EncodeError`] if XML-RPC cannot represent the result.
pub fn encode_response(result: &Value, options: &EncodeOptions) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(INITIAL_CAPACITY);
    out.extend_from_slice(HEADER);
    out.extend_from_slice(b"<methodResponse>\n<params>\n<param>\n");
    write_value(&mut out, result, options)?;
    out.extend_from_slice(b"</param>\n</params>\n</methodResponse>\n");
    Ok(out)
}

/// Encodes the `methodResponse` document of a fault. Characters of its text that XML does not allow become U+FFFD, so
/// that a fault can always be encoded.
#[must_use]
pub fn encode_fault(fault: &Fault) -> Vec<u8> {
    let Fault { code, text, .. } = fault;
    let mut out = Vec::with_capacity(INITIAL_CAPACITY + text.len());
    out.extend_from_slice(HEADER);
    out.extend_from_slice(b"<methodResponse>\n<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n");
    write_int(&mut out, *code);
    out.extend_from_slice(b"</member>\n<member>\n<name>faultString</name>\n<value><string>");
    let start = out.len();
    if write_text(&mut out, text).is_err() {
        out.truncate(start);
        // Cannot fail: the characters that XML does not allow have been replaced.
        let _ = write_text(&mut out, &replace_invalid_chars(text));
    }
    out.extend_from_slice(b"</string></value>\n</member>\n</struct></value>\n</fault>\n</methodResponse>\n");
    out
}

/// A list or a map that is being written, as the iterator over its remaining items.
enum OpenContainer<'a> {
    List(slice::Iter<'a, Value>),
    Map(slice::Iter<'a, (Text, Value)>),
}

/// The markup of a string, which is longer than that of an integer with some digits; of an array; of a member.
const LENGTHS: FormatLengths = FormatLengths { scalar: 40, container: 48, member: 34 };

/// Appends `<value>…</value>` and a line feed. Iterative, since the depth of a caller's value is not limited.
fn write_value(out: &mut Vec<u8>, value: &Value, options: &EncodeOptions) -> Result<(), EncodeError> {
    out.reserve(value.estimated_length(&LENGTHS));
    let mut open = Vec::new();
    let mut next = value;
    loop {
        match next {
            Value::List(items) => {
                out.extend_from_slice(b"<value><array><data>\n");
                open.push(OpenContainer::List(items.iter()));
            }
            Value::Map(members) => {
                out.extend_from_slice(b"<value><struct>\n");
                open.push(OpenContainer::Map(members.iter()));
            }
            scalar => {
                write_scalar(out, scalar, options)?;
                if let Some(OpenContainer::Map(_)) = open.last() {
                    out.extend_from_slice(b"</member>\n");
                }
            }
        }
        next = loop {
            match open.last_mut() {
                None => return Ok(()),
                Some(OpenContainer::List(items)) => match items.next() {
                    Some(item) => break item,
                    None => out.extend_from_slice(b"</data></array></value>\n"),
                },
                Some(OpenContainer::Map(members)) => match members.next() {
                    Some((name, value)) => {
                        out.extend_from_slice(b"<member>\n<name>");
                        write_text(out, name)?;
                        out.extend_from_slice(b"</name>\n");
                        break value;
                    }
                    None => out.extend_from_slice(b"</struct></value>\n"),
                },
            }
            open.pop();
            if let Some(OpenContainer::Map(_)) = open.last() {
                out.extend_from_slice(b"</member>\n");
            }
        };
    }
}

fn write_scalar(out: &mut Vec<u8>, value: &Value, options: &EncodeOptions) -> Result<(), EncodeError> {
    match value {
        // CPython writes no line feed after this one.
        Value::Null if options.allow_none => out.extend_from_slice(b"<value><nil/></value>"),
        Value::Null => return Err(EncodeError::NoneNotAllowed),
        Value::Bool(true) => out.extend_from_slice(b"<value><boolean>1</boolean></value>\n"),
        Value::Bool(false) => out.extend_from_slice(b"<value><boolean>0</boolean></value>\n"),
        Value::Int(int) => write_int(out, i32::try_from(*int).map_err(|_| EncodeError::IntTooLarge)?),
        Value::BigInt(digits) => write_i8(out, digits)?,
        Value::Float(float) => {
            out.extend_from_slice(b"<value><double>");
            write_float(out, *float);
            out.extend_from_slice(b"</double></value>\n");
        }
        Value::Str(text) => {
            out.extend_from_slice(b"<value><string>");
            write_text(out, text)?;
            out.extend_from_slice(b"</string></value>\n");
        }
        Value::Bytes(bytes) => {
            out.extend_from_slice(b"<value><base64>\n");
            write_base64(out, bytes);
            out.extend_from_slice(b"</base64></value>\n");
        }
        Value::DateTime(text) => {
            out.extend_from_slice(b"<value><dateTime.iso8601>");
            write_text(out, text)?;
            out.extend_from_slice(b"</dateTime.iso8601></value>\n");
        }
        Value::Extension(_) => return Err(EncodeError::ExtensionType),
        // `write_value` handles these itself.
        Value::List(_) | Value::Map(_) => {}
    }
    Ok(())
}

fn write_int(out: &mut Vec<u8>, int: i32) {
    out.extend_from_slice(b"<value><int>");
    write_decimal(out, int);
    out.extend_from_slice(b"</int></value>\n");
}

/// Appends an integer of 64 bits in the type `i8`, an extension of the XML-RPC specification. CPython reads it but does not
/// write it.
fn write_i8(out: &mut Vec<u8>, digits: &str) -> Result<(), EncodeError> {
    let int: i64 = digits.parse().map_err(|_| EncodeError::IntTooLarge)?;
    out.extend_from_slice(b"<value><i8>");
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{int}");
    out.extend_from_slice(b"</i8></value>\n");
    Ok(())
}

fn write_decimal(out: &mut Vec<u8>, int: i32) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{int}");
}

/// Appends the shortest decimal that reads back as `float`, in the notation of Python's `repr`.
fn write_float(out: &mut Vec<u8>, float: f64) {
    if float.is_nan() {
        // Rust writes "NaN".
        out.extend_from_slice(b"nan");
        return;
    }
    let start = out.len();
    // Rust writes the same digits as Python, and uses an exponent at the same bounds (1e-4 and 1e16).
    let _ = write!(out, "{float:?}");
    let Some(mark) = out[start..].iter().position(|byte| *byte == b'e') else { return };
    // Python writes the exponent with its sign and at least two digits.
    let exponent_at = start + mark + 1;
    let (sign, digits_at) =
        if out.get(exponent_at) == Some(&b'-') { (b'-', exponent_at + 1) } else { (b'+', exponent_at) };
    let digits = out.split_off(digits_at);
    out.truncate(exponent_at);
    out.push(sign);
    if digits.len() < 2 {
        out.push(b'0');
    }
    out.extend_from_slice(&digits);
}

/// The number of bytes in a line of base64, which has 76 characters (RFC 2045, § 6.8).
const BASE64_LINE_BYTES: usize = 57;

fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let lines = bytes.len().div_ceil(BASE64_LINE_BYTES);
    out.reserve(bytes.len().div_ceil(3) * 4 + lines);
    let mut line = [0; 76];
    for chunk in bytes.chunks(BASE64_LINE_BYTES) {
        // The chunk always fits into the line.
        if let Ok(length) = STANDARD.encode_slice(chunk, &mut line) {
            out.extend_from_slice(&line[..length]);
        }
        out.push(b'\n');
    }
}

/// The bytes that are copied unchanged. The others are markup, control characters, the carriage return, and the first
/// byte of U+FFFE and U+FFFF.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        plain[byte] = false;
        byte += 1;
    }
    plain[b'\t' as usize] = true;
    plain[b'\n' as usize] = true;
    plain[b'&' as usize] = false;
    plain[b'<' as usize] = false;
    plain[b'>' as usize] = false;
    plain[0xef] = false;
    plain
};

/// Appends character data, escaped.
fn write_text(out: &mut Vec<u8>, text: &str) -> Result<(), EncodeError> {
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if PLAIN[usize::from(byte)] {
            continue;
        }
        let escaped: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'\r' => b"&#13;",
            0xef => match bytes.get(at + 1..at + 3) {
                Some([0xbf, 0xbe]) => return Err(EncodeError::Character('\u{fffe}')),
                Some([0xbf, 0xbf]) => return Err(EncodeError::Character('\u{ffff}')),
                _ => continue,
            },
            control => return Err(EncodeError::Character(char::from(control))),
        };
        out.extend_from_slice(&bytes[copied..at]);
        out.extend_from_slice(escaped);
        copied = at + 1;
    }
    out.extend_from_slice(&bytes[copied..]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use calculator::document::document;

    use super::*;

    #[test]
    fn the_buffer_of_a_document_does_not_grow() {
        let document = document(1, 64 << 10);
        let estimated = document.estimated_length(&LENGTHS);
        let written = encode_value(&document, &EncodeOptions::default()).unwrap();
        assert_eq!(written.capacity(), estimated);
        assert!(estimated < written.len() * 3 / 2, "{estimated} estimated, {} written", written.len());
    }
}
