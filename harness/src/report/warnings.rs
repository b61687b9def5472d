//! What a reader of a report must know before reading any figure.

use crate::record::{Record, StartSpread, Status};

/// The warnings that follow from `record` itself, the most serious first.
pub(super) fn warnings(record: &Record) -> Vec<String> {
    let mut warnings = Vec::new();
    if !record.tool.optimised {
        warnings.push("measured with an unoptimised build: the figures are meaningless".to_owned());
    }
    if !record.tool.full_observation {
        warnings.push(
            "this system cannot pin processes or count bytes: placements were not enforced, and empty cells are values \
             that could not be observed"
                .to_owned(),
        );
    }
    if record.interrupted {
        warnings.push(format!("interrupted after {} trials", record.trials.len()));
    }
    warnings.extend(agents(record));
    for measurement in &record.scenario.measurements {
        if record.trials.iter().all(|trial| trial.measurement != measurement.name) {
            warnings.push(format!("{} has no trial", measurement.name));
        }
    }
    for skipped in &record.skipped {
        warnings.push(format!("{} was not measured: {}", skipped.stack, skipped.reason));
    }
    warnings.extend(left_out(record, Status::Invalid, "are invalid"));
    warnings.extend(left_out(record, Status::Failed, "failed"));
    warnings.push("all figures are without TLS".to_owned());
    warnings
}

/// How many trials have `status`, and why the first of them does.
fn left_out(record: &Record, status: Status, what: &str) -> Option<String> {
    let trials: Vec<_> = record.trials.iter().filter(|trial| trial.status == status).collect();
    let first = trials.first()?;
    Some(format!(
        "{} of {} trials {what} and are left out. The first: {} ({}): {}",
        trials.len(),
        record.trials.len(),
        first.stack,
        first.measurement,
        first.complaint().unwrap_or("no reason recorded")
    ))
}

/// The warnings about load generators, where the run had several.
fn agents(record: &Record) -> Option<String> {
    match (record.agents.as_slice(), StartSpread::of(record)) {
        ([only], _) if only.of > 1 => Some(format!(
            "these are the figures of agent {} of {} alone: `rpcbench merge` combines them with those of the others",
            only.number, only.of
        )),
        (agents, spread) => spread.map(|spread| format!("{} agents: {}", agents.len(), spread.sentence())),
    }
}
