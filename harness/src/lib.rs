//! The harness: what drives the servers, measures, and turns runs into records, tables and plots.

pub mod agents;
pub mod cli;
pub mod control;
pub mod deploy;
pub mod fairness;
pub mod ledger;
pub mod libraries;
pub mod load;
pub mod observe;
pub mod preflight;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
pub mod search;
pub mod stack;
pub mod stats;
pub mod sys;
pub mod targets;
pub mod trial;
