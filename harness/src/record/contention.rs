//! Whether the processes of a trial could run when they had something to do.
//!
//! Run-queue delay alone shows no fault: on one core client and server wait for each other by design, and so do the threads of
//! a server. It explains the other figures.

use super::{AuditCheck, CheckName, Trial, Used};

/// The largest share of the cores' time that other processes, or the hypervisor, may take. Beyond it the throughput of a
/// saturated server is lower by more than most stacks differ.
pub const MAX_TAKEN_SHARE: f64 = 0.1;
/// The largest share of the window for which a quota may keep a process from running. Beyond it calls that had to wait
/// determine the 99th percentile.
const MAX_THROTTLED_SHARE: f64 = 0.01;
/// The smallest share of the window for which processes that never idle must be busy. On a quiet machine they are busy for all
/// of it, and in the most disturbed trial of the reference record for 0.55.
const MIN_BUSY_SHARE: f64 = 0.5;
/// A trial is disturbed where other processes, or the hypervisor, took a larger share of its cores' time.
pub const MAX_UNDISTURBED_SHARE: f64 = 0.02;

/// The checks of `trial` that do not pass.
pub(super) fn failed_checks(trial: &Trial) -> Vec<AuditCheck> {
    let checks = [Some(contention(trial)), starvation(trial)].into_iter().flatten();
    checks.filter(|check| !check.passed).collect()
}

/// Whether something notable, but not necessarily harmful, was kept from the processes of `trial`.
pub(super) fn is_disturbed(trial: &Trial) -> bool {
    let kept = [trial.stolen, trial.others].into_iter().flatten();
    kept.into_iter().any(|share| share > MAX_UNDISTURBED_SHARE)
        || processes(trial).any(|(_, used)| used.throttled_ns.is_some_and(|time| time > 0))
}

/// Whether others left the cores to the processes of `trial`.
pub(super) fn contention(trial: &Trial) -> AuditCheck {
    let reason = if let Some((share, who)) = throttled(trial) {
        Some(format!("the CPU quota of a control group held {who} up for {} of the window", percent(share)))
    } else {
        taken("the trial's cores", trial.others, trial.stolen)
    };
    AuditCheck::new(CheckName::Contention, reason.is_none(), || {
        format!("{}{}", reason.unwrap_or_default(), run_queue_delays(trial))
    })
}

