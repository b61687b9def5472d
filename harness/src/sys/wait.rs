//! Waiting for an instant to within microseconds: sleep for most of the time, then watch the clock.

use std::time::{Duration, Instant};

/// How long before the target a sleeper is woken. Waking up takes about as long on a core that is awake.
const WAKE_UP_LEAD: Duration = Duration::from_micros(40);
/// A shorter wait is spent watching the clock: going to sleep and waking up would take as long.
pub(super) const SHORTEST_SLEEP: Duration = Duration::from_micros(5);

/// How much of a wait of `left` to sleep; `None` when the wait is too short to sleep at all.
///
/// The rest is spent watching the clock. Waits under twice [`WAKE_UP_LEAD`] are slept in full, because a generator of
/// many calls that watched the clock before each of them would look busier than it is.
pub(super) fn sleep_time(left: Duration) -> Option<Duration> {
    match left.checked_sub(WAKE_UP_LEAD) {
        Some(sleep) if sleep >= WAKE_UP_LEAD => Some(sleep),
        _ => (left > SHORTEST_SLEEP).then_some(left),
    }
}

/// Blocks the thread until `deadline`, watching the clock for the last microseconds. Returns at once when the deadline
/// has passed. The thread should have called [`sleep_precisely`](super::sleep_precisely) before.
pub fn sleep_until(deadline: Instant) {
    if let Some(sleep) = sleep_time(deadline.saturating_duration_since(Instant::now())) {
        std::thread::sleep(sleep);
    }
    while Instant::now() < deadline {
        std::hint::spin_loop();
    }
}
