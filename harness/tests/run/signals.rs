//! Signals that end a run: what was measured is saved, and the exit code names the signal.

use nix::sys::signal::Signal;
use rpcbench::sys;

use crate::common::{Process, is_ignored, rpcbench};
use crate::{Run, in_shell, wait_for, wait_until};

#[test]
fn each_signal_ends_a_run_with_its_exit_code_after_saving() {
    for (signal, code) in [(Signal::SIGHUP, 129), (Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        // The program heeds the others in any case.
        if signal == Signal::SIGHUP && is_ignored(signal) {
            continue;
        }
        let run = Run::of(&["rest-hyper"], 100, "100ms");
        let mut process = run.start(&[]);
        run.wait_for_record();
        process.signal(signal);
        process.ended().with(code, &["ending the run"]);
        let record = run.record();
        assert!(record.interrupted && !record.trials.is_empty(), "{signal}");
    }
}

#[test]
fn a_second_signal_ends_the_program() {
    let server = Process::start(&mut rpcbench(&["serve", "rest-hyper"]));
    let run = Run::of(&["rest-hyper"], 100, "600s");
    run.change_scenario(|text| text.replace("stacks =", "floors = false\nstacks ="));
    let mut process = run.start(&["--target", &format!("rest-hyper={}", server.url())]);
    wait_for(&process, "measuring");
    // Before the first call, the first signal would end the run.
    let used = || sys::cpu_time(server.pid().as_raw().unsigned_abs()).unwrap().usage.cpu_ns;
    let before = used();
    wait_until("the server is called", || used() > before + 20_000_000);
    // The call in hand is not answered any more.
    server.signal(Signal::SIGSTOP);
    process.signal(Signal::SIGINT);
    wait_for(&process, "ending the run");
    process.signal(Signal::SIGTERM);
    process.ended().with(143, &[]);
}

#[test]
fn further_scenarios_are_not_begun_after_a_signal() {
    let run = Run::of(&["rest-hyper"], 100, "100ms");
    let folder = run.folder.path();
    std::fs::copy(folder.join("tiny.toml"), folder.join("second.toml")).unwrap();
    let mut command = run.command_with(&["run", "tiny.toml", "second.toml", "--format", "quiet"]);
    let mut process = Process::start(&mut command);
    wait_until("there is never a record", || {
        let mut folders = std::fs::read_dir(folder.join("results")).into_iter().flatten().flatten();
        folders.any(|entry| entry.path().join("record.json").exists())
    });
    process.signal(Signal::SIGINT);
    let ended = process.ended().with(130, &["ending the run"]);
    assert_eq!(ended.out.len(), 1, "one report: {:?}", ended.out);
    assert_eq!(std::fs::read_dir(folder.join("results")).unwrap().count(), 1);
}

#[test]
fn a_run_that_is_ended_before_its_first_trial_leaves_no_record() {
    let run = Run::of(&["rest-hyper"], 100, "600s");
    let mut process = run.start(&[]);
    wait_for(&process, "measuring");
    process.signal(Signal::SIGINT);
    process.ended().with(130, &["ending the run", "nothing was measured"]);
    assert!(!run.results().exists());
}

#[test]
fn the_record_of_a_run_that_is_killed_in_a_search_is_marked_as_interrupted() {
    let run = Run::of(&["rest-hyper"], 1, "300ms");
    let search = "\n[[search]]\nname = \"capacity\"\noperation = \"add\"\narrivals = \"constant\"\np99 = \"60s\"\n\
                  placement = \"free\"\nconnections = 4\n";
    run.change_scenario(|text| format!("{text}{search}"));
    let mut process = run.start(&[]);
    run.wait_for_record();
    // The blocks are over, and the searches of several seconds have begun.
    process.signal(Signal::SIGKILL);
    process.ended();
    let record = run.record();
    assert!(record.interrupted && record.searches.is_empty() && record.trials.len() == 3);
}

#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let run = Run::of(&["rest-hyper"], 3, "300ms");
    let mut shell = in_shell("trap '' HUP", &run.command(&[]));
    let mut process = Process::start(&mut shell);
    wait_for(&process, "measuring");
    process.signal(Signal::SIGHUP);
    process.ended().with(0, &[]);
    assert!(!run.record().interrupted);
}
