//! Which of several servers executed the calls of a stack, and where its messages arrived, over the trials of a measurement.

use super::spread::Spread;
use crate::record::{Deliveries, Trial};

/// The share of the calls that each of several servers executed, in percent, over the blocks of `trials`; empty for a single
/// server, and where servers do not report their calls.
pub(super) fn shares(trials: &[&Trial]) -> Vec<Spread> {
    let servers = trials.iter().map(|trial| trial.servers.len()).max().unwrap_or(0);
    let of_server = |index: usize| {
        Spread::over_blocks(trials, |trial| Some(100.0 * trial.shares_of_servers().get(index).copied()?))
    };
    (0..servers).map(of_server).collect::<Option<_>>().unwrap_or_default()
}

/// The messages without an answer of a stack in a measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeliverySummary {
    /// The messages that were confirmed, or written.
    pub messages: u64,
    /// The number of receivers.
    pub receivers: usize,
    /// How often messages were received.
    pub received: u64,
    /// How many receivers a message had.
    pub per_message: Spread,
}

impl DeliverySummary {
    /// Sums up the deliveries of `trials`; `None` for calls, and where a receiver did not report its own.
    pub(super) fn new(trials: &[&Trial]) -> Option<Self> {
        let all: Vec<&Deliveries> = trials.iter().filter_map(|trial| trial.deliveries.as_ref()).collect();
        let received: Option<Vec<u64>> = all.iter().map(|deliveries| deliveries.received()).collect();
        Some(DeliverySummary {
            messages: all.iter().map(|deliveries| deliveries.confirmed).fold(0, u64::saturating_add),
            receivers: all.iter().map(|deliveries| deliveries.receivers.len()).max()?,
            received: received?.into_iter().fold(0, u64::saturating_add),
            per_message: Spread::over_blocks(trials, |trial| trial.deliveries.as_ref()?.per_message())?,
        })
    }
}
