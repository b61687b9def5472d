//! How many calls are in flight, looked at now and then.

use std::time::Duration;

use rand_distr::{Distribution, Exp1};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The mean time from one look to the next: often enough for a short trial, seldom enough not to disturb it.
const MEAN_GAP: Duration = Duration::from_millis(5);

/// The number of calls in flight over a trial, sampled at random moments independently of the calls' clocks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InFlightMean {
    /// How many samples were taken.
    pub samples: u32,
    /// The mean.
    pub mean: f64,
    /// The standard deviation of the samples.
    pub deviation: f64,
}

/// Samples of the number of calls in flight.
///
/// They are taken at the arrivals of a Poisson process, which see averages over time (R. W. Wolff, "Poisson Arrivals See
/// Time Averages", Operations Research 30, 1982); looks at even intervals would fall into step with calls at even
/// intervals.
#[derive(Debug, Default)]
pub struct Samples {
    taken: Vec<u32>,
}

impl Samples {
    /// How long to wait until the next look.
    #[must_use]
    pub fn until_next(&self) -> Duration {
        let gap: f64 = Exp1.sample(&mut rand::rng());
        MEAN_GAP.mul_f64(gap)
    }

    /// Takes note of what was seen.
    pub fn take(&mut self, in_flight: u32) {
        self.taken.push(in_flight);
    }

    /// Mean and standard deviation; `None` of fewer than two samples.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn mean(&self) -> Option<InFlightMean> {
        let count = self.taken.len() as f64;
        if self.taken.len() < 2 {
            return None;
        }
        let mean = self.taken.iter().map(|n| f64::from(*n)).sum::<f64>() / count;
        let squares: f64 = self.taken.iter().map(|n| (f64::from(*n) - mean).powi(2)).sum();
        let samples = u32::try_from(self.taken.len()).unwrap_or(u32::MAX);
        Some(InFlightMean { samples, mean, deviation: (squares / (count - 1.0)).sqrt() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_are_those_of_the_samples() {
        let mut samples = Samples::default();
        assert_eq!(samples.mean(), None);
        for in_flight in [2, 4, 4, 4, 5, 5, 7, 9] {
            samples.take(in_flight);
        }
        let mean = samples.mean().unwrap();
        assert_eq!((mean.samples, mean.mean), (8, 5.0));
        assert!((mean.deviation - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12);
    }
}