/// What others took of the time of `cores`, if it is too much: `others` is the share of other processes, `stolen` that of the
/// hypervisor.
pub(super) fn taken(cores: &str, others: Option<f64>, stolen: Option<f64>) -> Option<String> {
    let [others, stolen] = [others, stolen].map(|share| share.filter(|share| *share > MAX_TAKEN_SHARE));
    let by_processes =
        others.map(|share| format!("other processes used {} of the time of {cores}", percent(share)));
    by_processes.or_else(|| {
        stolen.map(|share| format!("the hypervisor kept {} of the time of {cores}", percent(share)))
    })
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// Whether the processes of `trial` were busy; `None` if they may have waited for something else.
pub(super) fn starvation(trial: &Trial) -> Option<AuditCheck> {
    let busy: f64 = processes(trial).map(|(_, used)| used.utilisation).sum();
    let check = AuditCheck::new(CheckName::Starvation, busy >= MIN_BUSY_SHARE, || {
        let who: Vec<_> = processes(trial).map(|(who, _)| who).collect();
        format!(
            "{}, which always had a call to work on, used their core for {:.0} % of the window{}",
            listed(&who),
            100.0 * busy,
            run_queue_delays(trial)
        )
    });
    trial.never_idle.then_some(check)
}

/// The processes of `trial` whose usage is known, with their names.
fn processes(trial: &Trial) -> impl Iterator<Item = (&'static str, Used)> {
    [("client", trial.client), ("server", trial.server), ("broker", trial.broker)]
        .into_iter()
        .filter_map(|(name, used)| Some((name, used?)))
}

/// The largest share of the window for which a quota was used up, and the processes that were held up for longer than they
/// may be; `None` where there is none.
#[allow(clippy::cast_precision_loss)]
fn throttled(trial: &Trial) -> Option<(f64, String)> {
    let share = |used: Used| used.throttled_ns.unwrap_or(0) as f64 / 1e9 / trial.measured_seconds;
    let over: Vec<_> = processes(trial)
        .map(|(who, used)| (who, share(used)))
        .filter(|(_, share)| trial.measured_seconds > 0.0 && *share > MAX_THROTTLED_SHARE)
        .collect();
    let names: Vec<_> = over.iter().map(|(who, _)| *who).collect();
    let largest = over.iter().map(|(_, share)| *share).reduce(f64::max)?;
    Some((largest, listed(&names)))
}

/// How long each process waited for a core, to end a sentence with.
#[allow(clippy::cast_precision_loss)]
fn run_queue_delays(trial: &Trial) -> String {
    let delay = |(who, used): (&str, Used)| Some(format!("{who} {:.0} ms", used.run_queue_ns? as f64 / 1e6));
    let delays: Vec<_> = processes(trial).filter_map(delay).collect();
    if delays.is_empty() {
        return String::new();
    }
    format!(" (time that threads waited for a core: {})", delays.join(", "))
}

/// `client`, `client and server`, `client, server and broker`, each with an article.
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [name] => format!("the {name}"),
        [first @ .., last] => format!("the {} and the {last}", first.join(", the ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;

    /// The details of the checks that do not pass of a trial of 200 ms that `change` has changed.
    fn complaints(change: impl FnOnce(&mut Trial)) -> Vec<String> {
        failed_checks(&trial(change)).into_iter().map(|check| check.detail).collect()
    }

    fn trial(change: impl FnOnce(&mut Trial)) -> Trial {
        let used = Some(Used { utilisation: 0.5, ..Used::default() });
        let mut trial = Trial {
            measured_seconds: 0.2,
            client: used,
            server: used,
            never_idle: true,
            ..sample::trial("rest", [1, 1])
        };
        change(&mut trial);
        trial
    }

    fn throttled_for(nanos: u64) -> Option<Used> {
        Some(Used { utilisation: 0.5, throttled_ns: Some(nanos), ..Used::default() })
    }

    #[test]
    fn processes_that_could_run_pass() {
        assert!(complaints(|_| ()).is_empty());
        assert!(complaints(|t| (t.others, t.stolen) = (Some(0.1), Some(0.1))).is_empty());
        assert!(complaints(|t| t.server = throttled_for(2_000_000)).is_empty());
        // A record of an older version, or of another system.
        assert!(complaints(|t| (t.client, t.server, t.never_idle) = (None, None, false)).is_empty());
    }

    #[test]
    fn what_others_took_is_named_with_the_waits() {
        assert_eq!(
            complaints(|t| t.others = Some(0.274)),
            ["other processes used 27 % of the time of the trial's cores"]
        );
        assert_eq!(
            complaints(|t| t.stolen = Some(0.11)),
            ["the hypervisor kept 11 % of the time of the trial's cores"]
        );
        let waited = complaints(|t| {
            t.others = Some(0.5);
            t.client.as_mut().unwrap().run_queue_ns = Some(9_600_000);
            t.server.as_mut().unwrap().run_queue_ns = Some(80_000_000);
        });
        let waits = " (time that threads waited for a core: client 10 ms, server 80 ms)";
        assert_eq!(waited, [format!("other processes used 50 % of the time of the trial's cores{waits}")]);
    }

    #[test]
    fn a_quota_that_was_used_up_is_named_with_the_processes() {
        let text = |who| format!("the CPU quota of a control group held {who} up for 80 % of the window");
        assert_eq!(complaints(|t| t.server = throttled_for(160_000_000)), [text("the server")]);
        let all = complaints(|t| {
            (t.client, t.server) = (throttled_for(160_000_000), throttled_for(159_000_000));
            // It takes precedence: other processes get what a quota leaves.
            t.others = Some(0.9);
        });
        assert_eq!(all, [text("the client and the server")]);
        assert!(complaints(|t| t.broker = throttled_for(160_000_000))[0].contains("the broker"));
    }

    #[test]
    fn a_core_that_should_be_busy_and_is_not_starves_the_trial() {
        let share = |utilisation, never_idle| {
            complaints(|t| {
                t.never_idle = never_idle;
                t.client = Some(Used { utilisation, ..Used::default() });
                t.server = t.client;
            })
        };
        assert!(share(0.25, true).is_empty());
        assert_eq!(
            share(0.001, true),
            [
                "the client and the server, which always had a call to work on, used their core for 0 % of the window"
            ]
        );
        assert!(share(0.001, false).is_empty());
    }

    #[test]
    fn small_shares_and_any_throttling_disturb() {
        assert!(!is_disturbed(&trial(|t| (t.others, t.stolen) = (Some(0.02), Some(0.02)))));
        assert!(is_disturbed(&trial(|t| t.others = Some(0.03))));
        assert!(is_disturbed(&trial(|t| t.stolen = Some(0.03))));
        assert!(!is_disturbed(&trial(|t| t.server = throttled_for(0))));
        assert!(is_disturbed(&trial(|t| t.server = throttled_for(1))));
    }
}
