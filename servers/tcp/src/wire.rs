//! The format: one request and one reply of 64 bytes each. Pure functions.
//!
//! | bytes | request | reply |
//! |---|---|---|
//! | 0 | method, counted from 1 in the order of [`Method::ALL`] | kind of the result |
//! | 1 | kind of the first argument | the kind of an error, counted from 1 in the order of [`ErrorKind::ALL`] |
//! | 2 | kind of the second argument | zero |
//! | 3 | length of the text | length of the text |
//! | 4–7 | zero | zero |
//! | 8–15 | first number | number |
//! | 16–23 | second number | |
//! | 8–63 | or text, if it is the only argument | or text: a string, or an error's message |
//!
//! Kinds are 0 nothing, 1 integer (i64), 2 float (IEEE 754 binary64), 3 string (UTF-8), 4 error. Numbers are
//! big-endian. Unused bytes are sent as zero and ignored by the receiver.

use calculator::{Call, CallError, ErrorKind, Method, Params, Value};

/// Length in bytes of a request, and of a reply.
pub const LEN: usize = 64;

/// Length in bytes of the longest string.
pub const MAX_TEXT: usize = LEN - TEXT;

/// The offset at which text and numbers begin.
const TEXT: usize = 8;
/// Length in bytes of a number.
const NUMBER: usize = 8;

const NOTHING: u8 = 0;
const INT: u8 = 1;
const FLOAT: u8 = 2;
const STR: u8 = 3;
const ERROR: u8 = 4;

/// How many bytes of a request or reply `value` takes: 8 for a number, its length for a string, 0 for anything else.
#[must_use]
pub fn value_len(value: &Value) -> usize {
    match value {
        Value::Int(_) | Value::Float(_) => NUMBER,
        Value::Str(text) => text.len(),
        _ => 0,
    }
}

/// Encodes a call.
///
/// # Errors
/// [`ErrorKind::UnknownMethod`] for a method that is not in [`Method::ALL`], [`ErrorKind::InvalidArguments`] for named
/// arguments or the wrong number of them, [`ErrorKind::NotRepresentable`] for an argument that does not fit.
pub fn encode_request(call: &Call) -> Result<[u8; LEN], CallError> {
    let Some(number) = (1_u8..).zip(Method::ALL).find(|(_, method)| method.name() == call.method) else {
        return Err(CallError::unknown_method(&call.method));
    };
    let (number, method) = number;
    let values = call.params.as_positional()?;
    let expected = method.params().len();
    if values.len() != expected {
        let message =
            format!("{}() takes {expected} argument(s) but {} were given", method.name(), values.len());
        return Err(CallError::new(ErrorKind::InvalidArguments, message));
    }
    let mut frame = [0; LEN];
    frame[0] = number;
    match values {
        [Value::Str(text)] => {
            frame[1] = STR;
            put_text(&mut frame, text)?;
        }
        _ => {
            for (index, value) in values.iter().enumerate().take(2) {
                frame[1 + index] = put_number(&mut frame, index, value)?;
            }
        }
    }
    Ok(frame)
}

/// Decodes a request.
///
/// # Errors
/// [`ErrorKind::Malformed`] for bytes that [`encode_request`] never produces, [`ErrorKind::UnknownMethod`] for a method number
/// that is not assigned.
pub fn decode_request(frame: &[u8; LEN]) -> Result<Call, CallError> {
    let method = usize::from(frame[0]).checked_sub(1).and_then(|index| Method::ALL.get(index));
    let Some(method) = method else {
        return Err(CallError::new(
            ErrorKind::UnknownMethod,
            format!("{} is not the number of a method", frame[0]),
        ));
    };
    let values = match (frame[1], frame[2]) {
        (STR, NOTHING) => vec![Value::Str(text(frame)?)],
        (NOTHING, NOTHING) => vec![],
        (first, NOTHING) => vec![number(frame, 0, first)?],
        (first, second) => vec![number(frame, 0, first)?, number(frame, 1, second)?],
    };
    Ok(Call { method: method.name().into(), params: Params::Positional(values) })
}

