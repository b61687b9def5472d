//! Calls and casts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use calculator::{Call, CallError, ErrorKind, Limits, Method, Params, Value, json};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::escape::Escaped;
use super::{CONTEXT_PREFIX, Envelope, Field, WireError, end, enveloped, inner, malformed};
use crate::{Context, Target};

/// The least interval, in seconds, that asks for signs of life.
const LEAST_MONITOR: u64 = 2;

/// What makes a request a call rather than a cast: where its answer goes and by what it is known there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing<'a> {
    /// `_msg_id`, which the answer repeats.
    pub msg_id: Cow<'a, str>,
    /// `_reply_q`, the queue that the answer goes to; none where the message's properties say it (direct reply-to).
    pub reply_queue: Option<Cow<'a, str>>,
    /// What is around the call, and around its answer where the message's properties say where that goes.
    pub envelope: Envelope,
    /// `_timeout`, in seconds: how often at least the server shall give a sign of life while it works on the call.
    pub monitor: Option<u64>,
}

/// A request as a server reads it. Unknown members are skipped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The method, `None` where it is absent; `Err` has the Python type of what stands in place of a string.
    pub method: Option<Result<Cow<'static, str>, &'static str>>,
    /// The arguments; absent ones are none.
    pub arguments: Arguments,
    /// The namespace; null and absent are the same.
    pub namespace: Option<Result<String, &'static str>>,
    /// The interface version; absent means 1.0.
    pub version: Option<Result<String, &'static str>>,
    /// `_msg_id`: there is an answer to give.
    pub msg_id: Option<String>,
    /// `_reply_q`.
    pub reply_queue: Option<String>,
    /// `_timeout` where it asks for signs of life: seconds, at least 2, as a number or as digits in a string. Anything
    /// else is ignored, as by the reference.
    pub monitor: Option<u64>,
    /// `_unique_id`, by which a redelivered message is recognised.
    pub unique_id: Option<String>,
    /// What was around it.
    pub envelope: Envelope,
    /// The caller's context: the members whose names begin with `_context_`, without that.
    pub context: Context,
}

/// The `args` of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Arguments {
    /// An object: arguments by name.
    Named(Params),
    /// Something else, by the name of its type in Python.
    Other(&'static str),
}

impl Default for Arguments {
    fn default() -> Self {
        Arguments::Named(Params::Named(Vec::new()))
    }
}

/// Encodes `call` for `target`: a call with `routing`, a cast without. `unique_id` is the message's own identity,
/// empty where it needs none.
/// Arguments by position are sent under the names of the method's parameters, for there are no others.
///
/// # Errors
/// [`ErrorKind::NotRepresentable`] and [`ErrorKind::Overflow`] for an argument that JSON has no form for.
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
    enveloped(envelope, 256, |out| write_request(out, call, target, context, routing, unique_id))
        .map_err(|error: serde_json::Error| CallError::new(ErrorKind::Internal, error.to_string()))
}

fn write_request(
    out: &mut Escaped,
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
    // The interval of the call monitor, not the call's timeout. oslo.messaging writes a null where there is none, and
    // takes its absence for one; with direct reply-to, which it does not speak, nobody expects it.
    if let Some(routing) =
        routing.filter(|routing| routing.monitor.is_some() || routing.reply_queue.is_some())
    {
        out.json(r#","_timeout":"#);
        serde_json::to_writer(&mut *out, &routing.monitor)?;
    }
    end(out, unique_id, context)
}

/// Reads a request.
///
/// # Errors
/// [`WireError`] for what oslo.messaging rejects without an answer. A request that is wrong inside, but can be
/// answered, is no error here.
pub fn read_request(body: &[u8], limits: &Limits) -> Result<Request, WireError> {
    let (text, envelope) = inner(body, limits)?;
    let mut members: Members<'_> = serde_json::from_str(&text).map_err(malformed)?;
    members.correct(&text)?;

    let string = |field: Field<'_>| match field {
        Field::Text(text) => Ok(text.into_owned()),
        Field::Other(kind) => Err(kind),
    };
    let text = |field: Option<Field<'_>>| field.and_then(Field::text).map(Cow::into_owned);
    Ok(Request {
        method: members.method.map(|method| match method {
            Field::Text(name) => Ok(interned(name)),
            Field::Other(kind) => Err(kind),
        }),
        arguments: match members.args {
            None => Arguments::default(),
            Some(Value::Map(members)) => Arguments::Named(Params::Named(members)),
            Some(other) => Arguments::Other(python_type(&other)),
        },
        namespace: match members.namespace {
            None | Some(Field::Other("NoneType")) => None,
            Some(field) => Some(string(field)),
        },
        version: members.version.map(string),
        msg_id: text(members.msg_id),
        reply_queue: text(members.reply_queue),
        monitor: members.monitor.and_then(monitor),
        unique_id: text(members.unique_id),
        envelope,
        context: Context::of(members.context),
    })
}

