//! Codecs: one block of a measurement of them, on one core, in slices in which the formats take turns.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use codecs::{Codec, Exchange, Format};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::TrialContext;
use super::reading::{KeptBack, Meters, What};
use crate::deploy::Placement;
use crate::observe::Meter;
use crate::record::{CodecTime, CodecTrial, Status};
use crate::scenario::{CodecMeasurement, TrialTimes};
use crate::stats::median;
use crate::sys;

/// Runs `block` of `measurement`: a trial for each of its formats, in their order. Returns none if it was interrupted.
#[must_use]
pub fn run_codecs(measurement: &CodecMeasurement, context: &TrialContext<'_>, block: u32) -> Vec<CodecTrial> {
    let core =
        Placement::Shared.cores(&sys::allowed_cores()).ok().and_then(|cores| cores.client.first().copied());
    let on_core = || {
        let core = core.filter(|core| sys::pin_current_thread(&[*core]).is_ok());
        measure(measurement, context, block, core)
    };
    // A thread, since its core stays with it.
    let trials = std::thread::scope(|scope| scope.spawn(on_core).join());
    let mut trials = trials.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    if context.interrupted.load(Ordering::Relaxed) {
        return vec![];
    }
    trials.iter_mut().for_each(|trial| trial.audit(context.scenario.contention));
    trials
}

fn measure(
    measurement: &CodecMeasurement,
    context: &TrialContext<'_>,
    block: u32,
    core: Option<usize>,
) -> Vec<CodecTrial> {
    let TrialTimes { warmup, measure } = context.scenario.times_of_codecs(measurement);
    let exchange = measurement.exchange();
    let mut contestants: Vec<_> = measurement
        .formats
        .iter()
        .map(|format| Contestant::new(*format, exchange.as_ref(), measurement.slice))
        .collect();
    for contestant in &mut contestants {
        contestant.warm_up(warmup);
    }
    let meters = Meters {
        client: Some(Meter::ThisProcess { except: vec![] }),
        servers: vec![],
        broker: None,
        others: vec![],
    };
    let before = meters.read_at_beginning(What::Everything);
    let mut rng = ChaCha8Rng::seed_from_u64(context.seed);
    rng.set_stream(u64::from(block));
    let slices = measure.as_nanos().div_ceil(measurement.slice.as_nanos().max(1));
    let mut order: Vec<usize> = (0..contestants.len()).collect();
    for _ in 0..slices {
        order.shuffle(&mut rng);
        for index in &order {
            contestants[*index].turn();
        }
        if context.interrupted.load(Ordering::Relaxed) {
            break;
        }
    }
    let after = meters.read_at_end(What::Everything);
    let kept_back = core.and_then(|core| KeptBack::between(&before, &after, &[core]));
    let trial = |contestant: Contestant| CodecTrial {
        core,
        stolen: kept_back.map(|kept| kept.stolen),
        others: kept_back.and_then(|kept| kept.others),
        ..contestant.trial(measurement, block)
    };
    contestants.into_iter().map(trial).collect()
}

/// A format of a measurement, and what has been measured of it.
struct Contestant {
    format: Format,
    /// The codec, or why there is none.
    codec: Result<Box<dyn Codec>, String>,
    encode: Slices,
    decode: Slices,
}

impl Contestant {
    fn new(format: Format, exchange: Option<&Exchange>, slice: Duration) -> Self {
        // The plan has checked that there is an exchange.
        let codec = exchange.ok_or_else(|| "there is nothing to encode".to_owned());
        let codec = codec.and_then(|exchange| format.codec(exchange).map_err(|error| error.to_string()));
        Contestant { format, codec, encode: Slices::new(slice), decode: Slices::new(slice) }
    }

    /// Encodes and decodes for `length` each, without counting.
    fn warm_up(&mut self, length: Duration) {
        let Ok(codec) = &self.codec else { return };
        self.encode.warm_up(length, |times| codec.encode(times));
        self.decode.warm_up(length, |times| codec.decode(times));
    }

    /// Encodes for a slice, and decodes for another one.
    fn turn(&mut self) {
        let Ok(codec) = &self.codec else { return };
        self.encode.measure(|times| codec.encode(times));
        self.decode.measure(|times| codec.decode(times));
    }

