//! Decoding.

use calculator::{CallError, ErrorKind, Limits, MAX_ITEMS, Params, Text, Value, ValueBuilder};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::field;

/// Why a message is not what the protocol expects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not a message of Protocol Buffers, with the reason of the library.
    #[error("{0}")]
    Invalid(prost::DecodeError),
    /// The message ends inside a field.
    #[error("the message ends inside a field")]
    Truncated,
    /// The field has another type.
    #[error("field {0} has another type")]
    WireType(u32),
    /// A field that may occur once occurs twice.
    #[error("field {0} occurs twice")]
    Repeated(u32),
    /// A value without a kind, or of a kind that is not known.
    #[error("a value without a known kind")]
    NoKind,
    /// A string that is not UTF-8.
    #[error("a string that is not UTF-8")]
    NotUtf8,
    /// Lists and maps are nested deeper than the limit.
    #[error("nested deeper than the limit")]
    TooDeep,
    /// More than [`MAX_ITEMS`] arguments, items and members.
    #[error("more than {MAX_ITEMS} items")]
    TooMany,
}

impl From<prost::DecodeError> for DecodeError {
    fn from(error: prost::DecodeError) -> Self {
        DecodeError::Invalid(error)
    }
}

impl From<DecodeError> for CallError {
    fn from(error: DecodeError) -> Self {
        let kind = match error {
            DecodeError::TooDeep | DecodeError::TooMany => ErrorKind::TooLarge,
            _ => ErrorKind::Malformed,
        };
        CallError::new(kind, format!("the message cannot be read: {error}"))
    }
}

/// Decodes the request message of a method with the parameters `names`. Arguments without a gap before them are positional.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_arguments(
    message: &[u8],
    names: &[&'static str],
    limits: &Limits,
) -> Result<Params, DecodeError> {
    let mut reader = Reader::default();
    let mut rest = message;
    let mut found: Vec<(usize, Value)> = Vec::with_capacity(names.len());
    while !rest.is_empty() {
        let (number, wire_type) = decode_key(&mut rest)?;
        let position = usize::try_from(number).unwrap_or(usize::MAX) - 1;
        if position >= names.len() {
            skip_field(wire_type, number, &mut rest, DecodeContext::default())?;
            continue;
        }
        let bytes = delimited(number, wire_type, &mut rest)?;
        if found.iter().any(|(earlier, _)| *earlier == position) {
            return Err(DecodeError::Repeated(number));
        }
        found.push((position, reader.value(bytes, limits.max_depth)?));
    }
    Ok(Params::from_numbered(found, names))
}

/// Decodes the message `Value`, which is also the reply of every method.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_value(message: &[u8], limits: &Limits) -> Result<Value, DecodeError> {
    Reader::default().value(message, limits.max_depth)
}

/// Cuts off the bytes of the field `number`, whose key has been read.
fn delimited<'a>(number: u32, wire_type: WireType, rest: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    if wire_type != WireType::LengthDelimited {
        return Err(DecodeError::WireType(number));
    }
    let len = usize::try_from(decode_varint(rest)?).map_err(|_| DecodeError::Truncated)?;
    let (bytes, after) = rest.split_at_checked(len).ok_or(DecodeError::Truncated)?;
    *rest = after;
    Ok(bytes)
}

fn utf8(bytes: &[u8]) -> Result<Text, DecodeError> {
    str::from_utf8(bytes).map(Text::from).map_err(|_| DecodeError::NotUtf8)
}

/// Reverses what the type `sint64` does to integers.
#[allow(clippy::cast_possible_wrap, reason = "the bits count")]
fn from_zigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

/// Reads the values of a message.
#[derive(Default)]
struct Reader {
    builder: ValueBuilder,
    items: usize,
}

