//! Whether what a record says of its trials fits together: a record may have been edited, or written by another version
//! whose audit was different.

use std::collections::BTreeSet;
use std::time::Duration;

use super::audit::checks;
use super::{AuditCheck, CheckName, Latency, Record, Status, TopologyResult, Trial};

/// Repeats the audit of every trial, every timeline and every topology of `record`. A trial that counted, and of which something does not fit, becomes invalid;
/// so does one that was kept from its cores by more than this version allows.
pub(super) fn verify(record: &mut Record) {
    let contention = record.scenario.contention;
    let mut positions = BTreeSet::new();
    for trial in &mut record.trials {
        let is_first = positions.insert((trial.block, trial.position));
        if trial.status != Status::Valid {
            continue;
        }
        let contradiction = if is_first {
            contradiction(trial)
        } else {
            Some(format!("block {} has another trial at position {}", trial.block + 1, trial.position))
        };
        let failed = match contradiction {
            Some(detail) => Some(AuditCheck::new(CheckName::Record, false, || {
                format!("the record contradicts itself: {detail}")
            })),
            // Not a contradiction: the audit of an older version may have lacked the check.
            None => checks(trial, contention).into_iter().find(|check| !check.passed),
        };
        if let Some(check) = failed {
            trial.status = Status::Invalid;
            trial.audit.push(check);
        }
    }
    record.timelines.iter_mut().for_each(|timeline| timeline.audit(contention));
    record.topologies.iter_mut().for_each(TopologyResult::audit);
}

/// The first thing in `trial` that does not fit the rest.
fn contradiction(trial: &Trial) -> Option<String> {
    implausible_number(trial)
        .or_else(|| wrong_quantile("latency", trial.latency.as_ref(), trial.counts.not_right()))
        .or_else(|| wrong_quantile("service time", trial.service.as_ref(), trial.counts.not_right()))
        .or_else(|| wrong_quantile("schedule lag", trial.schedule_lag.as_ref(), 0))
}

/// A time or rate that is not a number from 0 on, more right answers than calls, or more calls per second than the fastest
/// call allows.
#[allow(clippy::cast_precision_loss)]
fn implausible_number(trial: &Trial) -> Option<String> {
    let numbers = [
        ("the throughput", Some(trial.throughput)),
        ("the length of the window", Some(trial.measured_seconds)),
        ("the start", Some(trial.at_seconds)),
        ("the rate of calls sent", trial.sent_per_second),
        ("the limit of the generator", trial.generator_limit),
        ("the client's utilisation", trial.client.map(|used| used.utilisation)),
        ("the server's utilisation", trial.server.map(|used| used.utilisation)),
        ("the broker's utilisation", trial.broker.map(|used| used.utilisation)),
        ("the time stolen by the hypervisor", trial.stolen),
        ("the time used by other processes", trial.others),
    ];
    let is_implausible = |number: f64| !number.is_finite() || number < 0.0;
    if let Some((name, number)) =
        numbers.into_iter().find_map(|(name, number)| Some((name, number.filter(|n| is_implausible(*n))?)))
    {
        return Some(format!("{name} is {number}"));
    }
    if trial.counts.right > trial.counts.started {
        return Some(format!("{} right answers to {} calls", trial.counts.right, trial.counts.started));
    }
    // The rate is over the window, or over the time until the last call ended, where that is later: in a window that is shorter than
    // a call, even the fastest one ends after it.
    let fastest = Duration::from_nanos(trial.latency.as_ref().map_or(0, |latency| latency.min)).as_secs_f64();
    let seconds = trial.counts.right as f64 / trial.throughput;
    // Latencies are recorded with three significant digits.
    (seconds < 0.99 * fastest.min(trial.measured_seconds)).then(|| {
        format!("{} calls/s follow neither from {} answers", trial.throughput, trial.counts.right)
            + " nor from how long they took"
    })
}

