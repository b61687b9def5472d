//! Decoding of requests.

use std::borrow::Cow;
use std::fmt;

use calculator::python_json::read_lenient;
use calculator::{Call, Limits, Method, Params, Value, json};
use http_layer::form_decode;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::any_type::AnyType;
use super::failure::Failure;
use super::response::{ReplyTo, Version};
use super::tolerant::TolerantMessage;

/// The levels of nesting around an argument in a batch: the batch, the request, its params.
const ENVELOPE_DEPTH: usize = 3;

/// Converts the query of a URL to the body of a request, for calls by GET as python-jsonrpc's server accepts them:
/// `jsonrpc=2.0&method=add&params=[2,3]&id=1`. The default of `jsonrpc` is 2.0. `params` is JSON. `id` is JSON if it can
/// be parsed as JSON, otherwise a string. Other parameters are ignored. Returns `None` if there is no method.
///
/// # Errors
/// A parse error for a query that is not UTF-8, or whose `params` are not JSON; an invalid request for a parameter that is
/// given twice.
pub fn decode_query(query: &str, limits: &Limits) -> Result<Option<Vec<u8>>, Failure> {
    let (mut version, mut method, mut params, mut id) = (None, None, None, None);
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text| form_decode(text).map_err(|error| Failure::parse(error.message));
        let (name, value) = (decode(name)?, decode(value)?);
        let parameter = match &*name {
            "jsonrpc" => &mut version,
            "method" => &mut method,
            "params" => &mut params,
            "id" => &mut id,
            _ => continue,
        };
        if parameter.replace(value).is_some() {
            return Err(Failure::invalid_request(format!("`{name}` is given twice in the query")));
        }
    }
    let Some(method) = method else { return Ok(None) };
    let mut out = b"{\"jsonrpc\":".to_vec();
    json::write_str(&mut out, version.as_deref().unwrap_or("2.0"));
    out.extend_from_slice(b",\"method\":");
    json::write_str(&mut out, &method);
    // Each text is checked to be one JSON value before it becomes a part of the request.
    let check_json = |text: &str| json::read(text.as_bytes(), limits).map(drop);
    if let Some(params) = params {
        check_json(&params).map_err(|error| Failure::parse(format!("params: {}", error.message)))?;
        out.extend_from_slice(b",\"params\":");
        out.extend_from_slice(params.as_bytes());
    }
    if let Some(id) = id {
        out.extend_from_slice(b",\"id\":");
        match check_json(&id) {
            Ok(()) => out.extend_from_slice(id.as_bytes()),
            Err(_) => json::write_str(&mut out, &id),
        }
    }
    out.push(b'}');
    Ok(Some(out))
}

/// The body of a request to the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Message<'a> {
    /// A single request.
    Single(Request<'a>),
    /// A batch of at least one request.
    Batch(Vec<Request<'a>>),
}

/// A request, or an invalid value in place of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<'a> {
    /// The call, or why the request is invalid.
    pub call: Result<Call, Failure>,
    /// How to answer it; `None` for a notification. An invalid request is always answered.
    pub reply: Option<ReplyTo<'a>>,
}

impl<'a> Request<'a> {
    fn invalid(message: &str, reply: ReplyTo<'a>) -> Self {
        Request { call: Err(Failure::invalid_request(message)), reply: Some(reply) }
    }
}

/// Decodes the body of a request. Members may be in any order, and the last member with a name wins. Of a message with
/// the syntax of JSON, only the requests fail that hold a lone surrogate or a number beyond the range of floats. The
/// constants `NaN`, `Infinity` and `-Infinity`, which Python writes, are floats.
///
/// # Errors
/// The failure of the message as a whole: it is not JSON, is nested too deeply, or is a batch that is empty or too large.
pub fn decode<'a>(body: &'a [u8], limits: &Limits) -> Result<Message<'a>, Failure> {
    let limits = limits.with_envelope(ENVELOPE_DEPTH);
    json::check_depth(body, &limits)?;
    // The parser checks only the strings that it keeps.
    let text = str::from_utf8(body).map_err(|error| Failure::parse(format!("not UTF-8: {error}")))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = if body.trim_ascii_start().starts_with(b"[") {
        BatchReader(limits.max_batch).deserialize(&mut reader)
    } else {
        Request::deserialize(&mut reader).map(|request| Ok(Message::Single(request)))
    };
    let mut message = match read.and_then(|message| reader.end().map(|()| message)) {
        Ok(message) => message?,
        Err(error) => {
            let refused = || Err(Failure::parse(format!("not JSON: {error}")));
            return decode_tolerantly(body, &limits).unwrap_or_else(refused);
        }
    };
    if let Some(exact) = json::reparse_exactly(body, message.requests().iter().flat_map(Request::arguments))?
    {
        message.take_exact_params(exact);
    }
    Ok(message)
}

