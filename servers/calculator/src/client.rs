//! The calling end, as the harness and the command line see it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use crate::{Call, CallError, ErrorKind, Limits, Value};

/// A call under way. It is boxed so that every protocol's client fits one table; the box is part of every call alike.
pub type CallFuture<'a> = Pin<Box<dyn Future<Output = Result<Value, CallError>> + Send + 'a>>;

/// A client with one connection. Whether several calls may be in flight on it is the stack's property.
pub trait Client: Send + Sync {
    /// Encodes `call`, sends it, awaits the answer and decodes it.
    ///
    /// Nothing encoded is kept between calls. Dropping the future abandons the call. It has no deadline of its own
    /// unless the protocol gives it one: the caller sets it, see [`Deadline`].
    ///
    /// # Errors
    /// What the server reported, or what kept the call from being answered, by [`ErrorKind`].
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a>;
}

/// What every protocol's client can be told.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// How long connecting may take, and how long a call may wait where the protocol tells the server (AMQP).
    pub timeout: Duration,
    /// What this end accepts.
    pub limits: Limits,
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions { timeout: Duration::from_secs(5), limits: Limits::default() }
    }
}

/// A deadline for one call after another.
///
/// A timer is armed once per timeout rather than once per call: a worker that makes 100,000 calls a second would
/// otherwise spend a measurable part of each on arming and disarming one. A call is therefore ended at its own
/// deadline to within the timer's millisecond, however the calls follow each other.
#[derive(Debug)]
pub struct Deadline {
    timeout: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Deadline {
    /// A deadline of `timeout` for each call. Must be made inside a Tokio runtime with its timer on.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Deadline { timeout, timer: Box::pin(tokio::time::sleep(timeout)) }
    }

    /// Awaits `call`, which began at `started`.
    ///
    /// # Errors
    /// The call's own, or [`ErrorKind::Timeout`] when it has no result at its deadline.
    pub async fn within<T>(
        &mut self,
        started: Instant,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let mut call = pin!(call);
        let deadline = started + self.timeout;
        poll_fn(|context| {
            if let Poll::Ready(result) = call.as_mut().poll(context) {
                return Poll::Ready(result);
            }
            while self.timer.as_mut().poll(context).is_ready() {
                if Instant::now() >= deadline {
                    // Armed anew, so that the next call finds no timer that has already fired.
                    self.timer.as_mut().reset(tokio::time::Instant::now() + self.timeout);
                    let message = format!("no answer within {}", humantime::format_duration(self.timeout));
                    return Poll::Ready(Err(CallError::new(ErrorKind::Timeout, message)));
                }
                self.timer.as_mut().reset(deadline.into());
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
    async fn a_timer_of_an_earlier_call_does_not_end_a_later_one() {
        let mut deadline = Deadline::new(Duration::from_secs(2));
        let start = tokio::time::Instant::now();
        for _ in 0..5 {
            let begun = tokio::time::Instant::now();
            let call = async {
                tokio::time::sleep(Duration::from_millis(1_500)).await;
                Ok::<_, CallError>(())
            };
            // On paused time the std clock stands still; a start in its future is what makes the deadline real.
            deadline.within(begun.into_std(), call).await.unwrap();
        }
        assert_eq!(start.elapsed(), Duration::from_millis(7_500));
    }

    #[tokio::test]
    async fn a_call_without_an_answer_times_out_and_the_next_has_its_full_time() {
        let mut deadline = Deadline::new(Duration::from_millis(30));
        for _ in 0..3 {
            let started = Instant::now();
            let error = deadline.within(started, std::future::pending::<Result<(), _>>()).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Timeout);
            assert!(started.elapsed() >= Duration::from_millis(30));
        }
    }
}
