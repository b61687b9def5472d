//! Several servers of one stack: behind the broker, or with addresses that the clients know.

use rpcbench::record::{Record, Status, Trial};
use rpcbench::scenario::Action;

use crate::Run;
use crate::common::finish;

/// The valid trial of `stack` in `measurement`.
fn trial<'a>(record: &'a Record, measurement: &str, stack: &str) -> &'a Trial {
    let found = record.trials.iter().find(|trial| trial.measurement == measurement && trial.stack == stack);
    let trial = found.unwrap_or_else(|| panic!("{stack} has no trial in {measurement}"));
    assert_eq!((trial.status, trial.complaint()), (Status::Valid, None), "{measurement}: {stack}");
    trial
}

/// A run with measurements of three servers, on one core.
fn run_of_three(stacks: &[&str]) -> Run {
    let run = Run::placed(stacks, 1, "200ms", "shared");
    let measurement = |name: &str, keys: &str| {
        format!(
            "\n[[measurement]]\nname = \"{name}\"\noperation = \"add\"\nload = \"closed:6\"\nplacement = \"shared\"\n\
             servers = 3\nexecutor = \"threads:1\"\nwork = \"sleep:1ms\"\n{keys}\n"
        )
    };
    run.change_scenario(|text| {
        let floors = text.replace("stacks =", "floors = false\nstacks =");
        let slow = "slow = { servers = 1, work = \"sleep:30ms\" }\n";
        let free = "options = { ack = \"after\", prefetch = 1 }";
        floors
            + &measurement("equal", "")
            + &measurement("slow", slow)
            + &measurement("free", &format!("{slow}{free}"))
    });
    run
}

#[test]
fn the_calls_of_several_servers_are_counted_at_each_of_them() {
    let run = run_of_three(&["rest-hyper", "amqp"]);
    finish(&mut run.command(&["--require", "amqp"])).with(0, &[]);
    let record = run.record();
    assert!(trial(&record, "latency", "amqp").servers.is_empty());
    for stack in ["rest-hyper", "amqp"] {
        let equal = trial(&record, "equal", stack);
        let calls: Vec<u64> = equal.servers.iter().map(|server| server.calls.unwrap()).collect();
        assert!(calls.len() == 3 && calls.iter().all(|calls| *calls > 0), "{stack}: {calls:?}");
        assert!(equal.server.is_some_and(|used| used.cpu_ns > 0));
    }
    // The broker gives each server in turn a call, however long it takes.
    let (busiest, least) = (0.5, 0.2);
    for measurement in ["equal", "slow"] {
        let shares = trial(&record, measurement, "amqp").shares_of_servers();
        assert!(shares.iter().all(|share| (least..busiest).contains(share)), "{measurement}: {shares:?}");
    }
    // A server that acknowledges after execution gets its next call then: the slow one is the last.
    let free = trial(&record, "free", "amqp").shares_of_servers();
    assert!(free[2] < free[0] && free[2] < free[1] && free[2] < 0.2, "{free:?}");
    assert!(record.trials.iter().all(|trial| trial.measurement != "free" || trial.stack == "amqp"));

    let report = run.results().join("report");
    let text = std::fs::read_to_string(report.join("report.md")).unwrap();
    for part in [
        "3 servers, executor threads:1, work sleep:1ms, of 1 server sleep:30ms, ack after, prefetch 1",
        "### Calls by server",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    for name in ["equal-servers.svg", "slow-servers.svg", "free-servers.svg"] {
        assert!(report.join(name).is_file(), "{name}");
    }
    assert!(!report.join("latency-servers.svg").exists());
    #[cfg(target_os = "linux")]
    run.leaves_nothing();
}

#[test]
fn without_a_broker_the_stack_is_skipped_by_name_with_what_to_install() {
    let run = run_of_three(&["rest-hyper", "amqp"]);
    let mut command = run.command(&[]);
    command.env("RPCBENCH_RABBITMQ_SERVER", "/nowhere/rabbitmq-server");
    finish(&mut command).with(0, &["amqp is skipped", "rabbitmq-server"]);
    let record = run.record();
    assert!(record.trials.iter().all(|trial| trial.stack != "amqp"));
    assert_eq!(trial(&record, "equal", "rest-hyper").servers.len(), 3);
}

#[test]
fn added_servers_answer_calls_that_one_cannot_if_clients_find_them() {
    let run = Run::of(&["rest-hyper", "amqp"], 1, "100ms");
    run.change_scenario(|text| {
        let (head, _) = text.split_once("[[measurement]]").unwrap();
        format!(
            "timeout = \"60s\"\nfloors = false\n{head}\n[[timeline]]\nname = \"more\"\noperation = \"add\"\n\
             load = \"open:100:constant\"\nplacement = \"free\"\nlength = \"2s\"\nconnections = 4\n\
             executor = \"threads:1\"\nwork = \"sleep:20ms\"\noptions = {{ ack = \"after\", prefetch = 1 }}\n\
             stacks = [\"amqp\"]\nevent = [{{ at = \"500ms\", action = \"add-server\" }}]\n\
             [[timeline]]\nname = \"direct\"\noperation = \"add\"\nload = \"open:100:constant\"\nplacement = \"free\"\n\
             length = \"2s\"\nconnections = 4\nexecutor = \"threads:1\"\nwork = \"sleep:20ms\"\n\
             stacks = [\"rest-hyper\"]\nevent = [{{ at = \"500ms\", action = \"add-server\" }}]\n"
        )
    });
    let ended = finish(&mut run.command(&["--require", "amqp"])).with(0, &[]);
    assert!(ended.out.join("\n").contains("answers/s before"));
    let report = std::fs::read_to_string(run.results().join("report/report.md")).unwrap();
    assert!(report.contains("Answers per second before and at the end: amqp"), "{report}");
    let results = run.record().timelines;
    assert_eq!(results.len(), 2);
    for result in &results {
        assert_eq!((result.status, &result.complaint), (Status::Valid, &None), "{}", result.stack);
        assert_eq!(result.events[0].action, Action::AddServer);
        // A handler that sleeps for 20 ms, one at a time, ends at most five times in 100 ms, and once more at an edge.
        let before = result.answers_before().unwrap();
        assert!(before <= 60.0, "{}: {before}", result.stack);
        let (share, end) = (result.added_share().unwrap(), result.answers_at_end().unwrap());
        if result.stack == "amqp" {
            assert!(share > 0.0, "{share}");
        } else {
            assert!(share == 0.0 && end <= 60.0, "{share}, {end}");
        }
    }
    let figure = std::fs::read_to_string(run.results().join("report/timeline-more.svg")).unwrap();
    assert!(figure.contains("answers/s"));
}
