//! The checks that a trial must pass to count.

use crate::load::Load;
use crate::scenario::Contention;

use super::contention::{self, is_disturbed};
use super::{AuditCheck, CheckName, Label, Latency, Status, Trial};

/// Checks `trial` and sets its audit, status and labels. A trial that failed stays failed.
pub fn audit(trial: &mut Trial, contention: Contention) {
    let checks = checks(trial, contention);
    trial.audit.extend(checks);
    if trial.status != Status::Failed {
        let passed = trial.audit.iter().all(|check| check.passed);
        trial.status = if passed { Status::Valid } else { Status::Invalid };
    }
    if trial.counts.errors() + trial.counts.timed_out > 0 {
        trial.labels.push(Label::Errors);
    }
    if is_disturbed(trial) {
        trial.labels.push(Label::Disturbed);
    }
    if contention == Contention::Label && !contention::failed_checks(trial).is_empty() {
        trial.labels.push(Label::Starved);
    }
}

/// The checks of `trial` that its figures allow. The first one that does not pass is the reason that is shown.
pub(super) fn checks(trial: &Trial, contention: Contention) -> Vec<AuditCheck> {
    let mut checks = vec![
        conservation(trial),
        percentile_order(trial),
        histogram_count(trial),
        right_answers(trial),
        few_errors(trial),
        unanswered_time(trial),
        generator(trial),
    ];
    if trial.load != Load::ONE_CALLER {
        checks.push(littles_law(trial));
    }
    if contention == Contention::Reject {
        // First, because contention may have caused the rest.
        checks.insert(0, contention::contention(trial));
        // Last, because processes do nothing either where calls are not answered.
        checks.extend(contention::starvation(trial));
    }
    checks
}

/// The largest share of failed calls that a working server may have.
const MAX_ERROR_SHARE: f64 = 0.01;
/// The largest share of the window that the callers of a closed loop may wait for calls without an answer.
const MAX_UNANSWERED_SHARE: f64 = 0.1;
/// A generator has no headroom from this utilisation of its core on.
const SATURATED: f64 = 0.95;
/// The largest relative difference between the calls in flight and Little's law.
const LITTLES_LAW_TOLERANCE: f64 = 0.1;
/// The bias of a sample, in calls, which does not depend on their number: where both cores are busy, the sampling
/// thread runs when another one waits, and the call in progress is then more or less likely to be in flight.
const SAMPLING_BIAS: f64 = 0.5;
/// A generator keeps up if it sends this share of its slots in time.
const MIN_PACE: f64 = 0.9;
/// The schedule lag, in nanoseconds at p99, above which it may matter: it does if it is also more than a tenth of the p99
/// of the response times, which it is a part of.
const MAX_HARMLESS_LAG_NS: u64 = 100_000;

/// Whether a schedule lag of `lag_ns` at p99 matters where the p99 of the response times is `response_ns`.
pub(super) fn lag_matters(lag_ns: u64, response_ns: u64) -> bool {
    lag_ns > MAX_HARMLESS_LAG_NS && lag_ns > response_ns / 10
}

fn conservation(trial: &Trial) -> AuditCheck {
    AuditCheck::new(CheckName::Conservation, trial.counts.is_conserved(), || {
        format!("{} calls were started, but a different number is accounted for", trial.counts.started)
    })
}

fn percentile_order(trial: &Trial) -> AuditCheck {
    let ordered = trial.latency.as_ref().is_none_or(|latency| {
        let quantiles = [Some(latency.min), latency.p50, latency.p90, latency.p95, latency.p99, latency.p999];
        // An absent quantile lies among the calls that were never answered: later than every other.
        quantiles.windows(2).all(|pair| pair[0].unwrap_or(u64::MAX) <= pair[1].unwrap_or(u64::MAX))
    });
    AuditCheck::new(CheckName::PercentileOrder, ordered, || {
        "a higher percentile is faster than a lower one".to_owned()
    })
}

fn histogram_count(trial: &Trial) -> AuditCheck {
    let recorded =
        trial.latency.as_ref().map(Latency::histogram).transpose().map(|h| h.map_or(0, |h| h.len()));
    AuditCheck::new(
        CheckName::HistogramCount,
        recorded.as_ref().is_ok_and(|recorded| *recorded == trial.counts.right),
        || match recorded {
            Ok(recorded) => format!("{} correct answers, {recorded} latencies", trial.counts.right),
            Err(error) => error.to_string(),
        },
    )
}

fn right_answers(trial: &Trial) -> AuditCheck {
    AuditCheck::new(CheckName::Answers, trial.counts.wrong == 0 && trial.counts.right > 0, || {
        match trial.counts.wrong {
            0 => "no call was answered".to_owned(),
            wrong => format!("{wrong} of {} answers were wrong", trial.counts.started),
        }
    })
}

