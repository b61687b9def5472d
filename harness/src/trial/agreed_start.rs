//! Waiting for the start of a trial that several agents make at the same time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::error::TrialError;
use crate::load::{AgreedTimes, WarmUp};
use crate::stacks::Stack;

/// How often a wait checks whether the run was interrupted.
const INTERRUPT_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Waits until `deadline`, or until `interrupted` is set.
pub(crate) async fn wait_until(deadline: Instant, interrupted: &AtomicBool) {
    while !interrupted.load(Ordering::Relaxed) && Instant::now() < deadline {
        tokio::time::sleep_until(deadline.min(Instant::now() + INTERRUPT_CHECK_INTERVAL).into()).await;
    }
}

/// Waits, with the connections open, until all agents begin their calls.
///
/// # Errors
/// [`TrialError::TooLate`] where the warm-up is over already.
pub(super) async fn wait_for_start(
    stack: &'static Stack,
    agreed: AgreedTimes,
    interrupted: &AtomicBool,
) -> Result<WarmUp, TrialError> {
    wait_until(agreed.warmup_start, interrupted).await;
    let late = Instant::now().saturating_duration_since(agreed.window_start);
    // Without a warm-up, calls count from the moment at which they begin.
    let allowed =
        if agreed.warmup_start == agreed.window_start { INTERRUPT_CHECK_INTERVAL } else { Duration::ZERO };
    if late > allowed {
        Err(TrialError::TooLate { stack: stack.name, late })
    } else {
        Ok(WarmUp::Agreed(agreed))
    }
}
