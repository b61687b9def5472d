//! zerorpc's events as MessagePack: `[header, name, args]`. Pure functions.
//!
//! The protocol is version 3 as zerorpc-python 0.6.3 speaks it (its `events.py` and `channel.py`). Peers of earlier
//! versions are told by their header and answered in the form they read.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};

use calculator::{CallError, ErrorKind, Remote, Value};
use rmp::Marker;

pub use crate::msgpack::{DecodeError, MAX_ITEMS};
use crate::msgpack::{Reader, write_bin, write_list_len, write_str, write_value};

/// The reply of a method that returned; its arguments are a list of the one result.
pub const OK: &str = "OK";
/// The reply of a method that raised.
pub const ERR: &str = "ERR";
/// A sign of life on an open channel.
pub const HEARTBEAT: &str = "_zpc_hb";
/// A grant of further events on an open channel.
pub const MORE: &str = "_zpc_more";
/// One value of a method that streams.
pub const STREAM: &str = "STREAM";
/// The end of a stream.
pub const STREAM_DONE: &str = "STREAM_DONE";

/// An event's id. It is opaque, and its MessagePack type is a part of it: the Python client does not recognise a reply
/// that names its bin id as a str.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Id<'a> {
    /// As every peer since version 3 sends it.
    Bin(&'a [u8]),
    /// As peers older than MessagePack's bin type send it.
    Str(&'a str),
}

impl Id<'_> {
    /// A copy that outlives the message.
    #[must_use]
    pub fn to_owned(self) -> OwnedId {
        match self {
            Id::Bin(octets) => OwnedId::Bin(octets.into()),
            Id::Str(text) => OwnedId::Str(text.into()),
        }
    }
}

/// An [`Id`] that outlives the message it came in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OwnedId {
    /// See [`Id::Bin`].
    Bin(Box<[u8]>),
    /// See [`Id::Str`].
    Str(Box<str>),
}

impl OwnedId {
    /// The id, borrowed.
    #[must_use]
    pub fn borrow(&self) -> Id<'_> {
        match self {
            OwnedId::Bin(octets) => Id::Bin(octets),
            OwnedId::Str(text) => Id::Str(text),
        }
    }
}

/// A decoded event, its arguments still in MessagePack.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// The event's own id; on the first event of a channel also the channel's.
    pub message_id: Option<Id<'a>>,
    /// The channel's id, on every event but its first.
    pub response_to: Option<Id<'a>>,
    /// The protocol version of the sender; `None` where it tells none, as before version 2.
    pub version: Option<u64>,
    /// The event's name. A name in bin is written as Python shows it, `b'add'`, which no method is called.
    pub name: Cow<'a, str>,
    args: &'a [u8],
}

impl<'a> Event<'a> {
    /// Decodes an event. Octets after it are ignored, as in Python.
    ///
    /// # Errors
    /// What is no event; `max_depth` levels of nested lists and maps are read in a header's value.
    pub fn decode(payload: &'a [u8], max_depth: usize) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        let marker = reader.marker()?;
        if reader.list_len(marker)? != Some(3) {
            return Err(DecodeError::Unexpected("an event is a list of three"));
        }
        let marker = reader.marker()?;
        let members =
            reader.map_len(marker)?.ok_or(DecodeError::Unexpected("an event's header is no map"))?;
        let mut event =
            Event { message_id: None, response_to: None, version: None, name: Cow::Borrowed(""), args: &[] };
        for _ in 0..members {
            match header_key(&mut reader)? {
                "message_id" => event.message_id = id(&mut reader)?,
                "response_to" => event.response_to = id(&mut reader)?,
                "v" => event.version = version(&reader.value(max_depth)?),
                _ => drop(reader.value(max_depth)?),
            }
        }
        let marker = reader.marker()?;
        event.name = match reader.str_after(marker)? {
            Some(name) => Cow::Borrowed(name),
            None => match reader.bin_after(marker)? {
                Some(octets) => Cow::Owned(format!("b'{}'", octets.escape_ascii())),
                None => return Err(DecodeError::Unexpected("an event's name is no text")),
            },
        };
        event.args = reader.rest();
        Ok(event)
    }

    /// The arguments of a call. As Python unpacks whatever it can iterate, a map gives its keys, a str its characters
    /// and a bin its octets.
    ///
    /// # Errors
    /// The outer one for what is no value. The inner one, of [`ErrorKind::InvalidArguments`], for a value that Python
    /// cannot iterate.
    pub fn call_args(&self, max_depth: usize) -> Result<Result<Vec<Value>, CallError>, DecodeError> {
        let mut reader = Reader::new(self.args);
        let marker = reader.marker()?;
        if let Some(len) = reader.list_len(marker)? {
            return reader.list(len, max_depth).map(Ok);
        }
        Ok(Ok(match reader.value_after(marker, max_depth)? {
            Value::Map(members) => members.into_iter().map(|(name, _)| Value::Str(name)).collect(),
            Value::Str(text) => text.chars().map(|c| Value::Str(c.into())).collect(),
            Value::Bytes(octets) => octets.into_iter().map(|octet| Value::Int(octet.into())).collect(),
            other => {
                let message = format!("the arguments are a {}, not a list", other.kind());
                return Ok(Err(CallError::new(ErrorKind::InvalidArguments, message)));
            }
        }))
    }

