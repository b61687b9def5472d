//! Claims: what the figures of a record say of each claim of its scenario. Pure functions of the record.

mod condition;
mod figure;
mod topology;
mod verdict;

#[cfg(test)]
mod connection_tests;
#[cfg(test)]
mod tests;

pub use condition::{Estimate, JudgedCondition, Outcome};
pub use figure::{Values, find};
pub use verdict::{JudgedClaim, Verdict, blocks_needed, judge};
