//! Timelines: servers and the broker end and start while they are called. Only facts are asserted that do not depend on how
//! fast the machine is.

use nix::sys::signal::{Signal, killpg};
use rpcbench::record::{EventTimes, Status, TimelineBin, TimelineResult};
use rpcbench::scenario::Action;

use crate::Run;
use crate::common::finish;

/// A run whose only purpose is a timeline of `stacks`: 50 calls a second for `length`, with these `events`.
fn run_with(stacks: &[&str], length: &str, events: &[(&str, &str)]) -> Run {
    let run = Run::of(stacks, 1, "100ms");
    run.change_scenario(|text| {
        let (head, _) = text.split_once("[[measurement]]").unwrap();
        let mut scenario = format!(
            "timeout = \"60s\"\nfloors = false\n{head}\n[[timeline]]\nname = \"away\"\noperation = \"add\"\n\
             load = \"open:50:constant\"\nplacement = \"free\"\nlength = \"{length}\"\nconnections = 2\n"
        );
        for (at, action) in events {
            scenario += &format!("[[timeline.event]]\nat = \"{at}\"\naction = \"{action}\"\n");
        }
        scenario
    });
    run
}

/// The result of `stack` in the record of `run`, which is checked.
fn result_of(run: &Run, stack: &str, events: &[Action]) -> TimelineResult {
    let results = run.record().timelines;
    let result = results.into_iter().find(|result| result.stack == stack).unwrap();
    assert_eq!((result.status, &result.complaint), (Status::Valid, &None), "{stack}");
    let happened: Vec<_> = result.events.iter().map(|event| event.action).collect();
    assert_eq!(happened, events, "{stack}");
    assert!(result.events.iter().all(|it| it.planned_ns <= it.began_ns && it.began_ns <= it.done_ns));
    assert!(result.counts().is_conserved(), "{stack}: {:?}", result.counts());
    result
}

/// The bins that begin when `event` was done, or later.
fn after(result: &TimelineResult, event: &EventTimes) -> Vec<TimelineBin> {
    let first = usize::try_from(event.done_ns.div_ceil(100_000_000)).unwrap();
    result.bins.get(first..).unwrap_or_default().to_vec()
}

#[test]
fn calls_are_lost_without_a_broker_and_wait_in_it_while_the_server_is_away() {
    let events = [("300ms", "kill-server"), ("1500ms", "start-server")];
    let run = run_with(&["rest-hyper", "zerorpc", "amqp"], "3s", &events);
    let ended =
        finish(&mut run.command(&["--require", "amqp"])).with(0, &["3 timelines, about 9 s", "calls lost"]);
    let said = ended.out.join("\n");
    assert!(said.contains("kill-server at 300ms, start-server at 1s 500ms"), "{said}");
    for stack in ["rest-hyper", "zerorpc", "amqp"] {
        let result = result_of(&run, stack, &[Action::KillServer, Action::StartServer]);
        assert_eq!((result.counts().slots, result.bins.len(), result.servers.len()), (150, 30, 1), "{stack}");
        assert!(result.executed().is_some_and(|calls| calls > 0), "{stack}");
        let [killed, started] = result.events[..] else { panic!("{:?}", result.events) };
        // A call that is made when the server runs again is answered.
        let again = after(&result, &started);
        assert!(again.iter().all(|bin| bin.right == bin.scheduled && bin.late == 0), "{stack}: {again:?}");
        if stack == "amqp" {
            // Nothing fails, and what is sent after the server has ended waits for the next one.
            assert_eq!(result.counts().errors(), 0);
            let meanwhile = after(&result, &killed);
            assert!(meanwhile.iter().all(|bin| bin.right == bin.scheduled), "{meanwhile:?}");
            assert!(result.late() > 0);
        } else {
            assert!(result.counts().errors() > 0, "{stack}: {:?}", result.counts());
            assert_eq!((result.counts().timed_out, result.late()), (0, 0), "{stack}");
        }
    }
    let page = std::fs::read_to_string(run.results().join("report/index.html")).unwrap();
    assert!(page.contains("Response times and lost calls over time: away"));
    assert!(run.results().join("report/timeline-away.svg").exists());
}

