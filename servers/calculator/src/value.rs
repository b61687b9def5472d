//! The values of arguments and results, independent of the protocol.

mod builder;
mod estimate;
mod serialization;

use std::collections::HashMap;
use std::fmt;

use ecow::EcoString;

pub use builder::{OpenList, OpenMap, ValueBuilder};
pub use estimate::FormatLengths;

/// The text of a value, or the name of a member. Up to 15 bytes are stored in place, without an allocation.
pub type Text = EcoString;

/// The value of an argument or a result. The variant follows from the notation in the message, in every protocol: `5`
/// is an [`Int`](Value::Int), `5.0` is a [`Float`](Value::Float).
///
/// The serde implementations map each variant to the corresponding type of serde's data model, so any self-describing
/// format can represent it. A codec rejects a value that its format cannot represent (bytes or NaN in JSON, 2⁴⁰ in
/// XML-RPC); see [`crate::json`].
///
/// A value is compact, since a document consists of many: 24 bytes, and lists and maps have no spare capacity.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// No value: JSON `null`, MessagePack nil, XML-RPC `<nil/>`.
    Null,
    /// A boolean. Unlike in Python, it is not a number.
    Bool(bool),
    /// A 64-bit signed integer.
    Int(i64),
    /// An integer beyond `i64` from a peer, as decimal digits. Calculating with it is an overflow. The variant exists so
    /// that a message with such an integer can be decoded: its call can be answered with an error, its result can be
    /// shown.
    BigInt(Box<str>),
    /// A double-precision number.
    Float(f64),
    /// Text.
    Str(Text),
    /// Octets.
    Bytes(Box<[u8]>),
    /// A date and time as the text that a peer sent. Only XML-RPC can represent it (`dateTime.iso8601`). It has no time
    /// zone, and its notation differs between peers, so it is not converted.
    DateTime(Box<str>),
    /// A value of a type that MessagePack does not define, as a peer encoded it. Only MessagePack can represent it; there,
    /// timestamps are such values.
    Extension(Box<Extension>),
    /// An ordered sequence.
    List(Box<[Value]>),
    /// Named members in the order of the message. The names are unique.
    Map(Box<[(Text, Value)]>),
}

/// A value of one of MessagePack's extension types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The number of the type. Applications define those from 0 on; −1 is a timestamp.
    pub number: i8,
    /// The encoded value.
    pub data: Vec<u8>,
}

/// The maximum number of members of a map whose names are compared pairwise; for larger maps an index is built.
const MAX_PAIRWISE_MEMBERS: usize = 8;

impl Value {
    /// The name of the value's kind, for error messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::BigInt(_) => "integer beyond 64 bits",
            Value::Float(_) => "float",
            Value::Str(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::DateTime(_) => "date and time",
            Value::Extension(_) => "extension type",
            Value::List(_) => "list",
            Value::Map(_) => "map",
        }
    }

    /// Creates a list.
    #[must_use]
    pub fn list(items: impl Into<Box<[Value]>>) -> Value {
        Value::List(items.into())
    }

    /// Creates a map with members in this order. Of several with one name the value of the last one counts, in the place of
    /// the first one, as in Python's parsers.
    #[must_use]
    pub fn map(mut members: Vec<(Text, Value)>) -> Value {
        keep_last_of_each_name(&mut members);
        Value::Map(members.into_boxed_slice())
    }

    /// The member `name` of a map; `None` if it has no such member or is not a map.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Map(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The member `name` of a map, taken out of it; `None` if it has no such member or is not a map.
    #[must_use]
    pub fn into_member(self, name: &str) -> Option<Value> {
        match self {
            Value::Map(members) => {
                members.into_iter().find_map(|(key, value)| (key == name).then_some(value))
            }
            _ => None,
        }
    }

    /// Whether `predicate` holds for this value or any value nested in it. Iterative, so that deep nesting cannot
    /// overflow the stack; a scalar needs no allocation.
    pub fn any(&self, mut predicate: impl FnMut(&Value) -> bool) -> bool {
        let mut pending = Vec::new();
        let mut next = Some(self);
        while let Some(value) = next {
            if predicate(value) {
                return true;
            }
            match value {
                Value::List(items) => pending.extend(items),
                Value::Map(members) => pending.extend(members.iter().map(|(_, value)| value)),
                _ => {}
            }
            next = pending.pop();
        }
        false
    }
}

