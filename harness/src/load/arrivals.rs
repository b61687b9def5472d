//! The schedule of an open loop, which does not depend on any reply.

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};

use super::kind::{Arrivals, Rate};
use super::ramp::Ramps;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// The slots of an open loop: the scheduled send times of its calls, in order. They have no end unless the rate changes. Deterministic for
/// a seed.
#[derive(Debug)]
pub struct Schedule {
    start: Instant,
    pace: Pace,
    gaps: Gaps,
    /// Number of slots returned so far.
    slots: u64,
}

/// How often slots follow each other.
#[derive(Debug)]
enum Pace {
    Constant(Rate),
    Changing(Ramps),
}

#[derive(Debug)]
enum Gaps {
    Even,
    Exponential {
        rng: Box<ChaCha8Rng>,
        /// The last slot, as the time since `start` in units of the mean gap.
        at: f64,
    },
}

impl Schedule {
    /// A schedule from `start` on, with a mean of `rate` slots per second. Random arrivals are determined by `seed` and
    /// `block`, and those of different blocks are independent.
    #[must_use]
    pub fn new(start: Instant, rate: Rate, arrivals: Arrivals, seed: u64, block: u32) -> Self {
        Schedule::paced(start, Pace::Constant(rate), arrivals, (seed, block))
    }

    /// A schedule from `start` on whose rate changes along `ramps`, with whose end it ends.
    pub(super) fn along(start: Instant, ramps: Ramps, arrivals: Arrivals, random: (u64, u32)) -> Self {
        Schedule::paced(start, Pace::Changing(ramps), arrivals, random)
    }

    fn paced(start: Instant, pace: Pace, arrivals: Arrivals, (seed, block): (u64, u32)) -> Self {
        let gaps = match arrivals {
            Arrivals::Constant => Gaps::Even,
            Arrivals::Poisson => {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(block.into());
                Gaps::Exponential { rng: Box::new(rng), at: 0.0 }
            }
        };
        Schedule { start, pace, gaps, slots: 0 }
    }
}

impl Iterator for Schedule {
    type Item = Instant;

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn next(&mut self) -> Option<Instant> {
        let nanos = match (&mut self.gaps, &mut self.pace) {
            // Computed from the start rather than from the last slot, so that rounding errors don't add up.
            (Gaps::Even, Pace::Constant(rate)) => {
                u64::try_from(u128::from(self.slots) * NANOS_PER_SECOND / u128::from(rate.get())).ok()?
            }
            (Gaps::Even, Pace::Changing(ramps)) => ramps.nanos_until(self.slots as f64)?,
            (Gaps::Exponential { rng, at }, pace) => {
                // The gaps of a Poisson process are independent and exponentially distributed. One whose rate changes has them in
                // units of the calls that are scheduled on average (time rescaling).
                let gap: f64 = Exp1.sample(rng);
                *at += gap;
                match pace {
                    Pace::Constant(rate) => (*at * NANOS_PER_SECOND as f64 / f64::from(rate.get())) as u64,
                    Pace::Changing(ramps) => ramps.nanos_until(*at)?,
                }
            }
        };
        self.slots += 1;
        self.start.checked_add(Duration::from_nanos(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ramp::Ramp;
    use super::*;

    fn offsets(arrivals: Arrivals, rate: u32, (seed, block): (u64, u32), count: usize) -> Vec<u64> {
        let start = Instant::now();
        let schedule = Schedule::new(start, Rate::new(rate).unwrap(), arrivals, seed, block);
        schedule.take(count).map(|slot| u64::try_from((slot - start).as_nanos()).unwrap()).collect()
    }

    #[test]
    fn constant_slots_are_evenly_spaced_without_drift() {
        assert_eq!(offsets(Arrivals::Constant, 1_000, (1, 0), 4), [0, 1_000_000, 2_000_000, 3_000_000]);
        // A third of a second is not a whole number of nanoseconds, but the millionth slot is still exact.
        assert_eq!(offsets(Arrivals::Constant, 3, (1, 0), 1_000_001).last(), Some(&333_333_333_333_333));
    }

    #[test]
    fn poisson_gaps_are_exponentially_distributed() {
        let slots = offsets(Arrivals::Poisson, 10_000, (42, 0), 100_000);
        let gaps: Vec<f64> = slots.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean / 100_000.0 - 1.0).abs() < 0.01, "{mean}");
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.02, "{variance}");
        // The share of gaps longer than the mean is 1/e.
        let longer = gaps.iter().filter(|gap| **gap > 100_000.0).count() as f64 / gaps.len() as f64;
        assert!((longer - (-1.0_f64).exp()).abs() < 0.01, "{longer}");
    }

    #[test]
    fn poisson_slots_are_determined_by_the_seed_and_the_block() {
        let of = |seed, block| offsets(Arrivals::Poisson, 500, (seed, block), 100);
        assert_eq!(of(1, 3), of(1, 3));
        assert_ne!(of(1, 3), of(2, 3));
        assert_ne!(of(1, 3), of(1, 4));
    }

    #[test]
    fn random_slots_follow_a_rate_that_changes_and_end_with_it() {
        let start = Instant::now();
        // 10,000 calls in the first second, 30,000 in the second one.
        let ramp = Ramp { from: 0, to: 40_000, length: Duration::from_secs(2) };
        let ramps = || Ramps::new([ramp].into_iter());
        let slots: Vec<_> = Schedule::along(start, ramps(), Arrivals::Poisson, (42, 0)).collect();
        assert!(slots.is_sorted() && *slots.last().unwrap() < start + Duration::from_secs(2));
        let early = slots.iter().filter(|slot| **slot < start + Duration::from_secs(1)).count();
        // The standard deviations are 100 and 173.
        assert!(early.abs_diff(10_000) < 500 && (slots.len() - early).abs_diff(30_000) < 900, "{early}");
        let again: Vec<_> = Schedule::along(start, ramps(), Arrivals::Poisson, (42, 0)).collect();
        assert_eq!(slots, again);
        assert_eq!(Schedule::along(start, ramps(), Arrivals::Constant, (1, 0)).count(), 40_000);
    }
}
