//! Replies.

use std::fmt;

use calculator::{CallError, ErrorKind, Limits, Value, json};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::encode::{internal_error, write_unique_id};
use super::envelope::{Envelope, decode_envelope, encode_enveloped, read_entries};
use super::error::{WireError, malformed};
use super::failure::{Failure, decode_failure};
use super::fields::Field;
use super::json_writer::JsonWriter;

/// A decoded reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The id of the call to which it belongs.
    pub msg_id: String,
    /// The call's result. A null result with `ending` false is a heartbeat: the server is still executing the call.
    pub result: Result<Value, CallError>,
    /// Whether this is the last message for the call.
    pub ending: bool,
}

/// Encodes the result of the call `msg_id`. `unique_id` identifies the message, and may be empty if the message cannot
/// be redelivered.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`] and [`ErrorKind::Overflow`] for a result that JSON cannot represent.
pub fn encode_result(
    value: &Value,
    msg_id: &str,
    unique_id: &str,
    envelope: Envelope,
) -> Result<Vec<u8>, CallError> {
    json::check_representable(value)?;
    encode([msg_id, unique_id], true, envelope, Some(value), |out| {
        out.json(r#"{"result":"#);
        serde_json::to_writer(&mut *out, value)?;
        out.json(r#","failure":null"#);
        Ok(())
    })
    .map_err(internal_error)
}

/// Encodes the failure of the call `msg_id`. `unique_id` is that of [`encode_result`].
#[must_use]
pub fn encode_failure(failure: &Failure, msg_id: &str, unique_id: &str, envelope: Envelope) -> Vec<u8> {
    // The inner message, itself JSON in a string, holds this object as JSON in a string again.
    let object = serde_json::json!({
        "class": failure.class,
        "module": failure.module,
        "message": failure.message,
        "tb": [],
        "args": [failure.message],
        "kwargs": {},
    });
    encode([msg_id, unique_id], true, envelope, None, |out| {
        out.json(r#"{"result":null,"failure":"#);
        out.string(&object.to_string())
    })
    // Writing strings into memory cannot fail. An empty body would be dropped by the client.
    .unwrap_or_default()
}

/// Encodes a heartbeat of the call `msg_id`: the server is still executing it.
#[must_use]
pub fn encode_heartbeat(msg_id: &str, unique_id: &str, envelope: Envelope) -> Vec<u8> {
    encode([msg_id, unique_id], false, envelope, None, |out| {
        out.json(r#"{"result":null,"failure":null"#);
        Ok(())
    })
    .unwrap_or_default()
}

fn encode(
    [msg_id, unique_id]: [&str; 2],
    ending: bool,
    envelope: Envelope,
    result: Option<&Value>,
    write_outcome: impl FnOnce(&mut JsonWriter) -> Result<(), serde_json::Error>,
) -> Result<Vec<u8>, serde_json::Error> {
    encode_enveloped(envelope, 192, result, |out| {
        write_outcome(out)?;
        out.json(r#","ending":"#);
        out.json(if ending { "true" } else { "false" });
        out.json(r#","_msg_id":"#);
        out.string(msg_id)?;
        write_unique_id(out, unique_id)?;
        out.json("}");
        Ok(())
    })
}

/// Decodes a reply.
///
/// # Errors
/// [`WireError`] for a body that is malformed or has no `_msg_id`.
pub fn read_reply(body: &[u8], limits: &Limits) -> Result<Reply, WireError> {
    let (text, _) = decode_envelope(body, limits)?;
    let members = Members::read(&text, limits)?;
    let msg_id = members.msg_id.and_then(Field::text).ok_or_else(|| malformed("a reply without _msg_id"))?;
    let result = match members.failure {
        None | Some(Field::Other("NoneType")) => Ok(members.result.unwrap_or(Value::Null)),
        Some(Field::Text(failure)) => Err(decode_failure(&failure)),
        Some(Field::Other(kind)) => {
            let message = format!("the server reported a malformed failure of type {kind}");
            Err(CallError::new(ErrorKind::Internal, message))
        }
    };
    Ok(Reply { msg_id: msg_id.into_owned(), result, ending: members.ending })
}

/// The members of a reply's inner message. If several members have the same name, the last one is used, as in Python.
#[derive(Default)]
struct Members<'a> {
    result: Option<Value>,
    failure: Option<Field<'a>>,
    ending: bool,
    msg_id: Option<Field<'a>>,
}

impl<'a> Members<'a> {
    /// Reads the inner message `text`. A message with Python's constants for floats is read slower than others.
    fn read(text: &'a str, limits: &Limits) -> Result<Self, WireError> {
        let error = match serde_json::from_str::<Members<'a>>(text) {
            Ok(mut members) => {
                if let Some(exact) = json::reparse_exactly(text.as_bytes(), members.result.as_ref())? {
                    members.result = exact.into_member("result");
                }
                return Ok(members);
            }
            Err(error) => error,
        };
        let mut members = Members::default();
        for (name, value) in read_entries(text, limits, error)? {
            match name.as_str() {
                "result" => members.result = Some(value),
                "failure" => members.failure = Some(value.into()),
                "ending" => members.ending = value == Value::Bool(true),
                "_msg_id" => members.msg_id = Some(value.into()),
                _ => {}
            }
        }
        Ok(members)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        while let Some(Field::Text(name)) = map.next_key()? {
            match &*name {
                "result" => members.result = Some(map.next_value()?),
                "failure" => members.failure = Some(map.next_value()?),
                "ending" => members.ending = map.next_value::<Value>()? == Value::Bool(true),
                "_msg_id" => members.msg_id = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(members)
    }
}