/// The name of one of the calculator's methods costs no allocation.
fn interned(name: Cow<'_, str>) -> Cow<'static, str> {
    match Method::from_name(&name) {
        Some(method) => Cow::Borrowed(method.name()),
        None => Cow::Owned(name.into_owned()),
    }
}

/// The interval of a call monitor, where it is one.
fn monitor(value: Value) -> Option<u64> {
    let seconds = match value {
        Value::Int(seconds) => u64::try_from(seconds).ok(),
        Value::Str(digits) => digits.trim().parse().ok(),
        _ => None,
    };
    seconds.filter(|seconds| *seconds >= LEAST_MONITOR)
}

fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::BigInt(_) => "int",
        Value::Float(_) => "float",
        Value::Str(_) => "str",
        Value::Bytes(_) => "bytes",
        Value::DateTime(_) => "datetime",
        Value::List(_) => "list",
        Value::Map(_) => "dict",
    }
}

/// The members of an inner message. Of members with the same name the last one counts, as in Python.
#[derive(Default)]
struct Members<'a> {
    method: Option<Field<'a>>,
    args: Option<Value>,
    namespace: Option<Field<'a>>,
    version: Option<Field<'a>>,
    msg_id: Option<Field<'a>>,
    reply_queue: Option<Field<'a>>,
    monitor: Option<Value>,
    unique_id: Option<Field<'a>>,
    context: Vec<(String, Value)>,
}

impl Members<'_> {
    /// Reads anew what the parser mistook for a float, so that every integer keeps its digits.
    fn correct(&mut self, text: &str) -> Result<(), WireError> {
        let values = self.args.iter().chain(self.context.iter().map(|(_, value)| value));
        let Some(Value::Map(exact)) = json::reparse_exactly(text.as_bytes(), values)? else { return Ok(()) };
        let mut exact: HashMap<String, Value> = exact.into_iter().collect();
        if let (Some(args), Some(exact)) = (&mut self.args, exact.remove("args")) {
            *args = exact;
        }
        // From the last one, which counts where several have the same name.
        for (name, value) in self.context.iter_mut().rev() {
            if let Some(exact) = exact.remove(&format!("{CONTEXT_PREFIX}{name}")) {
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
            let field = match &*name {
                "method" => &mut members.method,
                "namespace" => &mut members.namespace,
                "version" => &mut members.version,
                "_msg_id" => &mut members.msg_id,
                "_reply_q" => &mut members.reply_queue,
                "_unique_id" => &mut members.unique_id,
                "args" => {
                    members.args = Some(map.next_value()?);
                    continue;
                }
                "_timeout" => {
                    members.monitor = Some(map.next_value()?);
                    continue;
                }
                name if name.starts_with(CONTEXT_PREFIX) => {
                    let entry = name[CONTEXT_PREFIX.len()..].to_owned();
                    members.context.push((entry, map.next_value()?));
                    continue;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = Some(map.next_value()?);
        }
        Ok(members)
    }
}
