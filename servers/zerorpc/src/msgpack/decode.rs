//! Decoding.

use calculator::{CallError, ErrorKind, Extension, MAX_ITEMS, MAX_RESERVED_ITEMS, Value};
use rmp::Marker;

/// Why a message is not valid MessagePack, or not what the protocol expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The message ends inside a value.
    #[error("the message ends inside a value")]
    Truncated,
    /// Lists and maps are nested deeper than the limit.
    #[error("nested deeper than the limit")]
    TooDeep,
    /// Lists and maps announce more than [`MAX_ITEMS`] together.
    #[error("more than {MAX_ITEMS} items")]
    TooMany,
    /// A str that is not UTF-8.
    #[error("a string that is not UTF-8")]
    NotUtf8,
    /// A map key that is neither str nor bin, or a bin that is not UTF-8.
    #[error("a map key that is not a string")]
    Key,
    /// The one marker that MessagePack never uses.
    #[error("a byte that MessagePack never uses")]
    Unsupported,
    /// A value of a type that the protocol does not have in this place.
    #[error("{0}")]
    Unexpected(&'static str),
}

impl From<DecodeError> for CallError {
    /// The error of a call whose arguments cannot be decoded.
    fn from(error: DecodeError) -> Self {
        let kind = match error {
            DecodeError::TooDeep | DecodeError::TooMany => ErrorKind::TooLarge,
            _ => ErrorKind::Malformed,
        };
        CallError::new(kind, format!("the arguments cannot be read: {error}"))
    }
}

