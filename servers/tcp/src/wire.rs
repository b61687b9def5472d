//! The format: one request and one reply of 64 bytes each, followed by an argument or result that does not fit. Pure
//! functions.
//!
//! | bytes | request | reply |
//! |---|---|---|
//! | 0 | method, counted from 1 in the order of [`Method::ALL`] | kind of the result |
//! | 1 | kind of the first argument | the kind of an error, counted from 1 in the order of [`ErrorKind::ALL`] |
//! | 2 | kind of the second argument; 5 if the only argument follows | 5 if the result follows, else zero |
//! | 3 | length of the text | length of the text |
//! | 4–7 | length of the value that follows | length of the value that follows |
//! | 8–15 | first number | number |
//! | 16–23 | second number | |
//! | 8–63 | or text, if it is the only argument | or text: a string, or an error's message |
//!
//! Kinds are 0 nothing, 1 integer (i64), 2 float (IEEE 754 binary64), 3 string (UTF-8), 4 error, 6 a value in the
//! flat form (`wire/flat.rs`). Numbers are big-endian. Unused bytes are sent as zero and ignored by the receiver.
//!
//! A string of more than 56 bytes follows as its UTF-8 bytes. Null, booleans, bytes, lists and maps always follow, in the
//! flat form.

mod flat;
#[cfg(test)]
mod tests;

use calculator::{Call, CallError, ErrorKind, Limits, Method, Params, Value};

/// Length in bytes of a request or a reply, without the value that may follow.
pub const LEN: usize = 64;

/// Length in bytes of the longest string that does not follow.
const MAX_TEXT: usize = LEN - TEXT;

/// The offset of the length of the value that follows.
const FOLLOWING_LEN: usize = 4;
/// The offset at which text and numbers begin.
const TEXT: usize = 8;
/// Length in bytes of a number.
const NUMBER: usize = 8;

const NOTHING: u8 = 0;
const INT: u8 = 1;
const FLOAT: u8 = 2;
const STR: u8 = 3;
const ERROR: u8 = 4;
const FOLLOWS: u8 = 5;
const FLAT: u8 = 6;

type Frame = [u8; LEN];

/// The length of the message that begins with `frame`, including the value that follows.
pub(crate) fn message_len(frame: &Frame) -> usize {
    if frame[2] != FOLLOWS {
        return LEN;
    }
    let mut len = [0; 4];
    len.copy_from_slice(&frame[FOLLOWING_LEN..TEXT]);
    LEN.saturating_add(usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX))
}

/// Whether `bytes` have the length of the message that they begin with.
pub(crate) fn is_complete(bytes: &[u8]) -> bool {
    bytes.first_chunk().is_some_and(|frame| message_len(frame) == bytes.len())
}

/// How many bytes of a request or reply `value` takes.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`], [`ErrorKind::Overflow`] for a value that the format cannot carry.
pub fn value_len(value: &Value) -> Result<usize, CallError> {
    match value {
        Value::Int(_) | Value::Float(_) => Ok(NUMBER),
        Value::Str(text) => Ok(text.len()),
        value => {
            let mut bytes = Vec::new();
            flat::encode(&mut bytes, value)?;
            Ok(bytes.len())
        }
    }
}

/// Appends a call to `out`; nothing if that fails.
///
/// # Errors
/// [`ErrorKind::UnknownMethod`] for a method that is not in [`Method::ALL`], [`ErrorKind::InvalidArguments`] for named
/// arguments or the wrong number of them, [`ErrorKind::NotRepresentable`] or [`ErrorKind::Overflow`] for an argument
/// that the format cannot carry, [`ErrorKind::TooLarge`] for one of 4 GiB.
pub fn encode_request(out: &mut Vec<u8>, call: &Call) -> Result<(), CallError> {
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
    if let [value] = values {
        return append(out, frame, 1, value);
    }
    for (index, value) in values.iter().enumerate().take(2) {
        frame[1 + index] = put_number(&mut frame, index, value)?;
    }
    out.extend_from_slice(&frame);
    Ok(())
}

/// Decodes a request.
///
/// # Errors
/// [`ErrorKind::Malformed`] for bytes that are not a request of the format, [`ErrorKind::UnknownMethod`] for a method number
/// that is not assigned, [`ErrorKind::TooLarge`] for a value beyond `limits`.
pub fn decode_request(message: &[u8], limits: &Limits) -> Result<Call, CallError> {
    let (frame, following) = split(message)?;
    let method = usize::from(frame[0]).checked_sub(1).and_then(|index| Method::ALL.get(index));
    let Some(method) = method else {
        return Err(CallError::new(
            ErrorKind::UnknownMethod,
            format!("{} is not the number of a method", frame[0]),
        ));
    };
    let values = match (frame[1], frame[2]) {
        (kind, FOLLOWS) => vec![value_that_follows(kind, following, limits)?],
        (STR, NOTHING) => vec![text(frame)?.into()],
        (NOTHING, NOTHING) => vec![],
        (first, NOTHING) => vec![number(frame, 0, first)?],
        (first, second) => vec![number(frame, 0, first)?, number(frame, 1, second)?],
    };
    Ok(Call { method: method.name().into(), params: Params::Positional(values) })
}

