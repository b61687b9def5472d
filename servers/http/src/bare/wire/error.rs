//! Why bytes are not a message.

use http::StatusCode;

use super::field_list::{MAX_FIELDS, MAX_HEAD_BYTES};

/// Why bytes are not the head of a message that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The start line or a field has characters where none may be, or is incomplete.
    #[error("not a message of HTTP/1.1: {0}")]
    Syntax(httparse::Error),
    /// The target of the request is not one of HTTP.
    #[error("the target of the request is not a URI")]
    Target,
    /// The head exceeds [`MAX_HEAD_BYTES`].
    #[error("the head exceeds the limit of {} bytes", MAX_HEAD_BYTES)]
    TooLong,
    /// The head has more than [`MAX_FIELDS`] fields.
    #[error("the head has more than {} fields", MAX_FIELDS)]
    TooManyFields,
    /// A `content-length` is not a number, or there are two different ones.
    #[error("the Content-Length is not one number of bytes")]
    ContentLength,
    /// There are both `content-length` and `transfer-encoding`, so that two programs could disagree about the end.
    #[error("a message must not have both Content-Length and Transfer-Encoding")]
    TwoLengths,
    /// A message of HTTP/1.0 has a `transfer-encoding`.
    #[error("HTTP/1.0 has no Transfer-Encoding")]
    TransferEncodingIn10,
    /// The transfer coding is not `chunked` alone.
    #[error("the only transfer coding supported is chunked")]
    TransferCoding,
    /// The `host` field is missing or not valid.
    #[error("{reason}")]
    Host {
        /// What is wrong with it.
        reason: &'static str,
        /// Whether the request is a HEAD, whose response has no body.
        is_head: bool,
    },
}

impl HeadError {
    /// The status of the response to a request with such a head (RFC 9112, sections 3 and 6.1; RFC 6585, section 5).
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            HeadError::TooLong | HeadError::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            HeadError::TransferCoding => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<httparse::Error> for HeadError {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => HeadError::TooManyFields,
            error => HeadError::Syntax(error),
        }
    }
}

/// Why bytes are not the body that the head has announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// The body exceeds the limit in bytes.
    #[error("the body exceeds the limit of {0} bytes")]
    TooLarge(usize),
    /// A chunk does not begin with its size, or does not end with a line end.
    #[error("the body is not chunked as announced")]
    Chunk,
    /// The extensions of the chunks or the trailer section are longer than any use of them.
    #[error("the extensions of chunks or the trailers exceed {0} bytes")]
    Overhead(usize),
}
