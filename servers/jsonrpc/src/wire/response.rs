//! Responses: written by a server, read by a client.

use std::fmt;

use calculator::{CallError, ErrorKind, Limits, Value, json};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::failure::error_of;
use super::{Failure, with_envelope};

/// The levels around a result: the response. Around the data of an error there is one more.
const ENVELOPE: usize = 2;

/// The version of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `result` and `error` are both there, one of them null.
    V1,
    /// `jsonrpc` is there, and either `result` or `error`.
    V2,
}

/// Which request a response answers, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTo<'a> {
    /// The request's id as it was written: any JSON value, `null` where there was none.
    pub id: &'a str,
    /// The version that the request was made in.
    pub version: Version,
}

impl ReplyTo<'_> {
    /// For what could not be read well enough to tell.
    pub const UNKNOWN: ReplyTo<'static> = ReplyTo { id: "null", version: Version::V2 };
}

/// Appends the response with `result`, or with an error where JSON has no form for it.
pub fn write_reply(out: &mut Vec<u8>, to: ReplyTo<'_>, result: &Result<Value, Failure>) {
    let start = out.len();
    match result {
        Ok(value) => {
            out.extend_from_slice(match to.version {
                Version::V1 => b"{\"result\":".as_slice(),
                Version::V2 => b"{\"jsonrpc\":\"2.0\",\"result\":",
            });
            if let Err(error) = json::write(out, value) {
                out.truncate(start);
                return write_reply(out, to, &Err(error.into()));
            }
            if to.version == Version::V1 {
                out.extend_from_slice(b",\"error\":null");
            }
        }
        Err(failure) => {
            out.extend_from_slice(match to.version {
                Version::V1 => b"{\"result\":null,\"error\":".as_slice(),
                Version::V2 => b"{\"jsonrpc\":\"2.0\",\"error\":",
            });
            failure.write(out);
        }
    }
    out.extend_from_slice(b",\"id\":");
    out.extend_from_slice(to.id.as_bytes());
    out.push(b'}');
}

/// The response to what could not be read as a request.
#[must_use]
pub fn encode_failure(failure: Failure) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    write_reply(&mut out, ReplyTo::UNKNOWN, &Err(failure));
    out
}

/// The result in the response to the request `id`. A response without a result and an error has a null result, as
/// python-jsonrpc sends it.
///
/// # Errors
/// What the server reported; [`ErrorKind::Malformed`] for what is no response, or that to another request;
/// [`ErrorKind::TooLarge`] for one nested too deep.
pub fn decode_reply(body: &[u8], id: u64, limits: &Limits) -> Result<Value, CallError> {
    let limits = with_envelope(limits, ENVELOPE);
    json::check_depth(body, &limits)?;
    let mut reader = serde_json::Deserializer::from_slice(body);
    let mut response = reader
        .deserialize_map(ResponseVisitor)
        .and_then(|response| reader.end().map(|()| response))
        .map_err(|error| malformed(format!("the answer is no response of JSON-RPC: {error}")))?;
    if json::suspicious(&response.result) && json::has_mistaken_integer(body) {
        response.result = exact_result(json::read(body, &limits)?);
    }
    // A server that could not read the id answers with none or null, but then with an error.
    let answers_us = response.id.is_some_and(|answered| answered.parse() == Ok(id));
    match response.error {
        Value::Null if answers_us => Ok(response.result),
        error if error != Value::Null && (answers_us || matches!(response.id, None | Some("null"))) => {
            Err(error_of(error))
        }
        _ => {
            let answered = response.id.unwrap_or("none");
            Err(malformed(format!("the answer is to another request: its id is {answered}, not {id}")))
        }
    }
}

fn malformed(message: String) -> CallError {
    CallError::new(ErrorKind::Malformed, message)
}

fn exact_result(response: Value) -> Value {
    let Value::Map(members) = response else { return Value::Null };
    members.into_iter().find_map(|(name, value)| (name == "result").then_some(value)).unwrap_or(Value::Null)
}

struct Response<'a> {
    result: Value,
    error: Value,
    id: Option<&'a str>,
}

struct ResponseVisitor;

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Member {
    Result,
    Error,
    Id,
    #[serde(other)]
    Other,
}

impl<'de> Visitor<'de> for ResponseVisitor {
    type Value = Response<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Response<'de>, A::Error> {
        let mut response = Response { result: Value::Null, error: Value::Null, id: None };
        while let Some(member) = members.next_key()? {
            match member {
                Member::Result => response.result = members.next_value()?,
                Member::Error => response.error = members.next_value()?,
                Member::Id => response.id = Some(members.next_value::<&RawValue>()?.get()),
                Member::Other => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(response)
    }
}
