//! The calls of each operation of a mix, summed up over the trials of a stack.

use hdrhistogram::Histogram;

use crate::load::OwnName;
use crate::observe::Counts;
use crate::record::{HistogramError, OperationPart, Trial};
use crate::stats::growing_histogram;

/// The calls of one operation of a mix, over all valid trials of a stack.
#[derive(Debug)]
pub struct OperationSummary {
    /// The operation.
    pub operation: OwnName,
    /// The outcomes of its calls.
    pub counts: Counts,
    /// The latencies of the calls with a correct answer, in nanoseconds.
    pub latency: Histogram<u64>,
}

impl OperationSummary {
    /// The operations of the `valid` trials of a stack, in the order in which they were defined; none without a mix.
    ///
    /// # Errors
    /// When a histogram cannot be read.
    pub(super) fn all(valid: &[&Trial]) -> Result<Vec<Self>, HistogramError> {
        let mut all: Vec<OperationSummary> = Vec::new();
        for OperationPart { operation, counts, latency } in valid.iter().flat_map(|trial| &trial.operations) {
            if all.iter().all(|known| known.operation != *operation) {
                let latency = growing_histogram();
                all.push(OperationSummary { operation: *operation, counts: Counts::default(), latency });
            }
            let Some(summary) = all.iter_mut().find(|known| known.operation == *operation) else { continue };
            summary.counts.merge(counts);
            if let Some(latency) = latency {
                // Adding cannot fail: the histogram grows as needed.
                let _ = summary.latency.add(latency.histogram()?);
            }
        }
        Ok(all)
    }
}
