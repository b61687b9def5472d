//! The harness: what drives the servers, measures, and turns runs into records, tables and plots.

pub mod deploy;
