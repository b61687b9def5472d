//! Observation of a trial: the outcome and latency of each call, resource usage of the processes, bytes on the wire.

pub mod control;
mod cores;
mod counts;
mod in_flight;
mod meter;
mod observation;
pub mod wire;

pub use cores::{CoreShares, CoresReading};
pub use counts::Counts;
pub use in_flight::{InFlightMean, InFlightSamples};
pub use meter::Meter;
pub use observation::{CallOutcome, EndedCall, Observation, Timing};
