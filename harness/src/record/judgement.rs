//! Whether a trial counts, the checks that decide it, and what a reader must know of it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a trial counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every check passed.
    Valid,
    /// A check did not pass. The figures are shown with the reason, but not compared.
    Invalid,
    /// The trial could not run, or ended early.
    Failed,
}

/// The result of one check of a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditCheck {
    /// What was checked.
    pub name: CheckName,
    /// Whether it passed.
    pub passed: bool,
    /// What was found, in words; empty where the check passed.
    pub detail: String,
}

impl AuditCheck {
    /// A check named `name` that passed, or that failed with the text that `detail` returns.
    #[must_use]
    pub fn new(name: CheckName, passed: bool, detail: impl FnOnce() -> String) -> Self {
        AuditCheck { name, passed, detail: if passed { String::new() } else { detail() } }
    }
}

/// What a check of the audit looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum CheckName {
    /// The trial came to its end. Recorded only where it did not.
    #[serde(rename = "completed")]
    Completed,
    /// Every agent's part of the trial counts. Only in merged records.
    #[serde(rename = "agents")]
    Agents,
    /// Every started call and every slot is accounted for.
    #[serde(rename = "conservation")]
    Conservation,
    /// No percentile is below a lower one.
    #[serde(rename = "percentile order")]
    PercentileOrder,
    /// The histogram holds one latency for each correct answer.
    #[serde(rename = "histogram count")]
    HistogramCount,
    /// There were correct answers and no wrong ones.
    #[serde(rename = "answers")]
    Answers,
    /// Few calls failed or timed out.
    #[serde(rename = "errors")]
    Errors,
    /// The callers of a closed loop got answers for most of the window.
    #[serde(rename = "unanswered time")]
    UnansweredTime,
    /// The generator of an open loop kept to its schedule.
    #[serde(rename = "generator")]
    Generator,
    /// The sampled number of calls in flight agrees with the measured latencies. Not checked with one caller, where it could
    /// not fail: there is always about one call in flight.
    #[serde(rename = "Little's law")]
    LittlesLaw,
    /// Other processes, the hypervisor and CPU quotas left the cores to the trial. Not checked where contention is only labelled.
    #[serde(rename = "contention")]
    Contention,
    /// Processes that have something to do all the time were busy for most of the window. Not checked where contention is only
    /// labelled, or the processes may wait for something else.
    #[serde(rename = "starvation")]
    Starvation,
    /// What the record says of the trial fits together. Only in records that were read, and only where it does not.
    #[serde(rename = "record")]
    Record,
}

/// A circumstance that a reader of a trial's figures must know. Variants are in the order of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Label {
    /// The client saturated its core and the server did not. Only in records of older versions: which end is saturated is
    /// now decided over all blocks.
    ClientBound,
    /// Idle cores were not kept awake.
    Cold,
    /// Other processes or the hypervisor took a notable share of the cores' time, or a CPU quota was used up.
    Disturbed,
    /// Calls failed or timed out.
    Errors,
    /// Other processes, the hypervisor or a CPU quota kept so much from the trial that its figures are not those of the stack.
    /// It counts because the scenario says so.
    Starved,
    /// Several callers saturated neither end. Only in records of older versions, like [`Label::ClientBound`].
    Unsaturated,
    /// Latencies were still changing when the warm-up ended.
    Unsettled,
    /// Measured in one piece although others of the measurement have slices, because its calls are too long for them.
    Whole,
}

impl Label {
    /// The label as it is written in records and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Label::ClientBound => "client-bound",
            Label::Cold => "cold",
            Label::Disturbed => "disturbed",
            Label::Errors => "errors",
            Label::Starved => "starved",
            Label::Unsaturated => "unsaturated",
            Label::Unsettled => "unsettled",
            Label::Whole => "whole",
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_displayed_as_it_is_recorded_and_ordered_by_name() {
        let all = [
            Label::ClientBound,
            Label::Cold,
            Label::Disturbed,
            Label::Errors,
            Label::Starved,
            Label::Unsaturated,
            Label::Unsettled,
            Label::Whole,
        ];
        for label in all {
            assert_eq!(serde_json::to_value(label).unwrap(), label.to_string());
        }
        assert!(all.is_sorted() && all.is_sorted_by_key(|label| label.name()));
    }
}