/// Decodes a message that serde_json refuses, request by request. `None` if it does not have the syntax of JSON.
fn decode_tolerantly<'a>(body: &'a [u8], limits: &Limits) -> Option<Result<Message<'a>, Failure>> {
    let message = TolerantMessage::new(body)?;
    if !body.trim_ascii_start().starts_with(b"[") {
        return Request::read_tolerantly(&message, message.root()?, limits)
            .map(|request| Ok(Message::Single(request)));
    }
    let items = message.items()?;
    if items.len() > limits.max_batch {
        return Some(Err(too_many_requests(items.len(), limits.max_batch)));
    }
    let not_json = || Failure::parse("the request cannot be read");
    let request = |part| {
        Request::read_tolerantly(&message, part, limits)
            .unwrap_or_else(|| Request { call: Err(not_json()), reply: Some(ReplyTo::UNKNOWN) })
    };
    Some(Ok(Message::Batch(items.into_iter().map(request).collect())))
}

fn too_many_requests(number: usize, limit: usize) -> Failure {
    Failure::too_large(format!("a batch of {number} requests; the limit is {limit}"))
}

impl<'a> Message<'a> {
    fn requests(&self) -> &[Request<'a>] {
        match self {
            Message::Single(request) => std::slice::from_ref(request),
            Message::Batch(requests) => requests,
        }
    }

    /// Replaces the arguments by those of `message`, the same message parsed with every integer kept exactly.
    fn take_exact_params(&mut self, message: Value) {
        match (self, message) {
            (Message::Single(request), value) => request.take_exact_params(value),
            (Message::Batch(requests), Value::List(values)) => {
                for (request, value) in requests.iter_mut().zip(values) {
                    request.take_exact_params(value);
                }
            }
            (Message::Batch(_), _) => {}
        }
    }
}

impl Request<'_> {
    fn arguments(&self) -> impl Iterator<Item = &Value> {
        self.call.iter().flat_map(|call| call.params.values())
    }

    fn take_exact_params(&mut self, request: Value) {
        let Ok(call) = &mut self.call else { return };
        if let Some(ParamsOrNone(Some(params))) = request.into_member("params").map(ParamsOrNone::from) {
            call.params = params;
        }
    }
}

/// Deserializes a batch of at most this many requests.
struct BatchReader(usize);

impl<'de> DeserializeSeed<'de> for BatchReader {
    type Value = Result<Message<'de>, Failure>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for BatchReader {
    type Value = Result<Message<'de>, Failure>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a batch")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let BatchReader(limit) = self;
        let mut requests = Vec::new();
        while requests.len() < limit {
            let Some(request) = items.next_element()? else { break };
            requests.push(request);
        }
        let mut surplus = 0_usize;
        while items.next_element::<IgnoredAny>()?.is_some() {
            surplus += 1;
        }
        Ok(if surplus > 0 {
            Err(too_many_requests(limit + surplus, limit))
        } else if requests.is_empty() {
            Err(Failure::invalid_request("the batch is empty"))
        } else {
            Ok(Message::Batch(requests))
        })
    }
}

impl<'de> Deserialize<'de> for Request<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Member {
    Jsonrpc,
    Method,
    Params,
    Id,
    #[serde(other)]
    Other,
}

impl<'de> AnyType<'de> for Request<'de> {
    fn unexpected() -> Self {
        Request::invalid("a request must be an object", ReplyTo::UNKNOWN)
    }

    fn object<A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let (mut version, mut method, mut params, mut id) = (None, MethodName(None), None, None);
        while let Some(member) = members.next_key()? {
            match member {
                Member::Jsonrpc => version = Some(members.next_value::<VersionName>()?),
                Member::Method => method = members.next_value()?,
                Member::Params => params = Some(members.next_value::<ParamsOrNone>()?),
                Member::Id => id = Some(members.next_value::<&RawValue>()?.get()),
                Member::Other => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Request::from_members(version, method, params, id))
    }
}

