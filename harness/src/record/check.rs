//! How stacks did in the conformance table, before they were measured.

use std::fmt;

use calculator::Method;
use calculator::conformance::{Level, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a stack did in the conformance table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// The stack.
    pub stack: String,
    /// Core rows that passed.
    pub core_passed: usize,
    /// Core rows that were tried.
    pub core: usize,
    /// Strict rows that passed.
    pub strict_passed: usize,
    /// Strict rows that were tried.
    pub strict: usize,
    /// Rows that were not tried, because the protocol cannot carry an argument.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_sent: usize,
    /// The methods whose rows decided whether the stack was measured: those that were to be measured, for a server that was
    /// already running. Empty where all core rows decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gated_by: Vec<String>,
    /// The rows that did not pass.
    pub failures: Vec<CheckFailure>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Check {
    /// Summarises the outcomes of the conformance table for `stack`. `gated_by` are the methods whose rows decide whether it
    /// is measured; none for all core rows.
    #[must_use]
    pub fn new(stack: &str, outcomes: &[Outcome], gated_by: &[Method]) -> Self {
        let count = |level, only_passed: bool| {
            let counts = |o: &&Outcome| {
                o.vector.level == level && if only_passed { o.passed() } else { o.was_tried() }
            };
            outcomes.iter().filter(counts).count()
        };
        Check {
            stack: stack.to_owned(),
            core_passed: count(Level::Core, true),
            core: count(Level::Core, false),
            strict_passed: count(Level::Strict, true),
            strict: count(Level::Strict, false),
            not_sent: outcomes.iter().filter(|outcome| !outcome.was_tried()).count(),
            gated_by: gated_by.iter().map(|method| method.name().to_owned()).collect(),
            failures: outcomes
                .iter()
                .filter(|outcome| outcome.was_tried() && !outcome.passed())
                .map(CheckFailure::new)
                .collect(),
        }
    }

    /// The core rows that did not pass.
    pub fn core_failures(&self) -> impl Iterator<Item = &CheckFailure> {
        self.failures.iter().filter(|failure| failure.level == CheckLevel::Core)
    }
}

/// The level of a row of the conformance table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckLevel {
    /// A stack that does not pass it is not measured.
    Core,
    /// A stack that does not pass it is measured all the same.
    Strict,
}

impl From<Level> for CheckLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Core => CheckLevel::Core,
            Level::Strict => CheckLevel::Strict,
        }
    }
}

/// A row that did not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckFailure {
    /// The row's level.
    pub level: CheckLevel,
    /// The call.
    pub call: String,
    /// What it must give.
    pub expected: String,
    /// What it gave.
    pub answer: String,
}

impl fmt::Display for CheckFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; expected {}", self.call, self.answer, self.expected)
    }
}

impl CheckFailure {
    fn new(outcome: &Outcome) -> Self {
        CheckFailure {
            level: outcome.vector.level.into(),
            call: outcome.vector.title(),
            expected: outcome.expected(),
            answer: outcome.answer(),
        }
    }
}
