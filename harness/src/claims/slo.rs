//! Whether the figures of a record keep the service level objectives of its scenario.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::load::{Operation, OwnName};
use crate::observe::Counts;
use crate::record::{HistogramError, Latency, Record, Status, TimelineResult, Trial};
use crate::scenario::{Measurement, Slo, SloFigure, Timeline};
use crate::stats::{carries_quantile, growing_histogram, median, quantile_with_missing};

/// An objective, judged for one stack in one measurement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JudgedSlo {
    /// The objective.
    pub slo: Slo,
    /// The measurement, or the stage of a timeline.
    pub measurement: String,
    /// The stack.
    pub stack: String,
    /// The operation, where the objective names one that is a part of a mix.
    pub operation: Option<Operation>,
    /// The figure: nanoseconds, a share, or calls per second. Absent where it is infinite, because too many calls got no correct
    /// answer, or is not known.
    pub value: Option<f64>,
    /// Whether it keeps the limit.
    pub outcome: SloOutcome,
}

/// Whether a figure keeps its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SloOutcome {
    /// It does.
    Kept,
    /// It does not.
    Broken,
    /// There are too few calls for the figure, or no valid trial; or the figure keeps the limit, but trials that failed made only a
    /// part of their calls.
    Undecided,
}

impl SloOutcome {
    /// The name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SloOutcome::Kept => "kept",
            SloOutcome::Broken => "broken",
            SloOutcome::Undecided => "undecided",
        }
    }
}

/// Judges every objective of `record` for every stack but the floors, in each measurement, and in each stage of a timeline, that it
/// is about.
///
/// Response times and rates are those of valid trials and stages. Errors count in all of them, since too many make a trial invalid.
///
/// # Errors
/// When a histogram cannot be read.
pub fn judge_slos(record: &Record) -> Result<Vec<JudgedSlo>, HistogramError> {
    let stacks = || {
        let compared = record.stacks.iter().filter(|facts| !facts.protocol.is_floor());
        compared.map(|facts| facts.name.as_str())
    };
    let staged = || record.scenario.timelines.iter().filter(|timeline| !timeline.stages.is_empty());
    let mut judged = vec![];
    for slo in &record.scenario.slos {
        let of_measurements = record.scenario.measurements.iter().flat_map(|measurement| {
            stacks().filter_map(move |stack| calls_of_measurement(slo, record, measurement, stack))
        });
        let of_timelines = staged().flat_map(|timeline| {
            stacks().flat_map(move |stack| calls_of_timeline(slo, record, timeline, stack))
        });
        for group in of_measurements.chain(of_timelines) {
            let (value, outcome) = judge(slo, &group.calls)?;
            judged.push(JudgedSlo {
                slo: slo.clone(),
                measurement: group.name,
                stack: group.stack.to_owned(),
                operation: group.operation,
                value,
                outcome,
            });
        }
    }
    Ok(judged)
}

/// Calls that an objective judges together.
struct CallGroup<'a> {
    /// The measurement, or the stage of a timeline.
    name: String,
    stack: &'a str,
    /// The operation, where the objective names one that is a part of a mix.
    operation: Option<Operation>,
    calls: Vec<Calls<'a>>,
}

/// The calls of `stack` in `measurement` that `slo` is about; `None` if it is about none of them.
fn calls_of_measurement<'a>(
    slo: &Slo,
    record: &'a Record,
    measurement: &Measurement,
    stack: &'a str,
) -> Option<CallGroup<'a>> {
    let is_of = |trial: &&Trial| trial.measurement == measurement.name && trial.stack == stack;
    let trials: Vec<_> = record.trials.iter().filter(is_of).collect();
    let parts = parts(record, measurement.operation);
    let (operation, calls) = calls(slo, (&measurement.name, measurement.operation), &parts, &trials)?;
    Some(CallGroup { name: measurement.name.clone(), stack, operation, calls })
}

/// The calls of `stack` in `timeline` that `slo` is about: those of each stage, or those of an operation of a mix in all stages.
fn calls_of_timeline<'a>(
    slo: &Slo,
    record: &'a Record,
    timeline: &Timeline,
    stack: &'a str,
) -> Vec<CallGroup<'a>> {
    let is_of = |result: &&TimelineResult| result.timeline == timeline.name && result.stack == stack;
    let results: Vec<_> = record.timelines.iter().filter(is_of).collect();
    if !is_whole(slo, &timeline.name, timeline.operation) {
        let part = calls_of_part(slo, record, timeline, &results);
        let group = part.map(|(operation, calls)| CallGroup {
            name: timeline.name.clone(),
            stack,
            operation: Some(operation),
            calls,
        });
        return group.into_iter().collect();
    }
    let stage = |index: usize| CallGroup {
        name: format!("{}, stage {}", timeline.name, index + 1),
        stack,
        operation: None,
        calls: calls_of_stage(&results, index),
    };
    (0..timeline.stages.len()).map(stage).filter(|group| !group.calls.is_empty()).collect()
}

