//! MessagePack to and from [`Value`]. Pure functions.
//!
//! The forms are those that msgpack-python writes with `use_bin_type=True` and reads with `raw=False`: integers in
//! their shortest form, floats as float64, text as str and octets as bin, each with its 8-bit length form; map keys are
//! str or bin. Extension types are refused. Format: <https://github.com/msgpack/msgpack/blob/master/spec.md>.

use calculator::{CallError, ErrorKind, Value};
use rmp::Marker;

/// Why octets are no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The value is longer than the message.
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
    #[error("a map key that is no text")]
    Key,
    /// An extension type, or the one marker that MessagePack never uses.
    #[error("an unsupported type")]
    Unsupported,
    /// A value of another type than the protocol has in this place.
    #[error("{0}")]
    Unexpected(&'static str),
}

/// Never more than this is reserved on a peer's word about a length; the rest grows as items really arrive.
const RESERVE_AT_MOST: usize = 64;

/// Items of all lists and members of all maps of a message together: an item may take one octet on the wire and takes
/// 32 in memory, so that a message's size alone would be no bound.
pub const MAX_ITEMS: usize = 1 << 21;

/// Reads values from the front of a message.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// How many items may still be announced.
    items_left: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Reader { rest: message, items_left: MAX_ITEMS }
    }

    /// What was not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn marker(&mut self) -> Result<Marker, DecodeError> {
        let [byte] = self.array()?;
        Ok(Marker::from_u8(byte))
    }

    /// Reads a value that nests at most `depth` lists and maps.
    pub(crate) fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let marker = self.marker()?;
        self.value_after(marker, depth)
    }

    /// Reads the rest of a value whose marker has been read.
    pub(crate) fn value_after(&mut self, marker: Marker, depth: usize) -> Result<Value, DecodeError> {
        if let Some(len) = self.list_len(marker)? {
            let inner = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
            return self.list(len, inner).map(Value::List);
        }
        if let Some(len) = self.map_len(marker)? {
            let inner = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
            let mut members = Vec::with_capacity(len.min(RESERVE_AT_MOST));
            for _ in 0..len {
                members.push((self.key()?.to_owned(), self.value(inner)?));
            }
            return Ok(Value::map(members));
        }
        if let Some(text) = self.str_after(marker)? {
            return Ok(Value::Str(text.to_owned()));
        }
        if let Some(octets) = self.bin_after(marker)? {
            return Ok(Value::Bytes(octets.to_vec()));
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
            _ => return Err(DecodeError::Unsupported),
        })
    }

    /// Reads `len` values, each nesting at most `depth` levels.
    pub(crate) fn list(&mut self, len: usize, depth: usize) -> Result<Vec<Value>, DecodeError> {
        let mut items = Vec::with_capacity(len.min(RESERVE_AT_MOST));
        for _ in 0..len {
            items.push(self.value(depth)?);
        }
        Ok(items)
    }

    /// Reads `text` where it is what comes next, in its shortest form as a str of less than 32 octets.
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

    /// Reads a map's key: a str, or a bin that is UTF-8.
    pub(crate) fn key(&mut self) -> Result<&'a str, DecodeError> {
        let marker = self.marker()?;
        if let Some(text) = self.str_after(marker)? {
            return Ok(text);
        }
        let octets = self.bin_after(marker)?.ok_or(DecodeError::Key)?;
        str::from_utf8(octets).map_err(|_| DecodeError::Key)
    }

    /// The length that a list's marker announces; `None` where it is no list's.
    pub(crate) fn list_len(&mut self, marker: Marker) -> Result<Option<usize>, DecodeError> {
        let len = match marker {
            Marker::FixArray(len) => len.into(),
            Marker::Array16 => self.len16()?,
            Marker::Array32 => self.len32()?,
            _ => return Ok(None),
        };
        self.announced(len).map(Some)
    }

    /// Checks a length that a list or a map announces before anything is done with it.
    fn announced(&mut self, len: usize) -> Result<usize, DecodeError> {
        self.items_left = self.items_left.checked_sub(len).ok_or(DecodeError::TooMany)?;
        Ok(len)
    }

    /// The number of members that a map's marker announces; `None` where it is no map's.
    pub(crate) fn map_len(&mut self, marker: Marker) -> Result<Option<usize>, DecodeError> {
        let len = match marker {
            Marker::FixMap(len) => len.into(),
            Marker::Map16 => self.len16()?,
            Marker::Map32 => self.len32()?,
            _ => return Ok(None),
        };
        self.announced(len).map(Some)
    }

    /// The rest of a str; `None` where the marker is of another type.
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

    /// The rest of a bin; `None` where the marker is of another type.
    pub(crate) fn bin_after(&mut self, marker: Marker) -> Result<Option<&'a [u8]>, DecodeError> {
        let len = match marker {
            Marker::Bin8 => self.len8()?,
            Marker::Bin16 => self.len16()?,
            Marker::Bin32 => self.len32()?,
            _ => return Ok(None),
        };
        self.take(len).map(Some)
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

