//! The outcome of a timeline: what became of the calls while servers ended and started.

mod answers;
mod stages;
mod times;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use calculator::ErrorKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::stages::{StageResult, TimelineInterval};
use self::times::{median, nanos, since};
use super::contention::MAX_TAKEN_SHARE;
use super::judgement::Status;
use super::operations::OperationPart;
use super::servers::ServerCalls;
use crate::deploy::Cores;
use crate::load::{OwnName, Window};
use crate::observe::{CallOutcome, Counts, EndedCall, Observation};
use crate::scenario::{Action, Contention, Timeline, TimelineEvent, TrialSpec};

/// The length of a bin.
pub const BIN_LENGTH: Duration = Duration::from_millis(100);
/// The number of bins in a row that must be level.
const LEVEL_BINS: usize = 10;
/// The largest median response time of a level bin, as a multiple of the median before the first event.
const LEVEL_FACTOR: u64 = 2;

/// The outcome of a timeline for one stack in one block.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimelineResult {
    /// The timeline of the scenario that it belongs to.
    pub timeline: String,
    /// The stack.
    pub stack: String,
    /// The block, from 0.
    pub block: u32,
    /// The start in seconds since the start of the run.
    pub at_seconds: f64,
    /// The number of connections.
    pub connections: u32,
    /// The cores on which client and servers ran; empty where they were free.
    pub cores: Cores,
    /// Whether cores that would idle were kept awake until the end.
    pub warm: bool,
    /// The events, in the order in which they happened.
    pub events: Vec<EventTimes>,
    /// Every server, those that were added last.
    pub servers: Vec<ServerCalls>,
    /// What became of the calls, by their scheduled send times: one entry for each 100 ms.
    pub bins: Vec<TimelineBin>,
    /// The median response time of the calls that were scheduled before the first event, in nanoseconds; absent where it
    /// falls among calls without a right answer.
    pub median_before_ns: Option<u64>,
    /// The 99th percentile of the schedule lag in nanoseconds: how late the load generator sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_lag_p99_ns: Option<u64>,
    /// The stages, in order; empty where the rate was fixed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageResult>,
    /// The calls in intervals of at least a second, where there are stages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intervals: Vec<TimelineInterval>,
    /// The calls of each operation of a mix; empty where all calls were of one operation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationPart>,
    /// The share of the time of the cores in use that the hypervisor kept from them; absent where the system does not report
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stolen: Option<f64>,
    /// Whether it counts.
    pub status: Status,
    /// Why it does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complaint: Option<String>,
}

/// When an event really happened, in nanoseconds from the beginning of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventTimes {
    /// What happened.
    pub action: Action,
    /// When it was to happen.
    pub planned_ns: u64,
    /// When it began: the server was about to be killed, or its process to be started.
    pub began_ns: u64,
    /// When it was done: the process had ended, the server listened, or the broker completed a handshake.
    pub done_ns: u64,
}

/// What became of the calls that were scheduled in one bin.
/// scheduled = right + wrong + failed + timed out + not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimelineBin {
    /// The calls that were scheduled.
    pub scheduled: u64,
    /// The right answers that arrived in the time of the bin, whenever their calls were scheduled. Those that arrived after the
    /// timeline are in no bin. Absent in a last bin that is shorter than the others, and in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<u64>,
    /// Those answered with the right value.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub right: u64,
    /// Those of the right ones that were scheduled while no server ran, or no broker, and answered after one was started.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late: u64,
    /// Those answered with another value.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub wrong: u64,
    /// Those that ended with an error other than a timeout, by its kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, u64>")]
    pub failed: BTreeMap<ErrorKind, u64>,
    /// Those without an answer at their deadline.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timed_out: u64,
    /// Those that were not sent, because too many were in flight.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_sent: u64,
    /// The median response time in nanoseconds; absent where it falls among calls without a right answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_ns: Option<u64>,
    /// The longest response time of a right answer in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ns: Option<u64>,
}

/// A time in which calls could not be executed, in nanoseconds from the beginning of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When the last server, or the broker, was about to end.
    pub from_ns: u64,
    /// When one was about to start again; `None` if none was.
    pub restart_ns: Option<u64>,
    /// When one ran again; `None` if none did.
    pub to_ns: Option<u64>,
}

