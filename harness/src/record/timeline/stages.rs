//! The calls of each stage of a timeline, and their response times over time.

use std::time::Instant;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::audit::lag_matters;
use super::super::histogram::{HistogramError, Latency};
use super::super::judgement::Status;
use super::times::{nanos, quantile, since};
use crate::load::{Ramp, Window};
use crate::observe::{CallOutcome, Counts, EndedCall};
use crate::stats::{
    MIN_CALLS_BEYOND, carries_quantile, growing_histogram, quantile_with_missing, record_duration,
};

/// The length of the shortest interval.
const SHORTEST_INTERVAL_NS: u64 = 1_000_000_000;
/// The largest number of intervals of a timeline.
const MAX_INTERVALS: u64 = 30;

/// The calls of a stage. Those of the timeline are the sum of those of its stages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageResult {
    /// Calls per second at its beginning.
    pub from: u32,
    /// Calls per second at its end.
    pub to: u32,
    /// How long it took, in nanoseconds.
    pub length_ns: u64,
    /// The outcomes of the calls that were scheduled in it.
    pub counts: Counts,
    /// The response times of these calls, from their scheduled send times on; absent if no call got a right answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// The schedule lag in nanoseconds, how late the load generator sent, that one call in 100 exceeds; in a stage of fewer than 1,000
    /// calls, that ten calls exceed, but at least the median.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_lag_ns: Option<u64>,
    /// Whether it counts.
    pub status: Status,
    /// Why it does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complaint: Option<String>,
}

/// The calls that were scheduled in an interval. All intervals but perhaps the last one are equally long: at least a second, and so
/// long that a timeline has at most 30.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimelineInterval {
    /// Its beginning, in nanoseconds from that of the timeline.
    pub from_ns: u64,
    /// Its end, in the same way.
    pub to_ns: u64,
    /// The calls that were scheduled.
    pub scheduled: u64,
    /// Those answered with the right value.
    pub right: u64,
    /// The median response time in nanoseconds; absent where it falls among calls without a right answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_ns: Option<u64>,
    /// The 99th percentile of the response times in nanoseconds; absent in the same case, and where fewer than ten calls are beyond
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_ns: Option<u64>,
    /// The longest response time of a right answer in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ns: Option<u64>,
}

impl StageResult {
    /// A stage with the rates of `ramp`, with nothing seen yet.
    #[must_use]
    pub fn new(ramp: Ramp) -> Self {
        StageResult {
            from: ramp.from,
            to: ramp.to,
            length_ns: nanos(ramp.length),
            counts: Counts::default(),
            latency: None,
            schedule_lag_ns: None,
            status: Status::Valid,
            complaint: None,
        }
    }

    /// Right answers per second of its length, whenever they arrived.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a timeline has at most a million calls")]
    pub fn rate(&self) -> f64 {
        self.counts.right as f64 / (self.length_ns as f64 / 1e9).max(f64::MIN_POSITIVE)
    }

    /// Checks what was seen. Errors do not make it invalid: what becomes of calls under this load is what it shows.
    pub(super) fn audit(&mut self) {
        let Counts { slots, started, right, wrong, not_sent, .. } = self.counts;
        let lag = self.schedule_lag_ns.unwrap_or(0);
        let response = self.latency.as_ref().and_then(|latency| latency.p99).unwrap_or(u64::MAX);
        let complaint = if !self.counts.is_conserved() {
            Some("the outcomes of its calls do not add up to those that were scheduled".to_owned())
        } else if wrong > 0 {
            Some(format!("{wrong} of {} answers were wrong", wrong + right))
        } else if not_sent > 0 {
            Some(format!("{not_sent} of {slots} calls were not sent: too many in flight"))
        } else if started > 0 && right == 0 {
            Some(format!("none of {started} calls was answered"))
        } else if lag_matters(lag, response) {
            let micros = lag / 1_000;
            Some(format!(
                "this machine cannot offer the rate: the load generator was {micros} µs late at p99"
            ))
        } else {
            None
        };
        if self.status == Status::Valid && complaint.is_some() {
            self.status = Status::Invalid;
            self.complaint = complaint;
        }
    }
}

/// What is seen of the calls of a stage.
struct Seen {
    counts: Counts,
    response: Histogram<u64>,
    lag: Histogram<u64>,
}

