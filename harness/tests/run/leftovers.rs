//! However a run ends, no process of it is left, and no record that cannot be read.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use rpcbench::record::Status;

use crate::common::{Process, TEST_TIMEOUT};
use crate::{Run, wait_for};

impl Run {
    /// The processes of this run whose command line contains `word`.
    pub(crate) fn processes(&self, word: &str) -> Vec<Pid> {
        let needle = self.folder.path().as_os_str().as_encoded_bytes();
        let holds = |process: &Path| {
            let environment = std::fs::read(process.join("environ")).unwrap_or_default();
            let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
            environment.windows(needle.len()).any(|window| window == needle)
                && String::from_utf8_lossy(&command).replace('\0', " ").contains(word)
        };
        let all = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let ours = all.filter(|process| holds(process));
        ours.filter_map(|process| process.file_name()?.to_str()?.parse().ok().map(Pid::from_raw)).collect()
    }

    /// Waits until one of this run's processes has `word` in its command line.
    pub(crate) fn process(&self, word: &str) -> Pid {
        let begun = Instant::now();
        loop {
            if let Some(found) = self.processes(word).first() {
                return *found;
            }
            assert!(begun.elapsed() < TEST_TIMEOUT, "no process of the run is a `{word}`");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Asserts that every process of the run goes away, the broker's files with them, and that the record, where there
    /// is one, can be read.
    pub(crate) fn leaves_nothing(&self) {
        let begun = Instant::now();
        while !self.processes("").is_empty() {
            if begun.elapsed() >= TEST_TIMEOUT {
                let left: Vec<_> = self.processes("").into_iter().map(described).collect();
                panic!("still running:\n{}", left.join("\n"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let temporary: Vec<_> = std::fs::read_dir(self.folder.path().join("tmp")).unwrap().collect();
        assert!(temporary.is_empty(), "{temporary:?}");
        if self.results().join("record.json").exists() {
            self.record();
        }
    }
}

/// What a process is and what it waits for.
fn described(process: Pid) -> String {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
    let state = read("status");
    let state = state.lines().find(|line| line.starts_with("State")).unwrap_or("gone").to_owned();
    format!("{process} {state} {} {}", read("wchan"), read("cmdline").replace('\0', " "))
}

#[test]
fn ctrl_c_keeps_what_was_measured_and_marks_it() {
    let run = Run::of(&["rest-hyper", "zerorpc"], 100, "500ms");
    let mut process = run.start(&["--seed", "1"]);
    wait_for(&process, "measuring 400 trials");
    // So that at least one trial has come to its end.
    let first = run.process(" serve ");
    while run.processes(" serve ").contains(&first) {
        std::thread::sleep(Duration::from_millis(5));
    }
    run.process(" serve ");
    // As a terminal does: every process of the job gets the signal.
    killpg(process.pid(), Signal::SIGINT).unwrap();
    process.ended().with(130, &["ending the run"]);
    run.leaves_nothing();
    let record = run.record();
    assert!(record.interrupted);
    assert!((1..400).contains(&record.trials.len()), "{} trials", record.trials.len());
    for trial in &record.trials {
        assert_eq!(trial.status, Status::Valid, "{}: {:?}", trial.stack, trial.complaint());
    }
}

/// Two cores are kept awake in `split`, by processes that must go as well.
pub(crate) fn widest_placement() -> &'static str {
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) { "split" } else { "shared" }
}

/// Kills a run with a broker at some moment.
fn kill_when(reached: impl FnOnce(&Run, &Process)) {
    let run = Run::placed(&["amqp"], 100, "500ms", widest_placement());
    let mut process = run.start(&["--require", "amqp"]);
    reached(&run, &process);
    process.signal(Signal::SIGKILL);
    process.ended();
    run.leaves_nothing();
}

#[test]
fn a_run_that_is_killed_while_servers_are_checked_leaves_nothing() {
    kill_when(|run, _| {
        run.process(" serve ");
    });
}

#[test]
fn a_run_that_is_killed_while_its_broker_starts_leaves_nothing() {
    kill_when(|run, _| {
        run.process("__broker-guard");
    });
    kill_when(|run, _| {
        run.process("beam");
    });
}

#[test]
fn a_run_that_is_killed_during_a_trial_leaves_nothing() {
    kill_when(|run, process| {
        wait_for(process, "measuring");
        run.process(" serve amqp");
    });
}

#[test]
fn a_run_that_is_killed_after_a_block_leaves_a_record_that_can_be_read() {
    kill_when(|run, _| {
        run.wait_for_record();
        assert!(!run.record().trials.is_empty());
    });
}

#[test]
fn a_server_that_dies_fails_its_trial_and_the_run_goes_on() {
    let run = Run::of(&["rest-hyper"], 2, "1s");
    let mut process = run.start(&[]);
    wait_for(&process, "measuring 6 trials");
    let server = run.process(" serve rest-hyper");
    // The server is up for a part of the second in which calls count.
    std::thread::sleep(Duration::from_millis(500));
    kill(server, Signal::SIGKILL).unwrap();
    process.ended().with(4, &["the server ended during the trial", "signal: 9"]);
    run.leaves_nothing();
    let record = run.record();
    assert_eq!((record.trials.len(), record.interrupted), (6, false));
    let trials: Vec<_> = record.trials.iter().filter(|trial| trial.stack == "rest-hyper").collect();
    assert_eq!([trials[0].status, trials[1].status], [Status::Failed, Status::Valid]);
    let counts = &trials[0].counts;
    assert!(counts.right > 0 && counts.errors() > 0 && counts.is_conserved(), "{counts:?}");
}

#[test]
fn a_run_that_comes_to_its_end_leaves_nothing() {
    let run = Run::placed(&["amqp"], 1, "300ms", widest_placement());
    run.start(&["--require", "amqp"]).ended().with(0, &["starting a private RabbitMQ"]);
    run.leaves_nothing();
    assert!(run.record().trials.iter().any(|trial| trial.stack == "amqp"));
}