#[allow(clippy::cast_precision_loss)]
fn few_errors(trial: &Trial) -> AuditCheck {
    let errors = trial.counts.errors() + trial.counts.timed_out;
    let few = errors as f64 <= MAX_ERROR_SHARE * trial.counts.started as f64;
    AuditCheck::new(CheckName::Errors, few, || {
        let kinds: Vec<_> =
            trial.counts.failed.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let timed_out = format!("{} timed out", trial.counts.timed_out);
        format!("{errors} of {} calls failed ({}, {timed_out})", trial.counts.started, kinds.join(", "))
    })
}

/// Whether the callers of a closed loop got answers for most of the window. A server that falls silent leaves few calls
/// without an answer, one for each caller, but all callers wait.
///
/// A caller always waits for one call, so what the answered calls do not take of the window was spent on the others.
#[allow(clippy::cast_precision_loss)]
fn unanswered_time(trial: &Trial) -> AuditCheck {
    let is_silent = trial.counts.timed_out + trial.counts.unfinished > 0;
    let share = trial.load.callers().filter(|_| is_silent && trial.measured_seconds > 0.0).map(|callers| {
        let histogram = trial.latency.as_ref().and_then(|latency| latency.histogram().ok());
        let answered = histogram.map_or(0.0, |histogram| histogram.mean() * histogram.len() as f64 / 1e9);
        1.0 - answered / (f64::from(callers) * trial.measured_seconds)
    });
    let share = share.unwrap_or(0.0);
    AuditCheck::new(CheckName::UnansweredTime, share <= MAX_UNANSWERED_SHARE, || {
        format!(
            "callers waited for calls that were not answered, {} in all, for {:.0} % of the window",
            trial.counts.timed_out + trial.counts.unfinished,
            100.0 * share
        )
    })
}

/// Little's law: the mean number of calls in flight is the rate at which they begin times how long they take (J. D. C.
/// Little, "A proof for the queuing formula L = λW", Operations Research 9, 1961). One side is sampled, the other is
/// computed from the latencies; a delay between an answer and its timestamp shows as a difference.
#[allow(clippy::cast_precision_loss)]
fn littles_law(trial: &Trial) -> AuditCheck {
    let found = trial.in_flight.zip(clocked_in_flight(trial));
    let agrees = found.is_none_or(|(seen, clocked)| {
        // Four standard errors: the mean of independent samples is further off in one of 10,000 trials.
        let chance = 4.0 * seen.deviation.max(seen.mean.sqrt()) / f64::from(seen.samples).sqrt();
        // Calls that overlap the ends of the window are on one side only.
        let ends = 2.0 * seen.mean * trial.longest_call().as_secs_f64() / trial.measured_seconds;
        (seen.mean - clocked).abs()
            <= LITTLES_LAW_TOLERANCE * seen.mean.max(clocked) + SAMPLING_BIAS + chance + ends
    });
    AuditCheck::new(CheckName::LittlesLaw, agrees, || {
        found.map_or_else(String::new, |(seen, clocked)| {
            format!(
                "{:.2} calls in flight were sampled, but {clocked:.2} follow from the latencies",
                seen.mean
            )
        })
    })
}

/// The mean number of calls in flight by Little's law. `None` unless every call has a latency.
#[allow(clippy::cast_precision_loss)]
fn clocked_in_flight(trial: &Trial) -> Option<f64> {
    let of_calls = if trial.load.rate().is_some() { &trial.service } else { &trial.latency };
    let histogram = of_calls.as_ref()?.histogram().ok()?;
    let complete = trial.counts.right == trial.counts.started && trial.measured_seconds > 0.0;
    complete.then(|| trial.counts.started as f64 / trial.measured_seconds * histogram.mean() / 1e9)
}