/// Encodes the outcome of a call. A result that does not fit becomes the error [`ErrorKind::NotRepresentable`]; the
/// message of an error is truncated to fit.
#[must_use]
pub fn encode_reply(result: &Result<Value, CallError>) -> [u8; LEN] {
    match result {
        Ok(value) => encode_value(value).unwrap_or_else(|error| encode_error(&error)),
        Err(error) => encode_error(error),
    }
}

/// Decodes a reply: the result, or the error that the server reported.
///
/// # Errors
/// The error that the server reported, or [`ErrorKind::Malformed`] for bytes that [`encode_reply`] never produces.
pub fn decode_reply(frame: &[u8; LEN]) -> Result<Value, CallError> {
    match frame[0] {
        STR => text(frame).map(Value::Str),
        ERROR => {
            let kind = usize::from(frame[1]).checked_sub(1).and_then(|index| ErrorKind::ALL.get(index));
            let kind =
                kind.ok_or_else(|| malformed(format_args!("{} is not the number of an error", frame[1])))?;
            Err(CallError::new(*kind, text(frame)?))
        }
        kind => number(frame, 0, kind),
    }
}

fn encode_value(value: &Value) -> Result<[u8; LEN], CallError> {
    let mut frame = [0; LEN];
    frame[0] = match value {
        Value::Str(text) => {
            put_text(&mut frame, text)?;
            STR
        }
        number => put_number(&mut frame, 0, number)?,
    };
    Ok(frame)
}

fn encode_error(error: &CallError) -> [u8; LEN] {
    let mut frame = [0; LEN];
    frame[0] = ERROR;
    frame[1] = (1_u8..).zip(ErrorKind::ALL).find(|(_, kind)| *kind == error.kind).map_or(0, |(n, _)| n);
    let len = error.message.floor_char_boundary(MAX_TEXT);
    copy_text(&mut frame, &error.message[..len]);
    frame
}

fn put_text(frame: &mut [u8; LEN], text: &str) -> Result<(), CallError> {
    if text.len() > MAX_TEXT {
        let message = format!("a string of {} bytes; the fixed format carries {MAX_TEXT}", text.len());
        return Err(CallError::new(ErrorKind::NotRepresentable, message));
    }
    copy_text(frame, text);
    Ok(())
}

/// Copies a text of at most [`MAX_TEXT`] bytes.
#[allow(clippy::cast_possible_truncation)] // MAX_TEXT is below 256.
fn copy_text(frame: &mut [u8; LEN], text: &str) {
    frame[3] = text.len() as u8;
    frame[TEXT..TEXT + text.len()].copy_from_slice(text.as_bytes());
}

fn text(frame: &[u8; LEN]) -> Result<String, CallError> {
    let len = usize::from(frame[3]);
    let bytes = frame[TEXT..].get(..len).ok_or_else(|| malformed(format_args!("a text of {len} bytes")))?;
    str::from_utf8(bytes).map(str::to_owned).map_err(malformed)
}

/// Writes the number for argument `index` and returns its kind.
fn put_number(frame: &mut [u8; LEN], index: usize, value: &Value) -> Result<u8, CallError> {
    let (kind, bytes) = match value {
        Value::Int(v) => (INT, v.to_be_bytes()),
        Value::Float(v) => (FLOAT, v.to_be_bytes()),
        Value::BigInt(_) => {
            return Err(CallError::new(ErrorKind::Overflow, "an integer beyond 64 bits"));
        }
        other => {
            let message = format!("the fixed format cannot carry a {} here", other.kind());
            return Err(CallError::new(ErrorKind::NotRepresentable, message));
        }
    };
    frame[TEXT + NUMBER * index..][..NUMBER].copy_from_slice(&bytes);
    Ok(kind)
}

fn number(frame: &[u8; LEN], index: usize, kind: u8) -> Result<Value, CallError> {
    let mut bytes = [0; NUMBER];
    bytes.copy_from_slice(&frame[TEXT + NUMBER * index..][..NUMBER]);
    match kind {
        INT => Ok(Value::Int(i64::from_be_bytes(bytes))),
        FLOAT => Ok(Value::Float(f64::from_be_bytes(bytes))),
        other => Err(malformed(format_args!("{other} is not a kind of number"))),
    }
}

