//! Answers.

use std::borrow::Cow;
use std::fmt;

use calculator::{CallError, ErrorKind, Limits, Remote, Value, json};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::escape::Escaped;
use super::{Envelope, Field, WireError, enveloped, identify, inner, malformed};

const DISPATCHER: &str = "oslo_messaging.rpc.dispatcher";
const BUILTINS: &str = "builtins";

/// A failure as it travels: the class of a Python exception, its message, and where it was raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exception's class.
    pub class: Cow<'static, str>,
    /// The module of the class. A Python client raises an exception of `builtins` as what it is and any other as a
    /// `RemoteError`, unless it allows the module.
    pub module: Cow<'static, str>,
    /// The exception's only argument.
    pub message: String,
}

impl Failure {
    /// An exception of an application's own.
    pub fn new(
        module: impl Into<Cow<'static, str>>,
        class: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Failure { class: class.into(), module: module.into(), message: message.into() }
    }

    /// An exception of Python's own.
    pub fn builtin(class: &'static str, message: impl Into<String>) -> Self {
        Failure::new(BUILTINS, class, message)
    }

    /// An exception of oslo.messaging's dispatcher.
    pub fn dispatcher(class: &'static str, message: impl Into<String>) -> Self {
        Failure::new(DISPATCHER, class, message)
    }

    /// There is no method of that name at an endpoint that has the namespace and the version.
    #[must_use]
    pub fn no_such_method(method: &str) -> Self {
        Failure::dispatcher("NoSuchMethod", format!("Endpoint does not support RPC method {method}"))
    }

    /// How a failed call of `method` travels.
    #[must_use]
    pub fn of(error: CallError, method: &str) -> Self {
        match error.kind {
            ErrorKind::UnknownMethod => Failure::no_such_method(method),
            _ => error.into(),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let class = error.kind.python_class();
        match error.kind {
            ErrorKind::UnsupportedVersion => Failure::dispatcher(class, error.message),
            _ => Failure::builtin(class, error.message),
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

/// Encodes the result of the call known as `msg_id`. `unique_id` is the message's own identity, empty
/// where it needs none.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`] and [`ErrorKind::Overflow`] for a result that JSON has no form for.
pub fn encode_result(
    value: &Value,
    msg_id: &str,
    unique_id: &str,
    envelope: Envelope,
) -> Result<Vec<u8>, CallError> {
    json::check_representable(value)?;
    encode([msg_id, unique_id], true, envelope, |out| {
        out.json(r#"{"result":"#);
        serde_json::to_writer(&mut *out, value)?;
        out.json(r#","failure":null"#);
        Ok(())
    })
    .map_err(|error| CallError::new(ErrorKind::Internal, error.to_string()))
}

/// Encodes the failure of the call known as `msg_id`.
#[must_use]
pub fn encode_failure(failure: &Failure, msg_id: &str, unique_id: &str, envelope: Envelope) -> Vec<u8> {
    // The object is a string of JSON inside the inner message, which is one itself.
    let object = serde_json::json!({
        "class": failure.class,
        "module": failure.module,
        "message": failure.message,
        "tb": [],
        "args": [failure.message],
        "kwargs": {},
    });
    encode([msg_id, unique_id], true, envelope, |out| {
        out.json(r#"{"result":null,"failure":"#);
        out.string(&object.to_string())
    })
    // Writing text into memory does not fail; an empty body is no message to anybody.
    .unwrap_or_default()
}

/// Encodes a sign of life for the call known as `msg_id`: the server still works on it.
#[must_use]
pub fn encode_sign_of_life(msg_id: &str, unique_id: &str, envelope: Envelope) -> Vec<u8> {
    encode([msg_id, unique_id], false, envelope, |out| {
        out.json(r#"{"result":null,"failure":null"#);
        Ok(())
    })
    .unwrap_or_default()
}

fn encode(
    [msg_id, unique_id]: [&str; 2],
    ending: bool,
    envelope: Envelope,
    outcome: impl FnOnce(&mut Escaped) -> Result<(), serde_json::Error>,
) -> Result<Vec<u8>, serde_json::Error> {
    enveloped(envelope, 192, |out| {
        outcome(out)?;
        out.json(r#","ending":"#);
        out.json(if ending { "true" } else { "false" });
        out.json(r#","_msg_id":"#);
        out.string(msg_id)?;
        identify(out, unique_id)?;
        out.json("}");
        Ok(())
    })
}

/// Reads an answer.
///
/// # Errors
/// [`WireError`] for what cannot be read, or does not say which call it answers.
pub fn read_reply(body: &[u8], limits: &Limits) -> Result<Reply, WireError> {
    let (text, _) = inner(body, limits)?;
    let mut members: Members<'_> = serde_json::from_str(&text).map_err(malformed)?;
    if let Some(exact) = json::reparse_exactly(text.as_bytes(), members.result.as_ref())? {
        members.result = exact.into_member("result");
    }
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

/// The error that a failure's text tells of. Its class decides on the kind only where it is Python's own or
/// oslo.messaging's; a class of another module is told by its full name.
fn failed(text: &str) -> CallError {
    #[derive(serde::Deserialize)]
    struct Object<'a> {
        #[serde(borrow)]
        class: Option<Field<'a>>,
        #[serde(borrow)]
        module: Option<Field<'a>>,
        #[serde(borrow)]
        message: Option<Field<'a>>,
    }
    let Ok(Object { class, module, message }) = serde_json::from_str(text) else {
        return CallError::new(ErrorKind::Internal, format!("the server failed and said: {text}"));
    };
    let text = |field: Option<Field<'_>>| field.and_then(Field::text).map(Cow::into_owned);
    let (class, module) = (text(class), text(module));
    let foreign = module.filter(|module| !is_known(module));
    let kind = match (&class, &foreign) {
        (Some(class), None) => ErrorKind::from_python_class(class),
        _ => ErrorKind::Internal,
    };
    // A failure that a server reports is an answer: however the remote exception is called, it was not on the way.
    let kind = if kind.is_transport() { ErrorKind::Internal } else { kind };
    let class = match (class, foreign) {
        (Some(class), Some(module)) => Some(format!("{module}.{class}")),
        (class, _) => class,
    };
    CallError::remote(kind, text(message).unwrap_or_default(), Remote { class, ..Remote::default() })
}

/// Whether the classes of a module mean the same to every peer: Python's own, under their name of today and that of
/// Python 2, and oslo.messaging's.
fn is_known(module: &str) -> bool {
    matches!(module, BUILTINS | "exceptions") || module.split('.').next() == Some("oslo_messaging")
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