/// Appends the outcome of a call to `out`. A result that the format cannot carry becomes an error; the message of an
/// error is truncated to fit.
pub fn encode_reply(out: &mut Vec<u8>, result: &Result<Value, CallError>) {
    match result {
        Ok(value) => {
            if let Err(error) = append(out, [0; LEN], 0, value) {
                out.extend_from_slice(&error_frame(&error));
            }
        }
        Err(error) => out.extend_from_slice(&error_frame(error)),
    }
}

/// Decodes a reply: the result, or the error that the server reported.
///
/// # Errors
/// The error that the server reported, [`ErrorKind::Malformed`] for bytes that are not a reply of the format, or
/// [`ErrorKind::TooLarge`] for a value beyond `limits`.
pub fn decode_reply(message: &[u8], limits: &Limits) -> Result<Value, CallError> {
    let (frame, following) = split(message)?;
    match (frame[0], frame[2]) {
        (kind, FOLLOWS) => value_that_follows(kind, following, limits),
        (STR, _) => text(frame).map(Value::from),
        (ERROR, _) => {
            let kind = usize::from(frame[1]).checked_sub(1).and_then(|index| ErrorKind::ALL.get(index));
            let kind =
                kind.ok_or_else(|| malformed(format_args!("{} is not the number of an error", frame[1])))?;
            Err(CallError::new(*kind, text(frame)?))
        }
        (kind, _) => number(frame, 0, kind),
    }
}

/// The frame of a complete message, and what follows it.
fn split(message: &[u8]) -> Result<(&Frame, &[u8]), CallError> {
    let parts = message.split_first_chunk().filter(|_| is_complete(message));
    parts.ok_or_else(|| malformed("its length is not the one that it states"))
}

fn value_that_follows(kind: u8, bytes: &[u8], limits: &Limits) -> Result<Value, CallError> {
    match kind {
        STR => str::from_utf8(bytes).map(Value::from).map_err(malformed),
        FLAT => Ok(flat::decode(bytes, limits.max_depth)?),
        other => Err(malformed(format_args!("{other} is not a kind of value that follows"))),
    }
}

/// Appends `frame` with its only value, whose kind is written at `kind_at`; nothing if that fails.
fn append(out: &mut Vec<u8>, mut frame: Frame, kind_at: usize, value: &Value) -> Result<(), CallError> {
    match value {
        Value::Int(_) | Value::Float(_) | Value::BigInt(_) => {
            frame[kind_at] = put_number(&mut frame, 0, value)?;
        }
        Value::Str(text) if text.len() <= MAX_TEXT => {
            frame[kind_at] = STR;
            put_text(&mut frame, text);
        }
        value => {
            frame[kind_at] = if matches!(value, Value::Str(_)) { STR } else { FLAT };
            frame[2] = FOLLOWS;
            return append_with_following(out, frame, value);
        }
    }
    out.extend_from_slice(&frame);
    Ok(())
}

/// Appends `frame` and the value that follows it; nothing if that fails.
fn append_with_following(out: &mut Vec<u8>, mut frame: Frame, value: &Value) -> Result<(), CallError> {
    let start = out.len();
    out.extend_from_slice(&frame);
    let appended = match value {
        Value::Str(text) => {
            out.extend_from_slice(text.as_bytes());
            Ok(())
        }
        value => flat::encode(out, value),
    };
    match appended.and_then(|()| flat::len32(out.len() - start - LEN)) {
        Ok(len) => {
            frame[FOLLOWING_LEN..TEXT].copy_from_slice(&len.to_be_bytes());
            out[start..start + LEN].copy_from_slice(&frame);
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

fn error_frame(error: &CallError) -> Frame {
    let mut frame = [0; LEN];
    frame[0] = ERROR;
    frame[1] = (1_u8..).zip(ErrorKind::ALL).find(|(_, kind)| *kind == error.kind).map_or(0, |(n, _)| n);
    let len = error.message.floor_char_boundary(MAX_TEXT);
    put_text(&mut frame, &error.message[..len]);
    frame
}

/// Writes a text of at most [`MAX_TEXT`] bytes.
#[allow(clippy::cast_possible_truncation)] // MAX_TEXT is below 256.
fn put_text(frame: &mut Frame, text: &str) {
    frame[3] = text.len() as u8;
    frame[TEXT..TEXT + text.len()].copy_from_slice(text.as_bytes());
}

fn text(frame: &Frame) -> Result<&str, CallError> {
    let len = usize::from(frame[3]);
    let bytes = frame[TEXT..].get(..len).ok_or_else(|| malformed(format_args!("a text of {len} bytes")))?;
    str::from_utf8(bytes).map_err(malformed)
}

/// Writes the number for argument `index` and returns its kind.
fn put_number(frame: &mut Frame, index: usize, value: &Value) -> Result<u8, CallError> {
    let (kind, bytes) = match value {
        Value::Int(v) => (INT, v.to_be_bytes()),
        Value::Float(v) => (FLOAT, v.to_be_bytes()),
        value => return Err(flat::not_representable(value)),
    };
    frame[TEXT + NUMBER * index..][..NUMBER].copy_from_slice(&bytes);
    Ok(kind)
}

fn number(frame: &Frame, index: usize, kind: u8) -> Result<Value, CallError> {
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
