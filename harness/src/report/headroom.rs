//! How far the load generator of an open loop is from its limit.

use super::text;
use crate::load::Rate;
use crate::record::Trial;
use crate::scenario::Measurement;
use crate::stats::median;

/// The smallest multiple of its rate that the generator of an open loop should reach. Closer to its limit it sends calls in
/// bursts, and its own queue is a part of the response times.
const MIN_FACTOR: f64 = 2.0;

/// The rate of an open loop, and the rate that its generator reached on the floor over as many connections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Headroom {
    /// The floor.
    floor: &'static str,
    /// The calls per second of a closed loop on the floor: the median of the blocks.
    limit: f64,
    /// The rate of the open loop.
    rate: Rate,
}

impl Headroom {
    /// The headroom in `measurement`, an open loop, according to those of its `trials` that are of `floor`. `None` where
    /// they do not contain it.
    pub(super) fn of(measurement: &Measurement, floor: &'static str, trials: &[&Trial]) -> Option<Self> {
        let rate = measurement.load.rate()?;
        let of_floor = trials.iter().filter(|trial| trial.stack == floor);
        let limits: Vec<_> = of_floor.filter_map(|trial| trial.generator_limit).collect();
        Some(Headroom { floor, limit: median(&limits)?, rate })
    }

    /// The limit as a multiple of the rate.
    fn factor(self) -> f64 {
        self.limit / f64::from(self.rate.get())
    }

    /// The headroom in a sentence without a full stop.
    pub(super) fn note(self) -> String {
        format!(
            "the generator reached {} calls/s on {}: {} × this rate",
            text::thousands(self.limit),
            self.floor,
            text::ratio(self.factor())
        )
    }

    /// A warning if the headroom in `measurement` is too small.
    pub(super) fn warning(self, measurement: &str) -> Option<String> {
        (self.factor() < MIN_FACTOR).then(|| {
            format!(
                "{measurement}: the generator has little headroom. It reached {} calls/s on {}, and the rate \
                 of {} calls/s is more than half of that: response times may include delays of the generator",
                text::thousands(self.limit),
                self.floor,
                text::thousands(self.rate.get().into())
            )
        })
    }
}