/// Enters into `stages`, the first of which began at `begin`, the calls that were scheduled at `slots` and those of them that were
/// made.
///
/// # Errors
/// When a histogram cannot be encoded.
pub(super) fn fill(
    stages: &mut [StageResult],
    begin: Instant,
    slots: &[Instant],
    calls: &[EndedCall],
) -> Result<(), HistogramError> {
    let mut end = 0;
    let ends: Vec<u64> = stages
        .iter()
        .map(|stage| {
            end += stage.length_ns;
            end
        })
        .collect();
    let last = stages.len().saturating_sub(1);
    let index = |slot: Instant| {
        let offset = since(begin, slot);
        ends.partition_point(|end| *end <= offset).min(last)
    };
    let new = |_: &StageResult| Seen {
        counts: Counts::default(),
        response: growing_histogram(),
        lag: growing_histogram(),
    };
    let mut seen: Vec<Seen> = stages.iter().map(new).collect();
    for slot in slots {
        if let Some(seen) = seen.get_mut(index(*slot)) {
            seen.counts.slots += 1;
        }
    }
    for call in calls {
        let Some(seen) = seen.get_mut(index(call.slot)) else { continue };
        seen.counts.add(call.outcome);
        record_duration(&mut seen.lag, call.lag);
        if call.outcome == CallOutcome::Right {
            record_duration(&mut seen.response, call.response);
        }
    }
    for (stage, Seen { mut counts, response, lag }) in stages.iter_mut().zip(seen) {
        counts.not_sent = counts.slots.saturating_sub(counts.started);
        stage.latency = Latency::new(&response, counts.not_right())?;
        stage.schedule_lag_ns = quantile_with_missing(&lag, 0, lag_quantile(lag.len()));
        stage.counts = counts;
    }
    Ok(())
}

/// The quantile of the schedule lags of `calls` calls by which they are judged: chance decides one that fewer than ten exceed.
#[allow(clippy::cast_precision_loss, reason = "a timeline has at most a million calls")]
fn lag_quantile(calls: u64) -> f64 {
    (1.0 - MIN_CALLS_BEYOND / (calls as f64).max(1.0)).clamp(0.5, 0.99)
}

