//! Figures of trials, block by block.

use std::collections::BTreeMap;

use super::{Status, Trial};
use crate::stats::ByBlock;

/// A figure of each block in which a trial is valid and has one: the geometric mean where several do.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn by_block(trials: &[&Trial], figure: impl Fn(&Trial) -> Option<f64>) -> ByBlock {
    let mut logs: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for trial in trials.iter().filter(|trial| trial.status == Status::Valid) {
        if let Some(figure) = figure(trial) {
            logs.entry(trial.block).or_default().push(figure.ln());
        }
    }
    let mean = |logs: Vec<f64>| (logs.iter().sum::<f64>() / logs.len() as f64).exp();
    logs.into_iter().map(|(block, logs)| (block, mean(logs))).collect()
}

impl Trial {
    /// The median latency in nanoseconds; absent where it falls among calls without an answer.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn median_latency(&self) -> Option<f64> {
        self.latency.as_ref()?.p50.map(|nanos| nanos as f64)
    }
}
