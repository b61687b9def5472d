//! Decoding events.

use std::borrow::Cow;

use calculator::{CallError, ErrorKind, Remote, Value};

use super::ids::Id;
use super::names::{ERR, OK, STREAM, STREAM_DONE};
use crate::msgpack::{DecodeError, Reader};

/// A decoded event. Its arguments are decoded on demand.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// The id of this event. The first event of a channel gives the channel its id.
    pub message_id: Option<Id<'a>>,
    /// The id of the channel, on every event but its first.
    pub response_to: Option<Id<'a>>,
    /// The protocol version of the sender. Absent before version 2.
    pub version: Option<u64>,
    /// The name of the event. A name of type bin is written as Python shows it, `b'add'`, which no method is called.
    pub name: Cow<'a, str>,
    args: &'a [u8],
}

impl<'a> Event<'a> {
    /// Decodes the header and the name. Bytes after the event are ignored, as in Python.
    ///
    /// # Errors
    /// [`DecodeError`] when `payload` is not an event, or a value in its header nests more than `max_depth` lists and
    /// maps.
    pub fn decode(payload: &'a [u8], max_depth: usize) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        let marker = reader.marker()?;
        if reader.list_len(marker)? != Some(3) {
            return Err(DecodeError::Unexpected("an event is a list of three"));
        }
        let marker = reader.marker()?;
        let members =
            reader.map_len(marker)?.ok_or(DecodeError::Unexpected("the header of an event is not a map"))?;
        // As in Python, the last of several members of one name counts, so only its type is checked.
        let (mut message_id, mut response_to, mut sent_version) = (Ok(None), Ok(None), None);
        for _ in 0..members {
            match header_key(&mut reader)? {
                "message_id" => message_id = id(&mut reader, max_depth)?,
                "response_to" => response_to = id(&mut reader, max_depth)?,
                "v" => sent_version = version(&reader.value(max_depth)?),
                _ => drop(reader.value(max_depth)?),
            }
        }
        let (message_id, response_to) = (message_id?, response_to?);
        let marker = reader.marker()?;
        let name = match reader.str_after(marker)? {
            Some(name) => Cow::Borrowed(name),
            None => match reader.bin_after(marker)? {
                Some(bytes) => Cow::Owned(format!("b'{}'", bytes.escape_ascii())),
                None => return Err(DecodeError::Unexpected("the name of an event is not a string")),
            },
        };
        Ok(Event { message_id, response_to, version: sent_version, name, args: reader.rest() })
    }

    /// Decodes the arguments of a call. Like Python, which unpacks anything that it can iterate, this takes the keys of
    /// a map, the characters of a str and the bytes of a bin.
    ///
    /// # Errors
    /// Outer: the arguments are not valid MessagePack. Inner: [`ErrorKind::InvalidArguments`] for a value that Python
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
            Value::Bytes(bytes) => bytes.into_iter().map(|byte| Value::Int(byte.into())).collect(),
            other => {
                let message = format!("the arguments must be a list, not {}", other.kind());
                return Ok(Err(CallError::new(ErrorKind::InvalidArguments, message)));
            }
        }))
    }

    /// Decodes a reply to a call with one result.
    ///
    /// # Errors
    /// The error that the server reported, with the kind that belongs to its exception class;
    /// [`ErrorKind::Malformed`] when the event is not such a reply.
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
                Err(malformed("the method streams its results; a single one is expected"))
            }
            other => Err(malformed(format_args!("`{other}` is not a reply"))),
        }
    }

    /// Decodes the item of a [`STREAM`] event.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`].
    pub fn item(&self, max_depth: usize) -> Result<Value, CallError> {
        Reader::new(self.args).value(max_depth).map_err(malformed)
    }

    /// The number of further events for which a [`MORE`](super::MORE) event gives credit. It may be 0 or negative.
    /// `None` when it is not an integer.
    #[must_use]
    pub fn credit(&self) -> Option<i64> {
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

    /// Whether the sender is older than version 3. Such a peer uses one event both as heartbeat and as credit.
    #[must_use]
    pub fn is_before_v3(&self) -> bool {
        self.version.unwrap_or(0) < 3
    }

    /// Whether the sender speaks version 1, which reports an exception as one string, and answers heartbeats without
    /// starting them.
    #[must_use]
    pub fn is_v1(&self) -> bool {
        self.version.unwrap_or(1) < 2
    }
}

/// Reads a key of the header. Keys of the protocol are compared as bytes; only other keys have to be checked.
fn header_key<'a>(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    for key in ["message_id", "v", "response_to"] {
        if reader.skip_short_str(key) {
            return Ok(key);
        }
    }
    reader.key()
}

/// Reads an id. Inner error: the value has another type.
fn id<'a>(
    reader: &mut Reader<'a>,
    max_depth: usize,
) -> Result<Result<Option<Id<'a>>, DecodeError>, DecodeError> {
    let marker = reader.marker()?;
    if let Some(bytes) = reader.bin_after(marker)? {
        return Ok(Ok(Some(Id::Bin(bytes))));
    }
    if let Some(text) = reader.str_after(marker)? {
        return Ok(Ok(Some(Id::Str(text))));
    }
    Ok(match reader.value_after(marker, max_depth)? {
        Value::Null => Ok(None),
        _ => Err(DecodeError::Unexpected("the id of an event is neither bin nor str")),
    })
}

fn version(value: &Value) -> Option<u64> {
    match value {
        Value::Int(v) => Some(u64::try_from(*v).unwrap_or(0)),
        _ => None,
    }
}

/// The error that the arguments of `ERR` describe: `[class, message, traceback]`, or the single string `Class(message)`
/// if the peer speaks version 1.
fn remote_error(args: &Value) -> CallError {
    let Value::List(args) = args else { return malformed("an error without a list of arguments") };
    let (class, message, traceback) = match &**args {
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
