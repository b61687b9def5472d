//! Waiting for the start of a trial that several agents make at the same time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::error::TrialError;
use crate::load::{Agreed, WarmUp};
use crate::stacks::Stack;

/// How often a wait checks whether the run was interrupted.
const INTERRUPT_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Waits until `moment`, or until `interrupted` is set.
pub(crate) async fn wait_until(moment: Instant, interrupted: &AtomicBool) {
    while !interrupted.load(Ordering::Relaxed) && Instant::now() < moment {
        tokio::time::sleep_until(moment.min(Instant::now() + INTERRUPT_CHECK_INTERVAL).into()).await;
    }
}

/// Waits, with the connections open, until all agents begin their calls.
///
/// # Errors
/// [`TrialError::TooLate`] where the warm-up is over already.
pub(super) async fn wait_for_start(
    stack: &'static Stack,
    agreed: Agreed,
    interrupted: &AtomicBool,
) -> Result<WarmUp, TrialError> {
    wait_until(agreed.from, interrupted).await;
    let late = Instant::now().saturating_duration_since(agreed.until);
    // Without a warm-up, calls count from the moment at which they begin.
    let allowed = if agreed.from == agreed.until { INTERRUPT_CHECK_INTERVAL } else { Duration::ZERO };
    if late > allowed {
        Err(TrialError::TooLate { stack: stack.name, late })
    } else {
        Ok(WarmUp::Agreed(agreed))
    }
}
