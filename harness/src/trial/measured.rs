//! The measurements of a trial.

use std::time::Instant;

use super::reading::{KeptBack, Reading};
use crate::load::Window;
use crate::observe::{InFlightSamples, Observation};
use crate::record::{Deliveries, Slices};
use crate::sys::UsageReading;

/// The measurements of one turn of a trial.
pub(super) struct MeasuredTurn {
    pub(super) observation: Observation,
    /// The window; `None` if the turn ended before it opened.
    pub(super) window: Option<Window>,
    /// The length of the window.
    pub(super) seconds: f64,
    /// The readings at the beginning and at the end of the window.
    pub(super) readings: Option<(Reading, Reading)>,
    /// The calls in flight.
    pub(super) samples: InFlightSamples,
    /// The calls that each of several servers executed in the window; empty for a single one.
    pub(super) server_calls: Vec<Option<u64>>,
}

impl MeasuredTurn {
    /// A turn that ended before its window opened.
    pub(super) fn without_window(observation: Observation) -> Self {
        let samples = InFlightSamples::default();
        MeasuredTurn {
            observation,
            window: None,
            seconds: 0.0,
            readings: None,
            samples,
            server_calls: vec![],
        }
    }

    /// The seconds from the beginning of the window until `last`, at least the length of the window; more in an open loop
    /// that was behind its schedule, or whose calls lasted beyond the window.
    fn seconds_until(&self, last: Option<Instant>) -> f64 {
        let is_open = self.observation.counts.slots > 0;
        let span = self
            .window
            .zip(last.filter(|_| is_open))
            .map(|(window, last)| last.saturating_duration_since(window.begin));
        span.unwrap_or_default().as_secs_f64().max(self.seconds)
    }
}

/// The measurements of a trial that came to its end: those of all its turns.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) observation: Observation,
    /// Whether the trial ended after a slice, before its window was complete.
    pub(super) was_cut_short: bool,
    /// Whether it was measured in one piece because its calls were too long for slices.
    pub(super) is_whole: bool,
    /// The number of turns that began.
    pub(super) turns: u32,
    /// When the first window opened.
    pub(super) first_window_at: Option<Instant>,
    /// The length of all windows.
    pub(super) seconds: f64,
    /// The same until the last call started.
    pub(super) seconds_until_last_start: f64,
    /// The same until the last call ended.
    pub(super) seconds_until_last_end: f64,
    /// The readings at the beginning and at the end of each window.
    pub(super) readings: Vec<(Reading, Reading)>,
    /// The figures of each turn.
    pub(super) slices: Slices,
    pub(super) samples: InFlightSamples,
    /// The calls that each of several servers executed; their trials are in one piece.
    pub(super) server_calls: Vec<Option<u64>>,
    /// Where the messages arrived that have no answer.
    pub(super) deliveries: Option<Deliveries>,
    /// What was kept back from this trial and those with which it took turns. `None` for a trial in one piece: it is then
    /// computed from the readings.
    pub(super) kept_back: Option<KeptBack>,
    /// Whether this run started every process of the trial, and read its CPU time.
    pub(super) is_complete: bool,
    /// Whether the processes of the trial never leave their one core idle, unless they are kept from running.
    pub(super) never_idle: bool,
    /// How the server ended, if it ended during the trial.
    pub(super) server_ended: Option<String>,
    /// The end of the server's log, if callers gave up.
    pub(super) server_log: String,
}

impl Measured {
    /// Adds a turn.
    pub(super) fn add(&mut self, turn: MeasuredTurn) {
        let last = turn.observation.last_call;
        self.seconds += turn.seconds;
        self.seconds_until_last_start += turn.seconds_until(last.map(|(started, _)| started));
        self.seconds_until_last_end += turn.seconds_until(last.map(|(_, ended)| ended));
        self.first_window_at = self.first_window_at.or(turn.window.map(|window| window.begin));
        self.add_slice(&turn);
        self.server_calls = turn.server_calls;
        self.readings.extend(turn.readings);
        self.samples.append(turn.samples);
        self.observation.generator_limit =
            self.observation.generator_limit.or(turn.observation.generator_limit);
        self.observation.merge(&turn.observation);
    }

    fn add_slice(&mut self, turn: &MeasuredTurn) {
        let latency = &turn.observation.latency;
        let cpu_ns = |process: fn(&Reading) -> Option<UsageReading>| {
            let (before, after) = turn.readings.as_ref()?;
            Some(process(after)?.usage.cpu_ns.saturating_sub(process(before)?.usage.cpu_ns))
        };
        self.slices.right.push(turn.observation.counts.right);
        self.slices.p50.push((!latency.is_empty()).then(|| latency.value_at_quantile(0.5)));
        self.slices.client_cpu_ns.push(cpu_ns(|reading| reading.client));
        self.slices.server_cpu_ns.push(cpu_ns(|reading| reading.server));
        self.slices.broker_cpu_ns.push(cpu_ns(|reading| reading.broker));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{Expectation, Timing};
    use calculator::Value;
    use calculator::conformance::Numbers;
    use std::time::Duration;

    /// A turn whose window opens `at_ms` after `start` for 20 ms, with a call that ends 5 ms after its end.
    fn turn(start: Instant, at_ms: u64, slots: u64) -> MeasuredTurn {
        let at = |ms| start + Duration::from_millis(ms);
        let window = Window { begin: at(at_ms), end: at(at_ms + 20) };
        let mut observation = Observation::default();
        let took = Duration::from_millis(7);
        let expected = Expectation::AnyResult;
        observation.record(Timing::closed(took), &Ok(Value::Null), &expected, Numbers::Exact);
        observation.counts.slots = slots;
        observation.last_call = Some((at(at_ms + 18), at(at_ms + 25)));
        MeasuredTurn { window: Some(window), seconds: 0.02, ..MeasuredTurn::without_window(observation) }
    }

    #[test]
    fn turns_add_up() {
        let start = Instant::now();
        let near = |value: f64, expected: f64| assert!((value - expected).abs() < 1e-9, "{value} {expected}");
        let mut closed = Measured::default();
        for at in [0, 500, 900] {
            closed.add(turn(start, at, 0));
        }
        assert_eq!(closed.observation.counts.right, 3);
        assert_eq!(closed.observation.latency.len(), 3);
        assert_eq!(closed.first_window_at, Some(start));
        near(closed.seconds, 0.06);
        near(closed.seconds_until_last_end, 0.06);
        // The calls of an open loop that end late count over a longer time.
        let mut open = Measured::default();
        for at in [0, 500] {
            open.add(turn(start, at, 1));
        }
        near(open.seconds_until_last_start, 0.04);
        near(open.seconds_until_last_end, 0.05);
    }

    #[test]
    fn a_turn_without_a_window_adds_its_outcomes_and_no_time() {
        let mut measured = Measured::default();
        measured
            .add(MeasuredTurn::without_window(Observation { callers_gave_up: 2, ..Observation::default() }));
        assert_eq!((measured.observation.callers_gave_up, measured.first_window_at), (2, None));
        assert_eq!((measured.seconds, measured.readings.len()), (0.0, 0));
    }
}
