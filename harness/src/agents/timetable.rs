//! The times at which several agents run the trials of a run.

use std::time::{Duration, Instant};

use crate::load::AgreedTimes;
use crate::scenario::{Scenario, TrialTimes};

/// The times of the trials of a run. Trials follow each other at a fixed period, which the longest of them needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timetable {
    start: Instant,
    period: Duration,
    gap: Duration,
}

impl Timetable {
    /// The timetable of a run of `scenario` whose first calls start at `start`, with `gap` between the end of a window
    /// and the first calls of the next trial.
    pub(super) fn new(scenario: &Scenario, start: Instant, gap: Duration) -> Self {
        let length =
            |times: TrialTimes| AgreedTimes::new(start, times.warmup).window_start - start + times.measure;
        let lengths = scenario.measurements.iter().map(|measurement| length(scenario.times_of(measurement)));
        Timetable { start, period: lengths.max().unwrap_or_default() + gap, gap }
    }

    /// The times of trial number `trial` of the run, counted from 0, with a warm-up of `warmup`.
    pub(super) fn trial(&self, trial: u32, warmup: Duration) -> AgreedTimes {
        AgreedTimes::new(self.start + self.period * trial, warmup)
    }

    /// When an agent may start to prepare the trial at `agreed`: at the end of the previous trial's window.
    pub(super) fn preparation(&self, agreed: AgreedTimes) -> Option<Instant> {
        agreed.warmup_start.checked_sub(self.gap)
    }
}
