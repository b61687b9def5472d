//! The warm-up, and when calls begin to count: as soon as the latencies have settled, within bounds.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::stats::find_shift;

/// When calls count: those that start in `begin..end`. Earlier ones warm up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first instant that counts.
    pub begin: Instant,
    /// The first instant that does not count any more.
    pub end: Instant,
}

impl Window {
    /// Whether what begins at `moment` counts.
    #[must_use]
    pub fn holds(&self, moment: Instant) -> bool {
        (self.begin..self.end).contains(&moment)
    }
}

/// Into how many intervals the warm-up is cut; so many medians are looked at.
const INTERVALS: u32 = 20;
/// The fewest medians that a change can be seen in.
const FEWEST: usize = 12;
/// How many times its length the warm-up may take at most.
const LONGEST: u32 = 3;
/// From the decision to the first call that counts, so that whoever observes the processes is there in time.
const LEAD: Duration = Duration::from_millis(1);

/// Told when the window opens.
pub type Opened = Box<dyn FnOnce(Window) + Send>;

/// How long calls are made before they count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmUp {
    /// So long at least, and until the latencies have settled; three times as long at most.
    Settle(Duration),
    /// As was agreed with others who call the same server.
    Agreed(Agreed),
}

/// When the calls of a trial begin and when they begin to count, where several load generators have agreed on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The first call.
    pub from: Instant,
    /// The first call that counts.
    pub until: Instant,
}

impl Agreed {
    /// From `from` on, with the longest warm-up that one of `length` may take.
    #[must_use]
    pub fn new(from: Instant, length: Duration) -> Self {
        Agreed { from, until: from + length * LONGEST }
    }
}

/// A trial's time: first the warm-up, then the window.
pub(super) struct Stage {
    began: Instant,
    window: OnceLock<Window>,
    measure: Duration,
    warmup: Mutex<Progress>,
}

/// How far a warm-up has come.
struct Progress {
    began: Instant,
    /// The least that it takes where nothing was agreed.
    length: Duration,
    /// When the window opens, where that was agreed.
    agreed: Option<Instant>,
    /// The latencies of the interval that is on.
    latencies: Vec<u64>,
    /// How many intervals have ended.
    ended: u32,
    /// The medians of the last [`INTERVALS`] intervals in which a call ended.
    medians: Vec<f64>,
    settled: bool,
    opened: Option<Opened>,
}

impl Stage {
    /// The warm-up begins `now`, or when it was agreed to; calls then count for `measure`.
    pub(super) fn new(now: Instant, warmup: WarmUp, measure: Duration, opened: Opened) -> Self {
        let (began, length, agreed) = match warmup {
            WarmUp::Settle(length) => (now, length, None),
            WarmUp::Agreed(Agreed { from, until }) => (from, (until - from) / LONGEST, Some(until)),
        };
        let mut progress = Progress {
            began,
            length,
            agreed,
            latencies: vec![],
            ended: 0,
            medians: vec![],
            settled: false,
            opened: None,
        };
        // Whoever observes the processes need not wait for a call to end to hear of what is known.
        if let Some(begin) = agreed {
            opened(Window { begin, end: begin + measure });
        } else {
            progress.opened = Some(opened);
        }
        let stage = Stage { began, window: OnceLock::new(), measure, warmup: Mutex::new(progress) };
        stage.at(now);
        stage
    }

    /// When the warm-up began.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// The window, once it is known. It may not have begun.
    pub(super) fn window(&self) -> Option<Window> {
        self.window.get().copied()
    }

    /// Whether a call that begins at `moment` counts.
    pub(super) fn counts(&self, moment: Instant) -> bool {
        self.window().is_some_and(|window| window.holds(moment))
    }

    /// Whether no call that begins at `moment` or later counts.
    pub(super) fn is_over(&self, moment: Instant) -> bool {
        self.window().is_some_and(|window| moment >= window.end)
    }

    /// Whether the latencies had settled when the window opened.
    pub(super) fn settled(&self) -> bool {
        self.warmup.lock().unwrap_or_else(PoisonError::into_inner).settled
    }

    /// Takes note of the time, and opens the window where it is time to.
    pub(super) fn at(&self, now: Instant) {
        if self.window().is_none() {
            self.note(now, None);
        }
    }

    /// Takes note of a call that `took` so long and has ended `now`, while no window is open.
    pub(super) fn ended(&self, now: Instant, took: Duration) {
        if self.window().is_none() {
            self.note(now, Some(took));
        }
    }

    fn note(&self, now: Instant, took: Option<Duration>) {
        let mut warmup = self.warmup.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have opened the window since it was looked for.
        if self.window().is_some() || !warmup.is_over(now, took) {
            return;
        }
        let soon = now + if warmup.length.is_zero() { Duration::ZERO } else { LEAD };
        let begin = warmup.agreed.unwrap_or(soon);
        let window = Window { begin, end: begin + self.measure };
        if let Some(opened) = warmup.opened.take() {
            opened(window);
        }
        let _ = self.window.set(window);
    }
}

