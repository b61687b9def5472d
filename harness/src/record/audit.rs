//! The checks that a trial must pass to count.

use super::{AgentPart, AuditCheck, CheckName, Label, Latency, Status, Trial};

/// Checks `trial` and sets its audit, status and labels. A trial that failed stays failed.
pub fn audit(trial: &mut Trial) {
    let checks = [
        conservation(trial),
        percentile_order(trial),
        histogram_count(trial),
        right_answers(trial),
        few_errors(trial),
        generator(trial),
        littles_law(trial),
    ];
    trial.audit.extend(checks);
    if trial.status != Status::Failed {
        let passed = trial.audit.iter().all(|check| check.passed);
        trial.status = if passed { Status::Valid } else { Status::Invalid };
    }
    if trial.counts.errors() + trial.counts.timed_out > 0 {
        trial.labels.push(Label::Errors);
    }
    if is_client_bound(trial) {
        trial.labels.push(Label::ClientBound);
    } else if is_unsaturated(trial) {
        trial.labels.push(Label::Unsaturated);
    }
    if trial.stolen.is_some_and(|share| share > DISTURBED) {
        trial.labels.push(Label::Disturbed);
    }
}

/// Labels a closed loop of several agents of which one has saturated its core: what they reached together is what that
/// one could offer.
pub fn label_saturated_agents(trial: &mut Trial) {
    let saturated = |part: &AgentPart| part.client.is_some_and(|client| client.utilisation >= BUSY);
    let is_new = !trial.labels.contains(&Label::ClientBound);
    if is_new && trial.load.rate().is_none() && trial.agents.iter().any(saturated) {
        trial.labels.push(Label::ClientBound);
    }
}

/// The share of calls without an answer above which a trial is not one of a working server.
const MOST_ERRORS: f64 = 0.01;
/// The share of its cores' time above which a hypervisor disturbed a trial.
const DISTURBED: f64 = 0.02;
/// The share of a window in which a core was in use, above which it counts as saturated.
const BUSY: f64 = 0.95;
/// By how much the number of calls in flight may differ from what Little's law says.
const LITTLES_ERROR: f64 = 0.1;
/// By how many calls a look may be wrong however many there are: where both cores are in use, whoever looks gets his turn
/// when somebody waits, and the call in hand is more or less likely to be under way just then.
const LOOKING: f64 = 0.5;
/// The share of its slots in a time that a generator must send to keep up.
const PACE: f64 = 0.9;
/// The schedule lag of an open loop's generator, in nanoseconds at p99, above which it may matter: it does where it is more
/// than a tenth of the p99 of the response times that it is a part of.
const LATE: u64 = 100_000;
/// The share below which neither end was near saturation.
const IDLE: f64 = 0.85;

