//! Responses, which a server encodes and a client decodes.

use std::collections::HashMap;
use std::fmt;

use calculator::python_json::read_lenient;
use calculator::{CallError, ErrorKind, Limits, Value, json};
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::failure::{Failure, decode_error};
use super::tolerant::TolerantMessage;

/// The levels of nesting around the data of an error, the deepest value: the response, the error. A result has one less.
const ENVELOPE_DEPTH: usize = 2;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// 1.0: a request has no `jsonrpc`, a response has both `result` and `error`, one of them null.
    V1,
    /// 2.0: requests and responses have `jsonrpc`, and a response has either `result` or `error`.
    #[default]
    V2,
}

/// The request that a response is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTo<'a> {
    /// The id of the request as its JSON text; `null` if it has none.
    pub id: &'a str,
    /// The version of the request, which is also that of the response.
    pub version: Version,
}

impl ReplyTo<'_> {
    /// The reply to a request whose id is unknown because it could not be parsed.
    pub const UNKNOWN: ReplyTo<'static> = ReplyTo { id: "null", version: Version::V2 };
}

/// Appends a response with `result`, or with an error if JSON cannot represent the result.
pub fn write_reply(out: &mut Vec<u8>, to: ReplyTo<'_>, result: &Result<Value, Failure>) {
    match result {
        Ok(value) => write_result(out, to, value),
        Err(failure) => write_failure(out, to, failure),
    }
}

/// Appends a response with the result `value`, or with an error if JSON cannot represent it.
pub fn write_result(out: &mut Vec<u8>, to: ReplyTo<'_>, value: &Value) {
    let start = out.len();
    out.extend_from_slice(match to.version {
        Version::V1 => b"{\"result\":".as_slice(),
        Version::V2 => b"{\"jsonrpc\":\"2.0\",\"result\":",
    });
    if let Err(error) = json::write(out, value) {
        out.truncate(start);
        return write_failure(out, to, &error.into());
    }
    if to.version == Version::V1 {
        out.extend_from_slice(b",\"error\":null");
    }
    end(out, to);
}

/// Appends a response with an error.
pub fn write_failure(out: &mut Vec<u8>, to: ReplyTo<'_>, failure: &Failure) {
    out.extend_from_slice(match to.version {
        Version::V1 => b"{\"result\":null,\"error\":".as_slice(),
        Version::V2 => b"{\"jsonrpc\":\"2.0\",\"error\":",
    });
    failure.write(out);
    end(out, to);
}

/// Appends what all responses end with.
fn end(out: &mut Vec<u8>, to: ReplyTo<'_>) {
    out.extend_from_slice(b",\"id\":");
    out.extend_from_slice(to.id.as_bytes());
    out.push(b'}');
}

/// Encodes the response to a message that could not be decoded.
#[must_use]
pub fn encode_failure(failure: Failure) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    write_reply(&mut out, ReplyTo::UNKNOWN, &Err(failure));
    out
}

/// Decodes the result in the response to the request `id`. A response with neither a result nor an error has a null
/// result, since python-jsonrpc omits it. The constants `NaN`, `Infinity` and `-Infinity`, which Python writes, are
/// floats.
///
/// # Errors
/// The error that the server reported; [`ErrorKind::Malformed`] for a body that is not a response, or is one to another
/// request; [`ErrorKind::TooLarge`] for one that is nested too deeply.
pub fn decode_reply(body: &[u8], id: u64, limits: &Limits) -> Result<Value, CallError> {
    let response = read_single(body, limits)?;
    // A server that could not parse the id responds without one or with null, but then with an error.
    match (response.answers(id), response.error) {
        (true, Value::Null) => Ok(response.result),
        (answers, error)
            if error != Value::Null && (answers || matches!(response.id, None | Some("null"))) =>
        {
            Err(decode_error(error))
        }
        _ => {
            let answered = response.id.unwrap_or("none");
            Err(malformed(format!("the response is to another request: its id is {answered}, not {id}")))
        }
    }
}

/// Decodes the error in a response, whatever request it is to; `None` if it has none, or is not a response.
#[must_use]
pub fn decode_failure(body: &[u8], limits: &Limits) -> Option<CallError> {
    match read_single(body, limits).ok()?.error {
        Value::Null => None,
        error => Some(decode_error(error)),
    }
}

