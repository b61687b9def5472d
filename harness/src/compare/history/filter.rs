//! Which series of a history are wanted.

use super::folder::Dated;
use crate::compare::figures::Metric;
use crate::load::Operation;
use crate::stacks::{hint, nearest};

/// The series that are wanted; an empty list is no restriction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The names of scenarios.
    pub scenarios: Vec<String>,
    /// The names of stacks.
    pub stacks: Vec<String>,
    /// The operations.
    pub operations: Vec<Operation>,
    /// The metrics.
    pub metrics: Vec<MetricKind>,
}

/// A kind of metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MetricKind {
    /// The median latency, of one caller or an open loop
    Latency,
    /// The calls per second, of several callers
    Throughput,
    /// The CPU time of a call, of server and client
    Cpu,
    /// The bytes of a call
    Bytes,
}

/// Why there is nothing that is wanted.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// No record has this name.
    #[error("no record has the {what} `{name}`{hint}; the records have {known}", hint = hint(nearest.as_deref()))]
    UnknownName {
        /// What has the name.
        what: &'static str,
        /// The name that is wanted.
        name: String,
        /// The name that is probably meant.
        nearest: Option<String>,
        /// The names in the records.
        known: String,
    },
    /// The records have the names, but not together.
    #[error("no record has such a series: the options choose nothing together")]
    Nothing,
}

impl Filter {
    /// Checks that `records` have every scenario, stack and operation that is wanted.
    pub(super) fn check(&self, records: &[Dated]) -> Result<(), FilterError> {
        let records = || records.iter().map(|dated| &dated.record);
        let scenarios = records().map(|record| record.scenario.name.clone());
        all_known("scenario", self.scenarios.iter().cloned(), scenarios)?;
        let stacks = records().flat_map(|record| &record.stacks).map(|facts| facts.name.clone());
        all_known("stack", self.stacks.iter().cloned(), stacks)?;
        let in_trials = records().flat_map(|record| &record.trials).map(|trial| trial.operation);
        let in_wire = records().flat_map(|record| &record.wire).map(|wire| wire.operation);
        let operations = in_trials.chain(in_wire).map(|operation| operation.to_string());
        all_known("operation", self.operations.iter().map(ToString::to_string), operations)
    }

    pub(super) fn has_scenario(&self, name: &str) -> bool {
        self.scenarios.is_empty() || self.scenarios.iter().any(|wanted| wanted == name)
    }

    pub(super) fn has_stack(&self, name: &str) -> bool {
        self.stacks.is_empty() || self.stacks.iter().any(|wanted| wanted == name)
    }

    pub(super) fn has_operation(&self, operation: Operation) -> bool {
        self.operations.is_empty() || self.operations.contains(&operation)
    }

    pub(super) fn has_metric(&self, metric: Metric) -> bool {
        let kind = match metric {
            Metric::Latency => MetricKind::Latency,
            Metric::Throughput => MetricKind::Throughput,
            Metric::ServerCpu | Metric::ClientCpu => MetricKind::Cpu,
            Metric::Bytes => MetricKind::Bytes,
        };
        self.metrics.is_empty() || self.metrics.contains(&kind)
    }
}

/// Checks that every one of `wanted` is `known`.
fn all_known(
    what: &'static str,
    mut wanted: impl Iterator<Item = String>,
    known: impl Iterator<Item = String>,
) -> Result<(), FilterError> {
    let mut names: Vec<String> = Vec::new();
    for name in known {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match wanted.find(|name| !names.contains(name)) {
        None => Ok(()),
        Some(name) => Err(FilterError::UnknownName {
            what,
            nearest: nearest(&name, names.iter().map(String::as_str)).map(str::to_owned),
            known: names.join(", "),
            name,
        }),
    }
}
