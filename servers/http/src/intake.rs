//! Receiving requests: bodies within limits, and a bounded number of calls at a time.

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use bytes::Bytes;
use http::{HeaderMap, header};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::HttpOptions;
use crate::body::Chunks;
use crate::body_error::BodyError;
use crate::gzip::Coding;
use crate::timer::within;

/// The bytes of an unfinished body that do not count towards the limit on the memory of all of them, so that small
/// requests are received even if the limit is reached.
const UNCOUNTED_BYTES: usize = 64 << 10;

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
    options: HttpOptions,
    calls: Semaphore,
    unfinished_bytes: Semaphore,
}

/// Permission to execute a call. Dropped when the call has finished.
#[derive(Debug)]
#[must_use = "the call counts as finished when this is dropped"]
pub struct Admission<'a>(#[expect(dead_code, reason = "held for its drop")] Option<SemaphorePermit<'a>>);

/// A request whose headers have been checked and whose body has not been read.
struct Unread {
    body: Body,
    coding: Coding,
    chunks: Chunks,
}

impl Unread {
    fn new(request: Request, max_body: usize) -> Result<Self, BodyError> {
        let headers = request.headers();
        let coding = Coding::from_header(headers.get(header::CONTENT_ENCODING))?;
        if !has_length(headers) {
            return Err(BodyError::LengthRequired);
        }
        let body = request.into_body();
        Ok(Unread { coding, chunks: Chunks::for_body(&body, max_body)?, body })
    }
}

impl Intake {
    /// Receives requests within the limits and timeouts of `options`.
    #[must_use]
    pub fn new(options: HttpOptions) -> Self {
        let permits = |number: usize| Semaphore::new(number.min(Semaphore::MAX_PERMITS));
        let limits = options.limits;
        Intake {
            calls: permits(limits.max_in_flight),
            unfinished_bytes: permits(limits.max_body.saturating_mul(MAX_UNFINISHED_BODIES)),
            options,
        }
    }

    /// The options of the server.
    #[must_use]
    pub fn options(&self) -> &HttpOptions {
        &self.options
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

    /// Reads the body of a request, waits until its call may be executed, and decompresses the body if it is gzip.
    ///
    /// # Errors
    /// [`BodyError`], as early as possible: before the body is read, if the headers alone show the error.
    pub fn receive(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<(Bytes, Admission<'_>), BodyError>> + Send {
        // Before the future, which would otherwise contain the whole request.
        let unread = Unread::new(request, self.options.limits.max_body);
        async move {
            let Unread { coding, body, chunks } = unread?;
            let timeout = self.options.body_timeout;
            let (body, reserved) =
                within(timeout, self.read(body, chunks)).await.map_err(|_| BodyError::Timeout(timeout))??;
            let admission = self.admit().await;
            drop(reserved);
            Ok((coding.decode(body, self.options.limits.max_body)?, admission))
        }
    }

    /// Reads `body` into `chunks`. Returns also its share of the memory for unfinished bodies.
    async fn read(
        &self,
        mut body: Body,
        mut chunks: Chunks,
    ) -> Result<(Bytes, Option<SemaphorePermit<'_>>), BodyError> {
        let mut reserved = None;
        while chunks.read_frame(&mut body).await? {
            if reserved.is_none() && chunks.len() > UNCOUNTED_BYTES && !body.is_end_stream() {
                let missing = body.size_hint().exact();
                reserved = self.reserve(chunks.len(), missing).await;
            }
        }
        Ok((chunks.into_body(), reserved))
    }

    /// Reserves memory for the whole of a body of which `arrived` bytes are there and `missing` bytes are not. For all of
    /// it at once: bodies that each hold a part of what they need could keep each other waiting.
    async fn reserve(&self, arrived: usize, missing: Option<u64>) -> Option<SemaphorePermit<'_>> {
        let limit = self.options.limits.max_body;
        let missing = missing.and_then(|bytes| usize::try_from(bytes).ok());
        let whole = missing.map_or(limit, |missing| arrived.saturating_add(missing).min(limit));
        self.unfinished_bytes.acquire_many(u32::try_from(whole).unwrap_or(u32::MAX)).await.ok()
    }
}

/// Whether the headers determine where the body ends (RFC 9112, section 6.3).
fn has_length(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING)
}
