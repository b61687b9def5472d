//! The times at which several agents run the trials of a run.

use std::time::{Duration, Instant};

use crate::load::AgreedTimes;
use crate::scenario::Scenario;

/// The times of the trials of a run. Trials follow each other at a fixed period.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timetable {
    start: Instant,
    warmup: Duration,
    period: Duration,
    gap: Duration,
}

impl Timetable {
    /// The timetable of a run of `scenario` whose first calls start at `start`, with `gap` between the end of a window
    /// and the first calls of the next trial.
    pub(super) fn new(scenario: &Scenario, start: Instant, gap: Duration) -> Self {
        let first = AgreedTimes::new(start, scenario.warmup);
        let period = (first.window_start - start) + scenario.measure + gap;
        Timetable { start, warmup: scenario.warmup, period, gap }
    }

    /// The times of trial number `trial` of the run, counted from 0.
    pub(super) fn trial(&self, trial: u32) -> AgreedTimes {
        AgreedTimes::new(self.start + self.period * trial, self.warmup)
    }

    /// When an agent may start to prepare the trial at `agreed`: at the end of the previous trial's window.
    pub(super) fn preparation(&self, agreed: AgreedTimes) -> Option<Instant> {
        agreed.warmup_start.checked_sub(self.gap)
    }
}
