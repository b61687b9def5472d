//! Calls, results and problems as JSON, or as [`xml`]. Pure: bytes to values and back.

pub mod xml;

use std::borrow::Cow;
use std::fmt;

use calculator::{Call, CallError, ErrorKind, Limits, Method, Params, Remote, Value, json};
use percent_encoding::percent_decode_str;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

/// The media type of calls and results.
pub const JSON: &str = "application/json";

/// The media type of problem documents (RFC 9457, section 3).
pub const PROBLEM: &str = "application/problem+json";

/// The media type of calls and results in XML.
pub const XML: &str = "application/xml";

/// The media type of problem documents in XML (RFC 9457, appendix B).
pub const PROBLEM_XML: &str = "application/problem+xml";

/// What the URN in a problem's `type` begins with; the kind's name follows.
const PROBLEM_URN: &str = "urn:rpcbench:problem:";

/// The object around arguments or a result is a level of its own, beside those of the value.
fn with_envelope(limits: &Limits) -> Limits {
    Limits { max_depth: limits.max_depth.saturating_add(1), ..*limits }
}

fn malformed(message: impl Into<String>) -> CallError {
    CallError::new(ErrorKind::Malformed, message)
}

/// The body of a call: its arguments by name, those by position under the names of the method's parameters.
///
/// # Errors
/// As [`json::write`], for a value that JSON has no form for.
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

/// The arguments in a call's body. Of members with the same name the last one counts.
///
/// # Errors
/// [`ErrorKind::Malformed`] for what is no JSON object, [`ErrorKind::TooLarge`] for one nested too deep.
pub fn decode_params(body: &[u8], limits: &Limits) -> Result<Params, CallError> {
    match json::read(body, &with_envelope(limits))? {
        Value::Map(members) => Ok(Params::Named(members)),
        other => {
            Err(malformed(format!("the body must be a JSON object of the arguments, not {}", other.kind())))
        }
    }
}

/// What the parameters of a method are, so that a text can be read as one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers. A text that is none stays a text, for the method to refuse.
    Number,
    /// Text, be it digits.
    Text,
    /// Any value: a text that is a JSON number is one, any other text a string.
    Any,
}

impl Kind {
    /// That of the parameters of the method with this name.
    #[must_use]
    pub fn of(method: &str) -> Self {
        match Method::from_name(method) {
            Some(Method::Add | Method::Multiply | Method::Subtract | Method::Divide) => Kind::Number,
            Some(Method::Hello) => Kind::Text,
            Some(Method::Echo) | None => Kind::Any,
        }
    }

    fn read(self, text: String) -> Value {
        match self {
            Kind::Number => number_or_text(text.trim().to_owned()),
            Kind::Text => Value::Str(text),
            Kind::Any => number_or_text(text),
        }
    }
}

/// The arguments in a URL's query, as an HTML form encodes them, each of the `kind` of its method's parameters. Of
/// parameters with the same name the last one counts.
///
/// # Errors
/// [`ErrorKind::Malformed`] for what is not UTF-8.
pub fn decode_query(query: &str, kind: Kind) -> Result<Params, CallError> {
    let mut members = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        members.push((form_decoded(name)?, kind.read(form_decoded(text)?)));
    }
    Ok(Params::named(members))
}

fn form_decoded(text: &str) -> Result<String, CallError> {
    let spaced = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    percent_decode_str(&spaced)
        .decode_utf8()
        .map(Cow::into_owned)
        .map_err(|error| malformed(format!("the query is not UTF-8: {error}")))
}

fn number_or_text(text: String) -> Value {
    let number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_digit());
    if number && let Ok(number) = json::read(text.as_bytes(), &Limits::default()) {
        return number;
    }
    Value::Str(text)
}

/// The body of a result.
///
/// # Errors
/// As [`json::write`], for a value that JSON has no form for.
pub fn encode_result(result: &Value) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(b"{\"result\":");
    json::write(&mut out, result)?;
    out.push(b'}');
    Ok(out)
}

/// The result in a body. Other members are passed over.
///
/// # Errors
/// [`ErrorKind::Malformed`] for what is no JSON object with a `result`, [`ErrorKind::TooLarge`] for one nested too
/// deep.
pub fn decode_result(body: &[u8], limits: &Limits) -> Result<Value, CallError> {
    let limits = with_envelope(limits);
    json::check_depth(body, &limits)?;
    let mut reader = serde_json::Deserializer::from_slice(body);
    let result = reader
        .deserialize_map(ResultVisitor)
        .and_then(|result| reader.end().map(|()| result))
        .map_err(|error| malformed(format!("the answer is not an object with a result: {error}")))?;
    if json::suspicious(&result) && json::has_mistaken_integer(body) {
        return member(json::read(body, &limits)?, "result")
            .ok_or_else(|| malformed("the answer has no result"));
    }
    Ok(result)
}