/// Whether `slo` is about all calls of the measurement, or timeline, `name` of `operation`.
fn is_whole(slo: &Slo, name: &str, operation: Operation) -> bool {
    slo.subject.as_ref().is_none_or(|subject| subject == name || *subject == operation.to_string())
}

/// The calls of stage number `index` in each of `results`.
fn calls_of_stage<'a>(results: &[&'a TimelineResult], index: usize) -> Vec<Calls<'a>> {
    let calls = results.iter().filter_map(|result| {
        let stage = result.stages.get(index)?;
        Some(Calls {
            is_valid: result.status == Status::Valid && stage.status == Status::Valid,
            has_failed: result.status == Status::Failed,
            counts: &stage.counts,
            latency: stage.latency.as_ref(),
            rate: stage.rate(),
        })
    });
    calls.collect()
}

/// The operations that `operation` consists of; none unless it is a mix.
fn parts(record: &Record, operation: Operation) -> Vec<OwnName> {
    let names = record.scenario.operations.iter().map(|defined| defined.name);
    if operation == Operation::own(OwnName::MIX) { names.collect() } else { vec![] }
}

/// The calls of the one operation of a mix that `slo` names, in all stages of each of `results`; `None` if it names none.
#[allow(clippy::cast_precision_loss)]
fn calls_of_part<'a>(
    slo: &Slo,
    record: &Record,
    timeline: &Timeline,
    results: &[&'a TimelineResult],
) -> Option<(Operation, Vec<Calls<'a>>)> {
    let parts = parts(record, timeline.operation);
    let name = *parts.iter().find(|part| Some(part.as_str()) == slo.subject.as_deref())?;
    let seconds = timeline.length().as_secs_f64().max(f64::MIN_POSITIVE);
    let calls = results.iter().filter_map(|result| {
        let part = result.operations.iter().find(|part| part.operation == name)?;
        Some(Calls {
            is_valid: result.is_sound(),
            has_failed: result.status == Status::Failed,
            counts: &part.counts,
            latency: part.latency.as_ref(),
            rate: part.counts.right as f64 / seconds,
        })
    });
    Some((Operation::own(name), calls.collect()))
}

/// The calls that an objective is about, of one trial, or of one block of a timeline.
struct Calls<'a> {
    is_valid: bool,
    /// Whether the trial ended early, so that it made only a part of its calls.
    has_failed: bool,
    counts: &'a Counts,
    latency: Option<&'a Latency>,
    /// Correct answers per second.
    rate: f64,
}

/// The calls of `trials`, which are those of a stack in the `measurement` of `operation`, that `slo` is about: all of them, or those of
/// one of the `parts` of a mix, which is returned, too. `None` if it is about none of them.
#[allow(clippy::cast_precision_loss)]
fn calls<'a>(
    slo: &Slo,
    (measurement, operation): (&str, Operation),
    parts: &[OwnName],
    trials: &[&'a Trial],
) -> Option<(Option<Operation>, Vec<Calls<'a>>)> {
    let of_trial = |trial: &'a Trial, counts, latency, rate| Calls {
        is_valid: trial.status == Status::Valid,
        has_failed: trial.status == Status::Failed,
        counts,
        latency,
        rate,
    };
    let whole = |trial: &&'a Trial| of_trial(trial, &trial.counts, trial.latency.as_ref(), trial.throughput);
    if is_whole(slo, measurement, operation) {
        return (!trials.is_empty()).then(|| (None, trials.iter().map(whole).collect()));
    }
    let name = *parts.iter().find(|part| Some(part.as_str()) == slo.subject.as_deref())?;
    // Records do not divide the calls of a mix of one operation.
    if parts.len() == 1 {
        return (!trials.is_empty())
            .then(|| (Some(Operation::own(name)), trials.iter().map(whole).collect()));
    }
    let calls = trials.iter().filter_map(|trial| {
        let part = trial.operations.iter().find(|part| part.operation == name)?;
        let share = part.counts.right as f64 / (trial.counts.right as f64).max(1.0);
        Some(of_trial(trial, &part.counts, part.latency.as_ref(), trial.throughput * share))
    });
    Some((Some(Operation::own(name)), calls.collect()))
}