/// Keeps one member of each name: in the place of the first one, with the value of the last one, like a `dict` of Python.
pub(crate) fn keep_last_of_each_name<T>(members: &mut Vec<(Text, T)>) {
    let mut repeated = vec![];
    if members.len() <= MAX_PAIRWISE_MEMBERS {
        for (i, (name, _)) in members.iter().enumerate() {
            if let Some(first) = members[..i].iter().position(|(earlier, _)| earlier == name) {
                repeated.push((first, i));
            }
        }
    } else {
        let mut firsts = HashMap::with_capacity(members.len());
        for (i, (name, _)) in members.iter().enumerate() {
            let first = *firsts.entry(name.as_str()).or_insert(i);
            if first != i {
                repeated.push((first, i));
            }
        }
    }
    if repeated.is_empty() {
        return;
    }
    for (first, again) in &repeated {
        let (earlier, later) = members.split_at_mut(*again);
        std::mem::swap(&mut earlier[*first].1, &mut later[0].1);
    }
    let mut repeated = repeated.into_iter().map(|(_, again)| again).peekable();
    let mut index = 0;
    members.retain(|_| {
        let keep = repeated.next_if_eq(&index).is_none();
        index += 1;
        keep
    });
}

/// Formats the value in a notation like JSON, with bytes as `b"…"`, for error messages and logs.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(v) => write!(f, "{v}"),
            Value::Int(v) => write!(f, "{v}"),
            Value::BigInt(digits) => f.write_str(digits),
            Value::Float(v) => write!(f, "{v:?}"),
            Value::Str(v) => write!(f, "{v:?}"),
            Value::Bytes(v) => write!(f, "b\"{}\"", v.escape_ascii()),
            Value::DateTime(text) => write!(f, "date {text:?}"),
            Value::Extension(value) => {
                write!(f, "extension {} b\"{}\"", value.number, value.data.escape_ascii())
            }
            Value::List(items) => f.debug_list().entries(items).finish(),
            Value::Map(members) => f.debug_map().entries(members.iter().map(|(k, v)| (k, v))).finish(),
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Str(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Str(value.into())
    }
}

impl From<Text> for Value {
    fn from(value: Text) -> Self {
        Value::Str(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Value::Bytes(value.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(members: &[(&str, i64)]) -> Vec<(Text, Value)> {
        members.iter().map(|(name, v)| ((*name).into(), Value::Int(*v))).collect()
    }

    #[test]
    fn a_value_takes_24_bytes_and_a_member_40() {
        assert_eq!((size_of::<Value>(), size_of::<(Text, Value)>()), (24, 40));
        let timestamp = Value::Extension(Box::new(Extension { number: -1, data: vec![0, b'a'] }));
        assert_eq!(format!("{timestamp:?}"), r#"extension -1 b"\x00a""#);
    }

    #[test]
    fn the_last_value_of_a_name_has_the_place_of_the_first_in_small_and_large_maps() {
        // Python: `dict([("a", 1), ("b", 2), ("a", 3), ("a", 4)])` is `{"a": 4, "b": 2}`.
        let small = Value::map(names(&[("a", 1), ("b", 2), ("a", 3), ("a", 4)]));
        assert_eq!(small, Value::Map(names(&[("a", 4), ("b", 2)]).into()));

        let many = (0..100).map(|i| (format!("k{}", i % 40).into(), Value::Int(i))).collect();
        let Value::Map(members) = Value::map(many) else { panic!("a map stays a map") };
        assert_eq!(members.len(), 40);
        assert_eq!(members[0], ("k0".into(), Value::Int(80)));
        assert_eq!(members[19], ("k19".into(), Value::Int(99)));
        assert_eq!(members[39], ("k39".into(), Value::Int(79)));
    }

    #[test]
    fn any_looks_inside_lists_and_maps() {
        let value = Value::list(vec![Value::Null, Value::map(vec![("x".into(), Value::Float(f64::NAN))])]);
        assert!(value.any(|v| matches!(v, Value::Float(f) if f.is_nan())));
        assert!(!value.any(|v| matches!(v, Value::Bytes(_))));
    }

    #[test]
    fn unsigned_integers_beyond_i64_keep_their_digits() {
        let value: Value = serde_json::from_str("[9223372036854775807, 9223372036854775808]").unwrap();
        assert_eq!(
            value,
            Value::list(vec![Value::Int(i64::MAX), Value::BigInt("9223372036854775808".into())])
        );
    }
}
