//! Ramps: parts of an open loop's schedule in which the rate changes evenly, or stays as it is.

use std::time::Duration;

/// A part of a schedule in which the rate changes evenly, or stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramp {
    /// Calls per second at its beginning.
    pub from: u32,
    /// Calls per second at its end.
    pub to: u32,
    /// How long it takes.
    pub length: Duration,
}

impl Ramp {
    /// The number of calls that are scheduled in it; with random arrivals, on average.
    #[must_use]
    pub fn calls(&self) -> f64 {
        f64::midpoint(f64::from(self.from), f64::from(self.to)) * self.length.as_secs_f64()
    }

    /// The seconds from its beginning until `calls` calls are scheduled; with random arrivals, on average.
    fn seconds_until(&self, calls: f64) -> f64 {
        // The rate at t is a + s·t, so that a·t + s·t²/2 calls are scheduled until t. This form of the solution subtracts no
        // nearly equal numbers, and holds for s = 0, too.
        let (from, length) = (f64::from(self.from), self.length.as_secs_f64());
        let slope = (f64::from(self.to) - from) / length;
        let rate = (from * from + 2.0 * slope * calls).max(0.0).sqrt();
        let sum = from + rate;
        if sum > 0.0 { (2.0 * calls / sum).clamp(0.0, length) } else { 0.0 }
    }
}

/// Ramps that follow each other, and how far a schedule has got in them.
#[derive(Clone, Debug)]
pub(super) struct Ramps {
    /// Those that are not over, the current one last.
    left: Vec<Ramp>,
    /// The calls and the seconds of those that are over.
    calls_before: f64,
    seconds_before: f64,
}

impl Ramps {
    /// `ramps` in their order.
    pub(super) fn new(ramps: impl DoubleEndedIterator<Item = Ramp>) -> Self {
        Ramps { left: ramps.rev().collect(), calls_before: 0.0, seconds_before: 0.0 }
    }

    /// The time from the beginning of the first ramp, in nanoseconds, at which `calls` calls are scheduled; `None` if all ramps
    /// are over before. `calls` must not be smaller than the last time.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "times are positive and far below 2⁵³ ns"
    )]
    pub(super) fn nanos_until(&mut self, calls: f64) -> Option<u64> {
        while let Some(ramp) = self.left.last() {
            let of_ramp = calls - self.calls_before;
            if of_ramp < ramp.calls() {
                return Some(((self.seconds_before + ramp.seconds_until(of_ramp)) * 1e9).round() as u64);
            }
            self.calls_before += ramp.calls();
            self.seconds_before += ramp.length.as_secs_f64();
            self.left.pop();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(from: u32, to: u32, seconds: u64) -> Ramp {
        Ramp { from, to, length: Duration::from_secs(seconds) }
    }

    /// The times in nanoseconds of calls at even intervals of the integrated rate.
    fn times(ramps: &[Ramp]) -> Vec<u64> {
        let mut ramps = Ramps::new(ramps.iter().copied());
        (0_u32..).map_while(|calls| ramps.nanos_until(calls.into())).collect()
    }

    #[test]
    fn calls_are_scheduled_in_proportion_to_the_rate() {
        // 10 to 20 a second in the first second, 20 to 30 in the next one.
        let times = times(&[ramp(10, 30, 2)]);
        assert_eq!(times.len(), 40);
        assert_eq!(times.iter().filter(|nanos| **nanos < 1_000_000_000).count(), 15);
        assert!(times.is_sorted_by(|a, b| a < b) && times.last().unwrap() < &2_000_000_000);
    }

    #[test]
    fn a_constant_rate_has_even_intervals_and_a_step_is_at_once() {
        let times = times(&[ramp(4, 4, 1), ramp(1000, 1000, 1)]);
        assert_eq!(times[..5], [0, 250_000_000, 500_000_000, 750_000_000, 1_000_000_000]);
        assert_eq!((times[5], times.len()), (1_001_000_000, 1_004));
    }

    #[test]
    fn a_rate_can_begin_and_end_with_zero() {
        let times = times(&[ramp(0, 100, 2), ramp(100, 0, 2)]);
        assert_eq!(times.len(), 200);
        let in_quarter = |quarter: u64| {
            let range = quarter * 1_000_000_000..(quarter + 1) * 1_000_000_000;
            times.iter().filter(|nanos| range.contains(*nanos)).count()
        };
        assert_eq!([0, 1, 2, 3].map(in_quarter), [25, 75, 75, 25]);
    }

    #[test]
    fn ramps_without_calls_or_length_have_no_times() {
        assert!(times(&[]).is_empty() && times(&[ramp(0, 0, 5)]).is_empty());
        assert!(times(&[Ramp { length: Duration::ZERO, ..ramp(5, 5, 0) }]).is_empty());
    }
}
