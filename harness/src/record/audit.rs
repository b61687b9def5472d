//! The checks that a trial must pass to count.

use super::{AuditCheck, Latency, Status, Trial};

/// Checks `trial` and sets its audit, status and labels. A trial that failed stays failed.
pub fn audit(trial: &mut Trial) {
    let checks = [
        conservation(trial),
        percentile_order(trial),
        histogram_count(trial),
        right_answers(trial),
        few_errors(trial),
    ];
    trial.audit.extend(checks);
    if trial.status != Status::Failed {
        let passed = trial.audit.iter().all(|check| check.passed);
        trial.status = if passed { Status::Valid } else { Status::Invalid };
    }
    if trial.counts.errors() + trial.counts.timed_out > 0 {
        trial.labels.push("errors".to_owned());
    }
    if is_client_bound(trial) {
        trial.labels.push("client-bound".to_owned());
    } else if is_unsaturated(trial) {
        trial.labels.push("unsaturated".to_owned());
    }
    if trial.stolen.is_some_and(|share| share > DISTURBED) {
        trial.labels.push("disturbed".to_owned());
    }
}

/// The share of calls without an answer above which a trial is not one of a working server.
const MOST_ERRORS: f64 = 0.01;
/// The share of its cores' time above which a hypervisor disturbed a trial.
const DISTURBED: f64 = 0.02;
/// The share of a window in which a core was in use, above which it counts as saturated.
const BUSY: f64 = 0.95;
/// The share below which neither end was near saturation.
const IDLE: f64 = 0.85;

fn check(name: &str, passed: bool, detail: impl FnOnce() -> String) -> AuditCheck {
    AuditCheck { name: name.to_owned(), passed, detail: if passed { String::new() } else { detail() } }
}

fn conservation(trial: &Trial) -> AuditCheck {
    check("conservation", trial.counts.is_conserved(), || {
        format!("{} calls were started, and not as many are accounted for", trial.counts.started)
    })
}

fn percentile_order(trial: &Trial) -> AuditCheck {
    let ordered = trial.latency.as_ref().is_none_or(|latency| {
        let quantiles = [Some(latency.min), latency.p50, latency.p90, latency.p99, latency.p999];
        // An absent quantile lies among the calls that were never answered: later than every other.
        quantiles.windows(2).all(|pair| pair[0].unwrap_or(u64::MAX) <= pair[1].unwrap_or(u64::MAX))
    });
    check("percentile order", ordered, || "a higher percentile is faster than a lower one".to_owned())
}

fn histogram_count(trial: &Trial) -> AuditCheck {
    let recorded =
        trial.latency.as_ref().map(Latency::histogram).transpose().map(|h| h.map_or(0, |h| h.len()));
    check("histogram count", recorded.as_ref().is_ok_and(|recorded| *recorded == trial.counts.right), || {
        match recorded {
            Ok(recorded) => format!("{} right answers, {recorded} latencies", trial.counts.right),
            Err(error) => error.to_string(),
        }
    })
}

fn right_answers(trial: &Trial) -> AuditCheck {
    check("answers", trial.counts.wrong == 0 && trial.counts.right > 0, || match trial.counts.wrong {
        0 => "no call was answered".to_owned(),
        wrong => format!("{wrong} of {} answers were wrong", trial.counts.started),
    })
}

#[allow(clippy::cast_precision_loss)]
fn few_errors(trial: &Trial) -> AuditCheck {
    let errors = trial.counts.errors() + trial.counts.timed_out;
    let few = errors as f64 <= MOST_ERRORS * trial.counts.started as f64;
    check("errors", few, || {
        let kinds: Vec<_> =
            trial.counts.failed.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let timed_out = format!("{} timed out", trial.counts.timed_out);
        format!("{errors} of {} calls failed ({}, {timed_out})", trial.counts.started, kinds.join(", "))
    })
}

/// Whether several callers kept neither end busy: what they reached is then not what the server could answer, because
/// something else took the cores or the calls waited for something else.
fn is_unsaturated(trial: &Trial) -> bool {
    let (Some(client), Some(serving)) = (trial.client, serving(trial)) else { return false };
    trial.callers > 1 && client.utilisation < IDLE && serving < IDLE
}

/// How busy server and broker were together: they share a core.
fn serving(trial: &Trial) -> Option<f64> {
    Some(trial.server?.utilisation + trial.broker.map_or(0.0, |broker| broker.utilisation))
}

/// Whether the client is what saturates: its core is busy all the time while the server's is not. Such a trial says how
/// fast the client is, and nothing about how fast the server could be.
fn is_client_bound(trial: &Trial) -> bool {
    let (Some(client), Some(serving)) = (trial.client, serving(trial)) else { return false };
    trial.cores.client != trial.cores.server && client.utilisation >= BUSY && serving < BUSY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::{Cores, Placement};
    use crate::load::Operation;
    use crate::observe::Observation;
    use crate::record::Used;
    use calculator::Value;
    use std::time::Duration;

    fn trial(change: impl FnOnce(&mut Trial)) -> Trial {
        let mut seen = Observation::default();
        for i in 1..=1_000 {
            seen.record(Duration::from_micros(i), &Ok(Value::Null), &Ok(Value::Null));
        }
        let used = |utilisation| {
            Some(Used { cpu_ns: 1, utilisation, voluntary_switches: 0, involuntary_switches: 0, peak_rss: 1 })
        };
        let mut trial = Trial {
            block: 0,
            position: 0,
            measurement: "latency".to_owned(),
            stack: "rest".to_owned(),
            twin: false,
            operation: Operation::ADD,
            callers: 1,
            connections: 1,
            placement: Placement::Split,
            cores: Cores { client: vec![0], server: vec![1] },
            warm: true,
            at_seconds: 0.0,
            measured_seconds: 1.0,
            latency: Latency::new(&seen.latency, 0).unwrap(),
            counts: seen.counts,
            throughput: 1_000.0,
            client: used(0.5),
            server: used(0.5),
            broker: None,
            stolen: None,
            status: Status::Valid,
            audit: vec![],
            labels: vec![],
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
        assert_eq!(complaint(|t| t.counts.started += 1), ["conservation"]);
        assert_eq!(complaint(|t| t.latency.as_mut().unwrap().p50 = Some(1 << 40)), ["percentile order"]);
        assert_eq!(complaint(|t| t.latency.as_mut().unwrap().p90 = None), ["percentile order"]);
        assert_eq!(
            complaint(|t| {
                t.counts.right -= 1;
                t.counts.started -= 1;
            }),
            ["histogram count"]
        );
        assert_eq!(
            complaint(|t| {
                t.counts.wrong += 1;
                t.counts.started += 1;
            }),
            ["answers"]
        );
    }

    #[test]
    fn a_server_that_fails_often_or_a_machine_that_was_disturbed_is_named() {
        let failing = |errors: u64| {
            trial(|t| {
                t.counts.timed_out = errors;
                t.counts.started += errors;
            })
        };
        assert_eq!((failing(10).status, failing(10).labels), (Status::Valid, vec!["errors".to_owned()]));
        assert_eq!(failing(11).status, Status::Invalid);
        assert!(failing(11).complaint().unwrap().contains("11 of 1011 calls failed"));
        assert_eq!(trial(|t| t.stolen = Some(0.05)).labels, ["disturbed"]);
        assert_eq!(trial(|t| t.callers = 32).labels, ["unsaturated"]);
    }

    #[test]
    fn a_client_that_saturates_first_is_named() {
        let busy = |t: &mut Trial| t.client.as_mut().unwrap().utilisation = 0.99;
        assert_eq!(trial(busy).labels, ["client-bound"]);
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