/// The calls of a timeline in intervals.
#[allow(clippy::cast_precision_loss, reason = "a timeline has at most a million calls")]
pub(super) fn intervals(window: Window, slots: &[Instant], calls: &[EndedCall]) -> Vec<TimelineInterval> {
    let whole = since(window.begin, window.end);
    let seconds = whole.div_ceil(MAX_INTERVALS).div_ceil(SHORTEST_INTERVAL_NS).max(1);
    let length = seconds * SHORTEST_INTERVAL_NS;
    let interval = |index: u64| TimelineInterval {
        from_ns: index * length,
        to_ns: whole.min((index + 1) * length),
        ..TimelineInterval::default()
    };
    let mut intervals: Vec<_> = (0..whole.div_ceil(length)).map(interval).collect();
    let mut responses = vec![Vec::new(); intervals.len()];
    let index = |slot: Instant| usize::try_from(since(window.begin, slot) / length).unwrap_or(usize::MAX);
    for slot in slots {
        if let Some(interval) = intervals.get_mut(index(*slot)) {
            interval.scheduled += 1;
        }
    }
    for call in calls.iter().filter(|call| call.outcome == CallOutcome::Right) {
        if let Some(responses) = responses.get_mut(index(call.slot)) {
            responses.push(nanos(call.response));
        }
    }
    for (interval, mut responses) in intervals.iter_mut().zip(responses) {
        responses.sort_unstable();
        interval.right = responses.len() as u64;
        interval.max_ns = responses.last().copied();
        interval.p50_ns = quantile(&responses, interval.scheduled, 0.5);
        let carries = carries_quantile(interval.scheduled as f64, 0.99);
        interval.p99_ns = quantile(&responses, interval.scheduled, 0.99).filter(|_| carries);
    }
    intervals
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use calculator::ErrorKind;

    use super::*;

    const MS: u64 = 1_000_000;

    /// 2,000 calls, one each millisecond, of which the fourth part of the last second fails, and each takes as many microseconds as
    /// its number says.
    fn calls(begin: Instant) -> (Vec<Instant>, Vec<EndedCall>) {
        let slots: Vec<_> = (0..2_000).map(|number| begin + Duration::from_millis(number)).collect();
        let ended = |(number, slot): (u64, &Instant)| EndedCall {
            slot: *slot,
            response: Duration::from_micros(number),
            lag: Duration::from_micros(5),
            outcome: if number >= 1_750 {
                CallOutcome::Failed(ErrorKind::Internal)
            } else {
                CallOutcome::Right
            },
        };
        let calls = (0..).zip(&slots).map(ended).collect();
        (slots, calls)
    }

    fn stages(lengths_ms: [u64; 2]) -> Vec<StageResult> {
        let ramp = |ms| Ramp { from: 1_000, to: 1_000, length: Duration::from_millis(ms) };
        lengths_ms.map(|ms| StageResult::new(ramp(ms))).to_vec()
    }

    #[test]
    fn a_call_belongs_to_the_stage_of_its_scheduled_send_time() {
        let begin = Instant::now();
        let (slots, calls) = calls(begin);
        let mut stages = stages([1_500, 500]);
        fill(&mut stages, begin, &slots, &calls).unwrap();
        let counts: Vec<_> = stages.iter().map(|stage| (stage.counts.slots, stage.counts.right)).collect();
        assert_eq!(counts, [(1_500, 1_500), (500, 250)]);
        assert!(stages.iter().all(|stage| stage.counts.is_conserved()));
        let first = stages[0].latency.as_ref().unwrap();
        assert!(first.p50.unwrap().abs_diff(749_000) < 2_000 && first.max >= 1_499_000, "{first:?}");
        // Half of the calls of the second stage got no answer: the median is the last one that did.
        let second = stages[1].latency.as_ref().unwrap();
        assert!(second.p50.unwrap().abs_diff(1_749_000) < 2_000 && second.p90.is_none(), "{second:?}");
        assert!((stages[0].rate() - 1_000.0).abs() < 1e-9 && (stages[1].rate() - 500.0).abs() < 1e-9);
        stages.iter_mut().for_each(StageResult::audit);
        assert!(stages.iter().all(|stage| stage.status == Status::Valid));
    }

    #[test]
    fn a_stage_does_not_count_if_its_calls_were_not_made_as_scheduled() {
        let begin = Instant::now();
        let (slots, all) = calls(begin);
        let complaint = |slots: &[Instant], change: fn(&mut EndedCall), calls: usize| {
            let mut made = all[..calls].to_vec();
            made.iter_mut().for_each(change);
            let mut stages = stages([2_000, 1]);
            fill(&mut stages, begin, slots, &made).unwrap();
            stages[0].audit();
            stages[0].complaint.clone().unwrap_or_default()
        };
        assert_eq!(complaint(&slots, |_| (), 2_000), "");
        assert!(complaint(&slots, |_| (), 1_999).contains("1 of 2000 calls were not sent"));
        let late: fn(&mut EndedCall) = |call| {
            (call.lag, call.outcome) = (Duration::from_millis(9), CallOutcome::Right);
        };
        assert!(complaint(&slots, late, 2_000).contains("cannot offer the rate"));
        assert!(
            complaint(&slots, |call| call.outcome = CallOutcome::TimedOut, 2_000)
                .contains("none of 2000 calls")
        );
        assert!(
            complaint(&slots, |call| call.outcome = CallOutcome::Wrong, 2_000)
                .contains("2000 of 2000 answers were wrong")
        );
    }

    #[test]
    fn a_few_late_calls_of_a_short_stage_are_chance() {
        let begin = Instant::now();
        let (slots, all) = calls(begin);
        let lag_of = |late: usize| {
            let mut made = all[..100].to_vec();
            made[..late].iter_mut().for_each(|call| call.lag = Duration::from_millis(9));
            let mut stages = stages([100, 1]);
            fill(&mut stages, begin, &slots[..100], &made).unwrap();
            stages[0].audit();
            (stages[0].schedule_lag_ns.unwrap() / MS, stages[0].status)
        };
        assert_eq!(lag_of(10), (0, Status::Valid));
        assert_eq!(lag_of(11), (9, Status::Invalid));
    }

    #[test]
    fn intervals_last_a_second_and_show_a_quantile_that_enough_calls_carry() {
        let begin = Instant::now();
        let (slots, calls) = calls(begin);
        let window = Window { begin, end: begin + Duration::from_millis(2_500) };
        let found = intervals(window, &slots, &calls);
        let edges: Vec<_> =
            found.iter().map(|it| (it.from_ns / MS, it.to_ns / MS, it.scheduled, it.right)).collect();
        assert_eq!(edges, [(0, 1_000, 1_000, 1_000), (1_000, 2_000, 1_000, 750), (2_000, 2_500, 0, 0)]);
        assert_eq!(
            (found[0].p50_ns, found[0].p99_ns, found[0].max_ns),
            (Some(499_000), Some(989_000), Some(999_000))
        );
        assert_eq!((found[1].p50_ns, found[1].p99_ns), (Some(1_499_000), None));
        assert_eq!(found[2].p50_ns, None);
        // 999 calls do not carry a 99th percentile.
        let fewer = intervals(window, &slots[1..], &calls[1..]);
        assert_eq!(fewer[0].p99_ns, None);
        // A long timeline has longer ones.
        let long = Window { begin, end: begin + Duration::from_secs(100) };
        assert_eq!(
            (intervals(long, &slots, &calls).len(), intervals(long, &slots, &calls)[0].to_ns),
            (25, 4_000 * MS)
        );
    }
}
