//! Failures: the error objects of responses, with their reserved codes, and the kind of error as `data`.

use calculator::{CallError, ErrorKind, Remote, Value, json};

/// The codes that JSON-RPC 2.0 reserves (section 5.1).
pub mod code {
    /// The message is not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// The message is JSON, but not a request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// The method does not exist.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The number, the names or the types of the arguments are wrong.
    pub const INVALID_PARAMS: i64 = -32602;
    /// Any other failure.
    pub const INTERNAL_ERROR: i64 = -32603;
}

/// The content of an error object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One of the reserved [codes](code).
    pub code: i64,
    /// The kind of error, which the code alone does not determine; sent as `"data":{"kind":…}`.
    pub kind: ErrorKind,
    /// What went wrong.
    pub message: String,
}

impl Failure {
    /// The failure for a message that is not JSON.
    pub(super) fn parse(message: impl Into<String>) -> Self {
        Failure { code: code::PARSE_ERROR, kind: ErrorKind::Malformed, message: message.into() }
    }

    /// The failure for a message that is JSON, but not a request.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Failure { code: code::INVALID_REQUEST, kind: ErrorKind::Malformed, message: message.into() }
    }

    /// The failure for a message that exceeds a limit.
    pub fn too_large(message: impl Into<String>) -> Self {
        CallError::new(ErrorKind::TooLarge, message).into()
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"code\":");
        out.extend_from_slice(self.code.to_string().as_bytes());
        out.extend_from_slice(b",\"message\":");
        json::write_str(out, &self.message);
        out.extend_from_slice(b",\"data\":{\"kind\":\"");
        out.extend_from_slice(self.kind.name().as_bytes());
        out.extend_from_slice(b"\"}}");
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let code = match error.kind {
            ErrorKind::UnknownMethod => code::METHOD_NOT_FOUND,
            ErrorKind::InvalidArguments => code::INVALID_PARAMS,
            ErrorKind::Malformed | ErrorKind::UnsupportedVersion | ErrorKind::TooLarge => {
                code::INVALID_REQUEST
            }
            ErrorKind::ZeroDivision
            | ErrorKind::Overflow
            | ErrorKind::NotRepresentable
            | ErrorKind::Timeout
            | ErrorKind::Undeliverable
            | ErrorKind::Internal => code::INTERNAL_ERROR,
        };
        Failure { code, kind: error.kind, message: error.message }
    }
}

/// Decodes the member `error` of a response. The kind follows from the code if that is specific enough, otherwise from
/// the kind in `data`. A server of version 1.0 may send any value; a string is then the message.
pub(super) fn decode_error(error: Value) -> CallError {
    let Value::Map(members) = error else {
        let message = if let Value::Str(text) = error { text.into() } else { format!("{error:?}") };
        return CallError::remote(ErrorKind::Internal, message, Remote::default());
    };
    let (mut code, mut message, mut data) = (None, None, None);
    for (name, value) in members {
        match (name.as_str(), value) {
            ("code", Value::Int(number)) => code = Some(number),
            ("message", Value::Str(text)) => message = Some(String::from(text)),
            ("data", value) => data = Some(value),
            _ => {}
        }
    }
    let by_data = match data.as_ref().and_then(|data| data.get("kind")) {
        Some(Value::Str(name)) => ErrorKind::from_name(name),
        _ => None,
    };
    let kind = match code {
        Some(code::METHOD_NOT_FOUND) => ErrorKind::UnknownMethod,
        Some(code::INVALID_PARAMS) => ErrorKind::InvalidArguments,
        Some(code::PARSE_ERROR) => ErrorKind::Malformed,
        Some(code::INVALID_REQUEST) => by_data.unwrap_or(ErrorKind::Malformed),
        _ => by_data.unwrap_or(ErrorKind::Internal),
    };
    let message = message.unwrap_or_else(|| "the server gave no message".to_owned());
    CallError::remote(kind, message, Remote { code, class: None, data })
}
