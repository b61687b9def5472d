//! Encoding events.

use calculator::{CallError, ErrorKind, Value};

use super::ids::{ID_LEN, Id};
use super::names::{ERR, HEARTBEAT, MORE, OK, STREAM, STREAM_DONE};
use crate::msgpack::{reserve_for, write_bin, write_list_len, write_str, write_value};

/// Appends a call of `method`, which is the first event of a channel.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`] for a date, [`ErrorKind::Overflow`] for an integer outside −2⁶³ … 2⁶⁴−1,
/// [`ErrorKind::TooLarge`] for 2³² or more items or bytes. `out` may then end with a part of the event.
pub fn write_call(
    out: &mut Vec<u8>,
    id: &[u8; ID_LEN],
    method: &str,
    args: &[Value],
) -> Result<(), CallError> {
    // A list of three. Its first item is a map of two: message_id and v.
    out.extend_from_slice(b"\x93\x82\xaamessage_id\xc4\x20");
    out.extend_from_slice(id);
    out.extend_from_slice(b"\xa1v\x03");
    write_str(out, method)?;
    write_list_len(out, args.len())?;
    for value in args {
        reserve_for(out, value);
        write_value(out, value)?;
    }
    Ok(())
}

/// Encodes `value` alone, as it is in an event.
///
/// # Errors
/// The errors of [`write_call`].
pub fn encode_value(value: &Value) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::new();
    write_value(&mut out, value)?;
    Ok(out)
}

/// An event on an open channel.
#[derive(Clone, Copy, Debug)]
pub enum ChannelEvent<'a> {
    /// [`OK`]: what the method returned.
    Result(&'a Value),
    /// [`ERR`]: the method failed.
    Error {
        /// The name by which the method was called.
        method: &'a str,
        /// The failure. It is sent as exception class and message like Python's, with an empty traceback. The class is
        /// taken from [`CallError::remote`] if it has one. For an unknown method, the message is the name alone.
        error: &'a CallError,
        /// Whether to send the single string of version 1.
        v1: bool,
    },
    /// [`STREAM`]: one item.
    Item(&'a Value),
    /// [`STREAM_DONE`].
    Done,
    /// [`HEARTBEAT`].
    Heartbeat,
    /// [`MORE`]: credit for further events.
    More {
        /// The number of events.
        events: u32,
        /// Whether to use the name that version 2 knows.
        v2: bool,
    },
}

/// Appends an event on the channel `response_to`.
///
/// # Errors
/// The errors of [`write_call`].
pub fn write_event(
    out: &mut Vec<u8>,
    id: &[u8; ID_LEN],
    response_to: Id<'_>,
    event: ChannelEvent<'_>,
) -> Result<(), CallError> {
    // A list of three. Its first item is a map of three: message_id, v and response_to.
    out.extend_from_slice(b"\x93\x83\xaamessage_id\xc4\x20");
    out.extend_from_slice(id);
    out.extend_from_slice(b"\xa1v\x03\xabresponse_to");
    match response_to {
        Id::Bin(bytes) => write_bin(out, bytes)?,
        Id::Str(text) => write_str(out, text)?,
    }
    match event {
        ChannelEvent::Result(value) => {
            write_str(out, OK)?;
            write_list_len(out, 1)?;
            reserve_for(out, value);
            write_value(out, value)
        }
        ChannelEvent::Error { method, error, v1 } => write_error(out, method, error, v1),
        ChannelEvent::Item(value) => {
            write_str(out, STREAM)?;
            write_value(out, value)
        }
        ChannelEvent::Done => {
            write_str(out, STREAM_DONE)?;
            write_value(out, &Value::Null)
        }
        ChannelEvent::Heartbeat => {
            write_str(out, HEARTBEAT)?;
            // Peers of version 2 read a heartbeat as credit for so many events: zero.
            out.extend_from_slice(&[0x91, 0]);
            Ok(())
        }
        ChannelEvent::More { events, v2 } => {
            write_str(out, if v2 { HEARTBEAT } else { MORE })?;
            write_list_len(out, 1)?;
            write_value(out, &Value::Int(events.into()))
        }
    }
}

fn write_error(out: &mut Vec<u8>, method: &str, error: &CallError, v1: bool) -> Result<(), CallError> {
    let class = error.remote.as_ref().and_then(|remote| remote.class.as_deref());
    let class = class.unwrap_or_else(|| error.kind.python_class());
    let message = if error.kind == ErrorKind::UnknownMethod { method } else { &error.message };
    write_str(out, ERR)?;
    if v1 {
        write_list_len(out, 1)?;
        return write_str(out, &format!("{class}({message:?})"));
    }
    write_list_len(out, 3)?;
    write_str(out, class)?;
    write_str(out, message)?;
    write_str(out, "")
}