    fn trial(self, measurement: &CodecMeasurement, block: u32) -> CodecTrial {
        let sizes = self.codec.as_ref().map_or([0; 2], |codec| codec.sizes());
        let [call_bytes, result_bytes] = sizes.map(|size| u64::try_from(size).unwrap_or(u64::MAX));
        let mut trial = CodecTrial {
            block,
            measurement: measurement.name.clone(),
            operation: measurement.operation,
            format: self.format,
            call_bytes,
            result_bytes,
            encode: self.encode.time(),
            decode: self.decode.time(),
            core: None,
            stolen: None,
            others: None,
            status: Status::Valid,
            audit: vec![],
        };
        if let Err(reason) = self.codec {
            trial.fail(reason);
        }
        trial
    }
}

/// The slices of a format in one direction.
struct Slices {
    /// The length of a slice.
    length: Duration,
    /// How many times a call and its result are encoded or decoded in a slice.
    times: u64,
    /// What one of these took in each slice, in nanoseconds.
    nanos: Vec<f64>,
}

impl Slices {
    fn new(length: Duration) -> Self {
        Slices { length, times: 1, nanos: vec![] }
    }

    /// Runs for `length`, and finds out how many times fill a slice. `run` encodes or decodes so many times.
    fn warm_up(&mut self, length: Duration, run: impl Fn(u64)) {
        let started = Instant::now();
        loop {
            let taken = elapsed(|| run(self.times));
            self.times = times_to_fill(self.length, self.times, taken);
            if taken >= self.length / 2 && started.elapsed() >= length {
                return;
            }
        }
    }

    /// Measures a slice. `run` encodes or decodes so many times.
    #[allow(clippy::cast_precision_loss)]
    fn measure(&mut self, run: impl Fn(u64)) {
        // The others have replaced what is in the caches.
        run(1);
        let taken = elapsed(|| run(self.times));
        self.nanos.push(taken.as_nanos() as f64 / self.times as f64);
    }

    /// What it takes, as far as it was measured.
    fn time(&self) -> Option<CodecTime> {
        let slices = u64::try_from(self.nanos.len()).unwrap_or(u64::MAX);
        let times = slices.saturating_mul(self.times);
        Some(CodecTime { ns: median(&self.nanos)?, slices, times })
    }
}

fn elapsed(run: impl FnOnce()) -> Duration {
    let started = Instant::now();
    run();
    started.elapsed()
}

/// How many times fill a slice of `length`, where `times` times took `taken`: at least once, and at most a hundred times as
/// often as before, since a short time is not exact.
fn times_to_fill(length: Duration, times: u64, taken: Duration) -> u64 {
    let [length, taken] = [length, taken].map(|time| time.as_nanos().max(1));
    let wanted = u128::from(times) * length / taken;
    u64::try_from(wanted.min(u128::from(times) * 100)).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_filled_by_what_a_shorter_run_took() {
        let ms = Duration::from_millis;
        assert_eq!(times_to_fill(ms(1), 1, Duration::from_micros(100)), 10);
        assert_eq!(times_to_fill(ms(1), 10, ms(2)), 5);
        // A message that takes longer than a slice is encoded once.
        assert_eq!(times_to_fill(ms(1), 1, ms(7)), 1);
        assert_eq!(times_to_fill(ms(1), 1, Duration::ZERO), 100);
        assert_eq!(times_to_fill(ms(1), u64::MAX, Duration::ZERO), u64::MAX);
    }

    #[test]
    fn the_figure_is_the_median_of_the_slices() {
        let mut slices =
            Slices { length: Duration::from_millis(1), times: 7, nanos: vec![10.0, 900.0, 12.0] };
        assert_eq!(slices.time(), Some(CodecTime { ns: 12.0, slices: 3, times: 21 }));
        slices.nanos.clear();
        assert_eq!(slices.time(), None);
    }

    #[test]
    fn a_slice_runs_once_before_it_is_measured() {
        let runs = std::cell::RefCell::new(vec![]);
        let mut slices = Slices { times: 5, ..Slices::new(Duration::from_millis(1)) };
        slices.measure(|times| runs.borrow_mut().push(times));
        assert_eq!((runs.into_inner(), slices.nanos.len()), (vec![1, 5], 1));
    }
}