/// Decodes the response to a batch of requests with `ids`, and returns the results in the order of `ids`. The responses
/// may be in any order. An error without an id is assigned to the first request without a response that has its id. The
/// response to a batch of one may be without the array, as python-jsonrpc sends it.
///
/// # Errors
/// The error that the server reported for the batch as a whole; [`ErrorKind::Malformed`] for a body that is not a
/// response to the batch.
#[allow(clippy::type_complexity, reason = "results of calls within the result of the batch")]
pub fn decode_batch_reply(
    body: &[u8],
    ids: &[u64],
    limits: &Limits,
) -> Result<Vec<Result<Value, CallError>>, CallError> {
    if !body.trim_ascii_start().starts_with(b"[") {
        if let [id] = ids {
            return Ok(vec![decode_reply(body, *id, limits)]);
        }
        let not_array = || malformed("the response to a batch is not an array of responses".to_owned());
        return Err(decode_failure(body, limits).unwrap_or_else(not_array));
    }
    let limits = limits.with_envelope(ENVELOPE_DEPTH + 1);
    json::check_depth(body, &limits)?;
    let mut reader = serde_json::Deserializer::from_str(text_of(body)?);
    let read = reader
        .deserialize_seq(ResponsesVisitor(ids.len()))
        .and_then(|responses| reader.end().map(|()| responses));
    let mut responses = match read {
        Ok(responses) => responses,
        Err(error) => {
            let outcomes = read_outcomes_tolerantly(body, ids.len(), &limits);
            return match_by_id(outcomes.ok_or_else(|| not_a_response(&error))?, ids);
        }
    };
    let results = responses.iter().map(|response| &response.result);
    if let Some(Value::List(exact)) = json::reparse_exactly(body, results)? {
        for (response, exact) in responses.iter_mut().zip(exact) {
            response.take_exact_result(exact);
        }
    }
    match_by_id(responses.into_iter().map(|response| (response.id, response.outcome())), ids)
}

/// The outcomes of responses, each with the id of its response, in the order of `ids`.
fn match_by_id<'a>(
    outcomes: impl IntoIterator<Item = Outcome<'a>>,
    ids: &[u64],
) -> Result<Vec<Result<Value, CallError>>, CallError> {
    let at: HashMap<u64, usize> = ids.iter().zip(0..).map(|(id, at)| (*id, at)).collect();
    let mut results: Vec<Option<Result<Value, CallError>>> = ids.iter().map(|_| None).collect();
    let mut without_id = Vec::new();
    for (id, result) in outcomes {
        let slot = numeric_id(id).and_then(|id| at.get(&id)).and_then(|at| results.get_mut(*at));
        match slot {
            Some(slot @ None) => *slot = Some(result),
            None if result.is_err() && matches!(id, None | Some("null")) => without_id.push(result),
            _ => {
                let answered = id.unwrap_or("none");
                return Err(malformed(format!(
                    "a response is not to a request of the batch: its id is {answered}"
                )));
            }
        }
    }
    let mut without_id = without_id.into_iter();
    let missing = || Err(malformed("the response to the batch has none for this call".to_owned()));
    Ok(results
        .into_iter()
        .map(|result| result.or_else(|| without_id.next()).unwrap_or_else(missing))
        .collect())
}

fn read_single<'a>(body: &'a [u8], limits: &Limits) -> Result<Response<'a>, CallError> {
    let limits = limits.with_envelope(ENVELOPE_DEPTH);
    json::check_depth(body, &limits)?;
    let mut reader = serde_json::Deserializer::from_str(text_of(body)?);
    let read = reader.deserialize_map(ResponseVisitor).and_then(|response| reader.end().map(|()| response));
    let mut response = match read {
        Ok(response) => response,
        Err(error) => {
            let message = TolerantMessage::new(body);
            let response =
                message.and_then(|message| Response::read_tolerantly(&message, message.root()?, &limits));
            return response.ok_or_else(|| not_a_response(&error))?;
        }
    };
    if let Some(exact) = json::reparse_exactly(body, [&response.result])? {
        response.take_exact_result(exact);
    }
    Ok(response)
}

