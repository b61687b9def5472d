//! Values in serde's data model.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::{Value, ValueBuilder};

impl Serialize for Value {
    /// # Errors
    /// For [`Value::BigInt`], since no protocol of the suite sends integers beyond 64 bits, and for [`Value::DateTime`]
    /// and [`Value::Extension`], since only XML-RPC and zerorpc, which do not use serde, can represent them.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(v) => serializer.serialize_bool(*v),
            Value::Int(v) => serializer.serialize_i64(*v),
            Value::BigInt(digits) => {
                Err(serde::ser::Error::custom(format_args!("the integer {digits} exceeds 64 bits")))
            }
            Value::Float(v) => serializer.serialize_f64(*v),
            Value::Str(v) => serializer.serialize_str(v),
            Value::Bytes(v) => serializer.serialize_bytes(v),
            Value::DateTime(_) => Err(serde::ser::Error::custom("a date and time cannot be represented")),
            Value::Extension(_) => Err(serde::ser::Error::custom("an extension type cannot be represented")),
            Value::List(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Value::Map(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ValueSeed(None).deserialize(deserializer)
    }
}

/// Deserializes a value: a part of another one with the builder of that, or a whole one. The items of a whole one are
/// collected where they stay, so that a list of numbers takes one allocation, not the builder's and its own.
struct ValueSeed<'b>(Option<&'b mut ValueBuilder>);

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Int(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(i64::try_from(v).map_or_else(|_| Value::BigInt(v.to_string().into()), Value::Int))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::Float(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_bytes<E>(self, v: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(v.into()))
    }

    fn visit_byte_buf<E>(self, v: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(v.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let ValueSeed(Some(builder)) = self else {
            let (mut builder, mut items) = (ValueBuilder::default(), Vec::new());
            while let Some(item) = seq.next_element_seed(ValueSeed(Some(&mut builder)))? {
                items.push(item);
            }
            return Ok(Value::list(items));
        };
        let list = builder.open_list();
        while let Some(item) = seq.next_element_seed(ValueSeed(Some(builder)))? {
            builder.push_item(item);
        }
        Ok(builder.close_list(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let ValueSeed(Some(builder)) = self else {
            let (mut builder, mut all) = (ValueBuilder::default(), Vec::new());
            while let Some(name) = members.next_key()? {
                all.push((name, members.next_value_seed(ValueSeed(Some(&mut builder)))?));
            }
            return Ok(Value::map(all));
        };
        let map = builder.open_map();
        while let Some(name) = members.next_key()? {
            let value = members.next_value_seed(ValueSeed(Some(builder)))?;
            builder.push_member(name, value);
        }
        Ok(builder.close_map(map))
    }
}
