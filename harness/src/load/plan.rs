//! The settings of the load generator for one trial.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use calculator::Value;
use calculator::conformance::Numbers;

use super::arrivals::Schedule;
use super::caller::InFlight;
use super::calls::Calls;
use super::kind::{Arrivals, Load, Rate};
use super::operation::Operation;
use super::own::OwnCalls;
use super::prepared::PreparedCall;
use super::ramp::{Ramp, Ramps};
use super::window::WarmUp;
use crate::observe::{Expectation, Live};
use crate::stacks::Way;

/// Maximum number of calls of an open loop that are due or in flight. When it is reached, scheduled calls are not made, and
/// counted as not sent.
pub const MAX_IN_FLIGHT: usize = 10_000;

/// Settings of one trial's load.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What to call.
    pub operation: Operation,
    /// The calls of an operation of one's own; none for an operation of the calculator.
    pub own: OwnCalls,
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
    /// How the rate of an open loop changes from its first call on; empty where it is that of `load`. Where ramps are measured from
    /// their beginning, the warm-up must be [agreed](WarmUp::Agreed) and have no length.
    pub ramps: Arc<[Ramp]>,
    /// Where calls are published as they end, for a view; `None` without one.
    pub live: Option<Arc<Live>>,
    /// Where the number of calls in flight is published.
    pub in_flight: Arc<InFlight>,
}

impl Plan {
    /// The slots of an open loop of `rate` and `arrivals` that starts at `start`; of its ramps, if it has any.
    pub(super) fn schedule(&self, start: Instant, rate: Rate, arrivals: Arrivals) -> Schedule {
        if self.ramps.is_empty() {
            return Schedule::new(start, rate, arrivals, self.seed, self.block);
        }
        Schedule::along(start, Ramps::new(self.ramps.iter().copied()), arrivals, (self.seed, self.block))
    }

    /// The calls of caller `number` of a closed loop, which differ from those of the others.
    pub(super) fn calls_of(&self, number: u32) -> Calls {
        match self.own.of_caller(number as usize) {
            Some(own) => Calls::Own(Box::new(own)),
            None => Calls::prepared(self.prepare(self.seed.wrapping_add(u64::from(number))).into(), 0),
        }
    }

    /// The calls of each caller of an open loop, by its number. Those of the calculator are the same for all, and each caller
    /// begins with another one.
    pub(super) fn shared_calls(&self) -> impl Fn(usize) -> Calls + Send + Sync + use<> {
        let own = self.own.clone();
        let prepared: Arc<[PreparedCall]> = self.prepare(self.seed).into();
        move |number| match own.of_caller(number) {
            Some(own) => Calls::Own(Box::new(own)),
            None => Calls::prepared(Arc::clone(&prepared), number),
        }
    }

    /// The calls of one caller of the calculator with what is expected of each. Deterministic for a seed.
    #[must_use]
    pub fn prepare(&self, seed: u64) -> Vec<PreparedCall> {
        let mut calls = self.operation.prepare(seed);
        if !self.way.is_call() {
            calls.iter_mut().for_each(|prepared| prepared.expected = Expectation::Value(Value::Null));
        }
        calls
    }
}
