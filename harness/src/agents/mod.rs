//! Load from several machines: agents that agree on a time without talking to each other, and the merging of their
//! partial records.
//!
//! Every agent derives the whole schedule (which trial runs when) from its options: the start, the seed, the scenario
//! and the number of agents. Each agent generates its share of the load and writes a partial record;
//! [`merge`](merge::merge) combines the records.

mod agreement;
pub mod clock;
mod error;
pub mod merge;
mod number;
mod run;
mod start;
mod timetable;

pub use error::AgentError;
pub use number::{AgentArgument, AgentNumber, INDEX_VARIABLE, NumberError};
pub use run::{Options, check, run};
pub use start::{Start, StartError};
