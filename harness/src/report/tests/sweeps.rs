//! Reports of scenarios with several loads.

use super::records::{of_trials, small_record, trial};
use super::*;
use crate::load::{Operation, Rate};
use crate::record::{Probe, SearchResult, StackFacts, Status, Wire};
use crate::scenario::{Measurement, Scenario};
use crate::stacks::Stack;

/// A record of a sweep over four rates, and of a search.
fn sweep() -> Record {
    let mut scenario = Scenario::load("saturation").unwrap();
    let stacks = ["tcp", "rest-hyper", "zerorpc"].map(|name| Stack::named(name).unwrap());
    let facts: Vec<_> = stacks.iter().map(|stack| StackFacts::new(stack, "async".to_owned(), None)).collect();
    let search = scenario.searches[0].clone();
    let rates = [1_000, 10_000, 50_000, 90_000].map(|rate| Rate::new(rate).unwrap());
    let mut trials = Vec::new();
    for rate in rates {
        let measurement = Measurement { name: format!("{}/s", rate.get()), ..search.measurement_at(rate) };
        for (position, facts) in (0..).zip(&facts) {
            let mut open = trial(facts, &measurement, 0, position + rate.get() / 1_000);
            open.cores.server = vec![1];
            open.service.clone_from(&open.latency);
            open.schedule_lag.clone_from(&open.latency);
            (open.audit, open.labels) = (vec![], vec![]);
            audit(&mut open, Contention::Reject);
            assert_eq!(open.complaint(), None);
            trials.push(open);
        }
        scenario.measurements.push(measurement);
    }
    let mut record = of_trials(scenario, facts, trials);
    let probe = |rate: u32, p99, held| Probe {
        rate: Rate::new(rate).unwrap(),
        held,
        p99: Some(p99),
        reason: if held { String::new() } else { "p99 was 7.2 ms".to_owned() },
        client: Some(0.4),
        server: Some(0.92),
        broker: None,
        ends: Some([0.4, 0.92]),
        failed_check: None,
    };
    for (stack, held) in [("zerorpc", 100_000), ("rest-hyper", 150_000)] {
        record.searches.push(SearchResult {
            search: search.name.clone(),
            stack: stack.to_owned(),
            held: Rate::new(held),
            failed: Rate::new(held + 4_000),
            probes: vec![probe(held, 2_345_678, true), probe(held + 4_000, 7_200_000, false)],
        });
    }
    record
}

#[test]
fn the_rate_is_compared_with_the_rate_that_the_generator_reached_on_the_floor() {
    let mut record = sweep();
    for trial in record.trials.iter_mut().filter(|trial| trial.stack == "tcp") {
        trial.generator_limit = Some(95_000.0);
    }
    let summary = Summary::new(&record).unwrap();
    let text = printed(&record, &summary);
    assert!(text.contains("the generator reached 95,000 calls/s on tcp: 95.0 × this rate"), "{text}");
    let warnings: Vec<_> = summary.warnings.iter().filter(|warning| warning.contains("headroom")).collect();
    let [first, second] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(
        first.starts_with("50000/s: ") && first.contains("and the rate of 50,000 calls/s is more than half"),
        "{first}"
    );
    assert!(second.starts_with("90000/s: "), "{second}");

    let older = sweep();
    let summary = Summary::new(&older).unwrap();
    assert!(summary.measurements.iter().all(|measurement| measurement.headroom.is_none()));
    assert!(!printed(&older, &summary).contains("the generator reached"));
}

#[test]
fn a_search_has_a_range_for_each_stack_in_descending_order() {
    let record = sweep();
    let summary = Summary::new(&record).unwrap();
    let figures = Figures::new(&record, &summary).unwrap();
    let figure = figures.all().find(|figure| figure.name == "search-capacity").unwrap().inline();
    assert!(figure.contains("150,000–154,000, the server"), "{figure}");
    let printed = printed(&record, &summary);
    for text in [
        // The answer, which comes last, is in the order of a sentence.
        printed.rsplit_once("\n\n").unwrap().0.to_owned(),
        markdown::render(&report(&record, &summary), &figures),
        html::render(&report(&record, &summary), &figures).unwrap(),
    ] {
        assert!(text.contains("within 5ms of their scheduled send time"), "{text}");
        let (first, second) = (text.find("150,000–154,000").unwrap(), text.find("100,000–104,000").unwrap());
        assert!(
            first < text.len()
                && text.contains("2.35")
                && text.contains("40 92")
                && text.contains("the server")
                && text.contains("p99 was 7.2 ms")
        );
        assert!(text.rfind("150,000–154,000") < text.rfind("100,000–104,000"), "{first} {second}");
    }
}

#[test]
fn the_table_of_an_open_loop_shows_service_time_and_schedule_lag() {
    let record = sweep();
    let summary = Summary::new(&record).unwrap();
    let text = printed(&record, &summary);
    for heading in ["p99.9 µs", "service p50 µs", "lag p99 µs"] {
        assert_eq!(text.matches(heading).count(), 4, "{heading} in\n{text}");
    }
    assert!(text.contains("1000 calls/s at random times (Poisson) over 32 connections"), "{text}");
}