/// Compares the quantiles with those of the histogram beside them. `missing` is the number of calls that are not in it.
fn wrong_quantile(name: &str, recorded: Option<&Latency>, missing: u64) -> Option<String> {
    let recorded = recorded?;
    let computed = match recorded.histogram() {
        Ok(histogram) => Latency::figures(&histogram, missing)?,
        Err(error) => return Some(error.to_string()),
    };
    let quantiles = |of: &Latency| {
        [("p50", of.p50), ("p90", of.p90), ("p95", of.p95), ("p99", of.p99), ("p99.9", of.p999)]
            .into_iter()
            .chain([("minimum", Some(of.min)), ("maximum", Some(of.max))])
    };
    let different = quantiles(recorded).zip(quantiles(&computed)).find(|(one, other)| one != other);
    let text = |nanos: Option<u64>| nanos.map_or_else(|| "absent".to_owned(), |nanos| format!("{nanos} ns"));
    different.map(|((quantile, one), (_, other))| {
        format!("the {quantile} of the {name} is {}, and {} in its histogram", text(one), text(other))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{TEN_BLOCKS, read};
    use crate::scenario::Contention;

    fn reference() -> Record {
        read(TEN_BLOCKS.as_ref()).unwrap()
    }

    #[test]
    fn nothing_is_said_of_a_record_as_it_was_written() {
        assert!(
            reference().trials.iter().all(|trial| trial.audit.iter().all(|c| c.name != CheckName::Record))
        );
    }

    #[test]
    fn what_was_edited_is_found() {
        let original = reference();
        let complaint = |change: fn(&mut Trial)| {
            let mut record = original.clone();
            record.trials.truncate(5);
            let trial = record.trials.iter_mut().find(|trial| trial.status == Status::Valid).unwrap();
            change(trial);
            verify(&mut record);
            let found: Vec<_> =
                record.trials.iter().filter(|trial| trial.status == Status::Invalid).collect();
            assert_eq!(found.len(), 1);
            let failed = found[0].audit.iter().find(|check| !check.passed).unwrap();
            (failed.name, failed.detail.clone())
        };
        for (change, expected) in [
            ((|t| t.counts.right = t.counts.started + 1) as fn(&mut Trial), "right answers to"),
            (
                |t| {
                    let latency = t.latency.as_mut().unwrap();
                    latency.p50 = latency.p99;
                    latency.p90 = latency.p99;
                    latency.p95 = latency.p99;
                },
                "the p50 of the latency is ",
            ),
            (|t| t.latency.as_mut().unwrap().max += 1, "the maximum of the latency"),
            (|t| t.throughput = -1.0, "the throughput is -1"),
            (|t| t.throughput = 1e308, "nor from how long they took"),
            (|t| t.throughput = f64::NAN, "the throughput is NaN"),
            (|t| t.latency.as_mut().unwrap().histogram.truncate(9), "histogram"),
        ] {
            let (name, complaint) = complaint(change);
            assert_eq!(name, CheckName::Record);
            assert!(complaint.starts_with("the record contradicts itself: "), "{complaint}");
            assert!(complaint.contains(expected), "{complaint}: {expected}");
        }
        // What only fails a check of the audit need not be edited: an older audit may have lacked the check.
        let (name, complaint) = complaint(|trial| trial.counts.wrong += 1);
        assert_eq!(name, CheckName::Conservation);
        assert!(complaint.ends_with("a different number is accounted for"), "{complaint}");
    }

    #[test]
    #[allow(clippy::cast_precision_loss)]
    fn a_window_that_is_shorter_than_each_of_its_calls_is_no_contradiction() {
        let mut trial = reference().trials.swap_remove(0);
        let fastest = Duration::from_nanos(trial.latency.as_ref().unwrap().min);
        trial.measured_seconds = fastest.as_secs_f64() / 2.0;
        trial.throughput = trial.counts.right as f64 / trial.measured_seconds;
        assert_eq!(contradiction(&trial), None);
        trial.throughput *= 1.1;
        assert!(contradiction(&trial).unwrap().contains("nor from how long they took"));
    }

    #[test]
    fn contention_counts_when_a_record_is_read_unless_it_is_only_labelled() {
        let original = reference();
        let read_with = |contention| {
            let mut record = original.clone();
            record.trials.truncate(4);
            record.scenario.contention = contention;
            record.trials[3].stolen = Some(0.2);
            verify(&mut record);
            record.trials.swap_remove(3)
        };
        let rejected = read_with(Contention::Reject);
        assert_eq!(rejected.status, Status::Invalid);
        assert!(rejected.complaint().unwrap().starts_with("the hypervisor kept 20 %"));
        assert_eq!(read_with(Contention::Label).status, Status::Valid);
    }

    #[test]
    fn a_trial_that_appears_twice_counts_once() {
        let mut record = reference();
        let again = record.trials[3].clone();
        record.trials.push(again);
        verify(&mut record);
        let last = record.trials.last().unwrap();
        assert_eq!(last.status, Status::Invalid);
        assert!(last.complaint().unwrap().contains("another trial at position"), "{:?}", last.complaint());
        assert_eq!(record.trials[3].status, Status::Valid);
    }
}
