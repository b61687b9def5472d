//! Encoding.

use calculator::{Call, CallError, ErrorKind, FormatLengths, Value};
use jiff::Timestamp;

use crate::{Fault, HEADER, text};

/// A double has two to nine bytes, an integer one to five, and a string one or two for its length.
const LENGTHS: FormatLengths = FormatLengths { scalar: 5, container: 3, member: 1 };
/// The initial capacity of a message in bytes: enough for a call with two numbers.
const INITIAL_CAPACITY: usize = 64;
/// The number of code units of the chunks of a long string, and of bytes of long binary data.
const CHUNK: usize = 0x8000;

/// Encodes `value` alone.
///
/// # Errors
/// [`ErrorKind::Overflow`] for an integer beyond 64 bits, [`ErrorKind::NotRepresentable`] for a value of one of
/// MessagePack's extension types or a date without a time zone, [`ErrorKind::TooLarge`] for 2³¹ or more items.
pub fn encode_value(value: &Value) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::with_capacity(INITIAL_CAPACITY + value.estimated_length(&LENGTHS));
    write_value(&mut out, value)?;
    Ok(out)
}

/// Encodes a call.
///
/// # Errors
/// [`ErrorKind::InvalidArguments`] for named arguments, which Hessian does not have, and the errors of [`encode_value`].
pub fn encode_call(call: &Call) -> Result<Vec<u8>, CallError> {
    let arguments = call.params.as_positional()?;
    let estimated: usize = arguments.iter().map(|value| value.estimated_length(&LENGTHS)).sum();
    let mut out = message(b'C', estimated);
    write_str(&mut out, &call.method);
    write_count(&mut out, arguments.len())?;
    for argument in arguments {
        write_value(&mut out, argument)?;
    }
    Ok(out)
}

/// Encodes the reply to a call that gave `result`.
///
/// # Errors
/// The errors of [`encode_value`].
pub fn encode_reply(result: &Value) -> Result<Vec<u8>, CallError> {
    let mut out = message(b'R', result.estimated_length(&LENGTHS));
    write_value(&mut out, result)?;
    Ok(out)
}

/// Encodes the reply to a call that failed.
///
/// # Errors
/// The errors of [`encode_value`], if the fault has details.
pub fn encode_fault(fault: &Fault) -> Result<Vec<u8>, CallError> {
    let mut out = message(b'F', 0);
    write_value(&mut out, &fault.to_value())?;
    Ok(out)
}

/// The start of a message of this kind, with space for about `estimated` bytes more.
fn message(kind: u8, estimated: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(INITIAL_CAPACITY + estimated);
    out.extend_from_slice(&HEADER);
    out.push(kind);
    out
}

fn write_value(out: &mut Vec<u8>, value: &Value) -> Result<(), CallError> {
    match value {
        Value::Null => out.push(b'N'),
        Value::Bool(true) => out.push(b'T'),
        Value::Bool(false) => out.push(b'F'),
        Value::Int(value) => match i32::try_from(*value) {
            Ok(value) => write_int(out, value),
            Err(_) => write_tagged(out, b'L', value.to_be_bytes()),
        },
        Value::BigInt(_) => return Err(CallError::new(ErrorKind::Overflow, "an integer beyond 64 bits")),
        Value::Float(value) => write_double(out, *value),
        Value::Str(text) => write_str(out, text),
        Value::Bytes(bytes) => write_binary(out, bytes),
        Value::DateTime(text) => write_date(out, text)?,
        Value::Extension(_) => {
            return Err(CallError::new(
                ErrorKind::NotRepresentable,
                "a value of a type that Hessian does not have",
            ));
        }
        Value::List(items) => {
            match u8::try_from(items.len()) {
                Ok(length @ 0..=7) => out.push(0x78 + length),
                _ => {
                    out.push(b'X');
                    write_count(out, items.len())?;
                }
            }
            for item in items {
                write_value(out, item)?;
            }
        }
        Value::Map(members) => {
            out.push(b'H');
            for (name, value) in members {
                write_str(out, name);
                write_value(out, value)?;
            }
            out.push(b'Z');
        }
    }
    Ok(())
}

