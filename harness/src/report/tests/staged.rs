//! Reports of timelines with stages.

use std::time::{Duration, Instant};

use calculator::ErrorKind;

use super::records::of_trials;
use super::*;
use crate::load::Window;
use crate::observe::{CallOutcome, EndedCall, Observation};
use crate::record::{StackFacts, TimelineObservation, TimelineResult};
use crate::scenario::{Contention, Plan, Scenario};
use crate::stacks::Stack;

const SCENARIO: &str = r#"
name = "mine"
question = "When is it too much?"
blocks = 1
warmup = "10ms"
measure = "100ms"
stacks = ["rest"]
floors = false

[[timeline]]
name = "ramp"
operation = "add"
arrivals = "constant"
placement = "free"

[[timeline.stage]]
from = 200
to = 800
over = "2s"

[[timeline.stage]]
to = 800
over = "3s"
"#;

/// A record with a timeline of `rest`, in whose second stage calls take four times as long, and every tenth fails.
pub(crate) fn record() -> Record {
    let scenario = Scenario::parse("mine.toml", SCENARIO).unwrap();
    let plan = Plan::new(&scenario, &[0, 1]).unwrap();
    let planned = &plan.timelines()[0];
    let rest = Stack::named("rest").unwrap();
    let mut result = TimelineResult::new(&planned.timeline, &planned.trial(rest), 0);
    let begin = Instant::now();
    // Not the times of the ramp, but as many calls: 1,000 in two seconds, and 2,400 in three.
    let at = |number: u64| match number {
        0..1_000 => Duration::from_micros(number * 2_000),
        _ => Duration::from_secs(2) + Duration::from_micros((number - 1_000) * 1_250),
    };
    let slots: Vec<_> = (0..3_400).map(|number| begin + at(number)).collect();
    let call = |(number, slot): (u64, &Instant)| EndedCall {
        slot: *slot,
        response: Duration::from_millis(if number < 1_000 { 1 } else { 4 }),
        lag: Duration::from_micros(20),
        outcome: if number >= 1_000 && number % 10 == 0 {
            CallOutcome::Failed(ErrorKind::Internal)
        } else {
            CallOutcome::Right
        },
    };
    let calls = (0..).zip(&slots).map(call).collect();
    result.fill(TimelineObservation {
        window: Window { begin, end: begin + Duration::from_secs(5) },
        observation: Observation { slots, calls, ..Observation::default() },
        events: vec![],
        server_calls: vec![Some(3_400)],
        operations: vec![],
    });
    result.audit(Contention::Reject);
    let facts = StackFacts::new(rest, "async".to_owned(), None);
    let mut record = of_trials(scenario, vec![facts], vec![]);
    record.timelines.push(result);
    record
}

#[test]
fn each_stage_has_a_row_and_response_times_over_time_a_table_and_a_figure() {
    let record = record();
    assert!(record.timelines[0].is_sound(), "{:?}", record.timelines[0].complaint);
    let summary = Summary::new(&record).unwrap();
    let report = report(&record, &summary);
    let terminal = printed(&record, &summary);
    assert!(
        terminal.contains("add, 200 to 800 calls/s for 2s, then 800 calls/s for 3s, at even intervals"),
        "{terminal}"
    );
    let row = |name: &str| terminal.lines().find(|line| line.contains(name)).unwrap().to_owned();
    for (name, figures) in [
        ("1: 200 to 800 calls/s for 2s", ["1,000", "500", "1,000", "0"]),
        ("2: 800 calls/s for 3s", ["2,400", "720", "4,0", "240"]),
    ] {
        assert!(figures.iter().all(|figure| row(name).contains(figure)), "{}", row(name));
    }
    let over_time = report.over_time[0].as_ref().unwrap();
    assert_eq!(over_time.rows.len(), 5);
    assert!(terminal.contains("ramp over time: the first block that counts"), "{terminal}");
    let answer = report.answer.iter().find(|sentence| sentence.starts_with("ramp (")).unwrap();
    assert!(answer.contains("at the end: rest p50 4,0") && answer.contains("at 800 calls/s"), "{answer}");

    let folder = tempfile::tempdir().unwrap();
    let page = std::fs::read_to_string(write(&record, &summary, folder.path()).unwrap()).unwrap();
    assert!(page.contains("240 of 3,400 calls without a right answer"), "no figure");
    assert!(page.contains("<summary>ramp over time"));
    let markdown = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
    assert!(
        markdown.contains("](timeline-ramp.svg)") && markdown.contains("### ramp over time"),
        "{markdown}"
    );
}

#[test]
fn a_stage_that_does_not_count_is_shown_with_the_reason() {
    let mut record = record();
    let stages = &mut record.timelines[0].stages;
    stages[0].schedule_lag_ns = Some(50_000_000);
    record.timelines[0].audit(Contention::Reject);
    assert!(!record.timelines[0].is_sound());
    let summary = Summary::new(&record).unwrap();
    let terminal = printed(&record, &summary);
    assert!(terminal.contains("1 of 1 blocks left out: this machine cannot offer the rate"), "{terminal}");
    assert!(
        terminal.contains("! 1 of 2 stages are left out. The first: rest (ramp, stage 1): this machine"),
        "{terminal}"
    );
    let answer = report(&record, &summary).answer.join("\n");
    assert!(answer.contains("at the end: rest p50 4,0"), "{answer}");
}

#[test]
fn a_record_whose_stages_do_not_add_up_is_invalid() {
    let mut record = record();
    record.timelines[0].stages[0].counts.right -= 1;
    record.timelines[0].stages[0].counts.started -= 1;
    record.timelines[0].stages[0].counts.slots -= 1;
    record.timelines[0].audit(Contention::Reject);
    let complaint = record.timelines[0].complaint.clone().unwrap();
    assert!(complaint.contains("stages do not add up"), "{complaint}");
}