impl Reader {
    /// Reads the content of the message `Value`. `depth` limits how deep lists and maps may nest in it.
    fn value(&mut self, message: &[u8], depth: usize) -> Result<Value, DecodeError> {
        let mut rest = message;
        let mut found = None;
        while !rest.is_empty() {
            let (number, wire_type) = decode_key(&mut rest)?;
            let value = match (number, wire_type) {
                (field::NULL, WireType::Varint) => decode_varint(&mut rest).map(|_| Value::Null)?,
                (field::BOOL, WireType::Varint) => Value::Bool(decode_varint(&mut rest)? != 0),
                (field::INT, WireType::Varint) => Value::Int(from_zigzag(decode_varint(&mut rest)?)),
                (field::FLOAT, WireType::SixtyFourBit) => {
                    let (bytes, after) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
                    rest = after;
                    Value::Float(f64::from_le_bytes(*bytes))
                }
                (field::STRING, _) => Value::Str(utf8(delimited(number, wire_type, &mut rest)?)?),
                (field::BYTES, _) => Value::Bytes(delimited(number, wire_type, &mut rest)?.into()),
                (field::LIST | field::MAP, _) => {
                    let bytes = delimited(number, wire_type, &mut rest)?;
                    if matches!(found, Some(Value::List(_) | Value::Map(_))) {
                        return Err(DecodeError::Repeated(number));
                    }
                    let inner = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
                    if number == field::LIST { self.list(bytes, inner)? } else { self.map(bytes, inner)? }
                }
                (field::NULL..=field::MAP, _) => return Err(DecodeError::WireType(number)),
                _ => {
                    skip_field(wire_type, number, &mut rest, DecodeContext::default())?;
                    continue;
                }
            };
            found = Some(value);
        }
        found.ok_or(DecodeError::NoKind)
    }

    fn list(&mut self, message: &[u8], depth: usize) -> Result<Value, DecodeError> {
        let list = self.builder.open_list();
        self.each_item(message, |reader, bytes| {
            let item = reader.value(bytes, depth)?;
            reader.builder.push_item(item);
            Ok(())
        })?;
        Ok(self.builder.close_list(list))
    }

    fn map(&mut self, message: &[u8], depth: usize) -> Result<Value, DecodeError> {
        let map = self.builder.open_map();
        self.each_item(message, |reader, bytes| {
            let (name, value) = reader.member(bytes, depth)?;
            reader.builder.push_member(name, value);
            Ok(())
        })?;
        Ok(self.builder.close_map(map))
    }

    /// Reads the message `List` or `Map`, and each of its items with `read`.
    fn each_item(
        &mut self,
        message: &[u8],
        read: impl Fn(&mut Self, &[u8]) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut rest = message;
        while !rest.is_empty() {
            let (number, wire_type) = decode_key(&mut rest)?;
            if number != field::ITEMS {
                skip_field(wire_type, number, &mut rest, DecodeContext::default())?;
                continue;
            }
            let bytes = delimited(number, wire_type, &mut rest)?;
            self.items += 1;
            if self.items > MAX_ITEMS {
                return Err(DecodeError::TooMany);
            }
            read(self, bytes)?;
        }
        Ok(())
    }

    /// Reads the message `Member`.
    fn member(&mut self, message: &[u8], depth: usize) -> Result<(Text, Value), DecodeError> {
        let mut rest = message;
        let (mut name, mut value) = (Text::new(), None);
        while !rest.is_empty() {
            let (number, wire_type) = decode_key(&mut rest)?;
            match number {
                field::NAME => name = utf8(delimited(number, wire_type, &mut rest)?)?,
                field::VALUE if value.is_some() => return Err(DecodeError::Repeated(number)),
                field::VALUE => {
                    value = Some(self.value(delimited(number, wire_type, &mut rest)?, depth)?);
                }
                _ => skip_field(wire_type, number, &mut rest, DecodeContext::default())?,
            }
        }
        Ok((name, value.ok_or(DecodeError::NoKind)?))
    }
}