/// Reads values from the start of a message.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// The remainder of [`MAX_ITEMS`].
    items_left: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Reader { rest: message, items_left: MAX_ITEMS }
    }

    /// The bytes that have not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads a marker: the byte that a value begins with.
    pub(crate) fn marker(&mut self) -> Result<Marker, DecodeError> {
        let [byte] = self.array()?;
        Ok(Marker::from_u8(byte))
    }

    /// Reads a value. `depth` limits how deep lists and maps may nest.
    pub(crate) fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let marker = self.marker()?;
        self.value_after(marker, depth)
    }

    /// Reads the rest of a value whose marker has been read.
    pub(crate) fn value_after(&mut self, marker: Marker, depth: usize) -> Result<Value, DecodeError> {
        if let Some(len) = self.list_len(marker)? {
            let inner = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
            return self.list(len, inner).map(Value::list);
        }
        if let Some(len) = self.map_len(marker)? {
            let inner = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
            let mut members = Vec::with_capacity(len.min(MAX_RESERVED_ITEMS));
            for _ in 0..len {
                members.push((self.key()?.into(), self.value(inner)?));
            }
            return Ok(Value::map(members));
        }
        if let Some(text) = self.str_after(marker)? {
            return Ok(Value::from(text));
        }
        if let Some(bytes) = self.bin_after(marker)? {
            return Ok(Value::Bytes(bytes.into()));
        }
        Ok(match marker {
            Marker::Null => Value::Null,
            Marker::False => Value::Bool(false),
            Marker::True => Value::Bool(true),
            Marker::FixPos(v) => Value::Int(v.into()),
            Marker::FixNeg(v) => Value::Int(v.into()),
            Marker::U8 => Value::Int(u8::from_be_bytes(self.array()?).into()),
            Marker::U16 => Value::Int(u16::from_be_bytes(self.array()?).into()),
            Marker::U32 => Value::Int(u32::from_be_bytes(self.array()?).into()),
            Marker::U64 => {
                let v = u64::from_be_bytes(self.array()?);
                i64::try_from(v).map_or_else(|_| Value::BigInt(v.to_string().into()), Value::Int)
            }
            Marker::I8 => Value::Int(i8::from_be_bytes(self.array()?).into()),
            Marker::I16 => Value::Int(i16::from_be_bytes(self.array()?).into()),
            Marker::I32 => Value::Int(i32::from_be_bytes(self.array()?).into()),
            Marker::I64 => Value::Int(i64::from_be_bytes(self.array()?)),
            Marker::F32 => Value::Float(f32::from_be_bytes(self.array()?).into()),
            Marker::F64 => Value::Float(f64::from_be_bytes(self.array()?)),
            marker => {
                let value = self.extension_after(marker)?.ok_or(DecodeError::Unsupported)?;
                Value::Extension(Box::new(value))
            }
        })
    }

    /// Reads `len` values. `depth` limits how deep lists and maps may nest in each.
    pub(crate) fn list(&mut self, len: usize, depth: usize) -> Result<Vec<Value>, DecodeError> {
        let mut items = Vec::with_capacity(len.min(MAX_RESERVED_ITEMS));
        for _ in 0..len {
            items.push(self.value(depth)?);
        }
        Ok(items)
    }

    /// Reads a str if it is next, equal to `text` and in the form for less than 32 bytes. Otherwise reads nothing and
    /// returns false.
    pub(crate) fn skip_short_str(&mut self, text: &str) -> bool {
        let Some((marker, rest)) = self.rest.split_first() else { return false };
        match rest.strip_prefix(text.as_bytes()) {
            Some(rest) if usize::from(*marker) == 0xa0 | text.len() => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Reads the key of a map: a str, or a bin that is UTF-8.
    pub(crate) fn key(&mut self) -> Result<&'a str, DecodeError> {
        let marker = self.marker()?;
        if let Some(text) = self.str_after(marker)? {
            return Ok(text);
        }
        let bytes = self.bin_after(marker)?.ok_or(DecodeError::Key)?;
        str::from_utf8(bytes).map_err(|_| DecodeError::Key)
    }

    /// Reads the rest of the length of a list; `None` when the marker belongs to another type.
    pub(crate) fn list_len(&mut self, marker: Marker) -> Result<Option<usize>, DecodeError> {
        let len = match marker {
            Marker::FixArray(len) => len.into(),
            Marker::Array16 => self.len16()?,
            Marker::Array32 => self.len32()?,
            _ => return Ok(None),
        };
        self.checked_len(len).map(Some)
    }

    /// Subtracts the length of a list or map from the remainder of [`MAX_ITEMS`].
    fn checked_len(&mut self, len: usize) -> Result<usize, DecodeError> {
        self.items_left = self.items_left.checked_sub(len).ok_or(DecodeError::TooMany)?;
        Ok(len)
    }

    /// Reads the rest of the number of members of a map; `None` when the marker belongs to another type.
    pub(crate) fn map_len(&mut self, marker: Marker) -> Result<Option<usize>, DecodeError> {
        let len = match marker {
            Marker::FixMap(len) => len.into(),
            Marker::Map16 => self.len16()?,
            Marker::Map32 => self.len32()?,
            _ => return Ok(None),
        };
        self.checked_len(len).map(Some)
    }

    /// Reads the rest of a str; `None` when the marker belongs to another type.
    pub(crate) fn str_after(&mut self, marker: Marker) -> Result<Option<&'a str>, DecodeError> {
        let len = match marker {
            Marker::FixStr(len) => len.into(),
            Marker::Str8 => self.len8()?,
            Marker::Str16 => self.len16()?,
            Marker::Str32 => self.len32()?,
            _ => return Ok(None),
        };
        str::from_utf8(self.take(len)?).map(Some).map_err(|_| DecodeError::NotUtf8)
    }

    /// Reads the rest of a bin; `None` when the marker belongs to another type.
    pub(crate) fn bin_after(&mut self, marker: Marker) -> Result<Option<&'a [u8]>, DecodeError> {
        let len = match marker {
            Marker::Bin8 => self.len8()?,
            Marker::Bin16 => self.len16()?,
            Marker::Bin32 => self.len32()?,
            _ => return Ok(None),
        };
        self.take(len).map(Some)
    }

    /// Reads the rest of a value of an extension type; `None` when the marker belongs to another type.
    fn extension_after(&mut self, marker: Marker) -> Result<Option<Extension>, DecodeError> {
        let len = match marker {
            Marker::FixExt1 => 1,
            Marker::FixExt2 => 2,
            Marker::FixExt4 => 4,
            Marker::FixExt8 => 8,
            Marker::FixExt16 => 16,
            Marker::Ext8 => self.len8()?,
            Marker::Ext16 => self.len16()?,
            Marker::Ext32 => self.len32()?,
            _ => return Ok(None),
        };
        let number = i8::from_be_bytes(self.array()?);
        Ok(Some(Extension { number, data: self.take(len)?.to_vec() }))
    }

    fn len8(&mut self) -> Result<usize, DecodeError> {
        Ok(u8::from_be_bytes(self.array()?).into())
    }

    fn len16(&mut self) -> Result<usize, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?).into())
    }

    fn len32(&mut self) -> Result<usize, DecodeError> {
        usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| DecodeError::Truncated)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}
