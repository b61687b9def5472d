//! Waiting for the moments that agents have agreed on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::load::{Agreed, WarmUp};
use crate::stacks::Stack;
use crate::trial::SiteError;

/// How long a wait lasts before it is looked whether the run was interrupted.
const LOOK: Duration = Duration::from_millis(50);

/// Waits until `moment`, or until `interrupted` is set.
pub(crate) async fn wait_until(moment: Instant, interrupted: &AtomicBool) {
    while !interrupted.load(Ordering::Relaxed) && Instant::now() < moment {
        tokio::time::sleep_until(moment.min(Instant::now() + LOOK).into()).await;
    }
}

/// Waits, with the connections open, for the moment at which all agents begin their calls.
pub(crate) async fn wait_for(
    stack: &'static Stack,
    agreed: Agreed,
    interrupted: &AtomicBool,
) -> Result<WarmUp, SiteError> {
    wait_until(agreed.from, interrupted).await;
    let late = Instant::now().saturating_duration_since(agreed.until);
    // Without a warm-up, calls count from the moment at which they begin.
    let allowed = if agreed.from == agreed.until { LOOK } else { Duration::ZERO };
    if late > allowed {
        Err(SiteError::TooLate { stack: stack.name, late })
    } else {
        Ok(WarmUp::Agreed(agreed))
    }
}
