//! oslo.messaging's message envelope, version 2.0, as pure functions between bytes and values.
//!
//! A message body is a JSON object with exactly `oslo.version` and `oslo.message`; the latter is a *string* that holds
//! the inner message, again JSON. A failure inside a reply is a string of JSON once more. Encoding writes the inner
//! message directly in its escaped form. The format is that of oslo.messaging 18.3.1
//! (`oslo_messaging/_drivers/common.py`, `amqp.py`).

mod escape;
mod fields;
mod notification;
mod reply;
mod request;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use calculator::{CallError, ErrorKind, Limits, Value, json};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

pub use fields::Field;
pub use notification::{Notification, encode_notification, read_notification};
pub use reply::{Failure, Reply, encode_failure, encode_result, encode_sign_of_life, read_reply};
pub use request::{Arguments, Request, Routing, encode_request, read_request};

use crate::Context;
use escape::Escaped;

const OPEN: &[u8] = br#"{"oslo.version":"2.0","oslo.message":""#;
const CLOSE: &[u8] = br#""}"#;
/// How the names of a context's entries begin.
const CONTEXT_PREFIX: &str = "_context_";

/// What is around a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Envelope {
    /// Version 2.0, which is what oslo.messaging sends.
    #[default]
    V2,
    /// None: the inner message by itself, which oslo.messaging takes as one of version 1.0. It is shorter, and read and
    /// written once instead of twice.
    None,
}

/// Octets of an id that this end makes: a UUID in hexadecimal, as oslo.messaging makes them.
pub const ID_LEN: usize = 32;
/// Octets of an id that only has to be known on one channel.
pub const SHORT_ID_LEN: usize = 8;

/// Why a message cannot be read. Its sender gets no answer: a server rejects it, a client drops it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not JSON, or not of the envelope's shape.
    #[error("not an oslo.messaging message: {0}")]
    Malformed(String),
    /// An envelope of another version than 2.0.
    #[error("unsupported envelope version")]
    Version,
    /// Longer or more deeply nested than the limits allow.
    #[error("{0}")]
    TooLarge(String),
}

impl From<CallError> for WireError {
    fn from(error: CallError) -> Self {
        match error.kind {
            ErrorKind::TooLarge => WireError::TooLarge(error.message),
            _ => WireError::Malformed(error.message),
        }
    }
}

fn malformed(error: impl std::fmt::Display) -> WireError {
    WireError::Malformed(error.to_string())
}

/// Wraps what `inner` writes into `envelope`. `size` is a guess at the inner message's length.
fn enveloped<E>(
    envelope: Envelope,
    size: usize,
    inner: impl FnOnce(&mut Escaped) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    if envelope == Envelope::None {
        let mut plain = Escaped::plain(Vec::with_capacity(size));
        inner(&mut plain)?;
        return Ok(plain.into_inner());
    }
    let mut out = Vec::with_capacity(OPEN.len() + CLOSE.len() + size);
    out.extend_from_slice(OPEN);
    let mut escaped = Escaped::new(out);
    inner(&mut escaped)?;
    let mut out = escaped.into_inner();
    out.extend_from_slice(CLOSE);
    Ok(out)
}

/// A message's own identity, where it has one: a receiver takes a message without it as one that cannot come twice.
fn identify(out: &mut Escaped, unique_id: &str) -> Result<(), serde_json::Error> {
    if unique_id.is_empty() {
        return Ok(());
    }
    out.json(r#","_unique_id":"#);
    out.string(unique_id)
}

/// What every message but an answer ends with: its id, and the entries of its context.
fn end(out: &mut Escaped, unique_id: &str, context: &Context) -> Result<(), serde_json::Error> {
    identify(out, unique_id)?;
    for (name, value) in context.iter() {
        out.json(",");
        out.string(&format!("{CONTEXT_PREFIX}{name}"))?;
        out.json(":");
        serde_json::to_writer(&mut *out, value)?;
    }
    out.json("}");
    Ok(())
}

/// `value` as it stands in a message: JSON inside a JSON string.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`] and [`ErrorKind::Overflow`] for a value that JSON has no form for.
pub fn encode_value(value: &Value) -> Result<Vec<u8>, CallError> {
    json::check_representable(value)?;
    let mut out = Escaped::new(Vec::new());
    serde_json::to_writer(&mut out, value)
        .map_err(|error| CallError::new(ErrorKind::Internal, error.to_string()))?;
    Ok(out.into_inner())
}

/// The inner message of `body`: the envelope's string, or the body itself where it is an object without an envelope,
/// which oslo.messaging takes as a message of version 1.0.
fn inner<'a>(body: &'a [u8], limits: &Limits) -> Result<(Cow<'a, str>, Envelope), WireError> {
    if body.len() > limits.max_body {
        let message = format!("{} bytes; the limit is {}", body.len(), limits.max_body);
        return Err(WireError::TooLarge(message));
    }
    let text = str::from_utf8(body).map_err(malformed)?;
    json::check_depth(body, limits)?;
    // No member of it has one of the envelope's names then, however it is written.
    if !text.contains('\\') && !text.contains("oslo.") {
        return Ok((Cow::Borrowed(text), Envelope::None));
    }
    let envelope: Outer<'a> = serde_json::from_str(text).map_err(malformed)?;
    let inner = match (envelope.version, envelope.message) {
        (Some(Field::Text(version)), Some(Field::Text(message))) if version == "2.0" => message,
        (Some(Field::Text(version)), Some(_)) if version == "2.0" => {
            return Err(malformed("the inner message is no string"));
        }
        (Some(_), Some(_)) => return Err(WireError::Version),
        _ => return Ok((Cow::Borrowed(text), Envelope::None)),
    };
    json::check_depth(inner.as_bytes(), limits)?;
    Ok((inner, Envelope::V2))
}

#[derive(Default)]
struct Outer<'a> {
    version: Option<Field<'a>>,
    message: Option<Field<'a>>,
}

impl<'de> Deserialize<'de> for Outer<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Outer<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outer<'de>, A::Error> {
                let mut envelope = Outer::default();
                while let Some(Field::Text(name)) = map.next_key()? {
                    match &*name {
                        "oslo.version" => envelope.version = Some(map.next_value()?),
                        "oslo.message" => envelope.message = Some(map.next_value()?),
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(envelope)
            }
        }
        deserializer.deserialize_map(Members)
    }
}
