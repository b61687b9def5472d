//! The errors of calls as statuses.
//!
//! | kind | code |
//! |:--|:--|
//! | `zero-division`, `not-representable`, `invalid-arguments` | `INVALID_ARGUMENT` |
//! | `overflow` | `OUT_OF_RANGE` |
//! | `unknown-method` | `UNIMPLEMENTED` |
//! | `malformed` | `INTERNAL`, as gRPC's libraries answer a message that they cannot read |
//! | `unsupported-version` | `FAILED_PRECONDITION` |
//! | `too-large` | `RESOURCE_EXHAUSTED` |
//! | `timeout` | `DEADLINE_EXCEEDED` |
//! | `undeliverable` | `UNAVAILABLE` |
//! | `internal` | `UNKNOWN`, as gRPC's libraries answer when a handler fails |
//!
//! Several kinds have the same code, so a status also carries a `google.rpc.ErrorInfo` in `grpc-status-details-bin`: its
//! `reason` is the kind, as `ZERO_DIVISION`, and its `domain` is `rpcbench`. The libraries of most languages read it. A
//! status without it, of another server, has the kind that follows from its code.

use std::error::Error;

use bytes::Bytes;
use calculator::{CallError, ErrorKind, Remote, shortened};
use prost::Message;
use prost_types::Any;
use tonic::{Code, Status, TimeoutExpired};

/// The domain of the reasons.
const DOMAIN: &str = "rpcbench";

/// The type of the detail, as the URL that names it.
const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";

/// The maximum number of characters of a message that is sent. It is sent twice, percent-encoded and inside the detail,
/// and peers accept some 16 KiB of headers.
const MAX_MESSAGE_CHARS: usize = 500;