/// What was seen of a timeline.
pub struct TimelineObservation {
    /// The window in which its calls were scheduled.
    pub window: Window,
    /// The calls.
    pub observation: Observation,
    /// The events.
    pub events: Vec<EventTimes>,
    /// The calls that each server executed.
    pub server_calls: Vec<Option<u64>>,
    /// The operations of one's own that were called.
    pub operations: Vec<OwnName>,
}

impl EventTimes {
    /// The times of `event` in a timeline that began at `start`.
    #[must_use]
    pub fn new(event: TimelineEvent, start: Instant, began: Instant, done: Instant) -> Self {
        EventTimes {
            action: event.action,
            planned_ns: nanos(event.at),
            began_ns: since(start, began),
            done_ns: since(start, done),
        }
    }
}

impl TimelineBin {
    /// The calls that ended with an error other than a timeout.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Whether the outcomes add up to the calls that were scheduled.
    fn is_conserved(&self) -> bool {
        let outcomes = [self.right, self.wrong, self.failures(), self.timed_out, self.not_sent];
        let sum = outcomes.iter().try_fold(0_u64, |sum, part| sum.checked_add(*part));
        sum == Some(self.scheduled) && self.late <= self.right
    }

    /// Whether every call was answered rightly, and half of them within `bound_ns`.
    fn is_level(&self, bound_ns: u64) -> bool {
        let is_fast = self.p50_ns.is_some_and(|p50| p50 <= bound_ns);
        self.right == self.scheduled && (is_fast || self.scheduled == 0)
    }
}

impl TimelineResult {
    /// The outcome of `timeline` for the calls of `spec` in `block`, with nothing seen yet.
    #[must_use]
    pub fn new(timeline: &Timeline, spec: &TrialSpec, block: u32) -> Self {
        TimelineResult {
            timeline: timeline.name.clone(),
            stack: spec.stack.name.to_owned(),
            block,
            at_seconds: 0.0,
            connections: spec.connections.get(),
            cores: spec.cores.clone(),
            warm: false,
            events: vec![],
            servers: vec![],
            bins: vec![],
            median_before_ns: None,
            schedule_lag_p99_ns: None,
            stages: timeline.ramps().into_iter().map(StageResult::new).collect(),
            intervals: vec![],
            operations: vec![],
            stolen: None,
            status: Status::Valid,
            complaint: None,
        }
    }

    /// Enters what was seen.
    pub fn fill(&mut self, seen: TimelineObservation) {
        let TimelineObservation { window, observation, events, server_calls, operations } = seen;
        self.events = events;
        self.servers = server_calls.into_iter().map(|calls| ServerCalls { calls }).collect();
        self.bins = bins(window, &observation.slots, &observation.calls, &self.outages());
        self.median_before_ns = self.events.first().and_then(|first| {
            let before = |slot: &Instant| since(window.begin, *slot) < first.began_ns;
            let scheduled = observation.slots.iter().filter(|slot| before(slot)).count() as u64;
            let calls = observation.calls.iter().filter(|call| before(&call.slot));
            median(calls.filter_map(right_response).collect(), scheduled)
        });
        let lag = &observation.schedule_lag;
        self.schedule_lag_p99_ns = (!lag.is_empty()).then(|| lag.value_at_quantile(0.99));
        if !self.stages.is_empty() {
            self.intervals = stages::intervals(window, &observation.slots, &observation.calls);
        }
        let parts = OperationPart::all(&operations, &observation.parts);
        let filled = stages::fill(&mut self.stages, window.begin, &observation.slots, &observation.calls);
        match filled.and(parts) {
            Ok(parts) => self.operations = parts,
            Err(error) => self.fail(error.to_string()),
        }
    }

    /// Marks it as failed for the reason `complaint`.
    pub fn fail(&mut self, complaint: String) {
        self.status = Status::Failed;
        self.complaint = Some(complaint);
    }