/// The id of a response to a batch, and the outcome of its call.
type Outcome<'a> = (Option<&'a str>, Result<Value, CallError>);

/// Reads the responses to a batch of `max_responses` requests one by one, for a body that serde_json refuses. `None` if it
/// does not have the syntax of JSON, or a response cannot be assigned to its request.
fn read_outcomes_tolerantly<'a>(
    body: &'a [u8],
    max_responses: usize,
    limits: &Limits,
) -> Option<Vec<Outcome<'a>>> {
    let message = TolerantMessage::new(body)?;
    let parts = message.items().filter(|parts| parts.len() <= max_responses)?;
    let outcome = |part| {
        Some(match Response::read_tolerantly(&message, part, limits)? {
            Ok(response) => (response.id, response.outcome()),
            Err(error) => (message.members(part, ["id"]).and_then(|[id]| id), Err(error)),
        })
    };
    parts.into_iter().map(outcome).collect()
}

fn not_a_response(error: &serde_json::Error) -> CallError {
    malformed(format!("the reply is not a JSON-RPC response: {error}"))
}

/// The body as text. Checked as a whole, because the parser checks only the strings that it keeps.
fn text_of(body: &[u8]) -> Result<&str, CallError> {
    str::from_utf8(body).map_err(|error| malformed(format!("the reply is not UTF-8: {error}")))
}

fn malformed(message: String) -> CallError {
    CallError::new(ErrorKind::Malformed, message)
}

struct Response<'a> {
    result: Value,
    error: Value,
    id: Option<&'a str>,
}

/// The number that the text `id` is, if it is an integer, in any notation: a peer that has only doubles may send `1.0` for
/// `1`.
fn numeric_id(id: Option<&str>) -> Option<u64> {
    let text = id?;
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let number: f64 = text.parse().ok()?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an integer in range")]
    (number.fract() == 0.0 && (0.0..MAX_EXACT_INTEGER).contains(&number)).then_some(number as u64)
}

/// 2⁵³. Ids are below it, so a peer that reads every number as a double returns the same number.
const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;

impl<'a> Response<'a> {
    /// Reads the response in `part` of `message`. `None` if it is not an object, or its id is not JSON.
    ///
    /// # Errors
    /// When its result or its error cannot be read.
    fn read_tolerantly(
        message: &TolerantMessage<'a>,
        part: &RawValue,
        limits: &Limits,
    ) -> Option<Result<Self, CallError>> {
        let [result, error, id] = message.members(part, ["result", "error", "id"])?;
        if id.is_some_and(|id| serde_json::from_str::<&RawValue>(id).is_err()) {
            return None;
        }
        let read =
            |text: Option<&str>| text.map_or(Ok(Value::Null), |text| read_lenient(text.as_bytes(), limits));
        let unreadable = |error: CallError| malformed(format!("the reply cannot be read: {}", error.message));
        Some(
            read(result)
                .and_then(|result| Ok((result, read(error)?)))
                .map_err(unreadable)
                .map(|(result, error)| Response { result, error, id }),
        )
    }

    fn answers(&self, id: u64) -> bool {
        numeric_id(self.id) == Some(id)
    }

    /// Replaces the result by that of `response`, the same response parsed with every integer kept exactly.
    fn take_exact_result(&mut self, response: Value) {
        self.result = response.into_member("result").unwrap_or(Value::Null);
    }

    fn outcome(self) -> Result<Value, CallError> {
        match self.error {
            Value::Null => Ok(self.result),
            error => Err(decode_error(error)),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Response<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ResponseVisitor)
    }
}

/// Deserializes at most this many responses.
struct ResponsesVisitor(usize);

impl<'de> Visitor<'de> for ResponsesVisitor {
    type Value = Vec<Response<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of responses")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut responses = Vec::new();
        while let Some(response) = items.next_element()? {
            if responses.len() == self.0 {
                return Err(A::Error::custom(format_args!("more than {} responses", self.0)));
            }
            responses.push(response);
        }
        Ok(responses)
    }
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