/// Appends `value`.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`] for a date, [`ErrorKind::Overflow`] for an integer outside −2⁶³ … 2⁶⁴−1, [`ErrorKind::TooLarge`] for 2³² or more items or
/// octets; `out` then holds a part of the value.
pub(crate) fn write_value(out: &mut Vec<u8>, value: &Value) -> Result<(), CallError> {
    match value {
        Value::Null => out.push(Marker::Null.to_u8()),
        Value::Bool(false) => out.push(Marker::False.to_u8()),
        Value::Bool(true) => out.push(Marker::True.to_u8()),
        Value::Int(v) => write_int(out, *v),
        Value::BigInt(digits) => match digits.parse() {
            Ok(v) => write_uint(out, v),
            Err(_) => return Err(CallError::new(ErrorKind::Overflow, "Integer value out of range")),
        },
        Value::Float(v) => tagged(out, Marker::F64, v.to_be_bytes()),
        Value::Str(text) => write_str(out, text)?,
        Value::Bytes(octets) => write_bin(out, octets)?,
        Value::DateTime(_) => {
            let message = "zerorpc has no form for a date and time";
            return Err(CallError::new(ErrorKind::NotRepresentable, message));
        }
        Value::List(items) => {
            write_list_len(out, items.len())?;
            for item in items {
                write_value(out, item)?;
            }
        }
        Value::Map(members) => {
            let len = length(members.len())?;
            match len {
                0..=15 => out.push(0x80 | low_byte(len)),
                16..=0xffff => tagged(out, Marker::Map16, low_two_bytes(len)),
                _ => tagged(out, Marker::Map32, len.to_be_bytes()),
            }
            for (name, value) in members {
                write_str(out, name)?;
                write_value(out, value)?;
            }
        }
    }
    Ok(())
}

/// Appends the head of a list of `len` items.
pub(crate) fn write_list_len(out: &mut Vec<u8>, len: usize) -> Result<(), CallError> {
    let len = length(len)?;
    match len {
        0..=15 => out.push(0x90 | low_byte(len)),
        16..=0xffff => tagged(out, Marker::Array16, low_two_bytes(len)),
        _ => tagged(out, Marker::Array32, len.to_be_bytes()),
    }
    Ok(())
}

