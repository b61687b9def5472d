//! A view of the trial under way, in the message of a run's bar: rate, response times, errors, and the last seconds as a sparkline.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use calculator::printable;
use indicatif::ProgressBar;

use crate::observe::{Live, LiveCalls, LiveEvent, LiveTrial};
use crate::record::Trial;
use crate::report::{decimals, thousands};
use crate::sys;

/// The time between two updates.
const TICK: Duration = Duration::from_secs(1);
/// The number of seconds in a sparkline.
const SPARKLINE_LENGTH: usize = 20;
/// The characters of a sparkline, the smallest value first.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Updates the message of a bar once a second, by a thread of this process.
///
/// The thread runs on the cores that the trial leaves free. Where the trial uses every core, it sleeps until the trial is over, and
/// nothing is shown meanwhile. Where the system chooses the cores of a trial, it chooses that of this thread, too. The CPU time of
/// the thread does not count as the client's, since it exists before a trial starts.
pub(super) struct LiveView {
    live: Arc<Live>,
    thread: JoinHandle<()>,
}

impl LiveView {
    /// Starts to update `bar`; `None` where the system refuses a thread.
    pub(super) fn start(bar: ProgressBar) -> Option<Self> {
        let live = Arc::new(Live::default());
        let cores = sys::allowed_cores();
        let shared = Arc::clone(&live);
        let thread = std::thread::Builder::new().spawn(move || show(&shared, &bar, &cores)).ok()?;
        Some(LiveView { live, thread })
    }

    /// Where callers publish their calls.
    pub(super) fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Ends the updates.
    pub(super) fn end(self) {
        self.live.close();
        let _ = self.thread.join();
    }
}

/// The figures of a trial that is over.
pub(super) fn of_trial(trial: &Trial) -> String {
    let name = format!("{} {}", trial.stack, trial.measurement);
    let quantile = |of: fn(&crate::record::Latency) -> Option<u64>| {
        trial.latency.as_ref().and_then(of).map(Duration::from_nanos)
    };
    let quantiles = [quantile(|latency| latency.p50), quantile(|latency| latency.p99)];
    line(&name, trial.throughput, quantiles, trial.counts.not_right())
}

fn show(live: &Live, bar: &ProgressBar, cores: &[usize]) {
    let mut shown: Option<LiveTrial> = None;
    let mut quantiles = VecDeque::new();
    loop {
        let is_drawn = shown.as_ref().is_some_and(|trial| find_core(trial, cores));
        match live.next(shown.as_ref(), is_drawn.then_some(TICK)) {
            LiveEvent::Closed => break,
            LiveEvent::Changed(trial) => {
                shown = trial;
                quantiles.clear();
                // Calls of the trial before.
                let _ = live.take();
            }
            LiveEvent::Tick => {
                let calls = live.take();
                quantiles.push_back(level_of(&calls));
                if quantiles.len() > SPARKLINE_LENGTH {
                    quantiles.pop_front();
                }
                if let Some(trial) = &shown {
                    bar.set_message(second(&trial.name, &calls, quantiles.make_contiguous()));
                }
            }
        }
    }
}

/// Moves this thread to the cores that `trial` leaves free of `cores`. Whether there is one, or the system chooses the cores.
fn find_core(trial: &LiveTrial, cores: &[usize]) -> bool {
    let free: Vec<usize> = cores.iter().copied().filter(|core| !trial.cores.contains(core)).collect();
    let is_moved = !free.is_empty() && sys::pin_current_thread(&free).is_ok();
    is_moved || trial.cores.is_empty()
}

/// The 99th percentile of a second in seconds; infinite if it falls among calls without a correct answer, absent without calls.
fn level_of(calls: &LiveCalls) -> Option<f64> {
    let has_calls = calls.right() + calls.not_right > 0;
    has_calls.then(|| calls.quantile(0.99).map_or(f64::INFINITY, |quantile| quantile.as_secs_f64()))
}

/// The figures of a second, and those of the last ones as a sparkline.
#[allow(clippy::cast_precision_loss, reason = "far below 2⁵³ calls")]
fn second(name: &str, calls: &LiveCalls, quantiles: &[Option<f64>]) -> String {
    let rate = calls.right() as f64 / TICK.as_secs_f64();
    let figures = line(name, rate, [calls.quantile(0.5), calls.quantile(0.99)], calls.not_right);
    format!("{figures}  {}", sparkline(quantiles))
}

fn line(name: &str, rate: f64, quantiles: [Option<Duration>; 2], not_right: u64) -> String {
    let [p50, p99] = quantiles.map(time);
    let errors = if not_right == 1 { "error" } else { "errors" };
    format!("{}: {}/s, p50 {p50}, p99 {p99}, {not_right} {errors}", printable(name), thousands(rate))
}

fn time(time: Option<Duration>) -> String {
    match time.map(|time| time.as_secs_f64()) {
        None => "–".to_owned(),
        Some(seconds) if seconds < 1e-3 => format!("{} µs", decimals(seconds * 1e6)),
        Some(seconds) if seconds < 1.0 => format!("{} ms", decimals(seconds * 1e3)),
        Some(seconds) => format!("{} s", decimals(seconds)),
    }
}

/// `values` as bars from 0 to the largest finite one; infinite ones are full, and absent ones blank.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the share is between 0 and 1"
)]
fn sparkline(values: &[Option<f64>]) -> String {
    let largest = values.iter().flatten().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let level = |value: &Option<f64>| match value {
        None => ' ',
        Some(value) if !value.is_finite() || largest <= 0.0 => LEVELS[LEVELS.len() - 1],
        Some(value) => {
            let steps = (LEVELS.len() - 1) as f64;
            LEVELS[((value / largest).clamp(0.0, 1.0) * steps).round() as usize]
        }
    };
    values.iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::CallOutcome;

    #[test]
    fn a_second_has_rate_response_times_errors_and_the_seconds_before() {
        let live = Live::default();
        for millis in 1..=98 {
            live.record(Duration::from_millis(millis), CallOutcome::Right);
        }
        live.record(Duration::from_secs(5), CallOutcome::TimedOut);
        let calls = live.take();
        let shown = second("rest ramp", &calls, &[Some(0.01), None, level_of(&calls)]);
        assert!(shown.starts_with("rest ramp: 98/s, p50 "), "{shown}");
        assert!(shown.contains(" ms, p99 –, 1 error  █ █"), "{shown}");
        let none = live.take();
        assert_eq!((level_of(&none), time(None)), (None, "–".to_owned()));
    }

    #[test]
    fn times_have_units_and_a_sparkline_begins_at_zero() {
        let shown = [850e-9, 12.3e-3, 2.5].map(|seconds| time(Some(Duration::from_secs_f64(seconds))));
        assert_eq!(shown, ["0.850 µs", "12.3 ms", "2.50 s"]);
        assert_eq!(sparkline(&[Some(0.0), Some(7.0), Some(3.5), None, Some(f64::INFINITY)]), "▁█▅ █");
        assert_eq!(sparkline(&[]), "");
    }

    #[test]
    fn a_trial_on_every_core_is_not_shown_while_it_is_measured() {
        let on = |cores: &[usize]| LiveTrial { name: String::new(), cores: cores.to_vec() };
        assert!(!find_core(&on(&[0, 1]), &[0, 1]));
    }

    #[test]
    fn the_thread_ends_with_the_view() {
        let view = LiveView::start(ProgressBar::hidden()).unwrap();
        let guard = view.live().begin(LiveTrial { name: "rest".to_owned(), cores: vec![] });
        drop(guard);
        view.end();
    }
}
