//! Latencies in a record: the histogram, and the most common quantiles.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stats::Distribution;

/// The latencies of a trial. Quantiles are over all calls that were started; those without a correct answer count as
/// infinitely slow, so that a quantile that falls among them is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// HdrHistogram of nanoseconds with three significant digits, correct answers only: V2, deflated, base64.
    pub histogram: String,
    /// The median in nanoseconds.
    pub p50: Option<u64>,
    /// The 90th percentile in nanoseconds.
    pub p90: Option<u64>,
    /// The 95th percentile in nanoseconds.
    pub p95: Option<u64>,
    /// The 99th percentile in nanoseconds.
    pub p99: Option<u64>,
    /// The 99.9th percentile in nanoseconds.
    pub p999: Option<u64>,
    /// The fastest correct answer in nanoseconds.
    pub min: u64,
    /// The slowest correct answer in nanoseconds.
    pub max: u64,
}

/// Why a histogram cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the histogram of a trial cannot be read: {0}")]
pub struct HistogramError(String);

impl HistogramError {
    /// Wraps `error`, which the histogram library returned.
    pub(crate) fn new(error: &impl std::fmt::Debug) -> Self {
        HistogramError(format!("{error:?}"))
    }
}

impl Latency {
    /// The latencies in `histogram` and `missing` calls without a correct answer. `None` if no call got a correct answer.
    ///
    /// # Errors
    /// When the histogram cannot be encoded.
    pub fn new(histogram: &Histogram<u64>, missing: u64) -> Result<Option<Self>, HistogramError> {
        let Some(figures) = Latency::figures(histogram, missing) else { return Ok(None) };
        let mut encoded = Vec::new();
        V2DeflateSerializer::new()
            .serialize(histogram, &mut encoded)
            .map_err(|error| HistogramError::new(&error))?;
        Ok(Some(Latency { histogram: BASE64.encode(encoded), ..figures }))
    }

    /// What [`Latency::new`] returns, without the text of the histogram.
    pub(super) fn figures(histogram: &Histogram<u64>, missing: u64) -> Option<Self> {
        let distribution = Distribution::new(histogram, missing);
        let quantile = |q| distribution.quantile(q);
        (!histogram.is_empty()).then(|| Latency {
            histogram: String::new(),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p95: quantile(0.95),
            p99: quantile(0.99),
            p999: quantile(0.999),
            min: histogram.min(),
            max: histogram.max(),
        })
    }

    /// Decodes the histogram.
    ///
    /// # Errors
    /// When the text is not a histogram.
    pub fn histogram(&self) -> Result<Histogram<u64>, HistogramError> {
        let bytes = BASE64.decode(&self.histogram).map_err(|error| HistogramError(error.to_string()))?;
        Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|error| HistogramError::new(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::new_histogram;

    #[test]
    fn a_histogram_survives_serialization() {
        let mut histogram = new_histogram();
        for i in 1..5_000_u64 {
            histogram.record(i * 37).unwrap();
        }
        let latency = Latency::new(&histogram, 0).unwrap().unwrap();
        assert_eq!(latency.histogram().unwrap(), histogram);
        assert!(latency.p50 < latency.p90 && latency.p90 < latency.p99 && latency.p99 < latency.p999);
        assert!(latency.histogram.len() < 8_000, "{}", latency.histogram.len());
    }

    #[test]
    fn without_answers_there_is_no_latency_and_garbage_is_an_error() {
        assert!(Latency::new(&new_histogram(), 7).unwrap().is_none());
        let mut histogram = new_histogram();
        histogram.record(5).unwrap();
        let mut latency = Latency::new(&histogram, 0).unwrap().unwrap();
        for text in ["", "====", "AAAA", "HISTFAAA"] {
            latency.histogram = text.to_owned();
            assert!(latency.histogram().is_err(), "{text}");
        }
    }
}