#[test]
fn a_sweep_has_a_figure_across_its_loads() {
    let record = sweep();
    let figures = Figures::new(&record, &Summary::new(&record).unwrap()).unwrap();
    assert!(figures.sweeps.is_empty(), "{:?}", figures.sweeps);
    let [loads] = figures.offered_loads.as_slice() else { panic!("{:?}", figures.offered_loads) };
    assert!(
        loads.figure.title.starts_with("Response time against offered load: add"),
        "{}",
        loads.figure.title
    );
    assert_eq!(loads.panels.len(), 3);
    for (panel, stack) in loads.panels.iter().zip(["tcp", "rest-hyper", "zerorpc"]) {
        assert!(panel.contains(&format!(">\n{stack}\n<")), "{panel}");
    }
    let plain = small_record();
    assert!(Figures::new(&plain, &Summary::new(&plain).unwrap()).unwrap().offered_loads.is_empty());
    // Three loads with one executor, and one with another, are no sweep.
    let mut mixed = sweep();
    mixed.scenario.measurements[0].executor = Some("blocking".parse().unwrap());
    assert!(Figures::new(&mixed, &Summary::new(&mixed).unwrap()).unwrap().offered_loads.is_empty());
    for measurement in &mut mixed.scenario.measurements {
        measurement.executor = Some("blocking".parse().unwrap());
        measurement.work = Some("sleep:5ms".parse().unwrap());
    }
    let figures = Figures::new(&mixed, &Summary::new(&mixed).unwrap()).unwrap();
    assert!(
        figures.offered_loads[0].figure.title.ends_with(", executor blocking, work sleep:5ms"),
        "{figures:?}"
    );
}

#[test]
fn a_load_without_a_valid_trial_is_a_gap_that_is_hatched_and_the_knee_is_before_it() {
    let mut record = sweep();
    let micros = |trial: &Trial| match trial.load.rate().map_or(0, crate::load::Rate::get) {
        // The power of rate and latency is greatest at 10,000 calls/s.
        1_000 => 100,
        10_000 => 110,
        50_000 => 6_000,
        _ => 20_000,
    };
    for trial in record.trials.iter_mut().filter(|trial| trial.stack == "zerorpc") {
        let nanos = 1_000 * micros(trial);
        trial.latency.as_mut().unwrap().p50 = Some(nanos);
    }
    let panel = |record: &Record| {
        let figures = Figures::new(record, &Summary::new(record).unwrap()).unwrap();
        figures.offered_loads[0].panels[2].clone()
    };
    let whole = panel(&record);
    assert!(whole.contains("knee near 10,000 calls/s, p50 110 µs"), "{whole}");
    for trial in record.trials.iter_mut() {
        if trial.stack == "zerorpc" && trial.load.rate().is_some_and(|rate| rate.get() == 10_000) {
            trial.status = Status::Invalid;
        }
    }
    let gap = panel(&record);
    assert!(gap.contains("knee near 1,000 calls/s") && !gap.contains("10,000 calls/s: p50"), "{gap}");
    let lines = |panel: &str| panel.matches("<polyline").count();
    assert!(lines(&gap) > lines(&whole), "{} and {}", lines(&gap), lines(&whole));
}

/// A record of documents of four sizes.
fn payloads() -> Record {
    let mut record = record(&["tcp", "rest", "zerorpc"], 2);
    let one = record.scenario.measurements[0].clone();
    let (trials, wires) = (std::mem::take(&mut record.trials), std::mem::take(&mut record.wire));
    record.scenario.measurements.clear();
    for bytes in [100, 1 << 10, 10 << 10, 1 << 20] {
        let operation = Operation::ADD.with_payload(bytes).unwrap();
        let measurement = Measurement { name: operation.to_string(), operation, ..one.clone() };
        for trial in trials.iter().filter(|trial| trial.measurement == one.name) {
            let trial = Trial { measurement: measurement.name.clone(), operation, ..trial.clone() };
            record.trials.push(trial);
        }
        record.wire.extend(wires.iter().map(|wire| Wire { operation, ..wire.clone() }));
        record.scenario.measurements.push(measurement);
    }
    record
}

#[test]
fn measurements_that_differ_in_their_payload_are_drawn_against_it() {
    let files = checked(&payloads());
    for (figure, axis) in [
        ("sweep-echo-closed-1-p50.svg", "Median latency against bytes of the document"),
        ("sweep-echo-closed-1-cpu.svg", "CPU time of all processes against bytes of the document"),
        ("sweep-echo-closed-1-bytes.svg", "Bytes of a call against bytes of the document"),
    ] {
        assert!(files[figure].contains(axis) && files[figure].contains("zerorpc"), "{figure}");
    }
    assert!(files["index.html"].contains("no stack overtakes another"));
    let mut three = payloads();
    three.scenario.measurements.truncate(3);
    assert!(checked(&three).keys().all(|name| !name.starts_with("sweep")));
}
