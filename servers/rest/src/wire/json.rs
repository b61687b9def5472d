//! Calls, results and problem documents in JSON.

use std::fmt;

use calculator::{Call, CallError, ErrorKind, Limits, Params, Value, json};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::problem::Problem;

/// The levels of nesting around a value: the object of the arguments, or that of the result.
const ENVELOPE_DEPTH: usize = 1;

fn malformed(message: impl Into<String>) -> CallError {
    CallError::new(ErrorKind::Malformed, message)
}

/// Encodes the body of a call: an object with the arguments by name. A positional argument has the name of the method's
/// parameter at its position.
///
/// # Errors
/// As [`json::write`], for a value that JSON cannot represent.
pub fn encode_call(call: &Call) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::with_capacity(64);
    out.push(b'{');
    for (index, value) in call.params.values().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json::write_str(&mut out, &call.params.name_at(&call.method, index));
        out.push(b':');
        json::write(&mut out, value)?;
    }
    out.push(b'}');
    Ok(out)
}

/// Encodes the body of a request with a [head](crate::RequestHead): the only parameter. Text is sent as it is, any other value as JSON.
/// `None` without a parameter.
///
/// # Errors
/// As [`json::write`], for a value that JSON cannot represent.
pub fn encode_body(call: &Call) -> Result<Option<Vec<u8>>, CallError> {
    match call.params.values().next() {
        None => Ok(None),
        Some(Value::Str(text)) => Ok(Some(text.as_bytes().to_vec())),
        Some(value) => {
            let mut out = Vec::with_capacity(64);
            json::write(&mut out, value)?;
            Ok(Some(out))
        }
    }
}

/// Decodes the body of a response to such a request: a value in JSON if `is_json`, else text, or bytes where it is not UTF-8. An
/// empty body is null.
///
/// # Errors
/// As [`json::read`].
pub fn decode_body(is_json: bool, body: &[u8], limits: &Limits) -> Result<Value, CallError> {
    if body.is_empty() {
        Ok(Value::Null)
    } else if is_json {
        json::read(body, limits)
    } else {
        Ok(str::from_utf8(body).map_or_else(|_| Value::from(body.to_vec()), Value::from))
    }
}

/// Decodes the arguments in the body of a call. The last member with a name wins.
///
/// # Errors
/// [`ErrorKind::Malformed`] for a body that is not a JSON object, [`ErrorKind::TooLarge`] for one that is nested too
/// deeply.
pub fn decode_params(body: &[u8], limits: &Limits) -> Result<Params, CallError> {
    json::read_members(body, &limits.with_envelope(ENVELOPE_DEPTH)).map(Params::named)
}

/// Encodes the body of a result.
///
/// # Errors
/// As [`json::write`], for a value that JSON cannot represent.
pub fn encode_result(result: &Value) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(b"{\"result\":");
    json::write(&mut out, result)?;
    out.push(b'}');
    Ok(out)
}

/// Decodes the result in a body. Members other than `result` are ignored.
///
/// # Errors
/// [`ErrorKind::Malformed`] for a body that is not a JSON object with a `result`, [`ErrorKind::TooLarge`] for one that
/// is nested too deeply.
pub fn decode_result(body: &[u8], limits: &Limits) -> Result<Value, CallError> {
    json::check_depth(body, &limits.with_envelope(ENVELOPE_DEPTH))?;
    // The parser checks only the strings that it keeps.
    let text = str::from_utf8(body).map_err(|error| malformed(format!("the reply is not UTF-8: {error}")))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let result = reader
        .deserialize_map(ResultVisitor)
        .and_then(|result| reader.end().map(|()| result))
        .map_err(|error| malformed(format!("the reply is not an object with a result: {error}")))?;
    match json::reparse_exactly(body, [&result])? {
        Some(exact) => exact.into_member("result").ok_or_else(|| malformed("the reply has no result")),
        None => Ok(result),
    }
}

struct ResultVisitor;

impl<'de> Visitor<'de> for ResultVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a member `result`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut result = None;
        while let Some(name) = members.next_key::<MemberName>()? {
            match name {
                MemberName::Result => result = Some(members.next_value()?),
                MemberName::Other => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        result.ok_or_else(|| serde::de::Error::missing_field("result"))
    }
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum MemberName {
    Result,
    #[serde(other)]
    Other,
}

/// Encodes a problem document (RFC 9457, section 3.1), with the extension member `kind`.
#[must_use]
pub fn encode_problem(problem: &Problem) -> Vec<u8> {
    let mut out = Vec::with_capacity(192);
    out.extend_from_slice(b"{\"type\":");
    json::write_str(&mut out, &problem.type_uri());
    out.extend_from_slice(b",\"title\":");
    json::write_str(&mut out, problem.title);
    out.extend_from_slice(b",\"status\":");
    out.extend_from_slice(problem.status.to_string().as_bytes());
    out.extend_from_slice(b",\"detail\":");
    json::write_str(&mut out, &problem.detail);
    out.extend_from_slice(b",\"kind\":\"");
    out.extend_from_slice(problem.kind.name().as_bytes());
    out.extend_from_slice(b"\"}");
    out
}
