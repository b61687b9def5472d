//! Reports of timelines.

use super::records::of_trials;
use super::*;
use crate::record::{EventTimes, ServerCalls, StackFacts, TimelineBin, TimelineResult};
use crate::scenario::{Action, Plan, Scenario};
use crate::stacks::Stack;

/// The outcome for a stack that is away from 1 s to 3 s. Its calls fail meanwhile, or wait.
fn result(name: &str, block: u32, waits: bool) -> TimelineResult {
    let scenario = Scenario::load("outage").unwrap();
    let plan = Plan::new(&scenario, &[0, 1]).unwrap();
    let planned = &plan.timelines()[0];
    let event = |action, ms: u64| EventTimes {
        action,
        planned_ns: ms * 1_000_000,
        began_ns: ms * 1_000_000,
        done_ns: (ms + 40) * 1_000_000,
    };
    let bin = |index: u64| {
        let right = TimelineBin {
            scheduled: 50,
            right: 50,
            p50_ns: Some(300_000 + index),
            max_ns: Some(900_000),
            ..TimelineBin::default()
        };
        match (index, waits) {
            (10..30, false) => TimelineBin {
                scheduled: 50,
                failed: [(calculator::ErrorKind::Undeliverable, 50)].into(),
                ..TimelineBin::default()
            },
            (10..30, true) => {
                let waited = (3_050 - 100 * index) * 1_000_000;
                TimelineBin { late: 50, p50_ns: Some(waited), max_ns: Some(waited), ..right }
            }
            _ => right,
        }
    };
    let length = u64::try_from(planned.timeline.length().as_millis() / 100).unwrap();
    TimelineResult {
        events: vec![event(Action::KillServer, 1_000), event(Action::StartServer, 3_000)],
        servers: vec![ServerCalls { calls: Some(1_900 + u64::from(block)) }],
        bins: (0..length).map(bin).collect(),
        median_before_ns: Some(300_000),
        ..TimelineResult::new(&planned.timeline, &planned.trial(Stack::named(name).unwrap()), block)
    }
}

fn outage() -> Record {
    let scenario = Scenario::load("outage").unwrap();
    let facts = |name| StackFacts::new(Stack::named(name).unwrap(), "async".to_owned(), None);
    let mut record = of_trials(scenario, ["rest", "amqp", "zerorpc"].map(facts).to_vec(), vec![]);
    for block in 0..2 {
        record.timelines.push(result("rest", block, false));
        record.timelines.push(result("amqp", block, true));
    }
    let mut failed = result("zerorpc", 0, false);
    failed.fail("the server <did> not start".to_owned());
    record.timelines.push(failed);
    record
}

#[test]
fn a_timeline_has_a_table_in_every_form_and_a_figure() {
    let record = outage();
    let summary = Summary::new(&record).unwrap();
    let terminal = printed(&record, &summary);
    let row =
        |name: &str| terminal.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned();
    for (name, numbers) in [("rest ", ["1,000", "0", "300"]), ("amqp ", ["0", "1,000", "300"])] {
        assert!(numbers.iter().all(|number| row(name).contains(number)), "{}", row(name));
    }
    assert!(
        terminal.contains("1 of 5 timelines are left out. The first: zerorpc (server away)"),
        "{terminal}"
    );
    assert!(terminal.contains("kill-server at 1s, start-server at 3s"), "{terminal}");

    let report = report(&record, &summary);
    let answer = report.answer.iter().find(|sentence| sentence.starts_with("server away")).unwrap();
    assert!(answer.contains("amqp 0 of 2,750, 1,000 late; rest 1,000 of 2,750"), "{answer}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["timelines"][0]["rows"].as_array().map(Vec::len), Some(3));

    let folder = tempfile::tempdir().unwrap();
    let page = std::fs::read_to_string(write(&record, &summary, folder.path()).unwrap()).unwrap();
    assert!(page.contains("1,000 of 2,750 lost, 0 late; recovered after 0 ms"), "no figure");
    assert!(!page.contains("<did>"));
    let markdown = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
    assert!(markdown.contains("](timeline-server-away.svg)") && markdown.contains("## server away"));
    assert!(folder.path().join("timeline-server-away.svg").exists());
}

#[test]
fn a_timeline_of_which_no_block_counts_has_no_answer_and_still_a_page() {
    let mut record = outage();
    record.timelines.iter_mut().for_each(|timeline| timeline.fail("no broker".to_owned()));
    let summary = Summary::new(&record).unwrap();
    let report = report(&record, &summary);
    assert!(report.answer.iter().all(|sentence| !sentence.starts_with("server away")), "{:?}", report.answer);
    write(&record, &summary, tempfile::tempdir().unwrap().path()).unwrap();
}