    /// What a reply says: the result, or the error that the server reported.
    ///
    /// # Errors
    /// The server's by the class of its exception, or [`ErrorKind::Malformed`] for what is no reply to a unary call.
    pub fn reply(&self, max_depth: usize) -> Result<Value, CallError> {
        let mut reader = Reader::new(self.args);
        match &*self.name {
            OK => {
                let marker = reader.marker().map_err(malformed)?;
                match reader.list_len(marker).map_err(malformed)? {
                    Some(len) if len > 0 => reader.value(max_depth).map_err(malformed),
                    _ => Err(malformed("a reply without a result")),
                }
            }
            ERR => Err(remote_error(&reader.value(max_depth).map_err(malformed)?)),
            STREAM | STREAM_DONE => {
                Err(malformed("the method streams its results; this client reads single ones"))
            }
            other => Err(malformed(format_args!("`{other}` is no reply"))),
        }
    }

    /// The item of a [`STREAM`] event.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`].
    pub fn item(&self, max_depth: usize) -> Result<Value, CallError> {
        Reader::new(self.args).value(max_depth).map_err(malformed)
    }

    /// How many more events a [`MORE`] event grants: zero and less are possible. `None` where it is no integer.
    #[must_use]
    pub fn grant(&self) -> Option<i64> {
        let mut reader = Reader::new(self.args);
        let marker = reader.marker().ok()?;
        match reader.list_len(marker).ok()? {
            None | Some(0) => None,
            Some(_) => match reader.value(0).ok()? {
                Value::Int(events) => Some(events),
                _ => None,
            },
        }
    }

    /// Whether the sender is older than version 3, to which a heartbeat and a grant of events are one thing.
    #[must_use]
    pub fn is_before_v3(&self) -> bool {
        self.version.unwrap_or(0) < 3
    }

    /// Whether the sender speaks version 1, which reports an exception in one text and answers heartbeats without
    /// starting them.
    #[must_use]
    pub fn is_v1(&self) -> bool {
        self.version.unwrap_or(1) < 2
    }
}

/// Reads a key of the header. Those of the protocol are compared as they stand; only others are worth checking.
fn header_key<'a>(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    for key in ["message_id", "v", "response_to"] {
        if reader.skip_short_str(key) {
            return Ok(key);
        }
    }
    reader.key()
}

fn id<'a>(reader: &mut Reader<'a>) -> Result<Option<Id<'a>>, DecodeError> {
    let marker = reader.marker()?;
    if let Some(octets) = reader.bin_after(marker)? {
        return Ok(Some(Id::Bin(octets)));
    }
    if let Some(text) = reader.str_after(marker)? {
        return Ok(Some(Id::Str(text)));
    }
    match marker {
        Marker::Null => Ok(None),
        _ => Err(DecodeError::Unexpected("an event's id is neither bin nor str")),
    }
}

fn version(value: &Value) -> Option<u64> {
    match value {
        Value::Int(v) => Some(u64::try_from(*v).unwrap_or(0)),
        _ => None,
    }
}

/// The error that the arguments of `ERR` describe: `[class, message, traceback]`, or from a peer of version 1 the one
/// text `Class(message)`.
fn remote_error(args: &Value) -> CallError {
    let Value::List(args) = args else { return malformed("an error without a list of arguments") };
    let (class, message, traceback) = match args.as_slice() {
        [Value::Str(class), Value::Str(message), traceback, ..] => (class.as_str(), message, Some(traceback)),
        [Value::Str(text)] => (text.split('(').next().unwrap_or_default(), text, None),
        _ => return malformed("an error that names no exception"),
    };
    let data = traceback.filter(|traceback| !matches!(traceback, Value::Str(text) if text.is_empty()));
    let remote = Remote { class: Some(class.to_owned()), data: data.cloned(), ..Remote::default() };
    CallError::remote(ErrorKind::from_python_class(class), message.as_str(), remote)
}

fn malformed(reason: impl std::fmt::Display) -> CallError {
    CallError::new(ErrorKind::Malformed, format!("the server's reply cannot be read: {reason}"))
}

/// The ids of the events that one end sends: eight hexadecimal digits that count, from a random start, and 24 random
/// ones that stay, as zerorpc-python makes them.
#[derive(Debug)]
pub struct Ids {
    base: [u8; 24],
    next: AtomicU32,
}

/// Octets of an id that this end makes.
pub const ID_LEN: usize = 32;

