//! Decoding.

use calculator::{Call, Limits, MAX_ITEMS, MAX_RESERVED_ITEMS, Params, Text, Value, ValueBuilder};
use jiff::Timestamp;

use crate::{DecodeError, Fault, HEADER, text};

/// A decoded reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The result of a successful call.
    Value(Value),
    /// The fault of a failed call.
    Fault(Fault),
}

/// Decodes a value that stands alone.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_value(bytes: &[u8], limits: &Limits) -> Result<Value, DecodeError> {
    let mut reader = Reader::new(bytes, limits)?;
    let value = reader.value(limits.max_depth)?;
    reader.finish(value)
}

/// Decodes a call.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_call(message: &[u8], limits: &Limits) -> Result<Call, DecodeError> {
    let (mut reader, kind) = Reader::of_message(message, limits)?;
    if kind != b'C' {
        return Err(DecodeError::Kind("a call"));
    }
    let method = reader.string()?.as_str().to_owned();
    let count = reader.count()?;
    let mut arguments = Vec::with_capacity(count.min(MAX_RESERVED_ITEMS));
    for _ in 0..count {
        arguments.push(reader.value(limits.max_depth)?);
    }
    reader.finish(Call { method: method.into(), params: Params::Positional(arguments) })
}

/// Decodes a reply.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_reply(message: &[u8], limits: &Limits) -> Result<Reply, DecodeError> {
    let (mut reader, kind) = Reader::of_message(message, limits)?;
    let value = match kind {
        b'R' | b'F' => reader.value(limits.max_depth)?,
        _ => return Err(DecodeError::Kind("a reply")),
    };
    reader.finish(if kind == b'R' { Reply::Value(value) } else { Reply::Fault(Fault::from_value(value)) })
}

/// The names of the fields of a class.
type Class = Box<[Text]>;

