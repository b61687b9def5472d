//! Observation of a trial: the outcome and latency of each call, resource usage of the processes, bytes on the wire.

pub mod control;
mod cores;
mod counts;
mod expectation;
mod in_flight;
mod live;
mod meter;
mod observation;
mod outcome;
mod pointer;
pub mod wire;

pub use cores::{CoreShares, CoresReading};
pub use counts::Counts;
pub use expectation::Expectation;
pub(crate) use expectation::shown;
pub use in_flight::{InFlightMean, InFlightSamples};
pub use live::{Live, LiveCalls, LiveEvent, LiveGuard, LiveTrial};
pub use meter::Meter;
pub use observation::{EndedCall, Observation, PartObservation, Timing};
pub use outcome::CallOutcome;
pub use pointer::{Pointer, PointerError};
