//! Measurements that set how servers run handlers, and what handlers do before they answer.

use rpcbench::record::{Label, Record, Status, Trial};

use super::Run;
use crate::common::finish;

/// A run with the keys `executor` and `work`, on one core.
fn run() -> Run {
    let run = Run::placed(&["rest-hyper", "zerorpc"], 1, "100ms", "shared");
    let scenario = run.folder.path().join("tiny.toml");
    let text = std::fs::read_to_string(&scenario).unwrap();
    let measurement = |name: &str, load: &str, keys: &str| {
        format!(
            "\n[[measurement]]\nname = \"{name}\"\noperation = \"add\"\nload = \"{load}\"\nplacement = \"shared\"\n{keys}\n"
        )
    };
    let text = text
        + &measurement("waits", "closed:4", "executor = \"blocking\"\nwork = \"sleep:5ms\"")
        + &measurement("overlaps", "closed:4", "executor = \"threads:4\"\nwork = \"sleep:5ms\"")
        + &measurement("computes", "closed:1", "work = \"compute:1ms\"");
    std::fs::write(scenario, text).unwrap();
    run
}

/// The trials of a measurement, all of them valid.
fn trials<'a>(record: &'a Record, measurement: &str) -> Vec<&'a Trial> {
    let trials: Vec<_> = record.trials.iter().filter(|trial| trial.measurement == measurement).collect();
    for trial in &trials {
        assert_eq!(trial.status, Status::Valid, "{trial:?}");
        assert!(trial.counts.right > 0 && !trial.labels.contains(&Label::Errors), "{trial:?}");
    }
    trials
}

fn stacks<'a>(trials: &[&'a Trial]) -> Vec<&'a str> {
    let mut stacks: Vec<_> = trials.iter().map(|trial| trial.stack.as_str()).collect();
    stacks.sort_unstable();
    stacks
}

/// Whether no call took less than `nanos`, within the histogram's resolution of three digits.
fn takes_at_least(trial: &Trial, nanos: u64) -> bool {
    trial.latency.as_ref().unwrap().min >= nanos - nanos / 1_000
}

#[test]
#[allow(clippy::cast_precision_loss)]
fn the_servers_of_a_measurement_have_its_executor_and_its_work_and_the_record_says_so() {
    let run = run();
    finish(&mut run.command(&[])).with(0, &[]);
    let record = run.record();

    let plain = trials(&record, "latency");
    assert_eq!(stacks(&plain), ["inproc", "rest-hyper", "tcp", "zerorpc"]);
    assert!(plain.iter().all(|trial| trial.executor.is_none() && trial.work.is_none()));

    // `inproc` and `tcp` run handlers on the thread of the caller or connection.
    for (name, executor) in [("waits", "blocking"), ("overlaps", "threads:4")] {
        let sleeping = trials(&record, name);
        assert_eq!(stacks(&sleeping), ["rest-hyper", "tcp-async", "zerorpc"]);
        for trial in sleeping {
            assert_eq!(trial.executor.map(|executor| executor.to_string()).as_deref(), Some(executor));
            assert_eq!(trial.work.map(|work| work.to_string()).as_deref(), Some("sleep:5ms"));
            assert!(takes_at_least(trial, 5_000_000), "{trial:?}");
            assert!(!trial.never_idle, "{trial:?}");
        }
    }
    for trial in trials(&record, "waits") {
        // One handler at a time. Each caller may have one call in progress at the end of the window.
        let most = trial.measured_seconds / 0.005 + 4.0 + 1.0;
        assert!(trial.counts.right as f64 <= most, "{trial:?}");
    }

    let computing = trials(&record, "computes");
    assert_eq!(stacks(&computing), ["inproc", "rest-hyper", "tcp", "zerorpc"]);
    for trial in computing {
        assert_eq!(trial.work.map(|work| work.to_string()).as_deref(), Some("compute:1ms"));
        assert!(trial.executor.is_none() && takes_at_least(trial, 1_000_000), "{trial:?}");
    }

    let report = run.results().join("report");
    let text = std::fs::read_to_string(report.join("report.md")).unwrap();
    let has_line = |part: &str| assert!(text.lines().any(|line| line.contains(part)), "{part}\n{text}");
    has_line("client, server and broker on one core, executor blocking, work sleep:5ms");
    has_line("add, one caller; client, server and broker on one core, work compute:1ms");
}

#[test]
fn an_option_that_a_measurement_overrides_is_refused_by_name() {
    let run = run();
    for (option, words) in [
        ("--executor=async", ["--executor: ", "`waits`", "sets the executor"]),
        ("--server-arg=--executor=async", ["--executor: ", "`waits`", "sets the executor"]),
        ("--server-arg=--work=sleep:1ms", ["--work: ", "`waits`", "sets the work"]),
        ("--twin-arg=--work=sleep:1ms", ["--work: ", "`waits`", "sets the work"]),
        ("--target=zerorpc=tcp://127.0.0.1:1", ["--target zerorpc: ", "`waits`", "serve --executor"]),
    ] {
        finish(&mut run.command(&[option])).with(2, &words);
    }
    assert!(!run.results().exists());
}

#[test]
fn a_measurement_with_wrong_handlers_is_refused_with_its_place() {
    let run = Run::of(&["rest-hyper"], 1, "100ms");
    let scenario = run.folder.path().join("tiny.toml");
    let text = std::fs::read_to_string(&scenario).unwrap();
    let line = text.lines().count() + 1;
    for (key, words) in [
        ("work = \"nap:1ms\"", ["unknown work `nap`", "sleep:5ms, compute:100us"]),
        ("work = \"slep:1ms\"", ["unknown work `slep`", "did you mean `sleep`?"]),
        ("work = \"sleep:-1\"", ["sleep:TIME", "expected a duration"]),
        ("work = \"compute:1h\"", ["compute:TIME", "expected at most 10s"]),
        ("executor = \"treads:4\"", ["unknown executor `treads:4`", "did you mean `threads:N`?"]),
        ("executer = \"blocking\"", ["unknown field `executer`", "did you mean `executor`?"]),
    ] {
        std::fs::write(&scenario, format!("{text}{key}\n")).unwrap();
        let ended = finish(&mut run.command(&[])).with(2, &words);
        assert!(ended.err.join("\n").contains(&format!("tiny.toml:{line}:")), "{:?}", ended.err);
    }
}
