//! The harness: drives the servers, measures, and turns runs into records, tables and plots.

#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

pub mod agents;
pub mod claims;
pub mod cli;
pub mod compare;
pub mod deploy;
pub mod discovery;
pub mod export;
pub mod gate;
pub mod index;
pub mod load;
pub mod observe;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
pub mod stacks;
pub mod stats;
pub mod sys;
pub mod trial;