/// Appends a str.
pub(crate) fn write_str(out: &mut Vec<u8>, text: &str) -> Result<(), CallError> {
    let len = length(text.len())?;
    match len {
        0..=31 => out.push(0xa0 | low_byte(len)),
        32..=0xff => out.extend_from_slice(&[Marker::Str8.to_u8(), low_byte(len)]),
        0x100..=0xffff => tagged(out, Marker::Str16, low_two_bytes(len)),
        _ => tagged(out, Marker::Str32, len.to_be_bytes()),
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Appends a bin.
pub(crate) fn write_bin(out: &mut Vec<u8>, octets: &[u8]) -> Result<(), CallError> {
    let len = length(octets.len())?;
    match len {
        0..=0xff => out.extend_from_slice(&[Marker::Bin8.to_u8(), low_byte(len)]),
        0x100..=0xffff => tagged(out, Marker::Bin16, low_two_bytes(len)),
        _ => tagged(out, Marker::Bin32, len.to_be_bytes()),
    }
    out.extend_from_slice(octets);
    Ok(())
}

fn write_int(out: &mut Vec<u8>, v: i64) {
    if let Ok(v) = u64::try_from(v) {
        write_uint(out, v);
    } else if let Ok(v) = i8::try_from(v) {
        // A negative fixint is its own marker.
        if v < -32 {
            out.push(Marker::I8.to_u8());
        }
        out.extend_from_slice(&v.to_be_bytes());
    } else if let Ok(v) = i16::try_from(v) {
        tagged(out, Marker::I16, v.to_be_bytes());
    } else if let Ok(v) = i32::try_from(v) {
        tagged(out, Marker::I32, v.to_be_bytes());
    } else {
        tagged(out, Marker::I64, v.to_be_bytes());
    }
}

fn write_uint(out: &mut Vec<u8>, v: u64) {
    if let Ok(v) = u8::try_from(v) {
        if v >= 0x80 {
            out.push(Marker::U8.to_u8());
        }
        out.push(v);
    } else if let Ok(v) = u16::try_from(v) {
        tagged(out, Marker::U16, v.to_be_bytes());
    } else if let Ok(v) = u32::try_from(v) {
        tagged(out, Marker::U32, v.to_be_bytes());
    } else {
        tagged(out, Marker::U64, v.to_be_bytes());
    }
}

fn tagged<const N: usize>(out: &mut Vec<u8>, marker: Marker, payload: [u8; N]) {
    out.push(marker.to_u8());
    out.extend_from_slice(&payload);
}

fn length(len: usize) -> Result<u32, CallError> {
    u32::try_from(len)
        .map_err(|_| CallError::new(ErrorKind::TooLarge, "MessagePack counts to 2³²−1 items or octets"))
}

fn low_byte(len: u32) -> u8 {
    len.to_be_bytes()[3]
}

fn low_two_bytes(len: u32) -> [u8; 2] {
    let [_, _, high, low] = len.to_be_bytes();
    [high, low]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DEPTH: usize = 64;

    fn written(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        write_value(&mut out, value).unwrap();
        out
    }

    fn read(octets: &[u8]) -> Result<Value, DecodeError> {
        Reader::new(octets).value(DEPTH)
    }

    #[test]
    fn integers_take_their_shortest_form() {
        for (v, octets) in [
            (0, &[0x00][..]),
            (127, &[0x7f]),
            (128, &[0xcc, 0x80]),
            (256, &[0xcd, 1, 0]),
            (65_536, &[0xce, 0, 1, 0, 0]),
            (1 << 32, &[0xcf, 0, 0, 0, 1, 0, 0, 0, 0]),
            (i64::MAX, &[0xcf, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            (-1, &[0xff]),
            (-32, &[0xe0]),
            (-33, &[0xd0, 0xdf]),
            (-129, &[0xd1, 0xff, 0x7f]),
            (-32_769, &[0xd2, 0xff, 0xff, 0x7f, 0xff]),
            (i64::MIN, &[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(written(&Value::Int(v)), octets, "{v}");
            assert_eq!(read(octets), Ok(Value::Int(v)));
        }
        let big = Value::BigInt("18446744073709551615".into());
        assert_eq!(written(&big), [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(read(&written(&big)), Ok(big));
        for digits in ["18446744073709551616", "-9223372036854775809"] {
            let refused = write_value(&mut Vec::new(), &Value::BigInt(digits.into()));
            assert_eq!(refused.unwrap_err().kind, ErrorKind::Overflow);
        }
    }

    #[test]
    fn text_and_octets_have_their_8_bit_forms() {
        assert_eq!(written(&"x".repeat(31).into())[..1], [0xbf]);
        assert_eq!(written(&"x".repeat(32).into())[..2], [0xd9, 32]);
        assert_eq!(written(&"x".repeat(256).into())[..3], [0xda, 1, 0]);
        assert_eq!(written(&Value::Bytes(vec![7])), [0xc4, 1, 7]);
        assert_eq!(written(&Value::Bytes(vec![0; 300]))[..3], [0xc5, 1, 44]);
        assert_eq!(written(&Value::Float(5.0)), [0xcb, 0x40, 0x14, 0, 0, 0, 0, 0, 0]);
        assert_eq!(read(&[0xca, 0x3f, 0xc0, 0, 0]), Ok(Value::Float(1.5)));
    }

    #[test]
    fn what_msgpack_python_refuses_is_refused() {
        for (octets, error) in [
            (&[][..], DecodeError::Truncated),
            (&[0xa2, b'x'], DecodeError::Truncated),
            (&[0xc4, 9, 1], DecodeError::Truncated),
            (&[0xdc, 0xff, 0xff], DecodeError::Truncated),
            (&[0xdd, 0xff, 0xff, 0xff, 0xff], DecodeError::TooMany),
            (&[0xdf, 0xff, 0xff, 0xff, 0xff], DecodeError::TooMany),
            (&[0xdb, 0xff, 0xff, 0xff, 0xff], DecodeError::Truncated),
            (&[0xa1, 0xff], DecodeError::NotUtf8),
            (&[0x81, 1, 2], DecodeError::Key),
            (&[0x81, 0xc4, 1, 0xff, 2], DecodeError::Key),
            (&[0xc1], DecodeError::Unsupported),
            (&[0xd4, 5, 0], DecodeError::Unsupported),
        ] {
            assert_eq!(read(octets), Err(error), "{octets:02x?}");
        }
        assert_eq!(
            read(&[0x82, 0xc4, 1, b'a', 1, 0xa1, b'a', 2]),
            Ok(Value::Map(vec![("a".to_owned(), Value::Int(2))]))
        );
    }

    #[test]
    fn depth_is_counted_in_lists_and_maps() {
        let nested = |levels: usize| [vec![0x91; levels], vec![0xc0]].concat();
        assert!(read(&nested(DEPTH)).is_ok());
        assert_eq!(read(&nested(DEPTH + 1)), Err(DecodeError::TooDeep));
        assert_eq!(read(&vec![0x91; 1 << 20]), Err(DecodeError::TooDeep));
        assert_eq!(Reader::new(&[0x90]).value(0), Err(DecodeError::TooDeep));
        assert_eq!(Reader::new(&[0x05]).value(0), Ok(Value::Int(5)));
    }

    pub(crate) fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<i16>().prop_map(|v| Value::Int(v.into())),
            (1_u64 << 63..).prop_map(|v| Value::BigInt(v.to_string().into())),
            any::<f64>().prop_filter("NaN is unequal to itself", |v| !v.is_nan()).prop_map(Value::Float),
            any::<String>().prop_map(Value::Str),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        ];
        leaf.prop_recursive(4, 64, 20, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..20).prop_map(Value::List),
                prop::collection::vec((any::<String>(), inner), 0..20).prop_map(Value::map),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(value in values()) {
            let octets = written(&value);
            let mut reader = Reader::new(&octets);
            prop_assert_eq!(reader.value(DEPTH), Ok(value));
            prop_assert!(reader.rest().is_empty());
        }

        // An independent count: the usual library writes the same octets, and reads ours.
        #[test]
        fn what_is_written_is_what_rmp_serde_writes_and_reads(value in values()) {
            let octets = written(&value);
            prop_assert_eq!(&rmp_serde::from_slice::<Value>(&octets).unwrap(), &value);
            if !value.any(|value| matches!(value, Value::BigInt(_))) {
                prop_assert_eq!(rmp_serde::to_vec(&value).unwrap(), octets);
            }
        }

        #[test]
        fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&octets);
        }
    }
}