#[test]
fn a_server_that_is_added_is_found_through_the_broker_only() {
    let events = [("200ms", "add-server"), ("500ms", "stop-server")];
    let run = run_with(&["rest-hyper", "amqp"], "2s", &events);
    finish(&mut run.command(&["--require", "amqp"])).with(0, &[]);
    let actions = [Action::AddServer, Action::StopServer];
    for (stack, finds_it) in [("rest-hyper", false), ("amqp", true)] {
        let result = result_of(&run, stack, &actions);
        let added = result.servers[1].calls.unwrap();
        assert_eq!((added > 0, result.outages()), (finds_it, vec![]), "{stack}: {:?}", result.servers);
        assert!(result.servers[0].calls.unwrap() > 0);
        let alone = after(&result, &result.events[1]);
        assert!(
            !alone.is_empty() && alone.iter().all(|bin| (bin.right > 0) == finds_it),
            "{stack}: {alone:?}"
        );
    }
}

#[test]
fn calls_of_the_warm_up_do_not_wait_when_the_timeline_begins() {
    let run = run_with(&["rest-hyper"], "1s", &[("900ms", "add-server")]);
    // Twice as many calls as the server answers: those of the warm-up alone keep it busy for longer than the warm-up takes.
    run.change_scenario(|text| {
        let text = text.replace("warmup = \"10ms\"", "warmup = \"500ms\"");
        let calls = "load = \"open:100:constant\"\nwork = \"sleep:20ms\"\nexecutor = \"threads:1\"";
        text.replace("load = \"open:50:constant\"", calls).replace("connections = 2", "connections = 64")
    });
    finish(&mut run.command(&[])).with(0, &[]);
    let result = result_of(&run, "rest-hyper", &[Action::AddServer]);
    let early: u64 = result.bins.iter().take(5).filter_map(|bin| bin.answered).sum();
    assert!(early > 0, "{:?}", result.bins);
}

#[test]
fn a_broker_that_is_killed_and_started_again_loses_calls_and_serves_again() {
    let events = [("300ms", "kill-broker"), ("400ms", "start-broker")];
    // Enough for the broker to be back on a slow machine, too; what follows is not asserted.
    let run = run_with(&["rest-hyper", "amqp", "nats"], "10s", &events);
    run.change_scenario(|text| text.replace("timeout = \"60s\"", "timeout = \"1s\""));
    finish(&mut run.command(&["--require", "amqp,nats"]));
    assert_eq!(run.record().timelines.len(), 2, "only a stack with a broker can lose it");
    for stack in ["amqp", "nats"] {
        let result = result_of(&run, stack, &[Action::KillBroker, Action::StartBroker]);
        assert!(result.counts().errors() > 0, "{stack}: {:?}", result.counts());
        assert_eq!(result.outages().len(), 1);
        assert!(result.outages()[0].to_ns.is_some_and(|to| to == result.events[1].done_ns));
    }
}

#[test]
fn a_run_that_is_interrupted_or_killed_during_a_timeline_leaves_nothing() {
    let events = [("1s", "kill-broker"), ("595s", "start-broker")];
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let run = run_with(&["amqp"], "600s", &events);
        let mut process = run.start(&["--require", "amqp"]);
        crate::wait_for(&process, "1 timeline of 10 min");
        // The second one: the first ran during the checks.
        crate::wait_for(&process, "starting a private RabbitMQ");
        run.process(" serve amqp");
        killpg(process.pid(), signal).unwrap();
        let ended = process.ended();
        assert_eq!(ended.status.code(), (signal == Signal::SIGINT).then_some(130), "{:?}", ended.err);
        assert!(!run.results().join("record.json").exists());
        #[cfg(target_os = "linux")]
        run.leaves_nothing();
    }
}

#[test]
fn a_timeline_that_cannot_happen_is_refused_before_the_run() {
    let run = run_with(&["rest-hyper"], "2s", &[("1s", "start-server")]);
    finish(&mut run.command(&[]))
        .with(2, &["the timeline `away`: start-server at 1s: no server has ended before"]);
    let run = run_with(&["rest-hyper"], "2s", &[("1s", "kil-server")]);
    finish(&mut run.command(&[])).with(2, &["did you mean `kill-server`?"]);
}
