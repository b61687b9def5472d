//! The deadline of a stream of replies.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use calculator::{CallError, ErrorKind};
use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tonic::body::Body;

use crate::status::to_status;

/// The time that a client gave a call whose replies are a stream.
pub(super) struct StreamDeadline(Option<(Duration, Pin<Box<Sleep>>)>);

impl StreamDeadline {
    /// Starts the time; without one, a stream never ends early.
    pub(super) fn start(timeout: Option<Duration>) -> Self {
        StreamDeadline(timeout.map(|timeout| (timeout, Box::pin(sleep(timeout)))))
    }

    /// Ends the body of `response` with the status `DEADLINE_EXCEEDED` when the time is over.
    pub(super) fn limit(self, response: Response<Body>) -> Response<Body> {
        let Some((timeout, sleep)) = self.0 else { return response };
        response.map(|body| Body::new(DeadlineBody { body, timeout, sleep, is_over: false }))
    }
}

/// The body of a response with a deadline.
struct DeadlineBody {
    body: Body,
    timeout: Duration,
    sleep: Pin<Box<Sleep>>,
    is_over: bool,
}

impl http_body::Body for DeadlineBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        if this.body.is_end_stream() || this.sleep.as_mut().poll(context).is_pending() {
            return Pin::new(&mut this.body).poll_frame(context);
        }
        this.is_over = true;
        // What the stream holds is no longer needed.
        this.body = Body::empty();
        let message = format!("not finished within {:?}", this.timeout);
        let mut trailers = HeaderMap::new();
        let written = to_status(&CallError::new(ErrorKind::Timeout, message)).add_header(&mut trailers);
        Poll::Ready(Some(written.map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