fn malformed(reason: impl std::fmt::Display) -> CallError {
    CallError::new(ErrorKind::Malformed, format!("not a message of the fixed format: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_and_its_reply_byte_by_byte() {
        let mut frame = [0; LEN];
        frame[..3].copy_from_slice(&[1, 1, 2]);
        frame[15] = 2;
        frame[16..24].copy_from_slice(&[0x40, 8, 0, 0, 0, 0, 0, 0]);
        let call = Call::positional("add", [Value::Int(2), Value::Float(3.0)]);
        assert_eq!(encode_request(&call), Ok(frame));
        assert_eq!(decode_request(&frame), Ok(call));

        let mut frame = [0; LEN];
        frame[..4].copy_from_slice(&[3, 0, 0, 3]);
        frame[8..11].copy_from_slice(b"abc");
        assert_eq!(encode_reply(&Ok("abc".into())), frame);
        assert_eq!(decode_reply(&frame), Ok("abc".into()));
    }

    #[test]
    fn rejects_values_that_do_not_fit_before_sending() {
        for (call, kind) in [
            (Call::positional("nosuch", []), ErrorKind::UnknownMethod),
            (Call::positional("add", [Value::Int(1)]), ErrorKind::InvalidArguments),
            (Call::named("hello", [("name".into(), "x".into())]), ErrorKind::InvalidArguments),
            (Call::positional("hello", ["x".repeat(57).into()]), ErrorKind::NotRepresentable),
            (Call::positional("add", ["1".into(), "2".into()]), ErrorKind::NotRepresentable),
            (Call::positional("echo", [Value::List(vec![])]), ErrorKind::NotRepresentable),
            (Call::positional("echo", [Value::BigInt("9223372036854775808".into())]), ErrorKind::Overflow),
        ] {
            assert_eq!(encode_request(&call).unwrap_err().kind, kind, "{call:?}");
        }
        let too_long = decode_reply(&encode_reply(&Ok("x".repeat(57).into())));
        assert_eq!(too_long.unwrap_err().kind, ErrorKind::NotRepresentable);
    }

    #[test]
    fn errors_round_trip_with_as_much_of_the_message_as_fits() {
        for kind in ErrorKind::ALL {
            let error = CallError::new(kind, "ü".repeat(40));
            let back = decode_reply(&encode_reply(&Err(error))).unwrap_err();
            assert_eq!(back, CallError::new(kind, "ü".repeat(28)));
        }
    }

    fn fitting() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i64>().prop_map(Value::Int),
            any::<f64>().prop_filter("NaN is unequal to itself", |v| !v.is_nan()).prop_map(Value::Float),
            ".{0,14}".prop_map(Value::Str),
        ]
    }

    fn frame() -> impl Strategy<Value = [u8; LEN]> {
        (any::<[u8; 32]>(), any::<[u8; 32]>(), 0_u8..8, 0_u8..5, 0_u8..5).prop_map(|(a, b, method, x, y)| {
            let mut frame = [0; LEN];
            frame[..32].copy_from_slice(&a);
            frame[32..].copy_from_slice(&b);
            frame[..3].copy_from_slice(&[method, x, y]);
            frame
        })
    }

    proptest! {
        #[test]
        fn decoding_reverses_encoding(value in fitting(), x in any::<i64>(), y in any::<i64>()) {
            for call in [
                Call::positional("echo", [value.clone()]),
                Call::positional("divide", [x.into(), y.into()]),
            ] {
                prop_assert_eq!(decode_request(&encode_request(&call).unwrap()), Ok(call));
            }
            prop_assert_eq!(decode_reply(&encode_reply(&Ok(value.clone()))), Ok(value));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(frame in frame()) {
            if let Ok(call) = decode_request(&frame) {
                prop_assert!(call.params.len() <= 2);
            }
            let _ = decode_reply(&frame);
        }
    }
}
