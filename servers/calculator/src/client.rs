//! The interface of all clients.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use crate::{Call, CallError, ErrorKind, Limits, Value};

/// The future of a call. It is boxed so that [`Client`] can be used as a trait object; the cost is the same for every
/// protocol.
pub type CallFuture<'a> = Pin<Box<dyn Future<Output = Result<Value, CallError>> + Send + 'a>>;

/// The future of a batch: the results of its calls, in their order.
pub type BatchFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<Result<Value, CallError>>, CallError>> + Send + 'a>>;

/// What is called with each item of a stream as it arrives. An error of it abandons the call, and is the error of the call.
pub type OnItem<'a> = &'a mut (dyn FnMut(Value) -> Result<(), CallError> + Send);

/// The future of a call whose result is a stream. It ends with the stream.
pub type StreamFuture<'a> = Pin<Box<dyn Future<Output = Result<(), CallError>> + Send + 'a>>;

/// A client with one connection. Whether it supports several calls in flight at a time depends on the implementation.
pub trait Client: Send + Sync {
    /// Encodes `call`, sends it, waits for the reply and decodes it.
    ///
    /// Encoded messages are not reused between calls. Dropping the future abandons the call. Unless the protocol itself
    /// has a timeout, the future waits without one: the caller sets it with [`Deadline`].
    ///
    /// # Errors
    /// The error that the server reported, or the reason why there is no reply, classified by [`ErrorKind`].
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a>;

    /// Sends `calls` in one message and waits for their results, if the protocol has such messages: batches in JSON-RPC,
    /// `system.multicall` in XML-RPC. `None` where it has none. The future fails if the message as a whole does.
    fn call_batch<'a>(&'a self, _calls: &'a [Call]) -> Option<BatchFuture<'a>> {
        None
    }

    /// Makes `call`, whose result is a stream, and gives its items to `on_item`, if the protocol has streams. `None` where it
    /// has none. The future fails where [`call`](Self::call) would, and with the error that ends the stream.
    fn call_stream<'a>(&'a self, _call: &'a Call, _on_item: OnItem<'a>) -> Option<StreamFuture<'a>> {
        None
    }
}

/// The options that the clients of all protocols have.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The timeout of connecting. In protocols that send a call's timeout to the server, also that of a call. Default: 5 s.
    pub timeout: Duration,
    /// Limits on what the client accepts.
    pub limits: Limits,
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions { timeout: Duration::from_secs(5), limits: Limits::default() }
    }
}

/// Used for a deadline beyond what an instant can represent.
const FAR_FUTURE: Duration = Duration::from_secs(30 * 365 * 86_400);

/// The deadline of calls that are made sequentially.
///
/// All calls share a timer, which is armed once per timeout instead of once per call: at 100,000 calls per second, arming
/// and disarming a timer would take a measurable part of each call. A call still ends at its own deadline, within the
/// timer's resolution of a millisecond.
#[derive(Debug)]
pub struct Deadline {
    timeout: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Deadline {
    /// Creates a deadline of `timeout` for each call.
    ///
    /// # Panics
    /// Outside of a Tokio runtime with its timer enabled.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Deadline { timeout, timer: Box::pin(tokio::time::sleep(timeout)) }
    }

    /// Awaits `call`, which began at `started`.
    ///
    /// # Errors
    /// The errors of the call, or [`ErrorKind::Timeout`] if it has not completed at its deadline.
    pub async fn within<T>(
        &mut self,
        started: Instant,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let mut call = pin!(call);
        // Tokio's instants, which follow its clock when a test has paused it.
        let deadline = started.checked_add(self.timeout).map(tokio::time::Instant::from_std);
        let deadline = deadline.unwrap_or_else(|| tokio::time::Instant::now() + FAR_FUTURE);
        poll_fn(|context| {
            if let Poll::Ready(result) = call.as_mut().poll(context) {
                return Poll::Ready(result);
            }
            while self.timer.as_mut().poll(context).is_ready() {
                let now = tokio::time::Instant::now();
                if now >= deadline {
                    // Reset, so that the timer has not already fired when the next call begins.
                    self.timer.as_mut().reset(now + self.timeout);
                    let message = format!("no reply within {}", humantime::format_duration(self.timeout));
                    return Poll::Ready(Err(CallError::new(ErrorKind::Timeout, message)));
                }
                self.timer.as_mut().reset(deadline);
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_timer_of_an_earlier_call_does_not_end_a_later_one() {
        let mut deadline = Deadline::new(Duration::from_secs(2));
        let start = tokio::time::Instant::now();
        for _ in 0..5 {
            let started = tokio::time::Instant::now();
            let call = async {
                tokio::time::sleep(Duration::from_millis(1_500)).await;
                Ok::<_, CallError>(())
            };
            deadline.within(started.into_std(), call).await.unwrap();
        }
        assert_eq!(start.elapsed(), Duration::from_millis(7_500));
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_timeout_does_not_overflow() {
        let mut deadline = Deadline::new(Duration::MAX);
        let reply = async {
            tokio::time::sleep(Duration::from_secs(86_400)).await;
            Ok::<_, CallError>(5)
        };
        let started = tokio::time::Instant::now().into_std();
        assert_eq!(deadline.within(started, reply).await, Ok(5));
    }

    #[tokio::test]
    async fn a_call_without_a_reply_times_out_and_the_next_has_its_full_time() {
        let mut deadline = Deadline::new(Duration::from_millis(30));
        for _ in 0..3 {
            let started = Instant::now();
            let error = deadline.within(started, std::future::pending::<Result<(), _>>()).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Timeout);
            assert!(started.elapsed() >= Duration::from_millis(30));
        }
    }
}
