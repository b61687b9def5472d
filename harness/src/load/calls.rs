//! The calls of one caller, in turn.

use std::sync::Arc;

use super::own::OwnCaller;
use super::prepared::PreparedCall;

/// The calls of one caller, in turn.
pub(super) enum Calls {
    /// Calls of the calculator, prepared before the trial, repeatedly.
    Prepared {
        calls: Arc<[PreparedCall]>,
        /// Index of the current call.
        next: usize,
    },
    /// Calls of operations of one's own.
    Own(Box<OwnCaller>),
}

impl Calls {
    /// `calls`, from number `first` on.
    pub(super) fn prepared(calls: Arc<[PreparedCall]>, first: usize) -> Self {
        let next = first % calls.len().max(1);
        Calls::Prepared { calls, next }
    }

    /// The current call, and for a mix the number of its operation. `None` where there are no calls.
    pub(super) fn current(&self) -> Option<(&PreparedCall, Option<usize>)> {
        match self {
            Calls::Prepared { calls, next } => calls.get(*next).map(|call| (call, None)),
            Calls::Own(own) => own.current(),
        }
    }

    /// Goes on to the next call. It is prepared here, after the end of the last one, so that no call is timed with it.
    pub(super) fn advance(&mut self) {
        match self {
            Calls::Prepared { calls, next } => *next = (*next + 1) % calls.len().max(1),
            Calls::Own(own) => own.advance(),
        }
    }
}
