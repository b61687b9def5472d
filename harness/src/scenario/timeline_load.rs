//! The load of a timeline: at a fixed rate, or at rates that change in stages.

use std::time::Duration;

use super::stage::{MAX_STAGES, ramps};
use super::timeline::{LENGTH_RANGE, MAX_CALLS, Timeline};
use crate::load::{Arrivals, Load, Ramp, Rate};

/// The largest number of calls, for numbers that are averages.
const MAX_STAGED_CALLS: f64 = 1e6;

/// What is wrong with the load of a timeline.
#[derive(Debug)]
pub(super) struct LoadMistake {
    /// The key in the timeline, such as `stage.0.to`; empty where one is missing.
    pub(super) key: String,
    /// What is wrong, and what was expected.
    pub(super) message: String,
}

impl Timeline {
    /// How long calls are made.
    #[must_use]
    pub fn length(&self) -> Duration {
        let stages = self.stages.iter().fold(Duration::ZERO, |sum, stage| sum.saturating_add(stage.over));
        self.length.unwrap_or(stages)
    }

    /// The stages as parts of a schedule; none where the rate is fixed.
    #[must_use]
    pub fn ramps(&self) -> Vec<Ramp> {
        ramps(&self.stages)
    }

    /// The load as an open loop: of stages, one with the highest rate.
    #[must_use]
    pub fn open_load(&self) -> Load {
        self.load_at(self.ramps().iter().map(|ramp| ramp.from.max(ramp.to)).max())
    }

    /// The load of the warm-up: of stages, one with the rate with which the first begins, but at least a tenth of the one with
    /// which it ends.
    #[must_use]
    pub fn load_of_warm_up(&self) -> Load {
        self.load_at(self.ramps().first().map(|ramp| ramp.from.max(ramp.to / 10)))
    }

    /// The load, or where it is in stages, one with this rate.
    fn load_at(&self, rate: Option<u32>) -> Load {
        let rate = rate.and_then(Rate::new).unwrap_or(Rate::ONE);
        self.load.unwrap_or(Load::Open(rate, self.arrivals.unwrap_or(Arrivals::Constant)))
    }

    /// What is wrong with the load, which is either fixed or in stages.
    pub(super) fn load_mistake(&self) -> Option<LoadMistake> {
        let at =
            |key: &str, message: &str| Some(LoadMistake { key: key.to_owned(), message: message.to_owned() });
        match (&self.load, self.stages.is_empty()) {
            (Some(_), false) => at("load", "`load` and `stage` exclude each other: leave one of them out"),
            (None, true) => at("", "a timeline needs a `load`, or a [[timeline.stage]]"),
            (Some(_), true) if self.length.is_none() => at("", "`length` is missing"),
            (Some(_), true) if self.arrivals.is_some() => {
                at("arrivals", "`load` says how calls arrive; `arrivals` is for stages")
            }
            (Some(_), true) => None,
            (None, false) if self.length.is_some() => {
                at("length", "the length is that of the stages: leave it out")
            }
            (None, false) if !self.events.is_empty() => {
                at("event", "a timeline has stages or events, not both: leave one of them out")
            }
            (None, false) if self.arrivals.is_none() => {
                at("", "`arrivals` is missing: write arrivals = \"poisson\" or arrivals = \"constant\"")
            }
            (None, false) => self.stage_mistake(),
        }
    }

    fn stage_mistake(&self) -> Option<LoadMistake> {
        let (mut length, mut calls) = (Duration::ZERO, 0.0);
        for (index, ramp) in self.ramps().into_iter().enumerate() {
            let at = |key: &str, message: String| {
                Some(LoadMistake { key: format!("stage.{index}.{key}"), message })
            };
            length = length.saturating_add(ramp.length);
            calls += ramp.calls();
            if index >= MAX_STAGES {
                return at("to", format!("a timeline has at most {MAX_STAGES} stages"));
            }
            if ramp.from == 0 && ramp.to == 0 {
                return at("to", "a stage from 0 to 0 makes no calls".to_owned());
            }
            if length > *LENGTH_RANGE.end() {
                return at(
                    "over",
                    format!(
                        "with this stage it takes {}; at most 600s are possible",
                        humantime::format_duration(length)
                    ),
                );
            }
            if calls > MAX_STAGED_CALLS {
                return at(
                    "to",
                    format!("with this stage it makes {calls:.0} calls; at most {MAX_CALLS} are possible"),
                );
            }
        }
        None
    }
}
