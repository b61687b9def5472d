//! The blocks, the warm-up and the window of what a scenario measures: those that a measurement or codecs state, or else those
//! of the scenario.

use std::num::NonZeroU32;
use std::time::Duration;

use super::codec::CodecMeasurement;
use super::model::{Measurement, Scenario};
use super::trial_times::TrialTimes;

impl Scenario {
    /// How long the calls of a trial take unless its measurement says otherwise.
    #[must_use]
    pub fn times(&self) -> TrialTimes {
        TrialTimes { warmup: self.warmup, measure: self.measure }
    }

    /// How long the calls of a trial of `measurement` take.
    #[must_use]
    pub fn times_of(&self, measurement: &Measurement) -> TrialTimes {
        self.times_or(measurement.warmup, measurement.measure)
    }

    /// The number of blocks that contain the trials of `measurement`.
    #[must_use]
    pub fn blocks_of(&self, measurement: &Measurement) -> NonZeroU32 {
        self.blocks_or(measurement.blocks)
    }

    /// How long each format of `codecs` is encoded, and how long it is decoded.
    #[must_use]
    pub fn times_of_codecs(&self, codecs: &CodecMeasurement) -> TrialTimes {
        self.times_or(codecs.warmup, codecs.measure)
    }

    /// The number of blocks that contain `codecs`.
    #[must_use]
    pub fn blocks_of_codecs(&self, codecs: &CodecMeasurement) -> NonZeroU32 {
        self.blocks_or(codecs.blocks)
    }

    fn times_or(&self, warmup: Option<Duration>, measure: Option<Duration>) -> TrialTimes {
        TrialTimes { warmup: warmup.unwrap_or(self.warmup), measure: measure.unwrap_or(self.measure) }
    }

    fn blocks_or(&self, blocks: Option<NonZeroU32>) -> NonZeroU32 {
        blocks.map_or(self.blocks, |blocks| blocks.min(self.blocks))
    }

    /// What each measurement and each of the codecs states, the measurements first.
    pub(super) fn lengths(&mut self) -> impl Iterator<Item = Lengths<'_>> {
        lengths(&mut self.measurements, &mut self.codecs)
    }
}

/// What each of `measurements` and each of `codecs` states, in this order.
pub(super) fn lengths<'a>(
    measurements: &'a mut [Measurement],
    codecs: &'a mut [CodecMeasurement],
) -> impl Iterator<Item = Lengths<'a>> {
    let of_measurements = measurements
        .iter_mut()
        .map(|Measurement { blocks, warmup, measure, .. }| Lengths { blocks, warmup, measure });
    let of_codecs = codecs.iter_mut().map(|CodecMeasurement { blocks, warmup, measure, .. }| Lengths {
        blocks,
        warmup,
        measure,
    });
    of_measurements.chain(of_codecs)
}

/// The blocks, the warm-up and the window that a measurement or codecs state.
pub(super) struct Lengths<'a> {
    blocks: &'a mut Option<NonZeroU32>,
    warmup: &'a mut Option<Duration>,
    measure: &'a mut Option<Duration>,
}

/// The warm-up and the window that a measurement or codecs state in the file where they are.
#[derive(Clone, Copy)]
pub(super) struct StatedTimes {
    warmup: Option<Duration>,
    measure: Option<Duration>,
}

/// The blocks, the warm-up and the window of a scenario, for what states none.
#[derive(Clone, Copy)]
pub(super) struct Defaults {
    blocks: NonZeroU32,
    times: TrialTimes,
}

impl Defaults {
    pub(super) fn of(scenario: &Scenario) -> Self {
        Defaults { blocks: scenario.blocks, times: scenario.times() }
    }
}

impl Lengths<'_> {
    /// The times as the file states them.
    pub(super) fn stated(&self) -> StatedTimes {
        StatedTimes { warmup: *self.warmup, measure: *self.measure }
    }

    /// Sets all that was left to the scenario of these `defaults`, up to the `limits` of a scenario that includes it. Times that
    /// are `stated` have no limit.
    pub(super) fn limit(self, stated: StatedTimes, defaults: Defaults, limits: Defaults) {
        let blocks = self.blocks.unwrap_or(defaults.blocks);
        let warmup = self.warmup.unwrap_or(defaults.times.warmup);
        let measure = self.measure.unwrap_or(defaults.times.measure);
        *self.blocks = Some(blocks.min(defaults.blocks).min(limits.blocks));
        *self.warmup = stated.warmup.or(Some(warmup.min(limits.times.warmup)));
        *self.measure = stated.measure.or(Some(measure.min(limits.times.measure)));
    }

    /// Leaves out what is the same as in `defaults`.
    pub(super) fn shorten(self, defaults: Defaults) {
        *self.blocks = self.blocks.filter(|own| *own != defaults.blocks);
        *self.warmup = self.warmup.filter(|own| *own != defaults.times.warmup);
        *self.measure = self.measure.filter(|own| *own != defaults.times.measure);
    }
}

/// Gives `scenario`, which has only measurements and codecs that it includes, the blocks, warm-up and window of the longest of
/// them, instead of the limits that it set for them.
pub(super) fn settle(scenario: &mut Scenario) {
    let Defaults { blocks, times } = Defaults::of(scenario);
    let all: Vec<_> = scenario
        .lengths()
        .map(|own| {
            let own_blocks = own.blocks.map_or(blocks, |own| own.min(blocks));
            (own_blocks, own.warmup.unwrap_or(times.warmup), own.measure.unwrap_or(times.measure))
        })
        .collect();
    scenario.blocks = all.iter().map(|(blocks, ..)| *blocks).max().unwrap_or(blocks);
    scenario.warmup = all.iter().map(|(_, warmup, _)| *warmup).max().unwrap_or(times.warmup);
    scenario.measure = all.iter().map(|(.., measure)| *measure).max().unwrap_or(times.measure);
}
