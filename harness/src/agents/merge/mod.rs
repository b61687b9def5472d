//! Merges partial records: histograms and counts are added, and the derived figures are computed again.

use std::collections::{BTreeMap, BTreeSet};

use hdrhistogram::Histogram;

use crate::observe::InFlightMean;
use crate::record::{
    AuditCheck, CheckName, HistogramError, Label, Latency, Record, Status, Trial, Used, audit, merge_parts,
};
use crate::scenario::Contention;
use crate::stats::{growing_histogram, new_histogram};

/// Why records cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// There are no records.
    #[error("there is nothing to merge")]
    Nothing,
    /// A record was not written by a single agent.
    #[error(
        "{name} is not a partial record: `rpcbench agent` writes those, each of one agent, and this one holds {agents}"
    )]
    NotPartial {
        /// The record.
        name: String,
        /// How many agents it holds.
        agents: usize,
    },
    /// Two records are of different runs.
    #[error("{other} does not belong to {name}: {what}")]
    Differs {
        /// One record.
        name: String,
        /// The other.
        other: String,
        /// The difference.
        what: String,
    },
    /// Two records are of the same agent.
    #[error("{name} and {other} are both of agent {agent}")]
    Twice {
        /// One record.
        name: String,
        /// The other.
        other: String,
        /// The agent's number.
        agent: u32,
    },
    /// Records of some agents are missing.
    #[error("the record of {} is missing; --allow-missing merges the others, and marks every trial invalid", list_agents(missing, *of))]
    Missing {
        /// The numbers of those agents.
        missing: Vec<u32>,
        /// How many agents the run has.
        of: u32,
    },
    /// A histogram that cannot be read.
    #[error("{name}: {source}")]
    Histogram {
        /// The record.
        name: String,
        /// What is wrong with it.
        source: HistogramError,
    },
}

/// Names agents in a message: `agent 2 of 3`, `agents 1, 3 of 3`.
fn list_agents(agents: &[u32], of: u32) -> String {
    let numbers: Vec<_> = agents.iter().map(ToString::to_string).collect();
    let noun = if agents.len() == 1 { "agent" } else { "agents" };
    format!("{noun} {} of {of}", numbers.join(", "))
}

/// Merges the partial records of all agents of a run, each with a name for messages. A missing record is an error, or with
/// `allow_missing` makes every trial invalid.
///
/// # Errors
/// [`MergeError`].
pub fn merge(mut partials: Vec<(String, Record)>, allow_missing: bool) -> Result<Record, MergeError> {
    for (name, record) in &partials {
        if record.agents.len() != 1 {
            return Err(MergeError::NotPartial { name: name.clone(), agents: record.agents.len() });
        }
    }
    partials.sort_by_key(|(_, record)| record.agents[0].number);
    let (first, others) = partials.split_first().ok_or(MergeError::Nothing)?;
    for other in others {
        if let Some(what) = difference(&first.1, &other.1) {
            return Err(MergeError::Differs { name: first.0.clone(), other: other.0.clone(), what });
        }
    }
    for pair in partials.windows(2) {
        let agent = pair[1].1.agents[0].number;
        if pair[0].1.agents[0].number == agent {
            return Err(MergeError::Twice { name: pair[0].0.clone(), other: pair[1].0.clone(), agent });
        }
    }
    let of = first.1.agents[0].of;
    let there: BTreeSet<u32> = partials.iter().map(|(_, record)| record.agents[0].number).collect();
    let missing: Vec<u32> = (1..=of).filter(|agent| !there.contains(agent)).collect();
    if !missing.is_empty() && !allow_missing {
        return Err(MergeError::Missing { missing, of });
    }
    let mut merged = Record { trials: trials(&partials, of)?, ..first.1.clone() };
    for (_, other) in others {
        merged.agents.extend(other.agents.iter().cloned());
        merged.interrupted |= other.interrupted;
        merged.seconds = merged.seconds.max(other.seconds);
        // Equal machines have equal socket options, which are kept once.
        let different = other.sockets.iter().filter(|facts| !first.1.sockets.contains(facts));
        merged.sockets.extend(different.cloned());
    }
    Ok(merged)
}

