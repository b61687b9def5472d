//! The clock of the load generator: the monotonic clock, or in tests one that jumps from event to event.

use std::future::Future;
use std::io;
use std::time::Instant;

use crate::sys;

/// A clock with alarms.
pub(super) trait Time: Send + Sync + 'static {
    /// The type of alarm that this clock creates.
    type Alarm: Alarm;

    /// The current time.
    fn now(&self) -> Instant;

    /// Creates an alarm.
    ///
    /// # Errors
    /// When the system has no timer left.
    fn alarm(&self) -> io::Result<Self::Alarm>;
}

/// Waits for instants.
pub(super) trait Alarm: Send {
    /// Waits until `deadline`. Returns at once when it has passed.
    ///
    /// # Errors
    /// When the timer cannot be set.
    fn wait_until(&mut self, deadline: Instant) -> impl Future<Output = io::Result<()>> + Send;
}

/// The machine's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct MonotonicTime;

impl Time for MonotonicTime {
    type Alarm = sys::Timer;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn alarm(&self) -> io::Result<sys::Timer> {
        sys::Timer::new()
    }
}

impl Alarm for sys::Timer {
    async fn wait_until(&mut self, deadline: Instant) -> io::Result<()> {
        sys::Timer::wait_until(self, deadline).await
    }
}

/// A virtual clock: it stands still while any task can run, and then jumps to the next alarm.
///
/// It is Tokio's paused clock, scaled: Tokio's clock has a resolution of 1 ms, and each of those milliseconds is a [`TICK`]
/// here, so that schedules of microseconds are exact.
#[cfg(test)]
pub(super) mod virtual_time {
    use super::{Alarm, Time};
    use std::io;
    use std::time::{Duration, Instant};

    /// The resolution of the clock.
    pub(crate) const TICK: Duration = Duration::from_nanos(100);

    /// A virtual clock. Must be created inside a Tokio runtime whose clock is paused.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct VirtualTime {
        scaled_start: tokio::time::Instant,
        start: Instant,
    }

    impl VirtualTime {
        pub(crate) fn new() -> Self {
            VirtualTime { scaled_start: tokio::time::Instant::now(), start: Instant::now() }
        }

        pub(crate) fn start(&self) -> Instant {
            self.start
        }

        pub(crate) async fn sleep_until(&self, deadline: Instant) {
            let ticks = deadline.saturating_duration_since(self.start).as_nanos().div_ceil(TICK.as_nanos());
            let scaled = Duration::from_millis(u64::try_from(ticks).unwrap());
            tokio::time::sleep_until(self.scaled_start + scaled).await;
        }
    }

    impl Time for VirtualTime {
        type Alarm = VirtualTime;

        fn now(&self) -> Instant {
            let ticks = u32::try_from(self.scaled_start.elapsed().as_millis()).unwrap();
            self.start + TICK * ticks
        }

        fn alarm(&self) -> io::Result<Self> {
            Ok(*self)
        }
    }

    impl Alarm for VirtualTime {
        async fn wait_until(&mut self, deadline: Instant) -> io::Result<()> {
            self.sleep_until(deadline).await;
            Ok(())
        }
    }
}
