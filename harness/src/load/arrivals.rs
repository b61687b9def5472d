//! When the calls of an open loop begin: a schedule that does not depend on any answer.

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};

use super::{Arrivals, Rate};

const NANOS: u128 = 1_000_000_000;

/// The slots of an open loop, one after the other without end. The same for the same seed.
#[derive(Debug)]
pub struct Schedule {
    begin: Instant,
    rate: Rate,
    gaps: Gaps,
    /// How many slots were given out.
    slots: u64,
}

#[derive(Debug)]
enum Gaps {
    Even,
    Exponential {
        rng: Box<ChaCha8Rng>,
        /// Since `begin`, in units of the mean gap.
        at: f64,
    },
}

impl Schedule {
    /// Slots from `begin` on, `rate` a second in the mean.
    #[must_use]
    pub fn new(begin: Instant, rate: Rate, arrivals: Arrivals, seed: u64) -> Self {
        let gaps = match arrivals {
            Arrivals::Constant => Gaps::Even,
            Arrivals::Poisson => {
                Gaps::Exponential { rng: Box::new(ChaCha8Rng::seed_from_u64(seed)), at: 0.0 }
            }
        };
        Schedule { begin, rate, gaps, slots: 0 }
    }
}

impl Iterator for Schedule {
    type Item = Instant;

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn next(&mut self) -> Option<Instant> {
        let nanos = match &mut self.gaps {
            // Each slot from the beginning and not from the last one: a rounding error would add up.
            Gaps::Even => u64::try_from(u128::from(self.slots) * NANOS / u128::from(self.rate.get())).ok()?,
            Gaps::Exponential { rng, at } => {
                // The gaps between the arrivals of a Poisson process are independent and exponential.
                let gap: f64 = Exp1.sample(rng);
                *at += gap;
                (*at * NANOS as f64 / f64::from(self.rate.get())) as u64
            }
        };
        self.slots += 1;
        self.begin.checked_add(Duration::from_nanos(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(arrivals: Arrivals, rate: u32, seed: u64, count: usize) -> Vec<u64> {
        let begin = Instant::now();
        let schedule = Schedule::new(begin, Rate::new(rate).unwrap(), arrivals, seed);
        schedule.take(count).map(|slot| u64::try_from((slot - begin).as_nanos()).unwrap()).collect()
    }

    #[test]
    fn constant_slots_are_even_and_do_not_drift() {
        assert_eq!(offsets(Arrivals::Constant, 1_000, 1, 4), [0, 1_000_000, 2_000_000, 3_000_000]);
        // A third of a second has no end in decimals; a million of them still make the right time.
        assert_eq!(offsets(Arrivals::Constant, 3, 1, 1_000_001).last(), Some(&333_333_333_333_333));
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_spread_of_an_exponential() {
        let slots = offsets(Arrivals::Poisson, 10_000, 42, 100_000);
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
    fn poisson_slots_follow_from_the_seed() {
        let of = |seed| offsets(Arrivals::Poisson, 500, seed, 100);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
