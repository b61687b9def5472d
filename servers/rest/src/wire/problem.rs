//! Failures as problem documents (RFC 9457).

use calculator::{CallError, ErrorKind, Limits, Remote, Value, json};
use http::StatusCode;
use http_layer::kind_of_status;

/// A failed call, as a problem document describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The kind: the extension member `kind`, and the last part of the member `type`.
    pub kind: ErrorKind,
    /// A summary of the type of problem, the same for every occurrence.
    pub title: &'static str,
    /// What went wrong in this occurrence.
    pub detail: String,
}

impl Problem {
    /// The URI of the problem's `type`, `urn:rpcbench:problem:` and the name of its kind.
    pub(super) fn type_uri(&self) -> String {
        format!("urn:rpcbench:problem:{}", self.kind.name())
    }
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

/// The HTTP status of a response to a call that failed with this kind of error.
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

/// The error in the body of a reply with a status other than 200: a problem document, also of another program. `None` for
/// any other body. Its kind is the problem document's `kind` if the body has one, otherwise it follows from the status. The
/// status is kept as [`Remote::code`].
#[must_use]
pub fn decode_failure(status: u16, body: &[u8], limits: &Limits) -> Option<CallError> {
    let problem = json::read(body, limits).ok()?;
    let text = |name| match problem.get(name) {
        Some(Value::Str(text)) if !text.is_empty() => Some(text.as_str()),
        _ => None,
    };
    let kind = text("kind").and_then(ErrorKind::from_name);
    let message = text("detail").or_else(|| text("title"));
    if kind.is_none() && message.is_none() {
        return None;
    }
    let by_status = || StatusCode::from_u16(status).map_or(ErrorKind::Internal, kind_of_status);
    let message = message.map_or_else(|| format!("the server answered with status {status}"), str::to_owned);
    let remote = Remote { code: Some(status.into()), ..Remote::default() };
    Some(CallError::remote(kind.unwrap_or_else(by_status), message, remote))
}