    /// Checks what was seen. `contention` is what becomes of timelines that the hypervisor has held up.
    pub fn audit(&mut self, contention: Contention) {
        let taken = self.stolen.filter(|_| contention == Contention::Reject).unwrap_or(0.0);
        let held_up = (taken > MAX_TAKEN_SHARE).then(|| {
            format!("the hypervisor kept {:.0} % of the cores' time from this machine", 100.0 * taken)
        });
        let of_calls = if self.stages.is_empty() { self.unusable_calls() } else { self.unusable_stages() };
        let complaint = self.contradiction().or(of_calls).or(held_up);
        if self.status == Status::Valid && complaint.is_some() {
            self.status = Status::Invalid;
            self.complaint = complaint;
        }
    }

    /// What does not add up.
    fn contradiction(&self) -> Option<String> {
        let counts = self.counts();
        let answered = self.bins.iter().filter_map(|bin| bin.answered).fold(0, u64::saturating_add);
        let of_stages = Counts::of(self.stages.iter().map(|stage| &stage.counts));
        if !self.bins.iter().all(TimelineBin::is_conserved) {
            Some("the outcomes of the calls do not add up to those that were scheduled".to_owned())
        } else if answered > counts.right {
            Some(format!("{answered} right answers arrived, but {} calls got one", counts.right))
        } else if !self.stages.is_empty() && of_stages != counts {
            Some("the calls of the stages do not add up to those of the timeline".to_owned())
        } else {
            None
        }
    }

    /// Why calls at a fixed rate do not count.
    fn unusable_calls(&self) -> Option<String> {
        let counts = self.counts();
        if counts.wrong > 0 {
            Some(format!("{} of {} answers were wrong", counts.wrong, counts.wrong + counts.right))
        } else if counts.not_sent > 0 {
            Some(format!("{} of {} calls were not sent: too many in flight", counts.not_sent, counts.slots))
        } else {
            None
        }
    }

    /// Checks the stages. Why none of them counts.
    fn unusable_stages(&mut self) -> Option<String> {
        self.stages.iter_mut().for_each(StageResult::audit);
        let has_valid = self.stages.iter().any(|stage| stage.status == Status::Valid);
        let first = self.stages.iter().find_map(|stage| stage.complaint.clone());
        first.filter(|_| !has_valid)
    }

    /// Whether it counts, and all of its stages do.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.status == Status::Valid && self.stages.iter().all(|stage| stage.status == Status::Valid)
    }

    /// The outcomes of all calls.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut all = Counts::default();
        for bin in &self.bins {
            all.merge(&Counts {
                slots: bin.scheduled,
                not_sent: bin.not_sent,
                started: bin.scheduled.saturating_sub(bin.not_sent),
                right: bin.right,
                wrong: bin.wrong,
                failed: bin.failed.clone(),
                timed_out: bin.timed_out,
                unfinished: 0,
            });
        }
        all
    }

    /// The calls that got no right answer: they failed, timed out or were not sent.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.counts().not_right()
    }

    /// The calls that were scheduled while no server ran, or no broker, and answered rightly after one was started.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.bins.iter().fold(0, |sum, bin| sum.saturating_add(bin.late))
    }

    /// The calls that all servers executed; `None` where one does not report it.
    #[must_use]
    pub fn executed(&self) -> Option<u64> {
        self.servers.iter().try_fold(0_u64, |sum, server| Some(sum.saturating_add(server.calls?)))
    }

    /// The times in which no server ran, or no broker.
    #[must_use]
    pub fn outages(&self) -> Vec<Outage> {
        let added = self.events.iter().filter(|event| event.action == Action::AddServer).count();
        let mut running = self.servers.len().saturating_sub(added);
        let mut has_broker = true;
        let mut outages: Vec<Outage> = Vec::new();
        for event in &self.events {
            let was_away = running == 0 || !has_broker;
            match event.action {
                Action::KillServer | Action::StopServer => running = running.saturating_sub(1),
                Action::StartServer | Action::AddServer => running += 1,
                Action::KillBroker => has_broker = false,
                Action::StartBroker => has_broker = true,
            }
            match (was_away, running == 0 || !has_broker) {
                (false, true) => {
                    outages.push(Outage { from_ns: event.began_ns, restart_ns: None, to_ns: None });
                }
                (true, false) => {
                    if let Some(last) = outages.last_mut() {
                        (last.restart_ns, last.to_ns) = (Some(event.began_ns), Some(event.done_ns));
                    }
                }
                _ => {}
            }
        }
        outages
    }

    /// The time in nanoseconds until calls were level again: from the beginning of the last event that starts something to
    /// the first bin from which on ten bins in a row (one second) are level. A bin is level if every call that was scheduled
    /// in it got the right answer, and half of them did so within twice the median response time before the first event.
    /// `None` if there is no such event, no such bin, or no such median.
    #[must_use]
    pub fn level_again_ns(&self) -> Option<u64> {
        let start = self.events.iter().rfind(|event| event.action.is_start())?.began_ns;
        let bound = self.median_before_ns?.saturating_mul(LEVEL_FACTOR);
        let bin = nanos(BIN_LENGTH);
        let first = usize::try_from(start / bin).ok()?;
        let is_level = |bins: &[TimelineBin]| bins.iter().all(|bin| bin.is_level(bound));
        let found = self.bins.get(first..)?.windows(LEVEL_BINS).position(is_level)?;
        Some((u64::try_from(first + found).ok()? * bin).saturating_sub(start))
    }
}