/// The difference between two records that must be of the same run; `None` if there is none.
fn difference(a: &Record, b: &Record) -> Option<String> {
    let (one, two) = (&a.agents[0], &b.agents[0]);
    let differ = |what: &str, a: &dyn std::fmt::Display, b: &dyn std::fmt::Display| {
        Some(format!("{what} of the one is {a}, of the other {b}"))
    };
    if a.tool.version != b.tool.version {
        return differ("the program's version", &a.tool.version, &b.tool.version);
    }
    if let (Some(of_a), Some(of_b)) = (a.tool.build.revision(), b.tool.build.revision())
        && of_a != of_b
    {
        return differ("the commit that the program is built from", &of_a, &of_b);
    }
    if a.tool.optimised != b.tool.optimised {
        return Some("only one was measured with a build with optimisations".to_owned());
    }
    if one.of != two.of {
        return differ("the number of agents", &one.of, &two.of);
    }
    if one.start != two.start {
        return differ("the start", &one.start, &two.start);
    }
    if one.gap != two.gap {
        return differ("the gap in seconds", &one.gap, &two.gap);
    }
    if a.seed != b.seed {
        return differ("the seed", &a.seed, &b.seed);
    }
    if a.scenario.name != b.scenario.name {
        return differ("the scenario", &a.scenario.name, &b.scenario.name);
    }
    if a.scenario != b.scenario {
        return Some("the scenarios have one name, but not the same stacks and settings".to_owned());
    }
    (a.id != b.id).then(|| "they are of different runs".to_owned())
}

/// The parts of one trial, each with the name of its record.
type Parts<'a> = Vec<(&'a str, &'a Trial)>;

fn trials(partials: &[(String, Record)], of: u32) -> Result<Vec<Trial>, MergeError> {
    // The same in all.
    let contention = partials.first().map(|(_, record)| record.scenario.contention).unwrap_or_default();
    let mut by_place: BTreeMap<(u32, u32), Parts<'_>> = BTreeMap::new();
    for (name, record) in partials {
        for trial in &record.trials {
            by_place.entry((trial.block, trial.position)).or_default().push((name, trial));
        }
    }
    by_place.into_values().map(|parts| trial(&parts, of, contention)).collect()
}

fn trial(parts: &Parts<'_>, of: u32, contention: Contention) -> Result<Trial, MergeError> {
    let (name, first) = parts[0];
    let mut merged = Trial { audit: vec![], agents: vec![], ..first.clone() };
    let what = |trial: &Trial| {
        (trial.measurement.clone(), trial.stack.clone(), trial.twin, trial.operation.to_string())
    };
    for (other_name, other) in &parts[1..] {
        let load = merged.load.combine(other.load).filter(|_| what(first) == what(other));
        let Some(load) = load else {
            return Err(MergeError::Differs {
                name: name.to_owned(),
                other: (*other_name).to_owned(),
                what: format!("they ran different trials in block {}", first.block + 1),
            });
        };
        merged.load = load;
        merged.connections = merged.connections.saturating_add(other.connections);
        merged.counts.merge(&other.counts);
        merged.warm &= other.warm;
        merged.at_seconds = merged.at_seconds.min(other.at_seconds);
        merged.measured_seconds = merged.measured_seconds.max(other.measured_seconds);
        merged.client = merged.client.zip(other.client).map(|(a, b)| add_usage(a, b));
        // All agents observe the same server and broker.
        merged.server = merged.server.or(other.server);
        merged.broker = merged.broker.or(other.broker);
        merged.stolen = merged.stolen.into_iter().chain(other.stolen).reduce(f64::max);
        merged.operations = merge_parts(&merged.operations, &other.operations)
            .map_err(|source| MergeError::Histogram { name: (*other_name).to_owned(), source })?;
    }
    merged.agents = parts.iter().flat_map(|(_, trial)| trial.agents.iter().cloned()).collect();
    merged.in_flight = in_flight(parts);
    let not_right = merged.counts.not_right();
    let add = |empty: Histogram<u64>, of: fn(&Trial) -> Option<&Latency>, missing: u64| {
        add(empty, parts, of).and_then(|histogram| {
            let failed = |source| MergeError::Histogram { name: name.to_owned(), source };
            Latency::new(&histogram, missing).map_err(failed)
        })
    };
    merged.latency = add(new_histogram(), |trial| trial.latency.as_ref(), not_right)?;
    merged.service = add(growing_histogram(), |trial| trial.service.as_ref(), not_right)?;
    merged.schedule_lag = add(growing_histogram(), |trial| trial.schedule_lag.as_ref(), 0)?;
    merged.throughput = rate(parts, |trial| (trial.counts.right, Some(trial.throughput))).unwrap_or(0.0);
    merged.sent_per_second = rate(parts, |trial| (trial.counts.started, trial.sent_per_second));
    judge(&mut merged, parts, of, contention);
    Ok(merged)
}

