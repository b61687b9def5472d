//! Receiving requests: bodies within limits, and a bounded number of calls at a time.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use bytes::Bytes;
use calculator::Limits;
use http::{HeaderMap, HeaderValue, header};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::HttpOptions;
use crate::body::Chunks;
use crate::body_error::BodyError;
use crate::gzip::Coding;
use crate::timer::within;

/// The bytes of an unfinished body that do not count towards the limit on the memory of all of them, so that small
/// requests are received even if the limit is reached.
pub(crate) const UNCOUNTED_BYTES: usize = 64 << 10;

/// The number of bodies of the largest size that may be unfinished at a time.
const MAX_UNFINISHED_BODIES: usize = 16;

/// Receives the requests of a server: reads their bodies and admits their calls, both within the limits of the server.
///
/// A call counts towards [`max_in_flight`](calculator::Limits::max_in_flight) only once its request is complete. The
/// memory of bodies that are still arriving is limited separately: beyond 64 KiB, a body takes its whole length from what
/// 16 bodies of the largest size need. Once that is used up, further large bodies are left unread until another is
/// complete or its timeout is over.
#[derive(Debug)]
pub struct Intake {
    limits: Limits,
    body_timeout: Duration,
    calls: Semaphore,
    unfinished_bytes: Semaphore,
}

/// Permission to execute a call. Dropped when the call has finished.
#[derive(Debug)]
#[must_use = "the call counts as finished when this is dropped"]
pub struct Admission<'a>(#[expect(dead_code, reason = "held for its drop")] Option<SemaphorePermit<'a>>);

/// A request whose headers have been checked and whose body has not been read; or why it cannot be.
///
/// A handler makes it before its future, which would otherwise contain the whole request and be moved with it.
#[derive(Debug)]
pub struct Unread(Result<UnreadBody, BodyError>);

#[derive(Debug)]
struct UnreadBody {
    body: Body,
    coding: Coding,
    chunks: Chunks,
}

impl Intake {
    /// Receives requests within the limits and timeouts of `options`.
    #[must_use]
    pub fn new(options: &HttpOptions) -> Self {
        let permits = |number: usize| Semaphore::new(number.min(Semaphore::MAX_PERMITS));
        let HttpOptions { limits, body_timeout, .. } = *options;
        Intake {
            limits,
            body_timeout,
            calls: permits(limits.max_in_flight),
            unfinished_bytes: permits(limits.max_body.saturating_mul(MAX_UNFINISHED_BODIES)),
        }
    }

    /// The limits on requests.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How long a client may take to send the body of a request.
    pub(crate) fn body_timeout(&self) -> Duration {
        self.body_timeout
    }

    /// Waits until a call may be executed. For a request without a body.
    pub async fn admit(&self) -> Admission<'_> {
        let permit = match self.calls.try_acquire() {
            Ok(permit) => Some(permit),
            // Acquiring fails only for a closed semaphore, and this one is never closed.
            Err(_) => self.calls.acquire().await.ok(),
        };
        Admission(permit)
    }

    /// Checks the headers of `request`. [`receive`](Self::receive) returns the error if they show that its body cannot be
    /// received.
    #[must_use]
    pub fn open(&self, request: Request) -> Unread {
        Unread(self.check(request))
    }

    fn check(&self, request: Request) -> Result<UnreadBody, BodyError> {
        let headers = request.headers();
        let coding = Coding::from_header(headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes))?;
        if !has_length(headers) {
            return Err(BodyError::LengthRequired);
        }
        let body = request.into_body();
        Ok(UnreadBody { coding, chunks: Chunks::for_body(&body, self.limits.max_body)?, body })
    }

    /// Reads the body of a request that was [opened](Self::open), waits until its call may be executed, and decompresses
    /// the body if it is gzip.
    ///
    /// # Errors
    /// Those of the headers, and of reading and decompressing the body.
    pub async fn receive(&self, unread: Unread) -> Result<(Bytes, Admission<'_>), BodyError> {
        let mut unread = unread.0?;
        let timeout = self.body_timeout;
        let received = within(timeout, self.read(&mut unread.body, &mut unread.chunks)).await;
        let reserved = received.map_err(|_| BodyError::Timeout(timeout))??;
        let admission = self.admit().await;
        drop(reserved);
        Ok((unread.coding.decode(unread.chunks.into_body(), self.limits.max_body)?, admission))
    }

    /// Reads `body` into `chunks`. Returns its share of the memory for unfinished bodies.
    async fn read(
        &self,
        body: &mut Body,
        chunks: &mut Chunks,
    ) -> Result<Option<SemaphorePermit<'_>>, BodyError> {
        let mut reserved = None;
        while chunks.read_frame(body).await? {
            if reserved.is_none() && chunks.len() > UNCOUNTED_BYTES && !body.is_end_stream() {
                let missing = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
                reserved = self.reserve(chunks.len(), missing).await;
            }
        }
        Ok(reserved)
    }

    /// Reserves memory for the whole of a body of which `arrived` bytes are there and `missing` bytes are not. For all of
    /// it at once: bodies that each hold a part of what they need could keep each other waiting.
    pub(crate) async fn reserve(
        &self,
        arrived: usize,
        missing: Option<usize>,
    ) -> Option<SemaphorePermit<'_>> {
        let limit = self.limits.max_body;
        let whole = missing.map_or(limit, |missing| arrived.saturating_add(missing).min(limit));
        self.unfinished_bytes.acquire_many(u32::try_from(whole).unwrap_or(u32::MAX)).await.ok()
    }
}

/// Whether the headers determine where the body ends (RFC 9112, section 6.3).
fn has_length(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING)
}
