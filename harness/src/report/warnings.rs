//! What a reader of a report must know before reading any figure.

use calculator::conformance::Numbers;

use super::topologies;
use crate::load::OwnName;
use crate::record::{Check, Record, StackFacts, StageResult, StartSpread, Status, TimelineResult, Trial};
use crate::scenario::Contention;
use crate::stacks::CertificateCheck;

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
        // The reason may end with a server's log.
        let reason: Vec<_> = skipped.reason.split_whitespace().collect();
        warnings.push(format!("{} was not measured: {}", skipped.stack, reason.join(" ")));
    }
    warnings.extend(nonconforming(record));
    if record.scenario.numbers == Numbers::Any {
        warnings
            .push("numbers in answers were compared by value (`numbers = any`): 5.0 counts as 5".to_owned());
    }
    if record.scenario.contention == Contention::Label {
        warnings.push(
            "trials under contention count, although other processes, the hypervisor or a CPU quota took CPU \
             time from them (`contention = label`)"
                .to_owned(),
        );
    }
    warnings.extend(unchecked(record));
    warnings.extend(left_out(record, Status::Invalid, "are invalid"));
    warnings.extend(left_out(record, Status::Failed, "failed"));
    warnings.extend(codecs_left_out(record));
    warnings.extend(timelines_left_out(record));
    warnings.extend(stages_left_out(record));
    warnings.extend(topologies::left_out(record));
    warnings.extend(encryption(record));
    warnings
}

/// Which figures are with TLS, and whose certificate was not checked.
fn encryption(record: &Record) -> Vec<String> {
    let named = |is_meant: fn(&StackFacts) -> bool| {
        let stacks = record.stacks.iter().filter(|facts| is_meant(facts));
        stacks.map(|facts| facts.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let encrypted = named(StackFacts::is_encrypted);
    let unchecked = named(|facts| facts.certificate == Some(CertificateCheck::None));
    let scope = if record.stacks.is_empty() {
        // Codecs alone send nothing.
        None
    } else if encrypted.is_empty() {
        Some("all figures are without TLS; `rpcbench run transports` measures what it costs".to_owned())
    } else {
        Some(format!("called over TLS: {encrypted}; all other figures are without TLS"))
    };
    let unchecked = (!unchecked.is_empty()).then(|| {
        format!(
            "the certificate was not checked (`--insecure`), so any server could have answered: {unchecked}"
        )
    });
    unchecked.into_iter().chain(scope).collect()
}

/// The stacks that were measured although core rows of the conformance table did not pass, with these rows.
fn nonconforming(record: &Record) -> impl Iterator<Item = String> {
    let is_measured = |check: &&Check| record.stacks.iter().any(|stack| stack.name == check.stack);
    record.checks.iter().filter(is_measured).filter_map(|check| {
        let failures: Vec<_> = check.core_failures().map(ToString::to_string).collect();
        (!failures.is_empty()).then(|| {
            let rows = if failures.len() == 1 { "row" } else { "rows" };
            format!(
                "{} was measured although it fails {} core {rows} of the conformance table: {}",
                check.stack,
                failures.len(),
                failures.join("; ")
            )
        })
    })
}

/// The operations of one's own that were called without an expectation.
fn unchecked(record: &Record) -> Option<String> {
    let is_called = |name: OwnName| {
        let is_it = |trial: &Trial| {
            let of_mix = trial.operations.iter().any(|part| part.operation == name);
            trial.operation.own_name() == Some(name) || of_mix
        };
        record.trials.iter().any(is_it)
    };
    let unchecked = record.scenario.operations.iter().filter(|operation| !operation.is_checked());
    let names: Vec<_> = unchecked.map(|operation| operation.name).filter(|name| is_called(*name)).collect();
    (!names.is_empty()).then(|| {
        let names: Vec<_> = names.into_iter().map(OwnName::as_str).collect();
        format!(
            "answers of {} were not checked, because the scenario expects nothing of them: any result counts as correct",
            names.join(", ")
        )
    })
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

/// How many trials of codecs are not valid, and why the first of them is not.
fn codecs_left_out(record: &Record) -> Option<String> {
    let trials: Vec<_> = record.codecs.iter().filter(|trial| trial.status != Status::Valid).collect();
    let first = trials.first()?;
    Some(format!(
        "{} of {} trials of codecs are left out. The first: {} ({}): {}",
        trials.len(),
        record.codecs.len(),
        first.format,
        first.measurement,
        first.complaint().unwrap_or("no reason recorded")
    ))
}

/// How many timelines do not count, and why the first of them does not.
fn timelines_left_out(record: &Record) -> Option<String> {
    let left_out: Vec<_> = record.timelines.iter().filter(|it| it.status != Status::Valid).collect();
    let first = left_out.first()?;
    Some(format!(
        "{} of {} timelines are left out. The first: {} ({}): {}",
        left_out.len(),
        record.timelines.len(),
        first.stack,
        first.timeline,
        first.complaint.as_deref().unwrap_or("no reason recorded")
    ))
}

/// How many stages of timelines do not count, and why the first of them does not.
fn stages_left_out(record: &Record) -> Option<String> {
    let timelines = record.timelines.iter().filter(|it| it.status == Status::Valid);
    let stages =
        timelines.flat_map(|it| (1..).zip(&it.stages).map(move |(number, stage)| (it, number, stage)));
    let all: Vec<(&TimelineResult, u32, &StageResult)> = stages.collect();
    let left_out: Vec<_> = all.iter().filter(|(.., stage)| stage.status != Status::Valid).collect();
    let (first, number, stage) = left_out.first()?;
    Some(format!(
        "{} of {} stages are left out. The first: {} ({}, stage {number}): {}",
        left_out.len(),
        all.len(),
        first.stack,
        first.timeline,
        stage.complaint.as_deref().unwrap_or("no reason recorded")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_with_tls_and_those_whose_certificate_was_not_checked_are_named() {
        let mut record = crate::report::tests::record(&["rest", "jsonrpc"], 1);
        let scope = &encryption(&record)[0];
        assert!(scope.starts_with("all figures are without TLS"), "{scope}");
        record.stacks[0].certificate = Some(CertificateCheck::System);
        assert_eq!(encryption(&record), ["called over TLS: rest; all other figures are without TLS"]);
        record.stacks[1].certificate = Some(CertificateCheck::None);
        let [unchecked, scope] = &*encryption(&record) else { panic!("two sentences") };
        assert!(unchecked.contains("not checked") && unchecked.ends_with(": jsonrpc"), "{unchecked}");
        assert!(scope.contains("rest, jsonrpc"), "{scope}");
        record.stacks.clear();
        assert!(encryption(&record).is_empty());
        // Servers of the run have no facts about a certificate; the transport says that they encrypt.
        let record = crate::report::tests::record(&["rest", "rest-hyper+tls-resumed", "rest-hyper+unix"], 1);
        assert_eq!(
            encryption(&record),
            ["called over TLS: rest-hyper+tls-resumed; all other figures are without TLS"]
        );
    }
}
