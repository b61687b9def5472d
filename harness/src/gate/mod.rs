//! Whether a change makes calls slower: two builds, measured alternately against the same peer until the answer is clear.

mod build;
mod command;
mod contestant;
mod count;
mod decision;
pub mod driver;
mod error;
mod git;
mod outcome;
mod round;
mod run;
mod settings;
mod side;
mod subject;
mod tables;

pub use decision::{Decider, Judgement, Verdict};
pub use error::GateError;
pub use outcome::{BytesOfStack, CountsOfStack, MetricOfRound, Outcome, RoundRecord};
pub use run::{Progress, Request, run};
pub use settings::{GateSettings, Metric, Thresholds};
pub use side::{CountedEnd, ExchangedEnd, Side};
pub use subject::Subject;
