//! Encoding.

use calculator::{Call, CallError, ErrorKind, Value};
use prost::encoding::{MAX_TAG, WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::field;

/// The number of bytes of the key of a field below 16.
const KEY: usize = 1;

/// Encodes the request message of `call`: its arguments.
///
/// # Errors
/// [`ErrorKind::InvalidArguments`] for arguments that the request has no fields for ([`Call::numbered_arguments`]). Otherwise
/// as [`encode_value`].
pub fn encode_arguments(call: &Call) -> Result<Vec<u8>, CallError> {
    let number = |index: usize| u32::try_from(index).map_or(u32::MAX, |index| index.saturating_add(1));
    encode_fields(call.numbered_arguments()?.map(|(index, value)| (number(index), value)))
}

/// Encodes the message `Value` of `value`, which is also the reply of every method.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`] for dates and MessagePack's extension types, [`ErrorKind::Overflow`] for an integer
/// beyond 64 bits.
pub fn encode_value(value: &Value) -> Result<Vec<u8>, CallError> {
    let mut lengths = Lengths::default();
    let len = lengths.measure(value)?;
    let mut out = Vec::with_capacity(len);
    Encoder { out: &mut out, lengths: lengths.0.iter() }.value(value);
    Ok(out)
}

/// The length of the message `Value` of `value`, in bytes.
///
/// # Errors
/// As [`encode_value`].
pub fn encoded_len(value: &Value) -> Result<usize, CallError> {
    Lengths::default().measure(value)
}

/// Encodes a message whose fields are values. The fields are iterated over twice.
fn encode_fields<'a>(fields: impl Iterator<Item = (u32, &'a Value)> + Clone) -> Result<Vec<u8>, CallError> {
    let mut lengths = Lengths::default();
    let mut len = 0;
    for (number, value) in fields.clone() {
        if number > MAX_TAG {
            return Err(CallError::new(ErrorKind::TooLarge, "a message has no fields for so many arguments"));
        }
        len += key_len(number) + delimited(lengths.measure(value)?);
    }
    let mut out = Vec::with_capacity(len);
    let mut encoder = Encoder { out: &mut out, lengths: lengths.0.iter() };
    for (number, value) in fields {
        encoder.nested(number, value);
    }
    Ok(out)
}

/// The number of bytes of `len` bytes and their length.
fn delimited(len: usize) -> usize {
    encoded_len_varint(len as u64) + len
}

/// Integers of small magnitude as small numbers (the type `sint64`).
#[allow(clippy::cast_sign_loss, reason = "the bits count")]
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The length of the message `Value` of a scalar; `None` for lists and maps, and for what it cannot represent.
fn scalar_len(value: &Value) -> Option<usize> {
    match value {
        Value::Null | Value::Bool(_) => Some(KEY + 1),
        Value::Int(v) => Some(KEY + encoded_len_varint(zigzag(*v))),
        Value::Float(_) => Some(KEY + size_of::<f64>()),
        Value::Str(text) => Some(KEY + delimited(text.len())),
        Value::Bytes(bytes) => Some(KEY + delimited(bytes.len())),
        Value::BigInt(_) | Value::DateTime(_) | Value::Extension(_) | Value::List(_) | Value::Map(_) => None,
    }
}

/// The length of the message `Value` with a message `List` or `Map` of `len` bytes.
fn container_len(len: usize) -> usize {
    KEY + delimited(len)
}

/// The length of the message `Member` with a value of `value_len` bytes.
fn member_len(name: &str, value_len: usize) -> usize {
    let name_len = if name.is_empty() { 0 } else { KEY + delimited(name.len()) };
    name_len + KEY + delimited(value_len)
}

/// The lengths of the messages `List` and `Map` in values, in the order in which the values are encoded. A message comes
/// after its length, so each is measured once before the first is encoded.
#[derive(Default)]
struct Lengths(Vec<usize>);

impl Lengths {
    /// The length of the message `Value` of `value`.
    fn measure(&mut self, value: &Value) -> Result<usize, CallError> {
        match value {
            Value::List(items) => self.measure_all(items.iter().map(|item| (item, None))).map(container_len),
            Value::Map(members) => {
                let members = members.iter().map(|(name, value)| (value, Some(name.as_str())));
                self.measure_all(members).map(container_len)
            }
            scalar => scalar_len(scalar).ok_or_else(|| unrepresentable(scalar)),
        }
    }

    /// The length of a message with these items, or, where they have names, members; it is also noted.
    fn measure_all<'a>(
        &mut self,
        items: impl Iterator<Item = (&'a Value, Option<&'a str>)>,
    ) -> Result<usize, CallError> {
        let index = self.0.len();
        self.0.push(0);
        let mut sum = 0;
        for (value, name) in items {
            let len = self.measure(value)?;
            sum += KEY + delimited(name.map_or(len, |name| member_len(name, len)));
        }
        self.0[index] = sum;
        Ok(sum)
    }
}

fn unrepresentable(value: &Value) -> CallError {
    match value {
        Value::BigInt(_) => CallError::new(ErrorKind::Overflow, "Integer value out of range"),
        other => {
            let message = format!("the message Value has no kind for a {}", other.kind());
            CallError::new(ErrorKind::NotRepresentable, message)
        }
    }
}

/// Writes values that have been measured.
struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    /// Those of the lists and maps that have not been written yet.
    lengths: std::slice::Iter<'a, usize>,
}

impl Encoder<'_> {
    /// Writes the content of the message `Value`.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.varint(field::NULL, 0),
            Value::Bool(v) => self.varint(field::BOOL, u64::from(*v)),
            Value::Int(v) => self.varint(field::INT, zigzag(*v)),
            Value::Float(v) => {
                encode_key(field::FLOAT, WireType::SixtyFourBit, self.out);
                self.out.extend_from_slice(&v.to_le_bytes());
            }
            Value::Str(text) => self.bytes(field::STRING, text.as_bytes()),
            Value::Bytes(bytes) => self.bytes(field::BYTES, bytes),
            Value::List(items) => {
                self.open_container(field::LIST);
                for item in items {
                    self.nested(field::ITEMS, item);
                }
            }
            Value::Map(members) => {
                self.open_container(field::MAP);
                for (name, value) in members {
                    self.head(field::ITEMS, member_len(name, self.len(value)));
                    if !name.is_empty() {
                        self.bytes(field::NAME, name.as_bytes());
                    }
                    self.nested(field::VALUE, value);
                }
            }
            // Measuring has refused them.
            Value::BigInt(_) | Value::DateTime(_) | Value::Extension(_) => {}
        }
    }

    /// Writes a field with the message `Value`.
    fn nested(&mut self, number: u32, value: &Value) {
        self.head(number, self.len(value));
        self.value(value);
    }

    /// The length of the message `Value` of `value`, which is written next.
    fn len(&self, value: &Value) -> usize {
        let next = || self.lengths.as_slice().first().copied().unwrap_or_default();
        scalar_len(value).unwrap_or_else(|| container_len(next()))
    }

    fn open_container(&mut self, number: u32) {
        let len = self.lengths.next().copied().unwrap_or_default();
        self.head(number, len);
    }

    fn head(&mut self, number: u32, len: usize) {
        encode_key(number, WireType::LengthDelimited, self.out);
        encode_varint(len as u64, self.out);
    }

    fn varint(&mut self, number: u32, value: u64) {
        encode_key(number, WireType::Varint, self.out);
        encode_varint(value, self.out);
    }

    fn bytes(&mut self, number: u32, bytes: &[u8]) {
        self.head(number, bytes.len());
        self.out.extend_from_slice(bytes);
    }
}
