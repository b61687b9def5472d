//! Trials whose processes are kept from running by other processes or a CPU quota.

use std::sync::atomic::{AtomicBool, Ordering};

use rpcbench::record::{CheckName, Label, Record, Status, Trial};
use rpcbench::sys;

use crate::common::control_group::ControlGroup;
use crate::common::finish;
use crate::{Run, in_shell};

/// Runs `closure` while a thread never leaves the last core, on which the placement `shared` puts a trial.
fn beside_a_busy_loop<T>(closure: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let cores = sys::allowed_cores();
            sys::pin_current_thread(&cores[cores.len() - 1..]).unwrap();
            while !done.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let result = closure();
        done.store(true, Ordering::Relaxed);
        result
    })
}

/// What the check of contention says of `trial`, empty where it passed; `None` where it was not made.
fn contention(trial: &Trial) -> Option<&str> {
    trial.audit.iter().find(|check| check.name == CheckName::Contention).map(|check| check.detail.as_str())
}

fn assert_that_each(record: &Record, is_so: impl Fn(&Trial) -> bool) {
    assert_eq!(record.trials.len(), 3);
    for trial in &record.trials {
        assert!(is_so(trial), "{}: {:?} {:?} {:?}", trial.stack, trial.status, trial.others, trial.audit);
    }
}

#[test]
fn trials_beside_a_busy_loop_do_not_count() {
    let run = Run::placed(&["rest-hyper"], 1, "300ms", "shared");
    let arguments = ["--contention", "reject"];
    let ended = beside_a_busy_loop(|| finish(&mut run.command(&arguments)));
    let shown = ended.with(4, &["other processes used"]).out.join("\n");
    assert!(shown.contains("3 of 3 trials are invalid"), "{shown}");
    assert_that_each(&run.record(), |trial| {
        trial.status == Status::Invalid
            && trial.others.is_some_and(|share| share > 0.1)
            && contention(trial).is_some_and(|reason| reason.contains("waited for a core"))
            && trial.labels.contains(&Label::Disturbed)
    });
}

#[test]
fn contention_can_be_labelled_instead() {
    let run = Run::placed(&["rest-hyper"], 1, "300ms", "shared");
    let arguments = ["--contention", "label"];
    let shown = beside_a_busy_loop(|| finish(&mut run.command(&arguments))).with(0, &[]).out.join("\n");
    assert!(shown.contains("contention = label") && shown.contains("starved"), "{shown}");
    assert_that_each(&run.record(), |trial| {
        trial.status == Status::Valid
            && contention(trial).is_none()
            && trial.labels.contains(&Label::Starved)
            && trial.client.is_some_and(|used| used.run_queue_ns > Some(0))
    });
}

#[test]
fn trials_that_a_cpu_quota_holds_up_do_not_count() {
    let Some(group) = ControlGroup::of_a_fifth_of_a_core("trials_that_a_cpu_quota_holds_up_do_not_count")
    else {
        return;
    };
    let run = Run::of(&["rest-hyper"], 1, "500ms");
    let rejecting = run.command(&["--contention", "reject"]);
    finish(&mut in_shell(&group.enter(), &rejecting)).with(4, &[]);
    assert_that_each(&run.record(), |trial| {
        let reason = contention(trial).unwrap_or_default();
        let is_held_up =
            reason.contains("CPU quota") && trial.client.is_some_and(|used| used.throttled_ns > Some(0));
        // Where other processes leave it less than a fifth of its core, a trial does not use up its quota.
        let is_starved = trial.others.is_some_and(|share| share > 0.8) && reason.contains("other processes");
        trial.status == Status::Invalid && (is_held_up || is_starved)
    });

    let shown = finish(&mut in_shell(&group.enter(), &run.command_with(&["doctor"]))).out.join("\n");
    assert!(shown.contains("CPU quota of 0.20 cores; processes were held up for"), "{shown}");
}
