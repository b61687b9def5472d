//! The phases of a trial: the warm-up, and the window in which calls are measured. The window opens as soon as latencies
//! have settled, within bounds.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::stats::find_shift;

/// The measured window: calls that start in `begin..end` are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first instant inside the window.
    pub begin: Instant,
    /// The first instant after the window.
    pub end: Instant,
}

impl Window {
    /// Whether `instant` lies in the window.
    #[must_use]
    pub fn contains(&self, instant: Instant) -> bool {
        (self.begin..self.end).contains(&instant)
    }
}

/// Number of intervals into which the shortest warm-up is divided. The last so many medians are tested for a change.
const INTERVALS: u32 = 20;
/// Minimum number of medians for the test: with fewer it cannot be significant.
const MIN_MEDIANS: usize = 12;
/// Maximum length of the warm-up, as a multiple of its shortest.
const MAX_WARMUP_FACTOR: u32 = 3;
/// The time between the decision to open the window and its opening, so that the thread that reads the processes' usage
/// is in time.
const OPENING_LEAD: Duration = Duration::from_millis(1);

/// Called once, as soon as it is known when the window opens.
pub type WindowCallback = Box<dyn FnOnce(Window) + Send>;

/// How long a trial makes calls before it measures them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmUp {
    /// At least this long and until latencies have settled, at most three times as long.
    Settle(Duration),
    /// At least this long, and until this many calls have ended: for a client and a server that were warm before, and were
    /// only interrupted.
    Again(Duration, u32),
    /// Between fixed instants, on which all load generators of a server have agreed.
    Agreed(AgreedTimes),
}

/// The phases of a trial on which several load generators have agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgreedTimes {
    /// When the warm-up starts, with the first call.
    pub warmup_start: Instant,
    /// When the measured window opens.
    pub window_start: Instant,
}

impl AgreedTimes {
    /// A trial that starts at `warmup_start`, with the longest warm-up that [`WarmUp::Settle`] allows for `warmup`.
    #[must_use]
    pub fn new(warmup_start: Instant, warmup: Duration) -> Self {
        AgreedTimes { warmup_start, window_start: warmup_start + warmup * MAX_WARMUP_FACTOR }
    }
}

/// The phases of a trial: first the warm-up, then the window.
pub(super) struct Phases {
    started_at: Instant,
    window: OnceLock<Window>,
    measure: Duration,
    warmup: Mutex<Progress>,
}

/// Progress of a warm-up.
struct Progress {
    started_at: Instant,
    /// The minimum length of the warm-up.
    length: Duration,
    /// When the window opens, if that was agreed.
    agreed_end: Option<Instant>,
    /// How many more calls must end before the window opens; only for [`WarmUp::Again`], which tests nothing.
    missing_calls: Option<u32>,
    /// Latencies of the current interval, in nanoseconds.
    latencies: Vec<u64>,
    /// Number of intervals that have ended.
    ended_intervals: u32,
    /// The medians of the last [`INTERVALS`] intervals in which a call ended.
    medians: Vec<f64>,
    settled: bool,
    on_window: Option<WindowCallback>,
}

impl Phases {
    /// Starts the warm-up `now`, or at the agreed time. Calls are then measured for `measure`.
    pub(super) fn new(now: Instant, warmup: WarmUp, measure: Duration, on_window: WindowCallback) -> Self {
        let (started_at, length, agreed_end) = match warmup {
            WarmUp::Settle(length) | WarmUp::Again(length, _) => (now, length, None),
            WarmUp::Agreed(AgreedTimes { warmup_start, window_start }) => {
                (warmup_start, (window_start - warmup_start) / MAX_WARMUP_FACTOR, Some(window_start))
            }
        };
        let mut progress = Progress {
            started_at,
            length,
            agreed_end,
            missing_calls: match warmup {
                WarmUp::Again(_, calls) => Some(calls),
                WarmUp::Settle(_) | WarmUp::Agreed(_) => None,
            },
            latencies: vec![],
            ended_intervals: 0,
            medians: vec![],
            settled: false,
            on_window: None,
        };
        // An agreed window is known already.
        if let Some(begin) = agreed_end {
            on_window(Window { begin, end: begin + measure });
        } else {
            progress.on_window = Some(on_window);
        }
        let phases = Phases { started_at, window: OnceLock::new(), measure, warmup: Mutex::new(progress) };
        phases.advance(now);
        phases
    }

