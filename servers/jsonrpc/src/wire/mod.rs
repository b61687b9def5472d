//! Requests and responses as JSON. Pure: bytes to values and back.

mod failure;
mod request;
mod response;

use std::fmt;
use std::marker::PhantomData;

use calculator::Limits;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

pub use failure::{Failure, code};
pub use request::{Message, Request, decode, decode_query, encode_batch, encode_call, encode_notification};
pub use response::{
    ReplyTo, Version, decode_batch_reply, decode_failure, decode_reply, encode_failure, write_reply,
};

/// The media type that is sent. On input any is taken, as the reference servers do.
pub const JSON: &str = "application/json";

/// The media type of JSON-RPC's own, from the draft "JSON-RPC over HTTP" of 2008; what Zabbix's documentation asks for.
pub const JSON_RPC: &str = "application/json-rpc";

/// `limits` for a message whose values lie below `levels` levels of JSON-RPC's own.
fn with_envelope(limits: &Limits, levels: usize) -> Limits {
    Limits { max_depth: limits.max_depth.saturating_add(levels), ..*limits }
}

/// Something of a message that is read whatever JSON type it has, so that a wrong type is an answerable mistake of
/// the peer's rather than a text that cannot be read.
trait AnyType<'de>: Sized {
    /// What stands for a type that was not expected.
    fn unexpected() -> Self;

    fn text(_: &str) -> Self {
        Self::unexpected()
    }

    fn array<A: SeqAccess<'de>>(mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::unexpected())
    }

    fn object<A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::unexpected())
    }

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

#[cfg(test)]
mod tests;