/// Whether the generator of an open loop had headroom. Without headroom it misses its schedule, and response times measure
/// the generator instead of the server.
#[allow(clippy::cast_precision_loss)]
fn generator(trial: &Trial) -> AuditCheck {
    let Some(rate) = trial.load.rate() else {
        return AuditCheck::new(CheckName::Generator, true, String::new);
    };
    let late = trial.schedule_lag.as_ref().and_then(|lag| lag.p99).unwrap_or(0);
    let slow = trial.latency.as_ref().and_then(|latency| latency.p99).unwrap_or(u64::MAX);
    let is_late = lag_matters(late, slow);
    let one_core = trial.cores.is_one();
    let client = trial.client.map_or(0.0, |client| client.utilisation);
    let serving = trial.serving(false).map_or(0.0, |serving| serving.utilisation);
    let busy = if one_core { client + serving } else { client };
    let reached = trial.sent_per_second.unwrap_or(0.0);
    let behind = reached * trial.measured_seconds < MIN_PACE * trial.counts.slots as f64;
    // Where the server is busier, the generator is behind because its calls wait for the server.
    let is_short = busy >= SATURATED || (behind && (one_core || client >= serving));
    AuditCheck::new(CheckName::Generator, !is_late && !is_short, || {
        let (late, percent) = (late as f64 / 1e3, 100.0 * busy);
        if is_short {
            let who = if one_core && trial.server.is_some() {
                "generator and server together"
            } else {
                "the generator"
            };
            format!(
                "this machine cannot offer {} calls/s to this stack: it sent {reached:.0}/s at most, {who} with \
                 {percent:.0} % of a core",
                rate.get()
            )
        } else {
            format!(
                "the generator was late, {late:.0} µs at p99, with {percent:.0} % of a core in use: was it disturbed?"
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{Expectation, InFlightMean, Observation, Timing};
    use crate::record::{Used, sample};
    use calculator::conformance::Numbers;
    use calculator::{ErrorKind, Value};
    use std::time::Duration;

    fn trial(change: impl FnOnce(&mut Trial)) -> Trial {
        let mut seen = Observation::default();
        for i in 1..=1_000 {
            seen.record(
                Timing::closed(Duration::from_micros(i)),
                &Ok(Value::Null),
                &Expectation::AnyResult,
                Numbers::Exact,
            );
        }
        let used = |utilisation| Some(Used { cpu_ns: 1, utilisation, peak_rss: 1, ..Used::default() });
        let mut trial = Trial {
            measured_seconds: 1.0,
            latency: Latency::new(&seen.latency, 0).unwrap(),
            counts: seen.counts,
            throughput: 1_000.0,
            client: used(0.5),
            server: used(0.5),
            ..sample::trial("rest", [0, 1])
        };
        change(&mut trial);
        audit(&mut trial, Contention::Reject);
        trial
    }

    #[test]
    fn a_valid_trial_has_no_label() {
        let trial = trial(|_| ());
        assert_eq!((trial.status, trial.complaint()), (Status::Valid, None));
        assert!(trial.labels.is_empty());
    }

    #[test]
    fn each_check_detects_its_fault() {
        let complaint = |change: fn(&mut Trial)| {
            let trial = trial(change);
            assert_eq!(trial.status, Status::Invalid);
            trial.audit.into_iter().filter(|check| !check.passed).map(|check| check.name).collect::<Vec<_>>()
        };
        assert_eq!(complaint(|t| t.counts.started += 1), [CheckName::Conservation]);
        assert_eq!(
            complaint(|t| t.latency.as_mut().unwrap().p50 = Some(1 << 40)),
            [CheckName::PercentileOrder]
        );
        assert_eq!(complaint(|t| t.latency.as_mut().unwrap().p90 = None), [CheckName::PercentileOrder]);
        assert_eq!(
            complaint(|t| {
                t.counts.right -= 1;
                t.counts.started -= 1;
            }),
            [CheckName::HistogramCount]
        );
        assert_eq!(
            complaint(|t| {
                t.counts.wrong += 1;
                t.counts.started += 1;
            }),
            [CheckName::Answers]
        );
    }

    #[test]
    fn detects_calls_in_flight_that_the_latencies_do_not_account_for() {
        // 1,000 calls in a second, 0.5 ms each in the mean: half a call in flight.
        let seen = |mean| Some(InFlightMean { samples: 100, mean, deviation: 0.5 });
        let several = |change: &dyn Fn(&mut Trial)| {
            trial(|t| {
                t.load = "closed:2".parse().unwrap();
                change(t);
            })
        };
        assert_eq!(several(&|t| t.in_flight = seen(0.6)).status, Status::Valid);
        let hidden = several(&|t| t.in_flight = seen(5.0));
        assert_eq!(hidden.status, Status::Invalid);
        assert_eq!(
            hidden.complaint(),
            Some("5.00 calls in flight were sampled, but 0.50 follow from the latencies")
        );
        let errors = several(&|t| {
            t.in_flight = seen(5.0);
            t.counts.failed.insert(ErrorKind::Internal, 1);
            t.counts.started += 1;
        });
        assert_eq!(errors.status, Status::Valid, "a call without an answer has no latency to compare with");
        // With one caller the check could not fail, so it is not made.
        let one_caller = trial(|t| t.in_flight = seen(0.6));
        assert!(one_caller.audit.iter().all(|check| check.name != CheckName::LittlesLaw));
    }

    #[test]
    fn callers_that_wait_for_most_of_the_window_make_a_trial_invalid() {
        // 1,000 calls of 0.5 ms in the mean: half a second of answered calls for each caller's second.
        let silent = |timed_out: u64, seconds: f64| {
            trial(|t| {
                t.measured_seconds = seconds;
                t.counts.timed_out = timed_out;
                t.counts.started += timed_out;
            })
        };
        assert_eq!(silent(0, 1.0).status, Status::Valid, "without a silent call the rest was not waiting");
        assert_eq!(silent(1, 0.52).status, Status::Valid);
        assert_eq!(
            silent(1, 1.0).complaint(),
            Some("callers waited for calls that were not answered, 1 in all, for 50 % of the window")
        );
    }

    #[test]
    fn an_open_loop_without_headroom_is_invalid() {
        let open = |change: fn(&mut Trial)| {
            trial(|t| {
                t.load = "open:1000:poisson".parse().unwrap();
                t.counts.slots = t.counts.started;
                t.service.clone_from(&t.latency);
                t.schedule_lag.clone_from(&t.latency);
                t.schedule_lag.as_mut().unwrap().p99 = Some(20_000);
                t.sent_per_second = Some(1_000.0);
                change(t);
            })
        };
        assert_eq!(open(|_| ()).complaint(), None);
        let late = open(|t| t.schedule_lag.as_mut().unwrap().p99 = Some(400_000));
        assert!(late.complaint().unwrap().contains("late, 400 µs at p99"), "{:?}", late.complaint());
        let busy = open(|t| {
            t.client.as_mut().unwrap().utilisation = 0.97;
            t.sent_per_second = Some(812.4);
        });
        assert!(busy.complaint().unwrap().contains("it sent 812/s at most"), "{:?}", busy.complaint());
        let behind = open(|t| t.sent_per_second = Some(700.0));
        assert!(
            behind.complaint().unwrap().contains("cannot offer 1000 calls/s"),
            "{:?}",
            behind.complaint()
        );
        let waiting = open(|t| {
            t.sent_per_second = Some(700.0);
            t.server.as_mut().unwrap().utilisation = 0.9;
        });
        assert_eq!(waiting.complaint(), None, "the server is what calls wait for");
        let one_core = open(|t| t.cores.server = vec![0]);
        assert!(one_core.complaint().unwrap().contains("generator and server together"));
        let lost = open(|t| t.counts.slots += 1);
        assert_eq!(lost.status, Status::Invalid, "a slot that is neither sent nor counted as not sent");
        // Lag that is a small part of a slow server's response times does not matter.
        let slow = open(|t| {
            t.schedule_lag.as_mut().unwrap().p99 = Some(400_000);
            t.latency.as_mut().unwrap().p99 = Some(4_000_000);
            t.latency.as_mut().unwrap().p999 = Some(4_000_000);
        });
        assert_eq!(slow.complaint(), None);
    }

    #[test]
    fn labels_errors_and_disturbances() {
        let failing = |errors: u64| {
            trial(|t| {
                *t.counts.failed.entry(ErrorKind::Internal).or_default() += errors;
                t.counts.started += errors;
            })
        };
        assert_eq!((failing(10).status, failing(10).labels), (Status::Valid, vec![Label::Errors]));
        assert_eq!(failing(11).status, Status::Invalid);
        assert!(failing(11).complaint().unwrap().contains("11 of 1011 calls failed"));
        assert_eq!(trial(|t| t.stolen = Some(0.05)).labels, [Label::Disturbed]);
        // Which end is saturated is decided over all blocks, not here.
        let busy = trial(|t| {
            t.load = "closed:32".parse().unwrap();
            t.client.as_mut().unwrap().utilisation = 0.99;
        });
        assert!(busy.labels.is_empty());
    }

    #[test]
    fn a_trial_under_contention_is_invalid_or_labelled_as_the_scenario_says() {
        let contended = |contention| {
            let mut trial = trial(|t| t.others = Some(0.3));
            (trial.audit, trial.labels, trial.status) = (vec![], vec![], Status::Valid);
            audit(&mut trial, contention);
            trial
        };
        let rejected = contended(Contention::Reject);
        assert_eq!((rejected.status, rejected.labels.as_slice()), (Status::Invalid, &[Label::Disturbed][..]));
        assert!(rejected.complaint().unwrap().contains("other processes used 30 %"));
        let labelled = contended(Contention::Label);
        assert_eq!((labelled.status, labelled.complaint()), (Status::Valid, None));
        assert_eq!(labelled.labels, [Label::Disturbed, Label::Starved]);
    }
}
