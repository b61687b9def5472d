//! The time that the load generator goes by: the machine's, or, in tests, one that jumps from event to event.

use std::future::Future;
use std::io;
use std::time::Instant;

use crate::sys;

/// A clock, and alarms that follow it.
pub(super) trait Time: Send + Sync + 'static {
    /// What waits.
    type Alarm: Alarm;

    /// The present.
    fn now(&self) -> Instant;

    /// A new alarm.
    ///
    /// # Errors
    /// When the system has no timer left.
    fn alarm(&self) -> io::Result<Self::Alarm>;
}

/// Waits for moments.
pub(super) trait Alarm: Send {
    /// Waits until `moment`; not at all where it has passed.
    ///
    /// # Errors
    /// When the timer cannot be set.
    fn until(&mut self, moment: Instant) -> impl Future<Output = io::Result<()>> + Send;
}

/// The machine's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct MachineTime;

impl Time for MachineTime {
    type Alarm = sys::Timer;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn alarm(&self) -> io::Result<sys::Timer> {
        sys::Timer::new()
    }
}

impl Alarm for sys::Timer {
    async fn until(&mut self, moment: Instant) -> io::Result<()> {
        self.wait_until(moment).await
    }
}

/// Time that stands still while anybody has something to do, and then jumps to the next alarm.
///
/// It is Tokio's paused clock in slow motion: that one counts milliseconds, and each of them stands for [`TICK`] here,
/// so that schedules of microseconds are exact.
#[cfg(test)]
pub(super) mod virtual_time {
    use super::{Alarm, Time};
    use std::io;
    use std::time::{Duration, Instant};

    /// What the clock can tell apart.
    pub(crate) const TICK: Duration = Duration::from_nanos(100);

    /// Must be made inside a Tokio runtime whose clock is paused.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct VirtualTime {
        slow: tokio::time::Instant,
        begin: Instant,
    }

    impl VirtualTime {
        pub(crate) fn new() -> Self {
            VirtualTime { slow: tokio::time::Instant::now(), begin: Instant::now() }
        }

        pub(crate) fn begin(&self) -> Instant {
            self.begin
        }

        pub(crate) async fn sleep_until(&self, moment: Instant) {
            let ticks = moment.saturating_duration_since(self.begin).as_nanos().div_ceil(TICK.as_nanos());
            let slow = Duration::from_millis(u64::try_from(ticks).unwrap());
            tokio::time::sleep_until(self.slow + slow).await;
        }
    }

    impl Time for VirtualTime {
        type Alarm = VirtualTime;

        fn now(&self) -> Instant {
            let ticks = u32::try_from(self.slow.elapsed().as_millis()).unwrap();
            self.begin + TICK * ticks
        }

        fn alarm(&self) -> io::Result<Self> {
            Ok(*self)
        }
    }

    impl Alarm for VirtualTime {
        async fn until(&mut self, moment: Instant) -> io::Result<()> {
            self.sleep_until(moment).await;
            Ok(())
        }
    }
}