/// Adds up the usage of two client processes: the sum of their CPU time, context switches and run-queue delays, but the larger
/// of their utilisations, of their peak memory and of the times for which quotas held them up.
fn add_usage(a: Used, b: Used) -> Used {
    Used {
        cpu_ns: a.cpu_ns.saturating_add(b.cpu_ns),
        utilisation: a.utilisation.max(b.utilisation),
        voluntary_switches: a.voluntary_switches.saturating_add(b.voluntary_switches),
        involuntary_switches: a.involuntary_switches.saturating_add(b.involuntary_switches),
        peak_rss: a.peak_rss.max(b.peak_rss),
        run_queue_ns: a.run_queue_ns.zip(b.run_queue_ns).map(|(a, b)| a.saturating_add(b)),
        throttled_ns: a.throttled_ns.max(b.throttled_ns),
    }
}

/// The sum of the histograms that `of` selects from each part. `empty` determines the bounds of the result.
fn add(
    mut empty: Histogram<u64>,
    parts: &Parts<'_>,
    of: fn(&Trial) -> Option<&Latency>,
) -> Result<Histogram<u64>, MergeError> {
    for (name, trial) in parts {
        let Some(latency) = of(trial) else { continue };
        let failed = |source| MergeError::Histogram { name: (*name).to_owned(), source };
        let histogram = latency.histogram().map_err(failed)?;
        empty.add(&histogram).map_err(|error| failed(HistogramError::new(&error)))?;
    }
    Ok(empty)
}

/// Calls per second of all agents: all calls divided by the longest time of one agent. `None` if no agent has a rate.
#[allow(clippy::cast_precision_loss)]
fn rate(parts: &Parts<'_>, of: impl Fn(&Trial) -> (u64, Option<f64>)) -> Option<f64> {
    let all: Vec<_> = parts.iter().map(|(_, trial)| of(trial)).collect();
    let seconds = all.iter().filter_map(|(calls, rate)| {
        // The time of an agent without calls is unknown.
        rate.filter(|rate| *rate > 0.0).map(|rate| *calls as f64 / rate)
    });
    let calls = all.iter().map(|(calls, _)| calls).sum::<u64>() as f64;
    let has_rate = all.iter().any(|(_, rate)| rate.is_some());
    has_rate.then(|| seconds.reduce(f64::max).map_or(0.0, |seconds| calls / seconds))
}

/// The mean number of calls that all agents together have in flight; `None` if one of them has no samples.
fn in_flight(parts: &Parts<'_>) -> Option<InFlightMean> {
    let means: Option<Vec<InFlightMean>> = parts.iter().map(|(_, trial)| trial.in_flight).collect();
    // Agents sample independently, so their variances add up.
    means?.into_iter().reduce(|a, b| InFlightMean {
        samples: a.samples.min(b.samples),
        mean: a.mean + b.mean,
        deviation: a.deviation.hypot(b.deviation),
    })
}

/// Audits `merged` like any other trial. It is valid only if every part is.
fn judge(merged: &mut Trial, parts: &Parts<'_>, of: u32, contention: Contention) {
    let there = |agent| merged.agents.iter().any(|part| part.agent == agent);
    let absent: Vec<u32> = (1..=of).filter(|agent| !there(*agent)).collect();
    let mut reasons: Vec<String> = merged
        .agents
        .iter()
        .filter(|part| part.status != Status::Valid)
        .map(|part| format!("agent {}: {}", part.agent, part.reason))
        .collect();
    if !absent.is_empty() {
        reasons.push(format!("{} did not run this trial", list_agents(&absent, of)));
    }
    let all_failed = parts.iter().all(|(_, trial)| trial.status == Status::Failed);
    merged.status = if all_failed { Status::Failed } else { Status::Valid };
    merged.audit = vec![AuditCheck::new(CheckName::Agents, reasons.is_empty(), || reasons.join("; "))];
    // The audit sets the other labels again.
    let kept = |label: &&Label| matches!(label, Label::Unsettled | Label::Cold);
    let labels: BTreeSet<Label> =
        parts.iter().flat_map(|(_, trial)| trial.labels.iter().filter(kept).copied()).collect();
    merged.labels = labels.into_iter().collect();
    audit(merged, contention);
}

#[cfg(test)]
mod tests;
