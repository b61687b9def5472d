//! Timers that cost nothing until they are needed.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::poll;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};

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

/// A timer for waits of which nearly all end before their deadline. It is armed once for many of them, not for each.
#[derive(Debug, Default)]
pub(crate) struct SharedTimer(Option<Pin<Box<Sleep>>>);

impl SharedTimer {
    /// Waits until `deadline`, which is not before that of an earlier wait.
    pub(crate) async fn until(&mut self, deadline: Instant) {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        poll_fn(|context| {
            while sleep.as_mut().poll(context).is_ready() {
                if Instant::now() >= deadline {
                    return Poll::Ready(());
                }
                sleep.as_mut().reset(deadline);
            }
            Poll::Pending
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_shared_timer_ends_each_wait_at_its_own_deadline() {
        let mut timer = SharedTimer::default();
        let start = Instant::now();
        for seconds in [10, 15, 15, 40] {
            let deadline = start + Duration::from_secs(seconds);
            // A wait that is given up leaves the timer armed.
            let _ = timeout(Duration::from_secs(1), timer.until(deadline)).await;
            timer.until(deadline).await;
            assert!(Instant::now() >= deadline && Instant::now() < deadline + Duration::from_secs(2));
        }
    }
}
