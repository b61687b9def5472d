//! Counts of calls by outcome.

use std::collections::BTreeMap;

use calculator::ErrorKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::outcome::CallOutcome;

/// The outcomes of a trial's calls. Every call is counted once: started = right + wrong + failed + timed out + unfinished.
/// In an open loop, slots = started + not sent; a slot is a scheduled send time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Scheduled send times of an open loop inside the measured window; 0 in a closed loop, which has no schedule.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub slots: u64,
    /// Scheduled calls that were not sent, because too many were in flight.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_sent: u64,
    /// Calls started inside the measured window; in an open loop, calls scheduled inside it.
    pub started: u64,
    /// Calls answered with the right value.
    pub right: u64,
    /// Calls answered with any other value.
    pub wrong: u64,
    /// Calls that ended with an error other than a timeout, by its kind.
    #[schemars(with = "BTreeMap<String, u64>")]
    pub failed: BTreeMap<ErrorKind, u64>,
    /// Calls without an answer at their deadline.
    pub timed_out: u64,
    /// Calls abandoned because the trial ended.
    pub unfinished: u64,
}

impl Counts {
    /// Counts one more call, which was started and ended as `outcome` says.
    pub fn add(&mut self, outcome: CallOutcome) {
        self.started += 1;
        match outcome {
            CallOutcome::Right => self.right += 1,
            CallOutcome::Wrong => self.wrong += 1,
            CallOutcome::TimedOut => self.timed_out += 1,
            CallOutcome::Failed(kind) => *self.failed.entry(kind).or_default() += 1,
        }
    }

    /// Whether the outcomes add up to the calls started, and, in an open loop, calls started and not sent add up to the
    /// slots.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        let sum = |parts: &[u64]| parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(*part));
        let slots = self.slots == 0 || Some(self.slots) == sum(&[self.started, self.not_sent]);
        let outcomes = [self.right, self.wrong, self.errors(), self.timed_out, self.unfinished];
        slots && Some(self.started) == sum(&outcomes)
    }

    /// Calls that ended with an error other than a timeout.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.failed.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Calls that did not get a correct answer, and scheduled calls that were not sent.
    #[must_use]
    pub fn not_right(&self) -> u64 {
        (self.started - self.right.min(self.started)).saturating_add(self.not_sent)
    }

    /// The sum of `all`.
    #[must_use]
    pub fn of<'a>(all: impl IntoIterator<Item = &'a Counts>) -> Self {
        let mut sum = Counts::default();
        all.into_iter().for_each(|counts| sum.merge(counts));
        sum
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Counts) {
        self.slots = self.slots.saturating_add(other.slots);
        self.not_sent = self.not_sent.saturating_add(other.not_sent);
        self.started = self.started.saturating_add(other.started);
        self.right = self.right.saturating_add(other.right);
        self.wrong = self.wrong.saturating_add(other.wrong);
        self.timed_out = self.timed_out.saturating_add(other.timed_out);
        self.unfinished = self.unfinished.saturating_add(other.unfinished);
        for (kind, count) in &other.failed {
            let failed = self.failed.entry(*kind).or_default();
            *failed = failed.saturating_add(*count);
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
