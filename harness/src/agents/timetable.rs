//! When each trial of a run by several agents is made.

use std::time::{Duration, Instant};

use crate::load::AgreedTimes;
use crate::scenario::Scenario;

/// The times of the trials of a run: each trial has a period of the same length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timetable {
    start: Instant,
    warmup: Duration,
    period: Duration,
    gap: Duration,
}

impl Timetable {
    /// The timetable of a run of `scenario` whose first calls are made at `start`, with `gap` between the end of a window
    /// and the first calls of the next trial.
    pub(super) fn new(scenario: &Scenario, start: Instant, gap: Duration) -> Self {
        let first = AgreedTimes::new(start, scenario.warmup);
        let period = (first.window_start - start) + scenario.measure + gap;
        Timetable { start, warmup: scenario.warmup, period, gap }
    }

    /// When trial number `trial` of the run, from 0, is made.
    pub(super) fn trial(&self, trial: u32) -> AgreedTimes {
        AgreedTimes::new(self.start + self.period * trial, self.warmup)
    }

    /// When an agent may begin to prepare the trial made at `agreed`: when the window of the trial before has ended.
    pub(super) fn preparation(&self, agreed: AgreedTimes) -> Option<Instant> {
        agreed.warmup_start.checked_sub(self.gap)
    }
}
