//! Requests: calls and casts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use calculator::{Call, CallError, Limits, Method, Params, Text, Value, json};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::encode::{CONTEXT_PREFIX, internal_error, write_trailer};
use super::envelope::{Envelope, decode_envelope, encode_enveloped, read_entries};
use super::error::WireError;
use super::fields::{Field, python_type};
use super::json_writer::JsonWriter;
use crate::context::Context;
use crate::target::Target;

/// The shortest call monitor timeout, in seconds, for which oslo.messaging's servers send heartbeats.
const MIN_CALL_MONITOR_TIMEOUT_S: u64 = 2;

/// The members that distinguish a call from a cast: where the reply goes, and the id that it repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing<'a> {
    /// `_msg_id`, which the reply repeats.
    pub msg_id: Cow<'a, str>,
    /// `_reply_q`, the queue to which the reply goes. `None` with direct reply-to, where the message's properties name
    /// it.
    pub reply_queue: Option<Cow<'a, str>>,
    /// The envelope of the call, and with direct reply-to of its reply.
    pub envelope: Envelope,
    /// `_timeout`, in seconds: the longest interval between the heartbeats that the server sends while it executes the
    /// call. Not the call's timeout.
    pub call_monitor_timeout: Option<u64>,
}

/// A decoded request. Unknown members are ignored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The method; `None` if absent, `Err` with the Python type of a value that is not a string.
    pub method: Option<Result<Cow<'static, str>, &'static str>>,
    /// The arguments; empty if absent.
    pub arguments: Arguments,
    /// The namespace; `None` if absent or null.
    pub namespace: Option<Result<String, &'static str>>,
    /// The interface version; `None` if absent, which means 1.0.
    pub version: Option<Result<String, &'static str>>,
    /// `_msg_id`; `None` in a cast, which gets no reply.
    pub msg_id: Option<String>,
    /// `_reply_q`.
    pub reply_queue: Option<String>,
    /// `_timeout`, if it requests heartbeats: at least 2 seconds, as a number or as digits in a string. oslo.messaging
    /// ignores anything else, too.
    pub call_monitor_timeout: Option<u64>,
    /// `_unique_id`, which identifies a redelivered message.
    pub unique_id: Option<String>,
    /// The envelope in which the request came.
    pub envelope: Envelope,
    /// The caller's context: the members with the prefix `_context_`, under their names without it.
    pub context: Context,
}

/// The `args` of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Arguments {
    /// An object: named arguments.
    Named(Params),
    /// A value of another type, by the type's name in Python.
    Other(&'static str),
}

impl Default for Arguments {
    fn default() -> Self {
        Arguments::Named(Params::Named(Vec::new()))
    }
}

/// Encodes a request to `target`: a call with `routing`, a cast without.
///
/// `unique_id` identifies the message, and may be empty if the message cannot be redelivered. The format has named
/// arguments only: positional ones are sent under the names of the method's parameters.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`](calculator::ErrorKind::NotRepresentable) and
/// [`ErrorKind::Overflow`](calculator::ErrorKind::Overflow) for an argument or context entry that JSON cannot represent.
pub fn encode_request(
    call: &Call,
    target: &Target,
    context: &Context,
    routing: Option<&Routing<'_>>,
    unique_id: &str,
) -> Result<Vec<u8>, CallError> {
    call.params.values().try_for_each(json::check_representable)?;
    context.iter().try_for_each(|(_, value)| json::check_representable(value))?;
    let envelope = routing.map_or(Envelope::V2, |routing| routing.envelope);
    let values = call.params.values().chain(context.iter().map(|(_, value)| value));
    let write = |out: &mut JsonWriter| write_request(out, call, target, context, routing, unique_id);
    encode_enveloped(envelope, 256, values, write).map_err(internal_error)
}