/// What tonic writes for a message above the limit, with the code `OUT_OF_RANGE`; other libraries use
/// `RESOURCE_EXHAUSTED`.
const TONIC_TOO_LARGE: &str = "message length too large";

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.rpc.ErrorInfo`, without its metadata.
#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
}

/// The code of errors of this kind.
#[must_use]
pub fn code_of(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::ZeroDivision | ErrorKind::NotRepresentable | ErrorKind::InvalidArguments => {
            Code::InvalidArgument
        }
        ErrorKind::Overflow => Code::OutOfRange,
        ErrorKind::UnknownMethod => Code::Unimplemented,
        ErrorKind::Malformed => Code::Internal,
        ErrorKind::UnsupportedVersion => Code::FailedPrecondition,
        ErrorKind::TooLarge => Code::ResourceExhausted,
        ErrorKind::Timeout => Code::DeadlineExceeded,
        ErrorKind::Undeliverable => Code::Unavailable,
        ErrorKind::Internal => Code::Unknown,
    }
}

/// The kind of an error of which only the code is known.
#[must_use]
pub fn kind_of(code: Code) -> ErrorKind {
    match code {
        Code::InvalidArgument => ErrorKind::InvalidArguments,
        Code::OutOfRange => ErrorKind::Overflow,
        Code::Unimplemented => ErrorKind::UnknownMethod,
        Code::ResourceExhausted => ErrorKind::TooLarge,
        Code::DeadlineExceeded => ErrorKind::Timeout,
        Code::Unavailable | Code::Cancelled => ErrorKind::Undeliverable,
        _ => ErrorKind::Internal,
    }
}

/// The name of `code` in gRPC's documentation.
#[must_use]
pub fn name_of(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The status that reports `error` to a client. A message of more than 500 characters is shortened.
#[must_use]
pub fn to_status(error: &CallError) -> Status {
    let code = code_of(error.kind);
    let message = shortened(&error.message, MAX_MESSAGE_CHARS).into_owned();
    let reason = error.kind.name().to_ascii_uppercase().replace('-', "_");
    let info = ErrorInfo { reason, domain: DOMAIN.to_owned() };
    let detail = Any { type_url: ERROR_INFO.to_owned(), value: info.encode_to_vec() };
    let details = RpcStatus { code: code.into(), message: message.clone(), details: vec![detail] };
    Status::with_details(code, message, Bytes::from(details.encode_to_vec()))
}

/// The error that a server reported with this code, message and `grpc-status-details-bin`.
#[must_use]
pub fn to_error(code: Code, message: &str, details: &[u8]) -> CallError {
    let kind = reported_kind(details).unwrap_or_else(|| {
        let is_of_tonic = code == Code::OutOfRange && message.contains(TONIC_TOO_LARGE);
        if is_of_tonic { ErrorKind::TooLarge } else { kind_of(code) }
    });
    let remote =
        Remote { code: Some(i64::from(i32::from(code))), class: Some(name_of(code).to_owned()), data: None };
    CallError::remote(kind, message, remote)
}

/// The kind in the details of a status; `None` for those of other services.
fn reported_kind(details: &[u8]) -> Option<ErrorKind> {
    let status = RpcStatus::decode(details).ok()?;
    let info = status.details.iter().find(|detail| detail.type_url == ERROR_INFO)?;
    let info = ErrorInfo::decode(&*info.value).ok().filter(|info| info.domain == DOMAIN)?;
    ErrorKind::from_name(&info.reason.to_ascii_lowercase().replace('_', "-"))
}

/// The error for a status from tonic's client: one that a server reported, or one that tonic made of an error of the
/// connection.
pub(crate) fn client_error(status: &Status) -> CallError {
    let causes = || std::iter::successors(status.source(), |&error| error.source());
    if causes().any(|cause| cause.is::<TimeoutExpired>()) {
        return CallError::new(ErrorKind::Timeout, "no reply before the deadline");
    }
    match causes().last() {
        Some(cause) => CallError::new(ErrorKind::Undeliverable, format!("{}: {cause}", status.message())),
        None => to_error(status.code(), status.message(), status.details()),
    }
}

/// The code for a response with another HTTP status than 200 and without a gRPC status, as gRPC defines it.
pub(crate) fn code_of_http(status: http::StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODES: std::ops::RangeInclusive<i32> = 0..=16;

    #[test]
    fn every_kind_and_message_is_read_back() {
        for kind in ErrorKind::ALL {
            let status = to_status(&CallError::new(kind, "what went wrong: ü"));
            let error = to_error(status.code(), status.message(), status.details());
            assert_eq!((error.kind, error.message.as_str()), (kind, "what went wrong: ü"));
            let remote = error.remote.unwrap();
            assert_eq!(remote.code, Some(i64::from(i32::from(code_of(kind)))));
            assert_eq!(remote.class.as_deref(), Some(name_of(code_of(kind))));
        }
    }

    /// Encoded by hand from the definitions of `google.rpc`.
    #[test]
    fn the_detail_is_that_of_the_rich_error_model() {
        let status = to_status(&CallError::new(ErrorKind::ZeroDivision, "no"));
        let info = b"\x0a\x0dZERO_DIVISION\x12\x08rpcbench";
        let any = [b"\x0a\x28type.googleapis.com/google.rpc.ErrorInfo\x12\x19", &info[..]].concat();
        let expected = [b"\x08\x03\x12\x02no\x1a\x45", &any[..]].concat();
        assert_eq!(status.details().escape_ascii().to_string(), expected.escape_ascii().to_string());
    }

    #[test]
    fn a_status_without_our_detail_has_the_kind_of_its_code() {
        let foreign = ErrorInfo { reason: "ZERO_DIVISION".into(), domain: "elsewhere".into() };
        let any = Any { type_url: ERROR_INFO.to_owned(), value: foreign.encode_to_vec() };
        let details = RpcStatus { code: 3, message: String::new(), details: vec![any] }.encode_to_vec();
        for details in [&b""[..], b"\xff\xff", b"\x1a\x02\x08\x01", &details] {
            for code in CODES.map(Code::from) {
                assert_eq!(to_error(code, "", details).kind, kind_of(code), "{code:?}");
            }
        }
        let large = "Error, decoded message length too large: found 9 bytes, the limit is: 3 bytes";
        assert_eq!(to_error(Code::OutOfRange, large, b"").kind, ErrorKind::TooLarge);
        assert_eq!(to_error(Code::OutOfRange, "int64", b"").kind, ErrorKind::Overflow);
    }

    #[test]
    fn every_code_has_a_name() {
        let mut names: Vec<_> = CODES.map(|code| name_of(Code::from(code))).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 17);
    }

    #[test]
    fn a_long_message_is_shortened() {
        let status = to_status(&CallError::new(ErrorKind::Internal, "ü".repeat(20_000)));
        assert_eq!(status.message().chars().count(), MAX_MESSAGE_CHARS + 1);
    }
}
