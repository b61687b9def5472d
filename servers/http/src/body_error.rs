//! Why a body could not be read.

use std::time::Duration;

use calculator::ErrorKind;
use http::StatusCode;

/// Why a body could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The body, or its `Content-Length`, exceeds the limit.
    #[error("the body exceeds the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection ended before the body did, or its chunks were malformed.
    #[error("the body could not be read: {0}")]
    Incomplete(String),
    /// The `Content-Encoding` is gzip, but the body is not.
    #[error("error decoding gzip content: {0}")]
    Gzip(String),
    /// The request has neither `Content-Length` nor `Transfer-Encoding`.
    #[error("the request needs a Content-Length")]
    LengthRequired,
    /// The body did not arrive in time.
    #[error("the body did not arrive within {0:?}")]
    Timeout(Duration),
    /// The body has a content coding other than gzip.
    #[error("encoding '{0}' not supported")]
    UnsupportedCoding(String),
}

impl BodyError {
    /// The status of the response to such a request (RFC 9110, section 15.5): 413, 400, 411, 408 or 415.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Incomplete(_) | BodyError::Gzip(_) => StatusCode::BAD_REQUEST,
            BodyError::LengthRequired => StatusCode::LENGTH_REQUIRED,
            BodyError::Timeout(_) => StatusCode::REQUEST_TIMEOUT,
            BodyError::UnsupportedCoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    /// The error kind of the call.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            BodyError::TooLarge { .. } => ErrorKind::TooLarge,
            _ => ErrorKind::Malformed,
        }
    }
}
