//! Parts that several kinds of messages share.

use calculator::{CallError, ErrorKind, Value, json};

use super::json_writer::JsonWriter;
use crate::context::Context;

/// The prefix of the members that hold a context's entries.
pub(super) const CONTEXT_PREFIX: &str = "_context_";

/// Writes `_unique_id`, unless it is empty. Receivers never take a message without it for a redelivery.
pub(super) fn write_unique_id(out: &mut JsonWriter, unique_id: &str) -> Result<(), serde_json::Error> {
    if unique_id.is_empty() {
        return Ok(());
    }
    out.json(r#","_unique_id":"#);
    out.string(unique_id)
}

/// Writes the last members of requests and notifications: `_unique_id` and the context. Closes the object.
pub(super) fn write_trailer(
    out: &mut JsonWriter,
    unique_id: &str,
    context: &Context,
) -> Result<(), serde_json::Error> {
    write_unique_id(out, unique_id)?;
    for (name, value) in context.iter() {
        out.json(",");
        out.string(&format!("{CONTEXT_PREFIX}{name}"))?;
        out.json(":");
        serde_json::to_writer(&mut *out, value)?;
    }
    out.json("}");
    Ok(())
}

/// Reports a value that serde_json failed to write although it was checked before.
pub(super) fn internal_error(error: serde_json::Error) -> CallError {
    CallError::new(ErrorKind::Internal, error.to_string())
}

/// Encodes `value` as it appears inside an enveloped message: JSON inside a JSON string.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`] and [`ErrorKind::Overflow`] for a value that JSON cannot represent.
pub fn encode_value(value: &Value) -> Result<Vec<u8>, CallError> {
    json::check_representable(value)?;
    let mut out = JsonWriter::escaped(Vec::new());
    serde_json::to_writer(&mut out, value).map_err(internal_error)?;
    Ok(out.into_bytes())
}
