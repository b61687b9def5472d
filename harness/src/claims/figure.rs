//! Finding a figure of a claim in a record.

use std::collections::BTreeMap;

use super::topology::of_topology;
use crate::record::{Levels, Record, StackFacts, Status, TimelineResult, Trial, by_block};
use crate::scenario::ClaimFigure;
use crate::stats::{ByBlock, Interval, carries_quantile, median, range};

/// Nanoseconds in a microsecond.
const NANOS_PER_MICRO: f64 = 1e3;

/// The values of a figure in a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// The same in every block.
    Counted(f64),
    /// Of each block in which it was measured.
    Measured(ByBlock),
    /// Of a timeline: the median, the smallest and the largest block.
    OfTimeline(Interval),
    /// Of each block of a topology.
    OfTopology(ByBlock),
}

/// Finds `figure`, which is not one of codecs, of `stack` in `measurement`.
///
/// # Errors
/// Why `record` has no such figure, as a sentence without a full stop.
pub fn find(record: &Record, measurement: &str, stack: &str, figure: ClaimFigure) -> Result<Values, String> {
    if let Some(skipped) = record.skipped.iter().find(|skipped| skipped.stack == stack) {
        // The reason may end with a server's log of several lines.
        let reason: Vec<_> = skipped.reason.split_whitespace().collect();
        return Err(format!("{stack} was not measured: {}", reason.join(" ")));
    }
    if figure.is_of_timeline() {
        return of_timeline(record, measurement, stack, figure).map(Values::OfTimeline);
    }
    if figure.is_of_topology() {
        return of_topology(record, measurement, stack, figure).map(Values::OfTopology);
    }
    if record.scenario.measurements.iter().all(|known| known.name != measurement) {
        return Err(format!("the run has no measurement `{measurement}`"));
    }
    let is_wanted = |trial: &&Trial| !trial.twin && trial.measurement == measurement && trial.stack == stack;
    let trials: Vec<&Trial> = record.trials.iter().filter(is_wanted).collect();
    let Some(first) = trials.first() else {
        let reason = if record.interrupted { ": the run was interrupted earlier" } else { "" };
        return Err(format!("{stack} has no trial in `{measurement}`{reason}"));
    };
    let values = match figure {
        ClaimFigure::Bytes => return bytes(record, first).map(Values::Counted),
        _ => measured(record, measurement, &trials, figure)?,
    };
    if trials.iter().all(|trial| trial.status != Status::Valid) {
        let reason = trials.iter().find_map(|trial| trial.complaint()).unwrap_or("not known why");
        return Err(format!("no trial of {stack} in `{measurement}` is valid: {reason}"));
    }
    if values.is_empty() {
        return Err(format!("the {} of {stack} was not observable", figure.title()));
    }
    Ok(Values::Measured(values))
}

/// The median, the smallest and the largest block of `figure` of `stack` in `timeline`.
#[allow(clippy::cast_precision_loss)]
fn of_timeline(
    record: &Record,
    timeline: &str,
    stack: &str,
    figure: ClaimFigure,
) -> Result<Interval, String> {
    let results = record.timelines.iter();
    let results: Vec<_> =
        results.filter(|result| result.timeline == timeline && result.stack == stack).collect();
    let valid: Vec<_> = results.iter().filter(|result| result.status == Status::Valid).collect();
    let value = |result: &TimelineResult| match figure {
        ClaimFigure::Failed => Some(result.counts().errors() as f64),
        ClaimFigure::Late => Some(result.late() as f64),
        // Where they never were, the time is longer than any.
        ClaimFigure::LevelAgain => Some(result.level_again_ns().map_or(f64::INFINITY, |ns| ns as f64 / 1e6)),
        ClaimFigure::AnswersAtEnd => result.answers_at_end(),
        ClaimFigure::AnswerGain => result.answer_gain(),
        ClaimFigure::SlowestAtEnd => result.slowest_at_end_ms(),
        ClaimFigure::AddedShare => result.added_share().map(|share| 100.0 * share),
        _ => Some(result.lost() as f64),
    };
    let values: Option<Vec<f64>> = valid.iter().map(|result| value(result)).collect();
    let values = values.ok_or_else(|| {
        format!("the {} of {stack} was not observable in the timeline `{timeline}`", figure.title())
    })?;
    let Some((median, (low, high))) = median(&values).zip(range(&values)) else {
        let reason = results.iter().find_map(|result| result.complaint.as_deref());
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        return Err(format!("{stack} has no valid block of the timeline `{timeline}`{reason}"));
    };
    Ok(Interval { low, median, high })
}

/// The bytes of a call of `trial` in both directions on all of its connections, with those that opening a connection takes
/// where each call opens one.
fn bytes(record: &Record, trial: &Trial) -> Result<f64, String> {
    let wire = record.wire_of(trial);
    let wire = wire.ok_or_else(|| format!("the bytes of {} were not counted", trial.stack))?;
    let is_kept = trial.connection.is_kept();
    Ok(if is_kept { wire.on_all_connections() } else { wire.on_a_new_connection().on_all_connections() })
}