fn write_request(
    out: &mut JsonWriter,
    call: &Call,
    target: &Target,
    context: &Context,
    routing: Option<&Routing<'_>>,
    unique_id: &str,
) -> Result<(), serde_json::Error> {
    out.json(r#"{"method":"#);
    out.string(&call.method)?;
    out.json(r#","args":{"#);
    for (i, value) in call.params.values().enumerate() {
        if i > 0 {
            out.json(",");
        }
        out.string(&call.params.name_at(&call.method, i))?;
        out.json(":");
        serde_json::to_writer(&mut *out, value)?;
    }
    out.json("}");
    for (member, value) in [
        (r#","namespace":"#, target.namespace.as_deref()),
        (r#","version":"#, target.version.as_deref()),
        (r#","_msg_id":"#, routing.map(|routing| &*routing.msg_id)),
        (r#","_reply_q":"#, routing.and_then(|routing| routing.reply_queue.as_deref())),
    ] {
        if let Some(value) = value {
            out.json(member);
            out.string(value)?;
        }
    }
    // oslo.messaging writes null for a call without a monitor, and reads an absent member as null. It does not support
    // direct reply-to, where null is therefore left out.
    if let Some(Routing { call_monitor_timeout, reply_queue, .. }) = routing
        && (call_monitor_timeout.is_some() || reply_queue.is_some())
    {
        out.json(r#","_timeout":"#);
        serde_json::to_writer(&mut *out, call_monitor_timeout)?;
    }
    write_trailer(out, unique_id, context)
}

/// Decodes a request.
///
/// # Errors
/// [`WireError`] for messages that oslo.messaging rejects without a reply. Members of wrong types, for which it replies
/// with a failure, are part of the returned request.
pub fn read_request(body: &[u8], limits: &Limits) -> Result<Request, WireError> {
    let (text, envelope) = decode_envelope(body, limits)?;
    let members = Members::read(&text, limits)?;

    let string = |field: Field<'_>| match field {
        Field::Text(text) => Ok(text.into_owned()),
        Field::Other(kind) => Err(kind),
    };
    let text = |field: Option<Field<'_>>| field.and_then(Field::text).map(Cow::into_owned);
    Ok(Request {
        method: members.method.map(|method| match method {
            Field::Text(name) => Ok(intern(name)),
            Field::Other(kind) => Err(kind),
        }),
        arguments: match members.args {
            None => Arguments::default(),
            Some(Value::Map(members)) => Arguments::Named(Params::Named(members.into_vec())),
            Some(other) => Arguments::Other(python_type(&other)),
        },
        namespace: match members.namespace {
            None | Some(Field::Other("NoneType")) => None,
            Some(field) => Some(string(field)),
        },
        version: members.version.map(string),
        msg_id: text(members.msg_id),
        reply_queue: text(members.reply_queue),
        call_monitor_timeout: members.timeout.and_then(call_monitor_timeout),
        unique_id: text(members.unique_id),
        envelope,
        context: Context::from_entries(members.context),
    })
}

/// Makes a method name static. Those of the calculator cost no allocation.
fn intern(name: Cow<'_, str>) -> Cow<'static, str> {
    match Method::from_name(&name) {
        Some(method) => Cow::Borrowed(method.name()),
        None => Cow::Owned(name.into_owned()),
    }
}

/// Interprets `_timeout`; `None` if it requests no heartbeats.
fn call_monitor_timeout(value: Value) -> Option<u64> {
    let seconds = match value {
        Value::Int(seconds) => u64::try_from(seconds).ok(),
        Value::Str(digits) => digits.trim().parse().ok(),
        _ => None,
    };
    seconds.filter(|seconds| *seconds >= MIN_CALL_MONITOR_TIMEOUT_S)
}

/// The members of a request's inner message. If several members have the same name, the last one is used, as in Python.
#[derive(Default)]
struct Members<'a> {
    method: Option<Field<'a>>,
    args: Option<Value>,
    namespace: Option<Field<'a>>,
    version: Option<Field<'a>>,
    msg_id: Option<Field<'a>>,
    reply_queue: Option<Field<'a>>,
    timeout: Option<Value>,
    unique_id: Option<Field<'a>>,
    context: Vec<(Text, Value)>,
}

/// Where the value of a member belongs.
enum Slot<'s, 'a> {
    /// A member that should be a string.
    Field(&'s mut Option<Field<'a>>),
    /// A member of any type.
    Value(&'s mut Option<Value>),
    /// The entry of the context with this name.
    Context(Text),
    /// A member without a meaning.
    Unknown,
}

impl<'a> Members<'a> {
    /// Reads the inner message `text`. A message with Python's constants for floats is read slower than others.
    fn read(text: &'a str, limits: &Limits) -> Result<Self, WireError> {
        let error = match serde_json::from_str::<Members<'a>>(text) {
            Ok(mut members) => {
                members.restore_integers(text)?;
                return Ok(members);
            }
            Err(error) => error,
        };
        let mut members = Members::default();
        for (name, value) in read_entries(text, limits, error)? {
            match members.slot(&name) {
                Slot::Field(field) => *field = Some(value.into()),
                Slot::Value(slot) => *slot = Some(value),
                Slot::Context(entry) => members.context.push((entry, value)),
                Slot::Unknown => {}
            }
        }
        Ok(members)
    }

    fn slot(&mut self, name: &str) -> Slot<'_, 'a> {
        Slot::Field(match name {
            "method" => &mut self.method,
            "namespace" => &mut self.namespace,
            "version" => &mut self.version,
            "_msg_id" => &mut self.msg_id,
            "_reply_q" => &mut self.reply_queue,
            "_unique_id" => &mut self.unique_id,
            "args" => return Slot::Value(&mut self.args),
            "_timeout" => return Slot::Value(&mut self.timeout),
            name => {
                let entry = name.strip_prefix(CONTEXT_PREFIX);
                return entry.map_or(Slot::Unknown, |entry| Slot::Context(entry.into()));
            }
        })
    }

    /// Replaces values in which the JSON parser has converted large integers to floats, so that they keep their digits.
    fn restore_integers(&mut self, text: &str) -> Result<(), WireError> {
        let values = self.args.iter().chain(self.context.iter().map(|(_, value)| value));
        let Some(Value::Map(exact)) = json::reparse_exactly(text.as_bytes(), values)? else { return Ok(()) };
        let mut exact: HashMap<Text, Value> = exact.into_iter().collect();
        if let (Some(args), Some(exact)) = (&mut self.args, exact.remove("args")) {
            *args = exact;
        }
        // In reverse, because the last of several entries with the same name is used.
        for (name, value) in self.context.iter_mut().rev() {
            if let Some(exact) = exact.remove(format!("{CONTEXT_PREFIX}{name}").as_str()) {
                *value = exact;
            }
        }
        Ok(())
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
            match members.slot(&name) {
                Slot::Field(field) => *field = Some(map.next_value()?),
                Slot::Value(value) => *value = Some(map.next_value()?),
                Slot::Context(entry) => {
                    let value = map.next_value()?;
                    members.context.push((entry, value));
                }
                Slot::Unknown => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(members)
    }
}
