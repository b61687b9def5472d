//! The flat form of a value: what a program without a serialisation format would write.
//!
//! A value is one byte for its kind, then its content:
//!
//! | kind | content |
//! |---|---|
//! | 0 null, 5 false, 6 true | nothing |
//! | 1 integer, 2 float | 8 bytes, big-endian |
//! | 3 string, 7 bytes | length, then the UTF-8 text or the octets |
//! | 8 list | number of items, then each item |
//! | 9 map | number of members, then of each its name (length and UTF-8 text) and its value |
//!
//! A length or number is one byte if it is below 255; otherwise a byte 255 and four bytes, big-endian.

use calculator::{CallError, ErrorKind, MAX_ITEMS, MAX_RESERVED_ITEMS, Value};

const NULL: u8 = 0;
const INT: u8 = 1;
const FLOAT: u8 = 2;
const STR: u8 = 3;
const FALSE: u8 = 5;
const TRUE: u8 = 6;
const BYTES: u8 = 7;
const LIST: u8 = 8;
const MAP: u8 = 9;

/// The first byte of a length that takes four more.
const LONG: u8 = 255;

/// Why bytes are not a value in the flat form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    /// They end inside the value.
    #[error("the message ends inside a value")]
    Truncated,
    /// Bytes follow the value.
    #[error("bytes follow the value")]
    Surplus,
    /// A byte that is not a kind.
    #[error("{0} is not a kind of value")]
    Kind(u8),
    /// A length in five bytes that one byte could hold.
    #[error("a length in more bytes than it takes")]
    LongLength,
    /// A text that is not UTF-8.
    #[error("a text that is not UTF-8")]
    NotUtf8,
    /// Lists and maps are nested deeper than the limit.
    #[error("nested deeper than the limit")]
    TooDeep,
    /// Lists and maps announce more than [`MAX_ITEMS`] together.
    #[error("more than {MAX_ITEMS} items")]
    TooMany,
}

impl From<DecodeError> for CallError {
    fn from(error: DecodeError) -> Self {
        let kind = match error {
            DecodeError::TooDeep | DecodeError::TooMany => ErrorKind::TooLarge,
            _ => ErrorKind::Malformed,
        };
        CallError::new(kind, format!("the value cannot be read: {error}"))
    }
}

/// Appends `value` to `out`, which is left with a part of it if that fails.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`] for a date or a value of an extension type, [`ErrorKind::Overflow`] for an integer
/// beyond 64 bits, [`ErrorKind::TooLarge`] for a length of 4 GiB.
pub(super) fn encode(out: &mut Vec<u8>, value: &Value) -> Result<(), CallError> {
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(v) => out.push(if *v { TRUE } else { FALSE }),
        Value::Int(v) => {
            out.push(INT);
            out.extend_from_slice(&v.to_be_bytes());
        }
        Value::Float(v) => {
            out.push(FLOAT);
            out.extend_from_slice(&v.to_be_bytes());
        }
        Value::Str(text) => {
            out.push(STR);
            put_bytes(out, text.as_bytes())?;
        }
        Value::Bytes(bytes) => {
            out.push(BYTES);
            put_bytes(out, bytes)?;
        }
        Value::List(items) => {
            out.push(LIST);
            put_len(out, items.len())?;
            for item in items {
                encode(out, item)?;
            }
        }
        Value::Map(members) => {
            out.push(MAP);
            put_len(out, members.len())?;
            for (name, value) in members {
                put_bytes(out, name.as_bytes())?;
                encode(out, value)?;
            }
        }
        Value::BigInt(_) | Value::DateTime(_) | Value::Extension(_) => return Err(not_representable(value)),
    }
    Ok(())
}

/// The error for a value that the format cannot carry in its place.
pub(super) fn not_representable(value: &Value) -> CallError {
    match value {
        Value::BigInt(_) => CallError::new(ErrorKind::Overflow, "an integer beyond 64 bits"),
        other => {
            let message = format!("the fixed format cannot carry a {} here", other.kind());
            CallError::new(ErrorKind::NotRepresentable, message)
        }
    }
}

/// A length as it is written in four bytes.
///
/// # Errors
/// [`ErrorKind::TooLarge`] for a length of 4 GiB.
pub(super) fn len32(len: usize) -> Result<u32, CallError> {
    u32::try_from(len).map_err(|_| CallError::new(ErrorKind::TooLarge, format!("{len} bytes or items")))
}

fn put_len(out: &mut Vec<u8>, len: usize) -> Result<(), CallError> {
    match u8::try_from(len) {
        Ok(short) if short < LONG => out.push(short),
        _ => {
            out.push(LONG);
            out.extend_from_slice(&len32(len)?.to_be_bytes());
        }
    }
    Ok(())
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), CallError> {
    put_len(out, bytes.len())?;
    out.extend_from_slice(bytes);
    Ok(())
}

/// Decodes the value that `bytes` consist of. Its lists and maps may nest `max_depth` levels deep.
///
/// # Errors
/// [`DecodeError`] for bytes that [`encode`] never produces, and beyond the limits.
pub(super) fn decode(bytes: &[u8], max_depth: usize) -> Result<Value, DecodeError> {
    let mut reader = Reader { rest: bytes, items_left: MAX_ITEMS };
    let value = reader.value(max_depth)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(DecodeError::Surplus) }
}

struct Reader<'a> {
    rest: &'a [u8],
    /// The remainder of [`MAX_ITEMS`].
    items_left: usize,
}

impl<'a> Reader<'a> {
    /// Reads a value. `depth` limits how deep lists and maps may nest.
    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let [kind] = self.array()?;
        Ok(match kind {
            NULL => Value::Null,
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            INT => Value::Int(i64::from_be_bytes(self.array()?)),
            FLOAT => Value::Float(f64::from_be_bytes(self.array()?)),
            STR => self.text()?.into(),
            BYTES => Value::Bytes(self.octets()?.into()),
            LIST => Value::list(self.items(depth, Self::value)?),
            MAP => {
                let member = |reader: &mut Self, depth| Ok((reader.text()?.into(), reader.value(depth)?));
                Value::map(self.items(depth, member)?)
            }
            other => return Err(DecodeError::Kind(other)),
        })
    }

    /// Reads the number of items of a list or map and each of them. `depth` includes the level of that list or map.
    fn items<T>(
        &mut self,
        depth: usize,
        item: impl Fn(&mut Self, usize) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let depth = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
        let len = self.len()?;
        self.items_left = self.items_left.checked_sub(len).ok_or(DecodeError::TooMany)?;
        let mut items = Vec::with_capacity(len.min(MAX_RESERVED_ITEMS));
        for _ in 0..len {
            items.push(item(self, depth)?);
        }
        Ok(items)
    }

    fn text(&mut self) -> Result<&'a str, DecodeError> {
        str::from_utf8(self.octets()?).map_err(|_| DecodeError::NotUtf8)
    }

    fn octets(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.len()?;
        let (octets, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(octets)
    }

    fn len(&mut self) -> Result<usize, DecodeError> {
        let [short] = self.array()?;
        if short < LONG {
            return Ok(short.into());
        }
        let len = u32::from_be_bytes(self.array()?);
        if len < LONG.into() {
            return Err(DecodeError::LongLength);
        }
        Ok(usize::try_from(len).unwrap_or(usize::MAX))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }
}