/// The values of `figure` in `trials`, trials of one stack in `measurement`.
fn measured(
    record: &Record,
    measurement: &str,
    trials: &[&Trial],
    figure: ClaimFigure,
) -> Result<ByBlock, String> {
    let [first, ..] = trials else { return Ok(ByBlock::new()) };
    let facts = record.stacks.iter().find(|facts| facts.name == first.stack);
    if facts.is_some_and(|facts| facts.is_unplaced(trials.iter().copied())) {
        return Err(format!("the server of {} ran on other or unknown cores", first.stack));
    }
    if let Some(q) = figure.quantile()
        && !trials.iter().all(|trial| carries(trial, q))
    {
        let percent = 100.0 * q;
        return Err(format!(
            "a trial of {} in `{measurement}` has too few calls for a p{percent:.0}",
            first.stack
        ));
    }
    let all: Vec<_> = record.trials.iter().filter(|trial| trial.measurement == measurement).collect();
    let levels = levels(record, &all, figure);
    Ok(by_block(trials, |trial| {
        let of_trial = value(trial, facts, figure)?;
        let level = levels.of(trial).filter(|_| of_trial.is_finite());
        Some(level.map_or(of_trial, |nanos| nanos / NANOS_PER_MICRO))
    }))
}

/// `figure` of all trials in slices of a measurement in nanoseconds, without the changes of the machine's speed. Quantiles other
/// than the median and rates have none: the calls of all slices are needed for them.
fn levels(record: &Record, trials: &[&Trial], figure: ClaimFigure) -> Levels {
    let protocols: BTreeMap<_, _> =
        record.stacks.iter().map(|facts| (facts.name.as_str(), facts.protocol)).collect();
    Levels::new(trials, |trial, slices, index| {
        let protocol = protocols.get(trial.stack.as_str());
        let has_server = !protocol.is_some_and(|protocol| protocol.is_in_process());
        let serving = || slices.serving_cpu(index, protocol.is_some_and(|protocol| protocol.needs_broker()));
        match figure {
            ClaimFigure::MedianLatency => slices.median_latency(index),
            ClaimFigure::ClientCpu => slices.client_cpu(index),
            ClaimFigure::ServerCpu => serving(),
            ClaimFigure::Cpu if has_server => Some(slices.client_cpu(index)? + serving()?),
            ClaimFigure::Cpu => slices.client_cpu(index),
            ClaimFigure::P90Latency
            | ClaimFigure::P99Latency
            | ClaimFigure::BrokerCpu
            | ClaimFigure::CallsPerSecond
            | ClaimFigure::Bytes
            | ClaimFigure::Lost
            | ClaimFigure::Failed
            | ClaimFigure::Late
            | ClaimFigure::LevelAgain
            | ClaimFigure::Sockets
            | ClaimFigure::SetUp
            | ClaimFigure::Memory
            | ClaimFigure::AnswersAtEnd
            | ClaimFigure::AnswerGain
            | ClaimFigure::SlowestAtEnd
            | ClaimFigure::AddedShare
            | ClaimFigure::BusiestShare
            | ClaimFigure::LeastBusyShare
            | ClaimFigure::Deliveries
            | ClaimFigure::EncodedBytes
            | ClaimFigure::EncodeTime
            | ClaimFigure::DecodeTime
            | ClaimFigure::CodecTime => None,
        }
    })
}

/// Whether `trial` shows its quantile `q`; one that is not valid has no figure anyway.
#[allow(clippy::cast_precision_loss)]
fn carries(trial: &Trial, q: f64) -> bool {
    trial.status != Status::Valid || carries_quantile(trial.counts.started as f64, q)
}

/// `figure` of `trial`, a trial of the stack that `facts` describe; `None` where it was not observed. A quantile that falls
/// among calls without an answer is larger than any number.
#[allow(clippy::cast_precision_loss)]
fn value(trial: &Trial, facts: Option<&StackFacts>, figure: ClaimFigure) -> Option<f64> {
    let protocol = facts.map(|facts| facts.protocol);
    let is_brokered = protocol.is_some_and(|protocol| protocol.needs_broker());
    let has_server = !protocol.is_some_and(|protocol| protocol.is_in_process());
    let of_client = || Some(trial.client?.cpu_ns);
    let serving = || Some(trial.serving(is_brokered)?.cpu_ns);
    let per_answer = |cpu_ns: Option<u64>| Some(trial.per_answer(cpu_ns?)? / NANOS_PER_MICRO);
    let micros = |nanos: Option<f64>| Some(nanos.map_or(f64::INFINITY, |nanos| nanos / NANOS_PER_MICRO));
    match figure {
        ClaimFigure::MedianLatency => micros(trial.median_latency()),
        ClaimFigure::P90Latency => {
            micros(trial.latency.as_ref().and_then(|latency| latency.p90).map(|nanos| nanos as f64))
        }
        ClaimFigure::P99Latency => {
            micros(trial.latency.as_ref().and_then(|latency| latency.p99).map(|nanos| nanos as f64))
        }
        ClaimFigure::CallsPerSecond => Some(trial.throughput),
        ClaimFigure::Deliveries => trial.deliveries.as_ref()?.per_message(),
        ClaimFigure::BusiestShare => {
            trial.shares_of_servers().into_iter().reduce(f64::max).map(|share| 100.0 * share)
        }
        ClaimFigure::LeastBusyShare => {
            trial.shares_of_servers().into_iter().reduce(f64::min).map(|share| 100.0 * share)
        }
        ClaimFigure::ClientCpu => per_answer(of_client()),
        ClaimFigure::ServerCpu => per_answer(serving()),
        ClaimFigure::BrokerCpu => per_answer(trial.broker.map(|broker| broker.cpu_ns)),
        ClaimFigure::Cpu if has_server => {
            per_answer(of_client().zip(serving()).map(|(client, server)| client + server))
        }
        ClaimFigure::Cpu => per_answer(of_client()),
        _ => None,
    }
}
