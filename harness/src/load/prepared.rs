//! Calls with what is expected of them.

use calculator::document::size;
use calculator::{Calculator, Call, Service};

use super::dependent::Steps;
use super::stream::StreamLength;
use crate::observe::Expectation;

/// A call with what is expected of its answer.
#[derive(Clone, Debug)]
pub struct PreparedCall {
    /// The call.
    pub call: Call,
    /// What is expected; of a method of the calculator, its result.
    pub expected: Expectation,
}

impl PreparedCall {
    /// `call` with the calculator's result.
    #[must_use]
    pub fn new(call: Call) -> Self {
        let expected = Calculator.call(&call.method, call.params.clone()).into();
        PreparedCall { call, expected }
    }

    /// The call of a client that calculates in `steps`, with the calculator's result.
    pub(super) fn dependent(steps: Steps) -> Self {
        PreparedCall { call: Call::positional(steps.name(), []), expected: Steps::expected().into() }
    }

    /// The call of a client that receives a stream of this `length`, with the number of items that it counts.
    pub(super) fn stream(length: StreamLength) -> Self {
        PreparedCall { call: length.call(), expected: Expectation::Value(length.count()) }
    }

    /// The size in bytes of the arguments and of the expected result, independent of any encoding; see
    /// [`calculator::document::size`]. The latter is 0 where no whole result is expected.
    #[must_use]
    pub fn payload(&self) -> (usize, usize) {
        (self.call.params.values().map(size).sum(), self.expected.value().map_or(0, size))
    }
}
