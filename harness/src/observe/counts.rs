//! Counts of calls by outcome.

use std::collections::BTreeMap;

use calculator::ErrorKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Whether the outcomes add up to the calls started, and, in an open loop, calls started and not sent add up to the
    /// slots.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        let slots = self.slots == 0 || self.slots == self.started + self.not_sent;
        slots && self.started == self.right + self.wrong + self.errors() + self.timed_out + self.unfinished
    }

    /// Calls that ended with an error other than a timeout.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Calls that did not get a correct answer, and scheduled calls that were not sent.
    #[must_use]
    pub fn not_right(&self) -> u64 {
        self.started - self.right.min(self.started) + self.not_sent
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Counts) {
        self.slots += other.slots;
        self.not_sent += other.not_sent;
        self.started += other.started;
        self.right += other.right;
        self.wrong += other.wrong;
        self.timed_out += other.timed_out;
        self.unfinished += other.unfinished;
        for (kind, count) in &other.failed {
            *self.failed.entry(*kind).or_default() += count;
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
