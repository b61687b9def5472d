//! The body of a request, within a time and the memory that all unfinished bodies share.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use calculator::{CallError, ErrorKind};
use http_body::{Body, Frame, SizeHint};
use http_layer::Timer;
use hyper::body::Incoming;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::status::to_status;
use crate::wire::PREFIX_LEN;

/// How long a request may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The bytes of an unfinished message that do not count towards the memory of all of them, so that small requests are
/// received even if it is used up.
pub(super) const UNCOUNTED_BYTES: usize = 64 << 10;

/// The number of messages of the largest size that may be unfinished at a time.
const MAX_UNFINISHED_MESSAGES: usize = 16;

/// How many messages a request may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Messages {
    /// One. tonic would read others, too, and allocate what they announce.
    One,
    /// Any number. Only the first may be longer than [`UNCOUNTED_BYTES`]: the service must limit the others.
    Any,
}

type PolledFrame = Poll<Option<Result<Frame<Bytes>, Box<dyn Error + Send + Sync>>>>;
type Acquiring = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// The memory for unfinished messages of a server.
#[derive(Clone, Debug)]
pub(super) struct MessageMemory {
    bytes: Arc<Semaphore>,
    max_body: usize,
}

impl MessageMemory {
    /// The memory for messages of up to `max_body` bytes.
    pub(super) fn new(max_body: usize) -> Self {
        let bytes = max_body.saturating_mul(MAX_UNFINISHED_MESSAGES).min(Semaphore::MAX_PERMITS);
        MessageMemory { bytes: Arc::new(Semaphore::new(bytes)), max_body }
    }

    /// Limits the body of a request with so many `messages`.
    pub(super) fn limit(&self, body: Incoming, messages: Messages) -> LimitedBody {
        LimitedBody {
            body,
            memory: self.clone(),
            messages,
            prefix: Vec::new(),
            received: 0,
            held: None,
            acquiring: None,
            permit: None,
            timer: Timer::default(),
        }
    }

    /// The memory that a message with this prefix needs before it is complete; 0 if it is short, complete in a chunk of
    /// `arrived` bytes, or to be refused.
    fn missing(&self, prefix: [u8; PREFIX_LEN], arrived: usize) -> u32 {
        let [_, length @ ..] = prefix;
        let announced = u32::from_be_bytes(length);
        let len = usize::try_from(announced).unwrap_or(usize::MAX);
        let is_short = len <= UNCOUNTED_BYTES || arrived >= PREFIX_LEN + len;
        if is_short || len > self.max_body { 0 } else { announced }
    }
}

/// The body of a request. tonic allocates the length that a message announces, so the first chunk of a long one is held
/// back until there is memory for all of it.
pub(super) struct LimitedBody {
    body: Incoming,
    memory: MessageMemory,
    messages: Messages,
    /// The first bytes of the body, until they are the whole prefix of the message.
    prefix: Vec<u8>,
    /// The bytes of the body so far.
    received: usize,
    /// The chunk that completed the prefix.
    held: Option<Frame<Bytes>>,
    acquiring: Option<Acquiring>,
    /// Held until the body is dropped.
    permit: Option<OwnedSemaphorePermit>,
    timer: Timer,
}

impl LimitedBody {
    /// Notes the beginning of the body. Returns the memory to acquire before `chunk` is passed on.
    fn memory_before(&mut self, chunk: &Bytes) -> u32 {
        let missing = PREFIX_LEN.saturating_sub(self.prefix.len());
        if missing == 0 {
            return 0;
        }
        self.prefix.extend_from_slice(&chunk[..missing.min(chunk.len())]);
        match self.prefix.first_chunk() {
            Some(prefix) => self.memory.missing(*prefix, chunk.len()),
            None => 0,
        }
    }

    /// Whether there is more than the one message that the body may have.
    fn has_more_than_allowed(&self) -> bool {
        let Some([_, length @ ..]) = self.prefix.first_chunk::<PREFIX_LEN>() else { return false };
        let len = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        self.messages == Messages::One && self.received.saturating_sub(PREFIX_LEN) > len
    }

    fn poll_limited(&mut self, context: &mut Context<'_>) -> PolledFrame {
        if let Some(acquiring) = &mut self.acquiring {
            // Acquiring fails only for a closed semaphore, and this one is never closed.
            self.permit = ready!(acquiring.as_mut().poll(context)).ok();
            self.acquiring = None;
            return Poll::Ready(self.held.take().map(Ok));
        }
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None => return Poll::Ready(None),
        };
        let needed = frame.data_ref().map_or(0, |chunk| {
            self.received = self.received.saturating_add(chunk.len());
            self.memory_before(chunk)
        });
        if self.has_more_than_allowed() {
            let error = CallError::new(ErrorKind::Malformed, "the request has more than one message");
            return Poll::Ready(Some(Err(Box::new(to_status(&error)))));
        }
        if needed == 0 {
            return Poll::Ready(Some(Ok(frame)));
        }
        self.held = Some(frame);
        self.acquiring = Some(Box::pin(Arc::clone(&self.memory.bytes).acquire_many_owned(needed)));
        self.poll_limited(context)
    }
}

impl Body for LimitedBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> PolledFrame {
        let this = self.get_mut();
        let polled = this.poll_limited(context);
        if polled.is_pending() {
            // Not stopped between chunks: it limits the time of the whole body.
            ready!(this.timer.poll(BODY_TIMEOUT, context));
            let message = format!("the request was not complete after {BODY_TIMEOUT:?}");
            let status = to_status(&CallError::new(ErrorKind::Timeout, message));
            return Poll::Ready(Some(Err(Box::new(status))));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_message_that_is_not_complete_needs_memory() {
        let memory = MessageMemory::new(1 << 20);
        let prefix = |len: u32| {
            let [a, b, c, d] = len.to_be_bytes();
            [0, a, b, c, d]
        };
        for (len, arrived, needed) in [
            (64 << 10, 16, 0),
            ((64 << 10) + 1, 16, (64 << 10) + 1),
            (1 << 20, 16_384, 1 << 20),
            (1 << 20, (1 << 20) + PREFIX_LEN, 0),
            // Refused at once.
            ((1 << 20) + 1, 16, 0),
            (u32::MAX, 16, 0),
        ] {
            assert_eq!(memory.missing(prefix(len), arrived), needed, "{len}");
        }
    }
}
