//! Claims and service level objectives: what the figures of a record say of those of its scenario. Pure functions of the record.

mod codec;
mod condition;
mod figure;
mod slo;
mod topology;
mod verdict;

#[cfg(test)]
mod connection_tests;
#[cfg(test)]
mod tests;

pub use condition::{Estimate, JudgedCondition, Outcome};
pub use figure::{Values, find};
pub use slo::{JudgedSlo, SloOutcome, judge_slos};
pub use verdict::{JudgedClaim, Verdict, blocks_needed, judge};
