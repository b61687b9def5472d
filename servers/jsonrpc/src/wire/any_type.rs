//! Deserialization of members that a peer may send with a wrong JSON type.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A part of a message that is deserialized from any JSON type, so that a wrong type is an invalid request, which can be
/// answered with the request's id, rather than a parse error.
pub(super) trait AnyType<'de>: Sized {
    /// The value that represents an unexpected type.
    fn unexpected() -> Self;

    /// Converts a string.
    fn text(_: &str) -> Self {
        Self::unexpected()
    }

    /// Reads an array.
    fn array<A: SeqAccess<'de>>(mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::unexpected())
    }

    /// Reads an object.
    fn object<A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::unexpected())
    }

    /// Deserializes a value of any type.
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyTypeVisitor(PhantomData))
    }
}

struct AnyTypeVisitor<T>(PhantomData<T>);

impl<'de, T: AnyType<'de>> Visitor<'de> for AnyTypeVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::unexpected())
    }

    fn visit_i64<E>(self, _: i64) -> Result<T, E> {
        Ok(T::unexpected())
    }

    fn visit_u64<E>(self, _: u64) -> Result<T, E> {
        Ok(T::unexpected())
    }

    fn visit_f64<E>(self, _: f64) -> Result<T, E> {
        Ok(T::unexpected())
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::unexpected())
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<T, A::Error> {
        T::array(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::object(members)
    }
}
