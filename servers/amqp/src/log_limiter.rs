//! Warnings that could be repeated without end.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The interval after the first warning.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// The interval doubles with each warning, up to this one.
const MAX_INTERVAL: Duration = Duration::from_secs(300);

/// Decides which of many equal events are logged: the first one, and then one after each interval. The intervals grow
/// from a second to five minutes.
#[derive(Default)]
pub(crate) struct LogLimiter(Mutex<Schedule>);

#[derive(Default)]
struct Schedule {
    count: u64,
    /// The earliest time of the next warning, and the interval after it. `None` before the first one.
    next: Option<(Instant, Duration)>,
}

impl LogLimiter {
    /// Counts an event. Returns the number of events so far if this one is to be logged.
    pub(crate) fn count(&self) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count_at(Instant::now())
    }
}

impl Schedule {
    fn count_at(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        let interval = match self.next {
            None => MIN_INTERVAL,
            Some((time, interval)) if now >= time => interval,
            Some(_) => return None,
        };
        self.next = Some((now + interval, (interval * 2).min(MAX_INTERVAL)));
        Some(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_is_repeated_for_a_day_is_logged_a_few_hundred_times_at_most() {
        let (start, mut schedule) = (Instant::now(), Schedule::default());
        let mut logged = Vec::new();
        for tenth in 0..864_000 {
            let now = start + Duration::from_millis(100) * tenth;
            if schedule.count_at(now).is_some() {
                logged.push(tenth / 10);
            }
        }
        // In seconds: at once, then after 1, 2, 4, .. and at last every 300.
        assert_eq!(logged[..6], [0, 1, 3, 7, 15, 31]);
        assert_eq!(logged[logged.len() - 1] - logged[logged.len() - 2], 300);
        assert!(logged.len() < 300, "{}", logged.len());
        assert_eq!(schedule.count, 864_000);
    }
}
