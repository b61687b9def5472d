//! The schedule of an open loop, which does not depend on any reply.

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};

use super::kind::{Arrivals, Rate};

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// The slots of an open loop: the scheduled send times of its calls, in order and without end. Deterministic for a seed.
#[derive(Debug)]
pub struct Schedule {
    start: Instant,
    rate: Rate,
    gaps: Gaps,
    /// Number of slots returned so far.
    slots: u64,
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
        let gaps = match arrivals {
            Arrivals::Constant => Gaps::Even,
            Arrivals::Poisson => {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(block.into());
                Gaps::Exponential { rng: Box::new(rng), at: 0.0 }
            }
        };
        Schedule { start, rate, gaps, slots: 0 }
    }
}

impl Iterator for Schedule {
    type Item = Instant;

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn next(&mut self) -> Option<Instant> {
        let nanos = match &mut self.gaps {
            // Computed from the start rather than from the last slot, so that rounding errors don't add up.
            Gaps::Even => {
                u64::try_from(u128::from(self.slots) * NANOS_PER_SECOND / u128::from(self.rate.get())).ok()?
            }
            Gaps::Exponential { rng, at } => {
                // The gaps of a Poisson process are independent and exponentially distributed.
                let gap: f64 = Exp1.sample(rng);
                *at += gap;
                (*at * NANOS_PER_SECOND as f64 / f64::from(self.rate.get())) as u64
            }
        };
        self.slots += 1;
        self.start.checked_add(Duration::from_nanos(nanos))
    }
}

#[cfg(test)]
mod tests {
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
}
