//! Bodies within limits.

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use calculator::ErrorKind;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;

use crate::HttpOptions;
use crate::gzip::Coding;

/// Why a body could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is, or was announced to be, longer than the limit.
    #[error("the body exceeds the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection ended before the body did, or its chunks were malformed.
    #[error("the body could not be read: {0}")]
    Broken(String),
    /// It was announced as gzip and is none.
    #[error("error decoding gzip content: {0}")]
    Gzip(String),
    /// Nothing says how long it is.
    #[error("the request needs a Content-Length")]
    NoLength,
    /// It did not arrive in time.
    #[error("the body did not arrive within {0:?}")]
    Late(Duration),
    /// It is in a content coding other than gzip.
    #[error("encoding '{0}' not supported")]
    Coding(String),
}

impl BodyError {
    /// The status that answers such a request (RFC 9110, section 15.5): 413, 400, 411, 408 or 415.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Broken(_) | BodyError::Gzip(_) => StatusCode::BAD_REQUEST,
            BodyError::NoLength => StatusCode::LENGTH_REQUIRED,
            BodyError::Late(_) => StatusCode::REQUEST_TIMEOUT,
            BodyError::Coding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    /// The kind of the call that failed for it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            BodyError::TooLarge { .. } => ErrorKind::TooLarge,
            _ => ErrorKind::Malformed,
        }
    }
}

/// Reads the body of a request within `options`, and expands it where it came in gzip.
///
/// # Errors
/// [`BodyError`], as early as it can be told: by the headers alone, before a byte is read, where they tell.
pub async fn read_request(request: Request, options: &HttpOptions) -> Result<Bytes, BodyError> {
    let (head, body) = request.into_parts();
    let coding = Coding::of(head.headers.get(header::CONTENT_ENCODING))?;
    if !has_length(&head.headers) {
        return Err(BodyError::NoLength);
    }
    let limit = options.limits.max_body;
    let mut reading = pin!(read_body(body, limit));
    // Most bodies have arrived with the head; only those that have not are worth a timer.
    let body = match poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await {
        Poll::Ready(body) => body?,
        Poll::Pending => tokio::time::timeout(options.body_timeout, reading)
            .await
            .map_err(|_| BodyError::Late(options.body_timeout))??,
    };
    coding.decode(body, limit)
}

/// Whether the headers tell where the body ends (RFC 9112, section 6.3).
fn has_length(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING)
}

/// Reads all of a body of at most `limit` bytes. A body in one piece is handed on without a copy.
///
/// # Errors
/// [`BodyError::TooLarge`] before anything is read where `Content-Length` says so, otherwise as soon as the pieces
/// that arrived exceed the limit; [`BodyError::Broken`] where the body ends early.
pub async fn read_body<B>(mut body: B, limit: usize) -> Result<Bytes, BodyError>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let mut pieces = Pieces::announced(body.size_hint().lower(), limit)?;
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
        if let Ok(piece) = frame.into_data() {
            pieces.push(piece)?;
        }
    }
    Ok(pieces.finish())
}

/// The pieces of a body as they arrive.
pub(crate) struct Pieces {
    limit: usize,
    first: Bytes,
    /// The whole so far, once there is more than one piece.
    joined: Vec<u8>,
}

impl Pieces {
    /// For a body that was announced to have at least `length` bytes.
    pub(crate) fn announced(length: u64, limit: usize) -> Result<Self, BodyError> {
        if usize::try_from(length).map_or(true, |length| length > limit) {
            return Err(BodyError::TooLarge { limit });
        }
        Ok(Pieces { limit, first: Bytes::new(), joined: Vec::new() })
    }

    pub(crate) fn push(&mut self, piece: Bytes) -> Result<(), BodyError> {
        let length = self.first.len().max(self.joined.len());
        if piece.len() > self.limit - length {
            return Err(BodyError::TooLarge { limit: self.limit });
        }
        if length == 0 {
            self.first = piece;
        } else {
            if self.joined.is_empty() {
                self.joined.extend_from_slice(&self.first);
            }
            self.joined.extend_from_slice(&piece);
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.into() }
    }
}

/// A response with `content-type`, and nothing else that hyper does not add by itself (`content-length`, `date`).
///
/// An empty body goes out with `content-length: 0`.
#[must_use]
pub fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn joined(pieces: &[Vec<u8>], limit: usize) -> Result<Bytes, BodyError> {
        let mut all = Pieces::announced(0, limit)?;
        for piece in pieces {
            all.push(Bytes::copy_from_slice(piece))?;
        }
        Ok(all.finish())
    }

    #[test]
    fn one_piece_is_not_copied() {
        let piece = Bytes::from(vec![7; 100]);
        let address = piece.as_ptr();
        let mut pieces = Pieces::announced(100, 100).unwrap();
        pieces.push(piece).unwrap();
        assert_eq!(pieces.finish().as_ptr(), address);
    }

    #[test]
    fn an_announced_length_above_the_limit_is_refused_at_once() {
        assert!(Pieces::announced(10, 10).is_ok());
        assert_eq!(Pieces::announced(11, 10).err(), Some(BodyError::TooLarge { limit: 10 }));
        assert_eq!(Pieces::announced(u64::MAX, 10).err(), Some(BodyError::TooLarge { limit: 10 }));
    }

    proptest! {
        #[test]
        fn pieces_join_in_order_up_to_the_limit(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..6),
            limit in 0_usize..20,
        ) {
            let whole = pieces.concat();
            match joined(&pieces, limit) {
                Ok(bytes) => {
                    prop_assert!(whole.len() <= limit);
                    prop_assert_eq!(bytes, whole);
                }
                Err(_) => prop_assert!(whole.len() > limit),
            }
        }
    }
}
