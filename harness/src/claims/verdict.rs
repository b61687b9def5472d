//! The verdict on a claim.

use schemars::JsonSchema;
use serde::Serialize;

use super::condition::{JudgedCondition, Outcome};
use crate::record::Record;
use crate::scenario::Claim;
use crate::stats::{blocks_for_pairs, error_each};

/// What a record says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every condition is true.
    Holds,
    /// Some conditions are true and some are false.
    HoldsInPart,
    /// Every condition is false.
    DoesNotHold,
    /// Some conditions are undecided, and the others agree.
    CannotTell,
}

impl Verdict {
    /// The verdict that follows from the outcomes of the conditions.
    #[must_use]
    pub fn of(outcomes: &[Outcome]) -> Self {
        let all = |wanted| !outcomes.is_empty() && outcomes.iter().all(|outcome| *outcome == wanted);
        if all(Outcome::True) {
            Verdict::Holds
        } else if all(Outcome::False) {
            Verdict::DoesNotHold
        } else if outcomes.contains(&Outcome::True) && outcomes.contains(&Outcome::False) {
            Verdict::HoldsInPart
        } else {
            Verdict::CannotTell
        }
    }

    /// The verdict in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Holds => "holds",
            Verdict::HoldsInPart => "holds in part",
            Verdict::DoesNotHold => "does not hold",
            Verdict::CannotTell => "cannot tell",
        }
    }
}

/// A claim, and what the record says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedClaim {
    /// The name of the claim.
    pub name: String,
    /// The claim, in a sentence.
    pub statement: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The conditions.
    pub conditions: Vec<JudgedCondition>,
    /// The smallest number of blocks with which a measured condition of this claim can be decided.
    pub blocks_needed: usize,
}

impl JudgedClaim {
    /// The conditions with this outcome.
    pub fn with_outcome(&self, outcome: Outcome) -> impl Iterator<Item = &JudgedCondition> {
        self.conditions.iter().filter(move |judged| judged.outcome == outcome)
    }
}

/// Judges the claims of the scenario of `record`.
///
/// All outcomes of a claim are right at once with a probability of at least 1 − [`ERROR_RATE`](crate::stats::ERROR_RATE), by
/// Bonferroni's inequality over its measured conditions. The verdict on a claim does not depend on the other claims.
#[must_use]
pub fn judge(record: &Record) -> Vec<JudgedClaim> {
    record.scenario.claims.iter().map(|claim| judge_claim(record, claim)).collect()
}

fn judge_claim(record: &Record, claim: &Claim) -> JudgedClaim {
    let error = error_each(measured_conditions(claim));
    let judge = |condition| JudgedCondition::new(record, condition, error);
    let conditions: Vec<_> = claim.conditions.iter().map(judge).collect();
    let outcomes: Vec<_> = conditions.iter().map(|judged| judged.outcome).collect();
    JudgedClaim {
        name: claim.name.clone(),
        statement: claim.statement.clone(),
        verdict: Verdict::of(&outcomes),
        conditions,
        blocks_needed: blocks_needed(claim),
    }
}

/// The smallest number of blocks with which every condition of `claim` can be decided; 1 where all are counted, and 2 where some
/// are decided by the smallest and the largest block of a topology.
#[must_use]
pub fn blocks_needed(claim: &Claim) -> usize {
    match measured_conditions(claim) {
        0 => claim.conditions.iter().map(|condition| condition.figure.min_blocks()).max().unwrap_or(1),
        measured => blocks_for_pairs(measured),
    }
}

/// The number of conditions that take an interval.
fn measured_conditions(claim: &Claim) -> usize {
    claim.conditions.iter().filter(|condition| !condition.figure.is_counted()).count()
}
