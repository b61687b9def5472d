//! The mean number of calls in flight, by sampling.

use std::time::Duration;

use rand_distr::{Distribution, Exp1};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Mean time between two samples: many samples in a short trial, without disturbing it.
const MEAN_GAP: Duration = Duration::from_millis(5);

/// The number of calls in flight over a trial, sampled at random moments independently of the clocks of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InFlightMean {
    /// Number of samples.
    pub samples: u32,
    /// The mean.
    pub mean: f64,
    /// The standard deviation of the samples.
    pub deviation: f64,
}

/// Samples of the number of calls in flight.
///
/// They are taken at the arrivals of a Poisson process, because those see time averages (R. W. Wolff, "Poisson Arrivals See
/// Time Averages", Operations Research 30, 1982). Samples at even intervals could fall into step with calls at even
/// intervals.
#[derive(Debug, Default)]
pub struct InFlightSamples {
    samples: Vec<u32>,
}

impl InFlightSamples {
    /// Returns a random time to wait before the next sample.
    #[must_use]
    pub fn next_gap(&self) -> Duration {
        let gap: f64 = Exp1.sample(&mut rand::rng());
        MEAN_GAP.mul_f64(gap)
    }

    /// Adds a sample.
    pub fn push(&mut self, in_flight: u32) {
        self.samples.push(in_flight);
    }

    /// Adds the samples of `other`.
    pub fn append(&mut self, mut other: InFlightSamples) {
        self.samples.append(&mut other.samples);
    }

    /// Mean and standard deviation; `None` with fewer than two samples.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn mean(&self) -> Option<InFlightMean> {
        let count = self.samples.len() as f64;
        if self.samples.len() < 2 {
            return None;
        }
        let mean = self.samples.iter().map(|n| f64::from(*n)).sum::<f64>() / count;
        let squares: f64 = self.samples.iter().map(|n| (f64::from(*n) - mean).powi(2)).sum();
        let samples = u32::try_from(self.samples.len()).unwrap_or(u32::MAX);
        Some(InFlightMean { samples, mean, deviation: (squares / (count - 1.0)).sqrt() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_standard_deviation_of_samples() {
        let mut samples = InFlightSamples::default();
        assert_eq!(samples.mean(), None);
        for in_flight in [2, 4, 4, 4, 5, 5, 7, 9] {
            samples.push(in_flight);
        }
        let mean = samples.mean().unwrap();
        assert_eq!((mean.samples, mean.mean), (8, 5.0));
        assert!((mean.deviation - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12);
    }
}
