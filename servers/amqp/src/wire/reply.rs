//! Answers.

use std::fmt;

use calculator::{CallError, ErrorKind, Limits, Remote, Value, json};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::escape::Escaped;
use super::{Field, WireError, enveloped, inner, malformed, value_within};

const DISPATCHER: &str = "oslo_messaging.rpc.dispatcher";
const BUILTINS: &str = "builtins";

/// A failure as it travels: the class of a Python exception and its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exception's class.
    pub class: &'static str,
    /// The module of the class. A Python client raises an exception of `builtins` as what it is and any other as a
    /// `RemoteError`, unless it allows the module.
    pub module: &'static str,
    /// The exception's only argument.
    pub message: String,
}

impl Failure {
    /// An exception of Python's own.
    pub fn builtin(class: &'static str, message: impl Into<String>) -> Self {
        Failure { class, module: BUILTINS, message: message.into() }
    }

    /// An exception of oslo.messaging's dispatcher.
    pub fn dispatcher(class: &'static str, message: impl Into<String>) -> Self {
        Failure { class, module: DISPATCHER, message: message.into() }
    }

    /// How a failed call of `method` travels.
    #[must_use]
    pub fn of(error: CallError, method: &str) -> Self {
        match error.kind {
            ErrorKind::UnknownMethod => {
                Failure::dispatcher("NoSuchMethod", format!("Endpoint does not support RPC method {method}"))
            }
            ErrorKind::UnsupportedVersion => Failure::dispatcher(error.kind.python_class(), error.message),
            kind => Failure::builtin(kind.python_class(), error.message),
        }
    }
}

/// An answer as a client reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The call that it answers.
    pub msg_id: String,
    /// What the call gave; a null result without an end is a sign of life from a server that still works.
    pub result: Result<Value, CallError>,
    /// Whether it is the last message for the call.
    pub ending: bool,
}

/// Encodes the result of the call known as `msg_id`. `unique_id` is the message's own identity.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`] and [`ErrorKind::Overflow`] for a result that JSON has no form for.
pub fn encode_result(value: &Value, msg_id: &str, unique_id: &str) -> Result<Vec<u8>, CallError> {
    json::check_representable(value)?;
    encode(msg_id, unique_id, |out| {
        out.plain(r#"{\"result\":"#);
        serde_json::to_writer(&mut *out, value)?;
        out.plain(r#",\"failure\":null"#);
        Ok(())
    })
    .map_err(|error| CallError::new(ErrorKind::Internal, error.to_string()))
}

/// Encodes the failure of the call known as `msg_id`.
#[must_use]
pub fn encode_failure(failure: &Failure, msg_id: &str, unique_id: &str) -> Vec<u8> {
    // The object is a string of JSON inside the inner message, which is one itself.
    let object = serde_json::json!({
        "class": failure.class,
        "module": failure.module,
        "message": failure.message,
        "tb": [],
        "args": [failure.message],
        "kwargs": {},
    });
    encode(msg_id, unique_id, |out| {
        out.plain(r#"{\"result\":null,\"failure\":"#);
        out.string(&object.to_string())
    })
    // Writing text into memory does not fail; an empty body is no message to anybody.
    .unwrap_or_default()
}

fn encode(
    msg_id: &str,
    unique_id: &str,
    outcome: impl FnOnce(&mut Escaped) -> Result<(), serde_json::Error>,
) -> Result<Vec<u8>, serde_json::Error> {
    enveloped(192, |out| {
        outcome(out)?;
        out.plain(r#",\"ending\":true,\"_msg_id\":"#);
        out.string(msg_id)?;
        out.plain(r#",\"_unique_id\":"#);
        out.string(unique_id)?;
        out.plain("}");
        Ok(())
    })
}

/// Reads an answer.
///
/// # Errors
/// [`WireError`] for what cannot be read, or does not say which call it answers.
pub fn read_reply(body: &[u8], limits: &Limits) -> Result<Reply, WireError> {
    let text = inner(body, limits)?;
    let mut members: Members<'_> = serde_json::from_str(&text).map_err(malformed)?;
    let raw_result = |text| serde_json::from_str::<RawResult<'_>>(text).map(|raw| raw.result);
    value_within(&text, &mut members.result, raw_result, limits)?;
    let msg_id =
        members.msg_id.and_then(Field::text).ok_or_else(|| malformed("an answer without _msg_id"))?;
    let result = match members.failure {
        None | Some(Field::Other("NoneType")) => Ok(members.result.unwrap_or(Value::Null)),
        Some(Field::Text(failure)) => Err(failed(&failure)),
        Some(Field::Other(kind)) => {
            Err(CallError::new(ErrorKind::Internal, format!("the server failed and said only: {kind}")))
        }
    };
    Ok(Reply { msg_id: msg_id.into_owned(), result, ending: members.ending })
}

/// The error that a failure's text tells of.
fn failed(text: &str) -> CallError {
    #[derive(serde::Deserialize)]
    struct Object<'a> {
        #[serde(borrow)]
        class: Option<Field<'a>>,
        #[serde(borrow)]
        message: Option<Field<'a>>,
    }
    let Ok(Object { class, message }) = serde_json::from_str(text) else {
        return CallError::new(ErrorKind::Internal, format!("the server failed and said: {text}"));
    };
    let class = class.and_then(Field::text).map(|class| class.into_owned());
    let kind = class.as_deref().map_or(ErrorKind::Internal, ErrorKind::from_python_class);
    // A failure that a server reports is an answer: however the remote exception is called, it was not on the way.
    let kind = if kind.is_transport() { ErrorKind::Internal } else { kind };
    let message = message.and_then(Field::text).map(|message| message.into_owned()).unwrap_or_default();
    CallError::remote(kind, message, Remote { class, ..Remote::default() })
}

#[derive(serde::Deserialize)]
struct RawResult<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

/// The members of an inner reply. Of members with the same name the last one counts, as in Python.
#[derive(Default)]
struct Members<'a> {
    result: Option<Value>,
    failure: Option<Field<'a>>,
    ending: bool,
    msg_id: Option<Field<'a>>,
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
                "ending" => members.ending = matches!(map.next_value()?, Some(true)),
                "_msg_id" => members.msg_id = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(members)
    }
}
