//! The envelope around a message.

use std::borrow::Cow;
use std::fmt;

use calculator::{Limits, Text, Value, json, python_json};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::error::{WireError, malformed};
use super::fields::Field;
use super::json_writer::JsonWriter;

const ENVELOPE_START: &[u8] = br#"{"oslo.version":"2.0","oslo.message":""#;
const ENVELOPE_END: &[u8] = br#""}"#;

/// The envelope around the inner message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Envelope {
    /// Version 2.0, which oslo.messaging sends.
    #[default]
    V2,
    /// No envelope: the body is the inner message, which oslo.messaging accepts as a message of version 1.0. It is
    /// shorter, and parsed and written once instead of twice.
    None,
}

/// Encodes the inner message that `write` writes, in `envelope`. The buffer does not grow for lists and maps among
/// the `values` if the inner message has not more than `size_hint` other bytes.
pub(super) fn encode_enveloped<'a, E>(
    envelope: Envelope,
    size_hint: usize,
    values: impl IntoIterator<Item = &'a Value>,
    write: impl FnOnce(&mut JsonWriter) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    let values = values.into_iter();
    if envelope == Envelope::None {
        let values: usize = values.map(json::estimated_length).sum();
        let mut plain = JsonWriter::plain(Vec::with_capacity(size_hint + values));
        write(&mut plain)?;
        return Ok(plain.into_bytes());
    }
    let values: usize = values.map(json::estimated_escaped_length).sum();
    let mut out = Vec::with_capacity(ENVELOPE_START.len() + ENVELOPE_END.len() + size_hint + values);
    out.extend_from_slice(ENVELOPE_START);
    let mut escaped = JsonWriter::escaped(out);
    write(&mut escaped)?;
    let mut out = escaped.into_bytes();
    out.extend_from_slice(ENVELOPE_END);
    Ok(out)
}

/// Returns the inner message of `body`: the envelope's string, or `body` itself if it is an object without an envelope.
///
/// # Errors
/// [`WireError`] for bodies beyond `limits`, malformed envelopes and envelopes of another version.
pub(super) fn decode_envelope<'a>(
    body: &'a [u8],
    limits: &Limits,
) -> Result<(Cow<'a, str>, Envelope), WireError> {
    if body.len() > limits.max_body {
        let message = format!("{} bytes; the limit is {}", body.len(), limits.max_body);
        return Err(WireError::TooLarge(message));
    }
    let text = str::from_utf8(body).map_err(malformed)?;
    json::check_depth(body, limits)?;
    // Without escapes and this prefix, no member can have one of the envelope's names.
    if !text.contains('\\') && !text.contains("oslo.") {
        return Ok((Cow::Borrowed(text), Envelope::None));
    }
    let envelope: EnvelopeMembers<'a> = match serde_json::from_str(text) {
        Ok(envelope) => envelope,
        Err(error) => EnvelopeMembers::from_entries(read_entries(text, limits, error)?),
    };
    let inner = match (envelope.version, envelope.message) {
        (Some(Field::Text(version)), Some(Field::Text(message))) if version == "2.0" => message,
        (Some(Field::Text(version)), Some(_)) if version == "2.0" => {
            return Err(malformed("the inner message is not a string"));
        }
        (Some(_), Some(_)) => return Err(WireError::Version),
        _ => return Ok((Cow::Borrowed(text), Envelope::None)),
    };
    json::check_depth(inner.as_bytes(), limits)?;
    Ok((inner, Envelope::V2))
}

/// The members of the object `text`, which serde_json has refused with `error`: Python's constants for floats are read,
/// too. They are rare, and reading them takes longer.
pub(super) fn read_entries(
    text: &str,
    limits: &Limits,
    error: serde_json::Error,
) -> Result<Box<[(Text, Value)]>, WireError> {
    match python_json::read(text.as_bytes(), limits) {
        Ok(Value::Map(entries)) => Ok(entries),
        _ => Err(malformed(error)),
    }
}

/// The members of an envelope. Others are ignored.
#[derive(Default)]
struct EnvelopeMembers<'a> {
    version: Option<Field<'a>>,
    message: Option<Field<'a>>,
}

impl EnvelopeMembers<'_> {
    fn from_entries(entries: Box<[(Text, Value)]>) -> Self {
        let mut envelope = EnvelopeMembers::default();
        for (name, value) in entries {
            match name.as_str() {
                "oslo.version" => envelope.version = Some(value.into()),
                "oslo.message" => envelope.message = Some(value.into()),
                _ => {}
            }
        }
        envelope
    }
}

impl<'de> Deserialize<'de> for EnvelopeMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = EnvelopeMembers<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut envelope = EnvelopeMembers::default();
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

#[cfg(test)]
mod tests {
    use calculator::document::document;

    use super::*;

    #[test]
    fn the_buffer_of_a_document_does_not_grow() {
        let document = document(1, 64 << 10);
        let write = |out: &mut JsonWriter| serde_json::to_writer(out, &document);
        let enveloped = encode_enveloped(Envelope::V2, 0, [&document], write).unwrap();
        let reserved = ENVELOPE_START.len() + json::estimated_escaped_length(&document) + ENVELOPE_END.len();
        assert_eq!(enveloped.capacity(), reserved);
        let bare = encode_enveloped(Envelope::None, 0, [&document], write).unwrap();
        assert_eq!(bare.capacity(), json::estimated_length(&document));
    }
}