impl Progress {
    /// Takes note of the time and of a call that `took` so long; whether this ends the warm-up.
    fn is_over(&mut self, now: Instant, took: Option<Duration>) -> bool {
        let elapsed = now.saturating_duration_since(self.began);
        let interval = self.length / INTERVALS;
        let ended = elapsed.as_nanos().checked_div(interval.as_nanos());
        let ended = ended.map_or(u32::MAX, |ended| u32::try_from(ended).unwrap_or(u32::MAX));
        if ended > self.ended {
            self.ended = ended;
            self.close_interval();
        }
        if let Some(took) = took {
            self.latencies.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
        let is_early = match self.agreed {
            Some(until) => now + LEAD < until,
            None => elapsed < self.length,
        };
        if is_early {
            return false;
        }
        // Where there is nothing to warm up, there is nothing to settle.
        self.settled =
            self.length.is_zero() || (self.medians.len() >= FEWEST && find_shift(&self.medians).is_none());
        self.settled || self.agreed.is_some() || elapsed >= self.length * LONGEST
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

    /// Calls of a length that follows from their number, one after the other, until the window opens: after how long
    /// it does, and whether the latencies had settled.
    fn warm_up(length: Duration, took: impl Fn(u32) -> Duration) -> (Duration, bool) {
        let began = Instant::now();
        let (sender, receiver) = mpsc::channel();
        let opened = Box::new(move |window: Window| sender.send(window).unwrap());
        let stage = Stage::new(began, WarmUp::Settle(length), Duration::from_secs(1), opened);
        let mut now = began;
        for number in 0.. {
            if stage.window().is_some() {
                break;
            }
            assert!(!stage.counts(now) && !stage.is_over(now));
            now += took(number);
            stage.ended(now, took(number));
        }
        let window = receiver.try_recv().unwrap();
        assert_eq!(Some(window), stage.window());
        assert_eq!(window.end - window.begin, Duration::from_secs(1));
        assert!(stage.counts(window.begin) && !stage.counts(window.end) && stage.is_over(window.end));
        (window.begin - began, stage.settled())
    }

    const LENGTH: Duration = Duration::from_millis(100);

    fn micros(micros: u32) -> Duration {
        Duration::from_micros(micros.into())
    }

    #[test]
    fn steady_calls_count_after_the_shortest_warm_up() {
        let (after, settled) = warm_up(LENGTH, |number| micros(20 + number % 3));
        assert!(settled && after < LENGTH + 2 * LEAD, "{after:?}");
    }

    #[test]
    fn a_slow_beginning_is_waited_out() {
        // The first 60 ms are slow: within the last 100 ms there is no change any more only after 160 ms or so.
        let (after, settled) = warm_up(LENGTH, |number| micros(if number < 1_000 { 60 } else { 20 }));
        assert!(settled && after > Duration::from_millis(110), "{after:?}");
        assert!(after < Duration::from_millis(170), "{after:?}");
    }

    #[test]
    fn what_never_settles_is_told() {
        let (after, settled) = warm_up(LENGTH, |number| micros(20 + number / 20));
        assert!(!settled);
        assert!(after >= 3 * LENGTH && after < 3 * LENGTH + 3 * LEAD, "{after:?}");
    }

    #[test]
    fn a_few_long_calls_are_too_few_to_tell() {
        let (after, settled) = warm_up(LENGTH, |_| Duration::from_millis(70));
        assert!(!settled && after > 3 * LENGTH);
    }

    #[test]
    fn an_agreed_window_opens_when_it_was_agreed_to_and_is_told_at_once() {
        for (took, settled) in [(micros(20), true), (Duration::from_millis(70), false)] {
            let now = Instant::now();
            let agreed = Agreed::new(now + LENGTH, LENGTH);
            assert_eq!(agreed.until, now + 4 * LENGTH);
            let (sender, receiver) = mpsc::channel();
            let opened = Box::new(move |window: Window| sender.send(window).unwrap());
            let stage = Stage::new(now, WarmUp::Agreed(agreed), LENGTH, opened);
            let window = Window { begin: agreed.until, end: agreed.until + LENGTH };
            assert_eq!((receiver.try_recv(), stage.began()), (Ok(window), agreed.from));
            let mut ended = agreed.from;
            while ended < agreed.until {
                assert!(!stage.counts(ended) && !stage.is_over(ended));
                ended += took;
                stage.ended(ended, took);
            }
            assert!(!stage.counts(agreed.until - LEAD) && stage.counts(agreed.until));
            assert_eq!((stage.window(), stage.settled()), (Some(window), settled));
        }
    }

    #[test]
    fn without_a_warm_up_the_window_is_open_at_once() {
        assert_eq!(warm_up(Duration::ZERO, |_| LENGTH), (Duration::ZERO, true));
    }
}