/// Appends a number of items or arguments.
fn write_count(out: &mut Vec<u8>, count: usize) -> Result<(), CallError> {
    let count = i32::try_from(count);
    write_int(out, count.map_err(|_| CallError::new(ErrorKind::TooLarge, "2³¹ or more items"))?);
    Ok(())
}

fn write_int(out: &mut Vec<u8>, value: i32) {
    let [_, high, middle, low] = value.to_be_bytes();
    match value {
        -0x10..=0x2f => out.push(low.wrapping_add(0x90)),
        -0x800..=0x7ff => out.extend_from_slice(&[middle.wrapping_add(0xc8), low]),
        -0x4_0000..=0x3_ffff => out.extend_from_slice(&[high.wrapping_add(0xd4), middle, low]),
        _ => write_tagged(out, b'I', value.to_be_bytes()),
    }
}

/// Appends a double in the shortest form that gives the same double again.
#[allow(clippy::cast_possible_truncation, clippy::float_cmp)] // The conversions are compared with the original.
fn write_double(out: &mut Vec<u8>, value: f64) {
    let (whole, thousandths) = (value as i32, (value * 1000.0) as i32);
    let is_negative_zero = value == 0.0 && value.is_sign_negative();
    if is_negative_zero {
        write_tagged(out, b'D', value.to_be_bytes());
    } else if f64::from(whole) == value && i16::try_from(whole).is_ok() {
        let [_, _, high, low] = whole.to_be_bytes();
        match whole {
            0 => out.push(0x5b),
            1 => out.push(0x5c),
            -0x80..=0x7f => out.extend_from_slice(&[0x5d, low]),
            _ => out.extend_from_slice(&[0x5e, high, low]),
        }
    } else if 0.001 * f64::from(thousandths) == value {
        write_tagged(out, 0x5f, thousandths.to_be_bytes());
    } else {
        write_tagged(out, b'D', value.to_be_bytes());
    }
}

fn write_str(out: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    let mut units = if rest.is_ascii() { rest.len() } else { rest.chars().map(char::len_utf16).sum() };
    while units > CHUNK {
        let (taken, chunk, others) = text::split_at_units(rest, CHUNK);
        write_tagged(out, b'R', low_16_bits(taken));
        text::write(out, chunk);
        (rest, units) = (others, units - taken);
    }
    match low_16_bits(units) {
        [0, low @ 0..=0x1f] => out.push(low),
        [high @ 0..=3, low] => out.extend_from_slice(&[0x30 + high, low]),
        length => write_tagged(out, b'S', length),
    }
    text::write(out, rest);
}

fn write_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    while let Some((chunk, others)) = rest.split_at_checked(CHUNK)
        && !others.is_empty()
    {
        write_tagged(out, b'A', low_16_bits(chunk.len()));
        out.extend_from_slice(chunk);
        rest = others;
    }
    match low_16_bits(rest.len()) {
        [0, low @ 0..=0x0f] => out.push(0x20 + low),
        [high @ 0..=3, low] => out.extend_from_slice(&[0x34 + high, low]),
        length => write_tagged(out, b'B', length),
    }
    out.extend_from_slice(rest);
}

/// Appends a date: milliseconds, or minutes where that loses nothing.
fn write_date(out: &mut Vec<u8>, text: &str) -> Result<(), CallError> {
    const MILLIS_PER_MINUTE: i64 = 60_000;
    let invalid = |_| CallError::new(ErrorKind::NotRepresentable, "a date and time without a time zone");
    let millis = text.parse::<Timestamp>().map_err(invalid)?.as_millisecond();
    match i32::try_from(millis / MILLIS_PER_MINUTE) {
        Ok(minutes) if millis % MILLIS_PER_MINUTE == 0 => write_tagged(out, b'K', minutes.to_be_bytes()),
        _ => write_tagged(out, b'J', millis.to_be_bytes()),
    }
    Ok(())
}

fn write_tagged<const N: usize>(out: &mut Vec<u8>, tag: u8, bytes: [u8; N]) {
    out.push(tag);
    out.extend_from_slice(&bytes);
}

/// The big-endian bytes of a number up to [`CHUNK`].
fn low_16_bits(number: usize) -> [u8; 2] {
    let [.., high, low] = number.to_be_bytes();
    [high, low]
}