impl Ids {
    /// Ids with a random base.
    #[must_use]
    pub fn new() -> Self {
        let random = uuid::Uuid::new_v4();
        let mut hex = [0; ID_LEN];
        random.simple().encode_lower(&mut hex);
        let mut base = [0; 24];
        base.copy_from_slice(&hex[8..]);
        // The first 32 bits of a version 4 UUID are all random.
        Ids { base, next: AtomicU32::new(random.as_fields().0) }
    }

    /// The next id, as its count.
    pub fn next(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The id with that count.
    #[must_use]
    pub fn id(&self, count: u32) -> [u8; ID_LEN] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut id = [0; ID_LEN];
        for (pair, byte) in id.chunks_exact_mut(2).zip(count.to_be_bytes()) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        id[8..].copy_from_slice(&self.base);
        id
    }

    /// The count of an id that this end has made; `None` for any other.
    #[must_use]
    pub fn count(&self, id: Id<'_>) -> Option<u32> {
        let Id::Bin(octets) = id else { return None };
        let (digits, base) = octets.split_first_chunk::<8>()?;
        if base != self.base {
            return None;
        }
        digits.iter().try_fold(0, |count, digit| {
            let digit = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            Some(count << 4 | u32::from(digit))
        })
    }
}

impl Default for Ids {
    fn default() -> Self {
        Self::new()
    }
}

/// Appends the first event of a channel: a call of `method`.
///
/// # Errors
/// [`ErrorKind::Overflow`] for an integer that MessagePack cannot carry, [`ErrorKind::TooLarge`] for 2³² items or
/// octets. A part of the event may have been appended.
pub fn write_call(
    out: &mut Vec<u8>,
    id: &[u8; ID_LEN],
    method: &str,
    args: &[Value],
) -> Result<(), CallError> {
    // A list of three; in it a map of two: message_id and v.
    out.extend_from_slice(b"\x93\x82\xaamessage_id\xc4\x20");
    out.extend_from_slice(id);
    out.extend_from_slice(b"\xa1v\x03");
    write_str(out, method)?;
    write_list_len(out, args.len())?;
    for value in args {
        write_value(out, value)?;
    }
    Ok(())
}

/// `value` as it stands in an event.
///
/// # Errors
/// As [`write_call`].
pub fn encode_value(value: &Value) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::new();
    write_value(&mut out, value)?;
    Ok(out)
}

/// What an event on an open channel says.
#[derive(Clone, Copy, Debug)]
pub enum Say<'a> {
    /// [`OK`]: the method returned this.
    Returned(&'a Value),
    /// [`ERR`]: the method failed.
    Failed {
        /// The name by which it was called.
        method: &'a str,
        /// Why. Exception class and message go as in Python, with an empty traceback: the class is that of the error's
        /// remote part where it has one, and the message of an unknown method its name alone.
        error: &'a CallError,
        /// Whether in the one text that version 1 knows.
        v1: bool,
    },
    /// [`STREAM`]: an item.
    Item(&'a Value),
    /// [`STREAM_DONE`].
    Done,
    /// [`HEARTBEAT`].
    Alive,
    /// [`MORE`]: that many more events may come.
    More {
        /// How many.
        events: u32,
        /// Whether under the name that version 2 knows.
        v2: bool,
    },
}

/// Appends an event on the channel `response_to`.
///
/// # Errors
/// As [`write_call`].
pub fn write_event(
    out: &mut Vec<u8>,
    id: &[u8; ID_LEN],
    response_to: Id<'_>,
    says: Say<'_>,
) -> Result<(), CallError> {
    // A list of three; in it a map of three: message_id, v and response_to.
    out.extend_from_slice(b"\x93\x83\xaamessage_id\xc4\x20");
    out.extend_from_slice(id);
    out.extend_from_slice(b"\xa1v\x03\xabresponse_to");
    match response_to {
        Id::Bin(octets) => write_bin(out, octets)?,
        Id::Str(text) => write_str(out, text)?,
    }
    match says {
        Say::Returned(value) => {
            write_str(out, OK)?;
            write_list_len(out, 1)?;
            write_value(out, value)
        }
        Say::Failed { method, error, v1 } => write_failure(out, method, error, v1),
        Say::Item(value) => {
            write_str(out, STREAM)?;
            write_value(out, value)
        }
        Say::Done => {
            write_str(out, STREAM_DONE)?;
            write_value(out, &Value::Null)
        }
        Say::Alive => {
            write_str(out, HEARTBEAT)?;
            // The zero is for peers of version 2, which take a heartbeat for a grant of that many events.
            out.extend_from_slice(&[0x91, 0]);
            Ok(())
        }
        Say::More { events, v2 } => {
            write_str(out, if v2 { HEARTBEAT } else { MORE })?;
            write_list_len(out, 1)?;
            write_value(out, &Value::Int(events.into()))
        }
    }
}

fn write_failure(out: &mut Vec<u8>, method: &str, error: &CallError, v1: bool) -> Result<(), CallError> {
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

#[cfg(test)]
mod tests;
