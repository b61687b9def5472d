//! The settings of the load generator for one trial.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use calculator::Value;
use calculator::conformance::Numbers;

use super::caller::InFlight;
use super::kind::Load;
use super::operation::{Operation, PreparedCall};
use super::window::WarmUp;
use crate::stacks::Way;

/// Maximum number of calls of an open loop that are due or in flight. When it is reached, scheduled calls are not made, and
/// counted as not sent.
pub const MAX_IN_FLIGHT: usize = 10_000;

/// Settings of one trial's load.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What to call.
    pub operation: Operation,
    /// How the clients send. Without an answer, what is expected is null: that the message was confirmed or written.
    pub way: Way,
    /// When to call.
    pub load: Load,
    /// Whether one client can have several calls in flight. If so, only [`MAX_IN_FLIGHT`] limits the calls in flight of an
    /// open loop; otherwise each client has at most one.
    pub multiplexes: bool,
    /// The warm-up: how long to make calls before measuring them.
    pub warmup: WarmUp,
    /// Length of the measured window.
    pub measure: Duration,
    /// Deadline of each call; none if absent.
    pub timeout: Option<Duration>,
    /// How the numbers in answers are compared with the expected ones.
    pub numbers: Numbers,
    /// Seed of the arguments and of random arrivals.
    pub seed: u64,
    /// The block of the run. Random arrivals differ between blocks, and are the same for all stacks of a block.
    pub block: u32,
    /// Set by another thread to end the trial early.
    pub interrupted: Arc<AtomicBool>,
    /// Whether the outcome of each call is kept, with its scheduled send time, in
    /// [`Observation::calls`](crate::observe::Observation::calls).
    pub keeps_calls: bool,
    /// Where the number of calls in flight is published.
    pub in_flight: Arc<InFlight>,
}

impl Plan {
    /// The calls of one caller with what is expected of each. Deterministic for a seed.
    #[must_use]
    pub fn prepare(&self, seed: u64) -> Vec<PreparedCall> {
        let mut calls = self.operation.prepare(seed);
        if !self.way.is_call() {
            calls.iter_mut().for_each(|prepared| prepared.expected = Ok(Value::Null));
        }
        calls
    }
}
