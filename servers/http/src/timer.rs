//! Timers that cost nothing until they are needed.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::poll;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, Sleep, sleep, timeout};

/// Waits for `future`, at most for `limit`. A timer is created only if the future is not ready at once.
///
/// # Errors
/// When the time is over.
pub async fn within<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    match poll!(future.as_mut()) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => timeout(limit, future).await,
    }
}

/// A timer that is started again and again. It is allocated when it is first started.
#[derive(Debug, Default)]
pub struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    is_running: bool,
}

impl Timer {
    /// Starts the timer unless it is running. Ready once `duration` is over since its start; it then stays ready until it
    /// is [stopped](Self::stop).
    pub fn poll(&mut self, duration: Duration, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(duration)));
        if !self.is_running {
            sleep.as_mut().reset(Instant::now() + duration);
            self.is_running = true;
        }
        sleep.as_mut().poll(context)
    }

    /// Stops the timer.
    pub fn stop(&mut self) {
        self.is_running = false;
    }
}