/// Reads a message from its start.
struct Reader<'a> {
    rest: &'a [u8],
    /// The remainder of [`MAX_ITEMS`].
    items_left: usize,
    /// The number of names of types so far, which later values refer to by number.
    types: usize,
    /// The classes that were defined so far.
    classes: Vec<Class>,
    builder: ValueBuilder,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], limits: &Limits) -> Result<Self, DecodeError> {
        if bytes.len() > limits.max_body {
            return Err(DecodeError::TooLong(limits.max_body));
        }
        let builder = ValueBuilder::default();
        Ok(Reader { rest: bytes, items_left: MAX_ITEMS, types: 0, classes: vec![], builder })
    }

    /// Reads the start of a message. Returns its kind, too.
    fn of_message(message: &'a [u8], limits: &Limits) -> Result<(Self, u8), DecodeError> {
        let mut reader = Reader::new(message, limits)?;
        if reader.array()? != HEADER {
            return Err(DecodeError::Version);
        }
        let kind = reader.byte()?;
        Ok((reader, kind))
    }

    /// Returns `decoded` if nothing follows.
    fn finish<T>(self, decoded: T) -> Result<T, DecodeError> {
        if self.rest.is_empty() { Ok(decoded) } else { Err(DecodeError::Trailing) }
    }

    /// Reads a value. `depth` limits how deep lists and maps may nest.
    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let tag = self.byte()?;
        self.value_after(tag, depth)
    }

    /// Reads the rest of a value that begins with the byte `tag`.
    fn value_after(&mut self, mut tag: u8, depth: usize) -> Result<Value, DecodeError> {
        while tag == b'C' {
            self.define_class()?;
            tag = self.byte()?;
        }
        let int = |value: i32| Value::Int(value.into());
        Ok(match tag {
            b'N' => Value::Null,
            b'T' => Value::Bool(true),
            b'F' => Value::Bool(false),
            0x80..=0xd7 | b'I' => int(self.int_after(tag)?),
            0xd8..=0xef => int(i32::from(tag) - 0xe0),
            0xf0..=0xff => int(self.with_high_bits(i32::from(tag) - 0xf8, 1)?),
            0x38..=0x3f => int(self.with_high_bits(i32::from(tag) - 0x3c, 2)?),
            b'Y' => int(i32::from_be_bytes(self.array()?)),
            b'L' => Value::Int(i64::from_be_bytes(self.array()?)),
            0x5b..=0x5f | b'D' => Value::Float(self.double_after(tag)?),
            b'J' => date(i64::from_be_bytes(self.array()?))?,
            b'K' => date(i64::from(i32::from_be_bytes(self.array()?)) * 60_000)?,
            0x00..=0x1f | 0x30..=0x33 | b'R' | b'S' => Value::Str(self.string_after(tag)?),
            0x20..=0x2f | 0x34..=0x37 | b'A' | b'B' => Value::Bytes(self.binary_after(tag)?),
            b'U' | b'V' | b'W' | b'X' | 0x70..=0x7f => self.list_after(tag, inner(depth)?)?,
            b'M' => {
                self.skip_type()?;
                self.members(inner(depth)?)?
            }
            b'H' => self.members(inner(depth)?)?,
            b'O' => {
                let class = self.int()?;
                self.object(usize::try_from(class).map_err(|_| DecodeError::Number)?, inner(depth)?)?
            }
            0x60..=0x6f => self.object(usize::from(tag - 0x60), inner(depth)?)?,
            b'Q' => return Err(DecodeError::Reference),
            _ => return Err(DecodeError::Unexpected(tag)),
        })
    }

    /// Reads the rest of a list. `depth` limits the nesting in its items.
    fn list_after(&mut self, tag: u8, depth: usize) -> Result<Value, DecodeError> {
        if matches!(tag, b'U' | b'V' | 0x70..=0x77) {
            self.skip_type()?;
        }
        let length = match tag {
            0x70..=0x7f => Some(usize::from(tag & 7)),
            b'V' | b'X' => Some(self.count_of_items()?),
            _ => None,
        };
        let Some(length) = length else {
            let list = self.builder.open_list();
            loop {
                let tag = self.byte()?;
                if tag == b'Z' {
                    return Ok(self.builder.close_list(list));
                }
                self.take_items(1)?;
                let item = self.value_after(tag, depth)?;
                self.builder.push_item(item);
            }
        };
        self.take_items(length)?;
        let mut items = Vec::with_capacity(length.min(MAX_RESERVED_ITEMS));
        for _ in 0..length {
            items.push(self.value(depth)?);
        }
        Ok(Value::list(items))
    }

    /// Reads the members of a map and its end. `depth` limits the nesting in its values.
    fn members(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let map = self.builder.open_map();
        loop {
            let tag = self.byte()?;
            if tag == b'Z' {
                return Ok(self.builder.close_map(map));
            }
            self.take_items(1)?;
            if !is_string(tag) {
                return Err(DecodeError::Key);
            }
            let name = self.string_after(tag)?;
            let value = self.value(depth)?;
            self.builder.push_member(name, value);
        }
    }

    /// Reads the definition of a class: its name, which is ignored, and the names of its fields.
    fn define_class(&mut self) -> Result<(), DecodeError> {
        self.take_items(1)?;
        self.string()?;
        let length = self.count_of_items()?;
        self.take_items(length)?;
        let mut fields = Vec::with_capacity(length.min(MAX_RESERVED_ITEMS));
        for _ in 0..length {
            fields.push(self.string()?);
        }
        self.classes.push(fields.into());
        Ok(())
    }

    /// Reads the fields of an object of the class with this number. `depth` limits the nesting in them.
    fn object(&mut self, class: usize, depth: usize) -> Result<Value, DecodeError> {
        let length = self.classes.get(class).ok_or(DecodeError::Number)?.len();
        self.take_items(length)?;
        let map = self.builder.open_map();
        for index in 0..length {
            // The class stays where it is, although an object in a field may define others.
            let name = self.classes[class][index].clone();
            let value = self.value(depth)?;
            self.builder.push_member(name, value);
        }
        Ok(self.builder.close_map(map))
    }

    /// Reads the type of a list or a map: a name, or the number of an earlier one.
    fn skip_type(&mut self) -> Result<(), DecodeError> {
        let tag = self.byte()?;
        if is_string(tag) {
            self.string_after(tag)?;
            self.types += 1;
            return Ok(());
        }
        match usize::try_from(self.int_after(tag)?) {
            Ok(number) if number < self.types => Ok(()),
            _ => Err(DecodeError::Number),
        }
    }

    /// Subtracts from the remainder of [`MAX_ITEMS`].
    fn take_items(&mut self, number: usize) -> Result<(), DecodeError> {
        self.items_left = self.items_left.checked_sub(number).ok_or(DecodeError::TooMany)?;
        Ok(())
    }

    /// Reads a number of items.
    fn count_of_items(&mut self) -> Result<usize, DecodeError> {
        usize::try_from(self.int()?).map_err(|_| DecodeError::Number)
    }

    /// Reads a number of arguments, which count as items.
    fn count(&mut self) -> Result<usize, DecodeError> {
        let count = self.count_of_items()?;
        self.take_items(count)?;
        Ok(count)
    }

    fn int(&mut self) -> Result<i32, DecodeError> {
        let tag = self.byte()?;
        self.int_after(tag)
    }

    /// Reads the rest of an int of 32 bits.
    fn int_after(&mut self, tag: u8) -> Result<i32, DecodeError> {
        match tag {
            0x80..=0xbf => Ok(i32::from(tag) - 0x90),
            0xc0..=0xcf => self.with_high_bits(i32::from(tag) - 0xc8, 1),
            0xd0..=0xd7 => self.with_high_bits(i32::from(tag) - 0xd4, 2),
            b'I' => Ok(i32::from_be_bytes(self.array()?)),
            _ => Err(DecodeError::Unexpected(tag)),
        }
    }

    /// Reads the low `bytes` bytes of a number whose other bits are `high`.
    fn with_high_bits(&mut self, high: i32, bytes: usize) -> Result<i32, DecodeError> {
        Ok(self.take(bytes)?.iter().fold(high, |number, byte| number << 8 | i32::from(*byte)))
    }

    fn double_after(&mut self, tag: u8) -> Result<f64, DecodeError> {
        Ok(match tag {
            0x5b => 0.0,
            0x5c => 1.0,
            0x5d => i8::from_be_bytes(self.array()?).into(),
            0x5e => i16::from_be_bytes(self.array()?).into(),
            0x5f => 0.001 * f64::from(i32::from_be_bytes(self.array()?)),
            _ => f64::from_be_bytes(self.array()?),
        })
    }

    fn string(&mut self) -> Result<Text, DecodeError> {
        let tag = self.byte()?;
        self.string_after(tag)
    }

    /// Reads the rest of a string, which may consist of several chunks.
    fn string_after(&mut self, mut tag: u8) -> Result<Text, DecodeError> {
        let mut before = Vec::new();
        loop {
            let units = match tag {
                0x00..=0x1f => usize::from(tag),
                0x30..=0x33 => self.length_with(tag - 0x30)?,
                b'R' | b'S' => self.length()?,
                _ => return Err(DecodeError::Unexpected(tag)),
            };
            let chunk = self.take(text::encoded_length(self.rest, units)?)?;
            if tag != b'R' && before.is_empty() {
                return Ok(text::decode(chunk)?.into());
            }
            before.extend_from_slice(chunk);
            if tag != b'R' {
                return Ok(text::decode(&before)?.into());
            }
            tag = self.byte()?;
        }
    }

    /// Reads the rest of binary data, which may consist of several chunks.
    fn binary_after(&mut self, mut tag: u8) -> Result<Box<[u8]>, DecodeError> {
        let mut before = Vec::new();
        loop {
            let length = match tag {
                0x20..=0x2f => usize::from(tag - 0x20),
                0x34..=0x37 => self.length_with(tag - 0x34)?,
                b'A' | b'B' => self.length()?,
                _ => return Err(DecodeError::Unexpected(tag)),
            };
            let chunk = self.take(length)?;
            if tag != b'A' && before.is_empty() {
                return Ok(chunk.into());
            }
            before.extend_from_slice(chunk);
            if tag != b'A' {
                return Ok(before.into());
            }
            tag = self.byte()?;
        }
    }

    /// Reads the low byte of a length with this high byte.
    fn length_with(&mut self, high: u8) -> Result<usize, DecodeError> {
        Ok(u16::from_be_bytes([high, self.byte()?]).into())
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?).into())
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// The depth that is left inside a list or a map.
fn inner(depth: usize) -> Result<usize, DecodeError> {
    depth.checked_sub(1).ok_or(DecodeError::TooDeep)
}

/// Whether a string begins with this byte.
fn is_string(tag: u8) -> bool {
    matches!(tag, 0x00..=0x1f | 0x30..=0x33 | b'R' | b'S')
}

fn date(millis: i64) -> Result<Value, DecodeError> {
    let at = Timestamp::from_millisecond(millis).map_err(|_| DecodeError::Date)?;
    Ok(Value::DateTime(at.to_string().into()))
}
