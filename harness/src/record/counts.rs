//! What a call takes at one end, counted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::load::Operation;

/// The instructions and allocations of a call at one end of the connection, in a record at the server; counted by Callgrind over
/// 800 calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallCounts {
    /// The stack.
    pub stack: String,
    /// The operation.
    pub operation: Operation,
    /// The instructions of a call.
    pub instructions: f64,
    /// How often a call allocates memory or lets it grow.
    pub allocations: f64,
}

impl CallCounts {
    /// The share by which counts of instructions of the same program may differ: timers, and the growth of tables.
    pub const MAX_NOISE: f64 = 0.005;

    /// By which share a call takes more instructions than `base`; negative for fewer.
    #[must_use]
    pub fn more_instructions_than(&self, base: &Self) -> f64 {
        self.instructions / base.instructions - 1.0
    }

    /// How many allocations more a call makes than `base`, in whole allocations.
    #[must_use]
    pub fn more_allocations_than(&self, base: &Self) -> f64 {
        (self.allocations - base.allocations).round()
    }

    /// Whether a call takes more of either than `base` takes.
    #[must_use]
    pub fn is_more_than(&self, base: &Self) -> bool {
        self.more_instructions_than(base) > Self::MAX_NOISE || self.more_allocations_than(base) > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(instructions: f64, allocations: f64) -> CallCounts {
        CallCounts { stack: "rest".to_owned(), operation: Operation::ADD, instructions, allocations }
    }

    #[test]
    fn one_percent_and_one_allocation_are_more_and_noise_is_not() {
        let base = counts(20_000.0, 12.0);
        for (instructions, allocations, expected) in [
            (20_200.0, 12.0, true),
            (20_000.0, 13.0, true),
            (20_000.0, 12.995, true),
            (20_090.0, 12.02, false),
            (20_000.0, 12.0, false),
            (15_000.0, 3.0, false),
            (15_000.0, 13.0, true),
        ] {
            let new = counts(instructions, allocations);
            assert_eq!(new.is_more_than(&base), expected, "{instructions} {allocations}");
        }
    }
}