/// The share of calls without a correct answer, and whether it is known well enough to keep a limit.
///
/// Where trials failed it is the mean of the trials' shares. Callers give up after a few calls without an answer, so that a server
/// that ended would hardly count among the many calls of the trials before.
#[allow(clippy::cast_precision_loss)]
fn error_rate(calls: &[Calls<'_>]) -> (Option<f64>, bool) {
    let share = |counts: &Counts| {
        let all = counts.started.saturating_add(counts.not_sent);
        (all > 0).then(|| counts.not_right() as f64 / all as f64)
    };
    if calls.iter().all(|calls| !calls.has_failed) {
        return (share(&Counts::of(calls.iter().map(|calls| calls.counts))), true);
    }
    let shares: Vec<f64> = calls.iter().filter_map(|calls| share(calls.counts)).collect();
    let mean = (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64);
    (mean, false)
}

#[allow(clippy::cast_precision_loss)]
fn judge(slo: &Slo, calls: &[Calls<'_>]) -> Result<(Option<f64>, SloOutcome), HistogramError> {
    let decided = |value: f64| {
        let outcome = if slo.is_kept_by(value) { SloOutcome::Kept } else { SloOutcome::Broken };
        (Some(value).filter(|value| value.is_finite()), outcome)
    };
    let valid: Vec<_> = calls.iter().filter(|calls| calls.is_valid).collect();
    Ok(match slo.figure {
        SloFigure::ErrorRate => {
            let (rate, is_known) = error_rate(calls);
            match rate.map_or((None, SloOutcome::Undecided), decided) {
                (value, SloOutcome::Kept) if !is_known => (value, SloOutcome::Undecided),
                judged => judged,
            }
        }
        SloFigure::Rate => {
            let rates: Vec<f64> = valid.iter().map(|calls| calls.rate).collect();
            let has_calls = valid.iter().any(|calls| calls.counts.started > 0);
            median(&rates).filter(|_| has_calls).map_or((None, SloOutcome::Undecided), decided)
        }
        SloFigure::ResponseTime(quantile) => {
            let counts = Counts::of(valid.iter().map(|calls| calls.counts));
            let mut all: Histogram<u64> = growing_histogram();
            for latency in valid.iter().filter_map(|calls| calls.latency) {
                all.add(latency.histogram()?).map_err(|error| HistogramError::new(&error))?;
            }
            let is_known = quantile >= 1.0 || carries_quantile(counts.started as f64, quantile);
            if counts.started == 0 || !is_known {
                (None, SloOutcome::Undecided)
            } else {
                let value = quantile_with_missing(&all, counts.not_right(), quantile);
                decided(value.map_or(f64::INFINITY, |nanos| nanos as f64))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::OwnOperation;
    use crate::record::OperationPart;
    use crate::report::tests::record;

    fn judged(slos: &[&str], change: impl Fn(&mut Record)) -> Vec<(String, SloOutcome, Option<f64>)> {
        let mut record = record(&["tcp", "rest"], 3);
        record.scenario.slos = slos.iter().map(|slo| slo.parse().unwrap()).collect();
        change(&mut record);
        let judged = judge_slos(&record).unwrap();
        judged.into_iter().map(|judged| (judged.stack, judged.outcome, judged.value)).collect()
    }

    #[test]
    fn each_stack_but_the_floors_keeps_an_objective_or_breaks_it() {
        let outcomes = |slo: &str| judged(&[slo], |_| ());
        assert!(
            outcomes("p50<1s")
                .iter()
                .all(|(stack, outcome, _)| stack == "rest" && *outcome == SloOutcome::Kept)
        );
        assert!(outcomes("p50<1ns").iter().all(|(_, outcome, _)| *outcome == SloOutcome::Broken));
        assert!(outcomes("add.error_rate<=0").iter().all(|(_, outcome, _)| *outcome == SloOutcome::Kept));
        assert!(outcomes("rate>1e12").iter().all(|(_, outcome, _)| *outcome == SloOutcome::Broken));
        assert!(!outcomes("p50<1s").is_empty() && outcomes("nothing.p50<1s").is_empty());
    }

    #[test]
    fn errors_count_in_invalid_trials_and_times_do_not() {
        let all_invalid = |record: &mut Record| {
            for trial in &mut record.trials {
                trial.status = Status::Invalid;
                trial.counts.wrong = trial.counts.right;
                trial.counts.started += trial.counts.wrong;
            }
        };
        let outcomes = judged(&["error_rate<50%", "error_rate<=50%"], all_invalid);
        assert!(outcomes.iter().any(|(_, outcome, _)| *outcome == SloOutcome::Broken));
        assert!(outcomes.iter().all(|(_, _, value)| *value == Some(0.5)));
        let outcomes = judged(&["p50<1s", "rate>1"], all_invalid);
        assert!(
            outcomes.iter().all(|(_, outcome, value)| (*outcome, *value) == (SloOutcome::Undecided, None))
        );
    }

    #[test]
    fn an_outage_does_not_hide_behind_the_many_calls_before_it() {
        let outage = |gone: fn(&mut Trial)| {
            move |record: &mut Record| {
                let last = record.scenario.blocks.get() - 1;
                for trial in record.trials.iter_mut().filter(|trial| trial.block == last) {
                    trial.status = Status::Failed;
                    gone(trial);
                }
            }
        };
        // The callers gave up after ten calls.
        let lost = outage(|trial| trial.counts = Counts { started: 10, timed_out: 10, ..Counts::default() });
        let outcomes = judged(&["error_rate<30%"], lost);
        assert!(!outcomes.is_empty());
        for (_, outcome, value) in outcomes {
            assert_eq!(outcome, SloOutcome::Broken);
            assert!((value.unwrap() - 1.0 / 3.0).abs() < 1e-9, "{value:?}");
        }
        assert!(judged(&["error_rate<34%"], lost).iter().all(|judged| judged.1 == SloOutcome::Undecided));
        // Nothing could be called.
        let absent = outage(|trial| trial.counts = Counts::default());
        let outcomes = judged(&["error_rate<1%"], absent);
        assert!(outcomes.iter().all(|judged| (judged.1, judged.2) == (SloOutcome::Undecided, Some(0.0))));
    }

    #[test]
    fn an_objective_of_an_operation_without_calls_is_undecided() {
        let mix = |calls_of_b: bool| {
            move |record: &mut Record| {
                let names = ["a", "b"].map(|name| OwnName::new(name).unwrap());
                record.scenario.operations = names.map(OwnOperation::new).to_vec();
                record
                    .scenario
                    .measurements
                    .iter_mut()
                    .for_each(|it| it.operation = Operation::own(OwnName::MIX));
                for trial in &mut record.trials {
                    let part = |operation, counts| OperationPart { operation, counts, latency: None };
                    trial.operations = vec![part(names[0], trial.counts.clone())];
                    // Records of earlier versions have no part of an operation that was not called.
                    if calls_of_b {
                        trial.operations.push(part(names[1], Counts::default()));
                    }
                }
            }
        };
        for has_part in [false, true] {
            for slo in ["b.p99<1us", "b.error_rate<1%", "b.rate>1"] {
                let outcomes = judged(&[slo], mix(has_part));
                assert!(!outcomes.is_empty(), "{slo}");
                assert!(
                    outcomes.iter().all(|judged| judged.1 == SloOutcome::Undecided),
                    "{slo}: {outcomes:?}"
                );
            }
            assert!(judged(&["a.error_rate<1%"], mix(has_part)).iter().all(|it| it.1 == SloOutcome::Kept));
        }
        let only = |record: &mut Record| {
            mix(false)(record);
            record.scenario.operations.truncate(1);
            record.trials.iter_mut().for_each(|trial| trial.operations.clear());
        };
        assert!(judged(&["a.error_rate<1%"], only).iter().any(|it| it.1 == SloOutcome::Kept));
    }

    #[test]
    fn a_quantile_among_calls_without_an_answer_is_infinite() {
        let half_wrong = |record: &mut Record| {
            for trial in &mut record.trials {
                trial.counts.wrong = 2 * trial.counts.right;
                trial.counts.started += trial.counts.wrong;
            }
        };
        let outcomes = judged(&["p50<100s"], half_wrong);
        assert!(outcomes.iter().all(|(_, outcome, value)| (*outcome, *value) == (SloOutcome::Broken, None)));
    }

    #[test]
    fn each_stage_of_a_timeline_keeps_an_objective_or_breaks_it() {
        let outcomes = |slo: &str| {
            let mut record = crate::report::tests::staged::record();
            record.scenario.slos = vec![slo.parse().unwrap()];
            let judged = judge_slos(&record).unwrap();
            judged.into_iter().map(|it| (it.measurement, it.outcome)).collect::<Vec<_>>()
        };
        // The second stage takes four times as long, and one of its calls in ten fails.
        let kept_broken = [
            ("ramp, stage 1".to_owned(), SloOutcome::Kept),
            ("ramp, stage 2".to_owned(), SloOutcome::Broken),
        ];
        assert_eq!(outcomes("ramp.p50<2ms"), kept_broken);
        assert_eq!(outcomes("error_rate<1%"), kept_broken);
        assert_eq!(outcomes("add.p99<1s")[1].1, SloOutcome::Broken);
        assert_eq!(outcomes("rate>=1")[1].1, SloOutcome::Kept);
        assert!(outcomes("other.rate>=1").is_empty());
    }
}