struct ResultVisitor;

impl<'de> Visitor<'de> for ResultVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a member `result`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut result = None;
        while let Some(name) = members.next_key::<Name>()? {
            match name {
                Name::Result => result = Some(members.next_value()?),
                Name::Other => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        result.ok_or_else(|| serde::de::Error::missing_field("result"))
    }
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Result,
    #[serde(other)]
    Other,
}

fn member(value: Value, name: &str) -> Option<Value> {
    match value {
        Value::Map(members) => members.into_iter().find_map(|(key, value)| (key == name).then_some(value)),
        _ => None,
    }
}

/// The HTTP status that goes with a kind of failure.
#[must_use]
pub fn status(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::ZeroDivision
        | ErrorKind::Overflow
        | ErrorKind::NotRepresentable
        | ErrorKind::InvalidArguments => 422,
        ErrorKind::UnknownMethod => 404,
        ErrorKind::Malformed | ErrorKind::UnsupportedVersion => 400,
        ErrorKind::TooLarge => 413,
        ErrorKind::Internal => 500,
        ErrorKind::Undeliverable => 502,
        ErrorKind::Timeout => 504,
    }
}

fn title(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ZeroDivision => "Division by zero",
        ErrorKind::Overflow => "Integer overflow",
        ErrorKind::NotRepresentable => "Value not representable",
        ErrorKind::UnknownMethod => "Unknown method",
        ErrorKind::InvalidArguments => "Invalid arguments",
        ErrorKind::Malformed => "Malformed request",
        ErrorKind::UnsupportedVersion => "Unsupported version",
        ErrorKind::TooLarge => "Request too large",
        ErrorKind::Timeout => "Timeout",
        ErrorKind::Undeliverable => "Undeliverable",
        ErrorKind::Internal => "Internal error",
    }
}

/// A failure as a problem document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The kind, `kind` in the document and the end of its `type`.
    pub kind: ErrorKind,
    /// What kind of problem it is, the same for every occurrence.
    pub title: &'static str,
    /// What happened this time.
    pub detail: String,
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        Problem {
            status: status(error.kind),
            kind: error.kind,
            title: title(error.kind),
            detail: error.message,
        }
    }
}

impl Problem {
    /// The document in XML (RFC 9457, appendix B).
    #[must_use]
    pub fn encode_xml(&self) -> Vec<u8> {
        xml::encode_problem(self)
    }

    /// The document (RFC 9457, section 3.1), with the extension member `kind`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(192);
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(PROBLEM_URN.as_bytes());
        out.extend_from_slice(self.kind.name().as_bytes());
        out.extend_from_slice(b"\",\"title\":");
        json::write_str(&mut out, self.title);
        out.extend_from_slice(b",\"status\":");
        out.extend_from_slice(self.status.to_string().as_bytes());
        out.extend_from_slice(b",\"detail\":");
        json::write_str(&mut out, &self.detail);
        out.extend_from_slice(b",\"kind\":\"");
        out.extend_from_slice(self.kind.name().as_bytes());
        out.extend_from_slice(b"\"}");
        out
    }
}

/// The failure that a reply of another status than 200 reports: by the problem's `kind` where the body is a problem
/// document that has one, otherwise by the status. The status is kept as [`Remote::code`].
#[must_use]
pub fn decode_failure(status: u16, body: &[u8], limits: &Limits) -> CallError {
    let problem = json::read(body, limits).ok();
    let text = |name| match problem.as_ref().and_then(|problem| problem.get(name)) {
        Some(Value::Str(text)) if !text.is_empty() => Some(text.as_str()),
        _ => None,
    };
    let kind = text("kind").and_then(ErrorKind::from_name).unwrap_or(match status {
        404 => ErrorKind::UnknownMethod,
        413 => ErrorKind::TooLarge,
        422 => ErrorKind::InvalidArguments,
        400..=499 => ErrorKind::Malformed,
        _ => ErrorKind::Internal,
    });
    let message = text("detail")
        .or_else(|| text("title"))
        .map_or_else(|| format!("the server answered with status {status}"), str::to_owned);
    CallError::remote(kind, message, Remote { code: Some(status.into()), ..Remote::default() })
}

#[cfg(test)]
mod tests;