    /// When the warm-up started.
    pub(super) fn started_at(&self) -> Instant {
        self.started_at
    }

    /// The window, once the end of the warm-up is known. It may lie in the future.
    pub(super) fn window(&self) -> Option<Window> {
        self.window.get().copied()
    }

    /// Whether a call that starts at `instant` is measured.
    pub(super) fn is_measured(&self, instant: Instant) -> bool {
        self.window().is_some_and(|window| window.contains(instant))
    }

    /// Whether the window has closed by `instant`.
    pub(super) fn is_over(&self, instant: Instant) -> bool {
        self.window().is_some_and(|window| instant >= window.end)
    }

    /// Whether latencies had settled when the window opened.
    pub(super) fn settled(&self) -> bool {
        self.warmup.lock().unwrap_or_else(PoisonError::into_inner).settled
    }

    /// Opens the window if the warm-up ends at `now`.
    pub(super) fn advance(&self, now: Instant) {
        if self.window().is_none() {
            self.update(now, None);
        }
    }

    /// Adds the latency of a call that ended at `now` to the warm-up, unless the window is already open.
    pub(super) fn call_ended(&self, now: Instant, latency: Duration) {
        if self.window().is_none() {
            self.update(now, Some(latency));
        }
    }

    fn update(&self, now: Instant, latency: Option<Duration>) {
        let mut warmup = self.warmup.lock().unwrap_or_else(PoisonError::into_inner);
        // Another caller may have opened the window meanwhile.
        if self.window().is_some() || !warmup.update(now, latency) {
            return;
        }
        let lead = if warmup.length.is_zero() { Duration::ZERO } else { OPENING_LEAD };
        let begin = warmup.agreed_end.unwrap_or(now + lead);
        let window = Window { begin, end: begin + self.measure };
        if let Some(on_window) = warmup.on_window.take() {
            on_window(window);
        }
        let _ = self.window.set(window);
    }
}