impl<'a> Request<'a> {
    /// The request with these members; `None` for those that are absent.
    fn from_members(
        version: Option<VersionName>,
        MethodName(method): MethodName,
        params: Option<ParamsOrNone>,
        id: Option<&'a str>,
    ) -> Self {
        let reply = match (&version, id) {
            (None, None) => {
                return Request::invalid("a request must have a member `jsonrpc`", ReplyTo::UNKNOWN);
            }
            (None, Some(id)) => ReplyTo { id, version: Version::V1 },
            (Some(_), id) => ReplyTo { id: id.unwrap_or("null"), version: Version::V2 },
        };
        if version.is_some_and(|VersionName(is_2_0)| !is_2_0) {
            return Request::invalid("`jsonrpc` must be \"2.0\"", reply);
        }
        let Some(method) = method else {
            return Request::invalid("`method` must be a non-empty string", reply);
        };
        let params = match params {
            None => Params::Positional(Vec::new()),
            Some(ParamsOrNone(Some(params))) => params,
            Some(ParamsOrNone(None)) => {
                return Request::invalid("`params` must be an array or an object", reply);
            }
        };
        // A notification has no id in version 2.0, and a null id in version 1.0.
        let notification = match reply.version {
            Version::V2 => id.is_none(),
            Version::V1 => reply.id == "null",
        };
        Request { call: Ok(Call { method, params }), reply: (!notification).then_some(reply) }
    }

    /// Reads the request in `part` of `message`. `None` if its id cannot be read.
    fn read_tolerantly(message: &TolerantMessage<'a>, part: &RawValue, limits: &Limits) -> Option<Self> {
        let Some([version, method, params, id]) =
            message.members(part, ["jsonrpc", "method", "params", "id"])
        else {
            return serde_json::from_str(message.text_of(part)).ok();
        };
        if id.is_some_and(|id| serde_json::from_str::<&RawValue>(id).is_err()) {
            return None;
        }
        let version = version.map(|text| serde_json::from_str(text).unwrap_or(VersionName(false)));
        let method = method.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(MethodName(None));
        let (params, unreadable) = match params.map(|text| read_lenient(text.as_bytes(), limits)) {
            None => (None, None),
            Some(Ok(value)) => (Some(ParamsOrNone::from(value)), None),
            Some(Err(error)) => (None, Some(error)),
        };
        let mut request = Request::from_members(version, method, params, id);
        if let Some(error) = unreadable.filter(|_| request.call.is_ok()) {
            request.call = Err(Failure::parse(error.message));
            request.reply = request.reply.or(Some(ReplyTo::UNKNOWN));
        }
        Some(request)
    }
}

/// Whether `jsonrpc` is `"2.0"`.
struct VersionName(bool);

impl AnyType<'_> for VersionName {
    fn unexpected() -> Self {
        VersionName(false)
    }

    fn text(text: &str) -> Self {
        VersionName(text == "2.0")
    }
}

impl<'de> Deserialize<'de> for VersionName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}

/// The name of a method; `None` if it is empty or not a string.
struct MethodName(Option<Cow<'static, str>>);

impl AnyType<'_> for MethodName {
    fn unexpected() -> Self {
        MethodName(None)
    }

    fn text(text: &str) -> Self {
        // The names of the calculator's methods need no allocation.
        let known = || Method::from_name(text).map(|method| Cow::Borrowed(method.name()));
        MethodName((!text.is_empty()).then(|| known().unwrap_or_else(|| Cow::Owned(text.to_owned()))))
    }
}

impl<'de> Deserialize<'de> for MethodName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}

/// The arguments; `None` if they are neither an array nor an object.
struct ParamsOrNone(Option<Params>);

impl From<Value> for ParamsOrNone {
    fn from(value: Value) -> Self {
        ParamsOrNone(match value {
            Value::List(values) => Some(Params::Positional(values.into_vec())),
            Value::Map(members) => Some(Params::Named(members.into_vec())),
            _ => None,
        })
    }
}

impl<'de> AnyType<'de> for ParamsOrNone {
    fn unexpected() -> Self {
        ParamsOrNone(None)
    }

    fn array<A: SeqAccess<'de>>(mut items: A) -> Result<Self, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element()? {
            values.push(value);
        }
        Ok(ParamsOrNone(Some(Params::Positional(values))))
    }

    fn object<A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let mut named = Vec::new();
        while let Some(member) = members.next_entry()? {
            named.push(member);
        }
        Ok(ParamsOrNone(Some(Params::named(named))))
    }
}

impl<'de> Deserialize<'de> for ParamsOrNone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}