fn conservation(trial: &Trial) -> AuditCheck {
    AuditCheck::new(CheckName::Conservation, trial.counts.is_conserved(), || {
        format!("{} calls were started, and not as many are accounted for", trial.counts.started)
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
            Ok(recorded) => format!("{} right answers, {recorded} latencies", trial.counts.right),
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
    let few = errors as f64 <= MOST_ERRORS * trial.counts.started as f64;
    AuditCheck::new(CheckName::Errors, few, || {
        let kinds: Vec<_> =
            trial.counts.failed.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let timed_out = format!("{} timed out", trial.counts.timed_out);
        format!("{errors} of {} calls failed ({}, {timed_out})", trial.counts.started, kinds.join(", "))
    })
}

/// Little's law: the mean number of calls in flight is the rate at which they begin times how long they take (J. D. C.
/// Little, "A proof for the queuing formula L = λW", Operations Research 9, 1961). The one side is counted by looking,
/// the other follows from the clocks of the calls; what is slow to be noticed or recorded shows as a difference.
#[allow(clippy::cast_precision_loss)]
fn littles_law(trial: &Trial) -> AuditCheck {
    let found = trial.in_flight.zip(clocked_in_flight(trial));
    let agrees = found.is_none_or(|(seen, clocked)| {
        // A mean of so many samples is off by this much in one of 10,000 trials, were they independent.
        let chance = 4.0 * seen.deviation.max(seen.mean.sqrt()) / f64::from(seen.samples).sqrt();
        // Calls that overlap the ends of the window are in one of the two only.
        let ends = 2.0 * seen.mean * trial.longest().as_secs_f64() / trial.measured_seconds;
        (seen.mean - clocked).abs() <= LITTLES_ERROR * seen.mean.max(clocked) + LOOKING + chance + ends
    });
    AuditCheck::new(CheckName::LittlesLaw, agrees, || {
        found.map_or_else(String::new, |(seen, clocked)| {
            format!("{:.2} calls were seen in flight, but {clocked:.2} follow from their times", seen.mean)
        })
    })
}

/// The mean number of calls in flight that follows from how long they took. `None` where not every call has a time.
#[allow(clippy::cast_precision_loss)]
fn clocked_in_flight(trial: &Trial) -> Option<f64> {
    let of_calls = if trial.load.rate().is_some() { &trial.service } else { &trial.latency };
    let histogram = of_calls.as_ref()?.histogram().ok()?;
    let complete = trial.counts.right == trial.counts.started && trial.measured_seconds > 0.0;
    complete.then(|| trial.counts.started as f64 / trial.measured_seconds * histogram.mean() / 1e9)
}

/// Whether the generator of an open loop had headroom. Without it the schedule was not kept, and response times tell of
/// the generator and not of the server.
#[allow(clippy::cast_precision_loss)]
fn generator(trial: &Trial) -> AuditCheck {
    let Some(rate) = trial.load.rate() else {
        return AuditCheck::new(CheckName::Generator, true, String::new);
    };
    let late = trial.schedule_lag.as_ref().and_then(|lag| lag.p99).unwrap_or(0);
    let slow = trial.latency.as_ref().and_then(|latency| latency.p99).unwrap_or(u64::MAX);
    let is_late = late > LATE && late > slow / 10;
    let one_core = trial.cores.client == trial.cores.server;
    let (client, serving) =
        (trial.client.map_or(0.0, |client| client.utilisation), serving(trial).unwrap_or(0.0));
    let busy = if one_core { client + serving } else { client };
    let reached = trial.sent_per_second.unwrap_or(0.0);
    let behind = reached * trial.measured_seconds < PACE * trial.counts.slots as f64;
    // Where a busier server is what calls wait for, the generator is behind because of it.
    let is_short = busy >= BUSY || (behind && (one_core || client >= serving));
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

/// Whether several callers kept neither end busy: what they reached is then not what the server could answer, because
/// something else took the cores or the calls waited for something else.
fn is_unsaturated(trial: &Trial) -> bool {
    let (Some(client), Some(serving)) = (trial.client, serving(trial)) else { return false };
    trial.load.callers().is_some_and(|callers| callers > 1) && client.utilisation < IDLE && serving < IDLE
}

/// How busy server and broker were together: they share a core.
fn serving(trial: &Trial) -> Option<f64> {
    Some(trial.server?.utilisation + trial.broker.map_or(0.0, |broker| broker.utilisation))
}

/// Whether the client is what saturates: its core is busy all the time while the server's is not. Such a trial says how
/// fast the client is, and nothing about how fast the server could be.
fn is_client_bound(trial: &Trial) -> bool {
    let (Some(client), Some(serving)) = (trial.client, serving(trial)) else { return false };
    let is_closed = trial.load.rate().is_none();
    is_closed && trial.cores.client != trial.cores.server && client.utilisation >= BUSY && serving < BUSY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::{Cores, Placement};
    use crate::load::{Load, Operation};
    use crate::observe::{InFlightMean, Observation, Timing};
    use crate::record::Used;
    use crate::scenario::{Measurement, TrialSpec};
    use crate::stacks::Stack;
    use calculator::Value;
    use std::time::Duration;

    fn trial(change: impl FnOnce(&mut Trial)) -> Trial {
        let mut seen = Observation::default();
        for i in 1..=1_000 {
            seen.record(Timing::closed(Duration::from_micros(i)), &Ok(Value::Null), &Ok(Value::Null));
        }
        let used = |utilisation| {
            Some(Used { cpu_ns: 1, utilisation, voluntary_switches: 0, involuntary_switches: 0, peak_rss: 1 })
        };
        let measurement = Measurement {
            name: "latency".to_owned(),
            operation: Operation::ADD,
            load: Load::ONE_CALLER,
            placement: Placement::Split,
            connections: None,
            warm: true,
        };
        let cores = Cores { client: vec![0], server: vec![1] };
        let spec = TrialSpec::new(Stack::named("rest").unwrap(), &measurement, &cores);
        let mut trial = Trial {
            measured_seconds: 1.0,
            latency: Latency::new(&seen.latency, 0).unwrap(),
            counts: seen.counts,
            throughput: 1_000.0,
            client: used(0.5),
            server: used(0.5),
            ..Trial::new(&spec, 0, 0)
        };
        change(&mut trial);
        audit(&mut trial);
        trial
    }

    #[test]
    fn a_sound_trial_passes_without_a_label() {
        let trial = trial(|_| ());
        assert_eq!((trial.status, trial.complaint()), (Status::Valid, None));
        assert!(trial.labels.is_empty());
    }

    #[test]
    fn each_check_finds_what_it_is_for() {
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
    fn calls_in_flight_that_the_clocks_do_not_account_for_are_found() {
        // 1,000 calls in a second, 0.5 ms each in the mean: half a call in flight.
        let seen = |mean| Some(InFlightMean { samples: 100, mean, deviation: 0.5 });
        assert_eq!(trial(|t| t.in_flight = seen(0.6)).status, Status::Valid);
        let hidden = trial(|t| t.in_flight = seen(5.0));
        assert_eq!(hidden.status, Status::Invalid);
        assert_eq!(
            hidden.complaint(),
            Some("5.00 calls were seen in flight, but 0.50 follow from their times")
        );
        let errors = trial(|t| {
            t.in_flight = seen(5.0);
            t.counts.timed_out = 1;
            t.counts.started += 1;
        });
        assert_eq!(errors.status, Status::Valid, "a call without an end has no time to hold against");
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
        // Lateness that is a small part of a slow server's response times does not matter.
        let slow = open(|t| {
            t.schedule_lag.as_mut().unwrap().p99 = Some(400_000);
            t.latency.as_mut().unwrap().p99 = Some(4_000_000);
            t.latency.as_mut().unwrap().p999 = Some(4_000_000);
        });
        assert_eq!(slow.complaint(), None);
    }

    #[test]
    fn a_server_that_fails_often_or_a_machine_that_was_disturbed_is_named() {
        let failing = |errors: u64| {
            trial(|t| {
                t.counts.timed_out = errors;
                t.counts.started += errors;
            })
        };
        assert_eq!((failing(10).status, failing(10).labels), (Status::Valid, vec![Label::Errors]));
        assert_eq!(failing(11).status, Status::Invalid);
        assert!(failing(11).complaint().unwrap().contains("11 of 1011 calls failed"));
        assert_eq!(trial(|t| t.stolen = Some(0.05)).labels, [Label::Disturbed]);
        assert_eq!(trial(|t| t.load = "closed:32".parse().unwrap()).labels, [Label::Unsaturated]);
    }

    #[test]
    fn one_agent_that_saturates_is_enough_to_say_so() {
        let labels = |utilisation: f64, load: &str| {
            let mut trial = trial(|t| t.load = load.parse().unwrap());
            let busy = Used { utilisation, ..trial.client.unwrap() };
            trial.agents = vec![
                AgentPart::new(&trial, 1, None),
                AgentPart { client: Some(busy), ..AgentPart::new(&trial, 2, None) },
            ];
            trial.labels.clear();
            label_saturated_agents(&mut trial);
            label_saturated_agents(&mut trial);
            trial.labels
        };
        assert_eq!(labels(0.99, "closed:32"), [Label::ClientBound]);
        assert!(labels(0.5, "closed:32").is_empty());
        // The audit of an open loop has a check of its own for that.
        assert!(labels(0.99, "open:100:poisson").is_empty());
    }

    #[test]
    fn a_client_that_saturates_first_is_named() {
        let busy = |t: &mut Trial| t.client.as_mut().unwrap().utilisation = 0.99;
        assert_eq!(trial(busy).labels, [Label::ClientBound]);
        let both = trial(|t| {
            busy(t);
            t.server.as_mut().unwrap().utilisation = 0.98;
        });
        assert!(both.labels.is_empty());
        let one_core = trial(|t| {
            busy(t);
            t.cores.server = vec![0];
        });
        assert!(one_core.labels.is_empty());
    }
}