impl Progress {
    /// Advances to `now` and adds the `latency` of a call. Returns whether the warm-up is over.
    fn update(&mut self, now: Instant, latency: Option<Duration>) -> bool {
        let elapsed = now.saturating_duration_since(self.started_at);
        let interval = self.length / INTERVALS;
        let ended = elapsed.as_nanos().checked_div(interval.as_nanos());
        let ended = ended.map_or(u32::MAX, |ended| u32::try_from(ended).unwrap_or(u32::MAX));
        if ended > self.ended_intervals {
            self.ended_intervals = ended;
            self.close_interval();
        }
        if let Some(missing) = &mut self.missing_calls {
            *missing = missing.saturating_sub(u32::from(latency.is_some()));
            self.settled = elapsed >= self.length && *missing == 0;
            return self.settled;
        }
        if let Some(latency) = latency {
            self.latencies.push(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        }
        let is_early = match self.agreed_end {
            Some(end) => now + OPENING_LEAD < end,
            None => elapsed < self.length,
        };
        if is_early {
            return false;
        }
        // A warm-up of no length is settled by definition.
        self.settled = self.length.is_zero()
            || (self.medians.len() >= MIN_MEDIANS && find_shift(&self.medians).is_none());
        self.settled || self.agreed_end.is_some() || elapsed >= self.length * MAX_WARMUP_FACTOR
    }

    #[allow(clippy::cast_precision_loss)]
    fn close_interval(&mut self) {
        let middle = self.latencies.len() / 2;
        if middle < self.latencies.len() {
            let (_, median, _) = self.latencies.select_nth_unstable(middle);
            self.medians.push(*median as f64);
            let surplus = self.medians.len().saturating_sub(INTERVALS as usize);
            self.medians.drain(..surplus);
        }
        self.latencies.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Makes calls one after the other until the window opens; `latency` returns the latency of each. Returns the time
    /// until the window opened, and whether latencies had settled.
    fn warm_up(length: Duration, latency: impl Fn(u32) -> Duration) -> (Duration, bool) {
        let started_at = Instant::now();
        let (sender, receiver) = mpsc::channel();
        let on_window = Box::new(move |window: Window| sender.send(window).unwrap());
        let phases = Phases::new(started_at, WarmUp::Settle(length), Duration::from_secs(1), on_window);
        let mut now = started_at;
        for number in 0.. {
            if phases.window().is_some() {
                break;
            }
            assert!(!phases.is_measured(now) && !phases.is_over(now));
            now += latency(number);
            phases.call_ended(now, latency(number));
        }
        let window = receiver.try_recv().unwrap();
        assert_eq!(Some(window), phases.window());
        assert_eq!(window.end - window.begin, Duration::from_secs(1));
        assert!(
            phases.is_measured(window.begin) && !phases.is_measured(window.end) && phases.is_over(window.end)
        );
        (window.begin - started_at, phases.settled())
    }

    const LENGTH: Duration = Duration::from_millis(100);

    fn micros(micros: u32) -> Duration {
        Duration::from_micros(micros.into())
    }

    #[test]
    fn steady_latencies_end_the_warm_up_after_its_shortest_length() {
        let (after, settled) = warm_up(LENGTH, |number| micros(20 + number % 3));
        assert!(settled && after < LENGTH + 2 * OPENING_LEAD, "{after:?}");
    }

    #[test]
    fn a_slow_beginning_extends_the_warm_up() {
        // The first 60 ms are slow: it takes 160 ms or so until there is no change within the last 100 ms.
        let (after, settled) = warm_up(LENGTH, |number| micros(if number < 1_000 { 60 } else { 20 }));
        assert!(settled && after > Duration::from_millis(110), "{after:?}");
        assert!(after < Duration::from_millis(170), "{after:?}");
    }

    #[test]
    fn latencies_that_never_settle_are_reported() {
        let (after, settled) = warm_up(LENGTH, |number| micros(20 + number / 20));
        assert!(!settled);
        assert!(after >= 3 * LENGTH && after < 3 * LENGTH + 3 * OPENING_LEAD, "{after:?}");
    }

    #[test]
    fn a_few_long_calls_never_count_as_settled() {
        let (after, settled) = warm_up(LENGTH, |_| Duration::from_millis(70));
        assert!(!settled && after > 3 * LENGTH);
    }

    #[test]
    fn a_short_warm_up_ends_with_its_time_and_its_calls() {
        for (latency, after) in
            [(micros(100), LENGTH), (Duration::from_millis(70), Duration::from_millis(210))]
        {
            let now = Instant::now();
            let (sender, receiver) = mpsc::channel();
            let on_window = Box::new(move |window: Window| sender.send(window).unwrap());
            let phases = Phases::new(now, WarmUp::Again(LENGTH, 3), Duration::from_secs(1), on_window);
            let mut ended = now;
            while phases.window().is_none() {
                ended += latency;
                phases.call_ended(ended, latency);
            }
            assert_eq!(receiver.recv().unwrap().begin, now + after + OPENING_LEAD);
            assert!(phases.settled());
        }
    }

    #[test]
    fn an_agreed_window_is_reported_at_once_and_opens_at_the_agreed_time() {
        for (latency, settled) in [(micros(20), true), (Duration::from_millis(70), false)] {
            let now = Instant::now();
            let agreed = AgreedTimes::new(now + LENGTH, LENGTH);
            assert_eq!(agreed.window_start, now + 4 * LENGTH);
            let (sender, receiver) = mpsc::channel();
            let on_window = Box::new(move |window: Window| sender.send(window).unwrap());
            let phases = Phases::new(now, WarmUp::Agreed(agreed), LENGTH, on_window);
            let window = Window { begin: agreed.window_start, end: agreed.window_start + LENGTH };
            assert_eq!((receiver.try_recv(), phases.started_at()), (Ok(window), agreed.warmup_start));
            let mut ended = agreed.warmup_start;
            while ended < agreed.window_start {
                assert!(!phases.is_measured(ended) && !phases.is_over(ended));
                ended += latency;
                phases.call_ended(ended, latency);
            }
            assert!(
                !phases.is_measured(agreed.window_start - OPENING_LEAD)
                    && phases.is_measured(agreed.window_start)
            );
            assert_eq!((phases.window(), phases.settled()), (Some(window), settled));
        }
    }

    #[test]
    fn without_a_warm_up_the_window_opens_at_once() {
        assert_eq!(warm_up(Duration::ZERO, |_| LENGTH), (Duration::ZERO, true));
    }
}