/// The calls of a timeline by their scheduled send times.
fn bins(window: Window, slots: &[Instant], calls: &[EndedCall], outages: &[Outage]) -> Vec<TimelineBin> {
    let length = nanos(BIN_LENGTH);
    let count = since(window.begin, window.end).div_ceil(length);
    let mut bins = vec![TimelineBin::default(); usize::try_from(count).unwrap_or(usize::MAX)];
    let whole = usize::try_from(since(window.begin, window.end) / length).unwrap_or(usize::MAX);
    bins.iter_mut().take(whole).for_each(|bin| bin.answered = Some(0));
    let mut responses = vec![Vec::new(); bins.len()];
    let index =
        |instant: Instant| usize::try_from(since(window.begin, instant) / length).unwrap_or(usize::MAX);
    for slot in slots {
        if let Some(bin) = bins.get_mut(index(*slot)) {
            bin.scheduled += 1;
            bin.not_sent += 1;
        }
    }
    for call in calls.iter().filter(|call| call.outcome == CallOutcome::Right) {
        if let Some(answered) =
            bins.get_mut(index(call.slot + call.response)).and_then(|bin| bin.answered.as_mut())
        {
            *answered += 1;
        }
    }
    for call in calls {
        let Some(bin) = bins.get_mut(index(call.slot)) else { continue };
        bin.not_sent = bin.not_sent.saturating_sub(1);
        match call.outcome {
            CallOutcome::Right => {
                bin.right += 1;
                bin.late += u64::from(is_late(since(window.begin, call.slot), nanos(call.response), outages));
                responses[index(call.slot)].push(nanos(call.response));
            }
            CallOutcome::Wrong => bin.wrong += 1,
            CallOutcome::Failed(kind) => *bin.failed.entry(kind).or_default() += 1,
            CallOutcome::TimedOut => bin.timed_out += 1,
        }
    }
    for (bin, responses) in bins.iter_mut().zip(responses) {
        bin.max_ns = responses.iter().copied().max();
        bin.p50_ns = median(responses, bin.scheduled);
    }
    bins
}

/// Whether a call that was scheduled `slot_ns` from the beginning, and took `response_ns`, was scheduled in one of `outages`
/// before a start was made to end it, and answered after that.
fn is_late(slot_ns: u64, response_ns: u64, outages: &[Outage]) -> bool {
    outages.iter().any(|outage| {
        let restart = outage.restart_ns.unwrap_or(u64::MAX);
        (outage.from_ns..restart).contains(&slot_ns) && slot_ns.saturating_add(response_ns) >= restart
    })
}

/// The response time in nanoseconds of a call that got the right answer.
fn right_response(call: &EndedCall) -> Option<u64> {
    (call.outcome == CallOutcome::Right).then(|| nanos(call.response))
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests;
