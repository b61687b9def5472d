//! Reading bodies of bounded length, and building responses.

use std::fmt::Display;

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::BodyExt;

use crate::body_error::BodyError;

/// Reads a body of at most `limit` bytes. A body that arrives in one chunk is not copied.
///
/// # Errors
/// [`BodyError::TooLarge`] before anything is read if `Content-Length` exceeds the limit, otherwise as soon as the chunks
/// that have arrived do; [`BodyError::Incomplete`] if the body ends early.
pub async fn read_body<B>(mut body: B, limit: usize) -> Result<Bytes, BodyError>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let mut chunks = Chunks::for_body(&body, limit)?;
    while chunks.read_frame(&mut body).await? {}
    Ok(chunks.into_body())
}

/// Collects the chunks of a body as they arrive.
#[derive(Debug)]
pub(crate) struct Chunks {
    limit: usize,
    /// The length that the whole body probably has. Space beyond it is not allocated in advance.
    expected: usize,
    first: Bytes,
    /// All chunks so far, once there is more than one.
    joined: Vec<u8>,
}

impl Chunks {
    /// For `body`, none of which has been read.
    pub(crate) fn for_body(body: &impl HttpBody, limit: usize) -> Result<Self, BodyError> {
        Chunks::with_length_hint(body.size_hint().lower(), limit)
    }

    /// For a body that will have at least `length` bytes.
    pub(crate) fn with_length_hint(length: u64, limit: usize) -> Result<Self, BodyError> {
        match usize::try_from(length) {
            Ok(0) => Ok(Chunks::new(limit)),
            Ok(expected) if expected <= limit => Ok(Chunks { expected, ..Chunks::new(limit) }),
            _ => Err(BodyError::TooLarge { limit }),
        }
    }

    /// For a body of unknown length.
    pub(crate) fn new(limit: usize) -> Self {
        Chunks { limit, expected: limit, first: Bytes::new(), joined: Vec::new() }
    }

    /// Reads the next frame of `body`. False at its end. Cancel-safe.
    pub(crate) async fn read_frame<B>(&mut self, body: &mut B) -> Result<bool, BodyError>
    where
        B: HttpBody<Data = Bytes> + Unpin,
        B::Error: Display,
    {
        if body.is_end_stream() {
            return Ok(false);
        }
        let Some(frame) = body.frame().await else { return Ok(false) };
        let frame = frame.map_err(|error| BodyError::Incomplete(error.to_string()))?;
        if let Ok(chunk) = frame.into_data() {
            self.push(chunk)?;
        }
        Ok(true)
    }

    /// The number of bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.first.len().max(self.joined.len())
    }

    pub(crate) fn push(&mut self, chunk: Bytes) -> Result<(), BodyError> {
        let length = self.len();
        if chunk.len() > self.limit - length {
            return Err(BodyError::TooLarge { limit: self.limit });
        }
        if length == 0 {
            self.first = chunk;
        } else {
            let first = std::mem::take(&mut self.first);
            self.append(&first);
            drop(first);
            self.append(&chunk);
        }
        Ok(())
    }

    /// Appends to the joined chunks. Their buffer is doubled when it is full, but not beyond the expected length.
    fn append(&mut self, chunk: &[u8]) {
        let needed = self.joined.len() + chunk.len();
        if needed > self.joined.capacity() {
            let capacity = needed.saturating_mul(2).min(self.expected).max(needed);
            self.joined.reserve_exact(capacity - self.joined.len());
        }
        self.joined.extend_from_slice(chunk);
    }

    pub(crate) fn into_body(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.into() }
    }
}

/// A response whose only header is `content-type`, besides those that hyper adds (`content-length`, `date`).
///
/// An empty body is sent with `content-length: 0`.
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

    fn collect(chunks: &[Vec<u8>], limit: usize) -> Result<Bytes, BodyError> {
        let mut body = Chunks::with_length_hint(0, limit)?;
        for chunk in chunks {
            body.push(Bytes::copy_from_slice(chunk))?;
        }
        Ok(body.into_body())
    }

    #[test]
    fn a_single_chunk_is_not_copied() {
        let chunk = Bytes::from(vec![7; 100]);
        let address = chunk.as_ptr();
        let mut chunks = Chunks::with_length_hint(100, 100).unwrap();
        chunks.push(chunk).unwrap();
        assert_eq!(chunks.into_body().as_ptr(), address);
    }

    #[test]
    fn a_body_of_known_length_has_no_spare_capacity() {
        let mut body = Chunks::with_length_hint(100, 1_000).unwrap();
        for _ in 0..10 {
            body.push(Bytes::from(vec![7; 10])).unwrap();
            assert!(body.joined.capacity() <= 2 * body.len().max(10), "{}", body.joined.capacity());
        }
        assert_eq!(body.joined.capacity(), 100);
    }

    #[test]
    fn rejects_a_length_above_the_limit_before_reading() {
        assert!(Chunks::with_length_hint(10, 10).is_ok());
        assert_eq!(Chunks::with_length_hint(11, 10).err(), Some(BodyError::TooLarge { limit: 10 }));
        assert_eq!(Chunks::with_length_hint(u64::MAX, 10).err(), Some(BodyError::TooLarge { limit: 10 }));
    }

    proptest! {
        #[test]
        fn chunks_are_joined_in_order_up_to_the_limit(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..6),
            limit in 0_usize..20,
        ) {
            let whole = chunks.concat();
            match collect(&chunks, limit) {
                Ok(bytes) => {
                    prop_assert!(whole.len() <= limit);
                    prop_assert_eq!(bytes, whole);
                }
                Err(_) => prop_assert!(whole.len() > limit),
            }
        }
    }
}
