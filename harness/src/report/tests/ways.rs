//! Reports of stacks that were reached in two ways.

use super::*;

/// Stacks and the same stacks reached another way, which takes a quarter longer.
fn record_of_two_ways(blocks: u32) -> Record {
    let mut record = record(&["inproc", "tcp", "tcp@bridge", "rest", "rest@bridge"], blocks);
    for trial in &mut record.trials {
        let is_variant = trial.stack.contains('@');
        if let Some(latency) = trial.latency.as_mut() {
            latency.p50 = Some(if is_variant { 12_500 } else { 10_000 });
        }
    }
    for facts in record.stacks.iter_mut().filter(|facts| facts.name.contains('@')) {
        facts.target = Some("http://rest:7002/".to_owned());
    }
    record
}

#[test]
fn what_another_way_costs_is_a_row_in_every_report() {
    for (blocks, range) in [(10, "1.25 (1.25–1.25)"), (3, "1.25 (1.25–1.25)")] {
        let record = record_of_two_ways(blocks);
        let summary = Summary::new(&record).unwrap();
        let table = &summary.tables[0];
        let ways: Vec<_> =
            table.ways.iter().map(|way| (way.variant.as_str(), way.interval.is_some())).collect();
        let has_verdict = blocks == 10;
        assert_eq!(ways, [("tcp@bridge", has_verdict), ("rest@bridge", has_verdict)]);
        let figures = Figures::new(&record, &summary).unwrap();
        let answer =
            format!("by bridge, the median latency is so many times that of the usual way: tcp {range}");
        assert!(markdown::markdown(&record, &summary, &figures).contains(&answer));
        let page = html::page(&record, &summary, &figures).unwrap();
        assert!(page.contains("The same stack by another way: median latency"));
        assert!(terminal(&record, &summary).contains("rest@bridge"));
    }
}

#[test]
fn a_stack_reached_another_way_is_held_against_the_floor_reached_so() {
    let summary = Summary::new(&record_of_two_ways(10)).unwrap();
    let times = |name: &str| {
        let row = summary.tables[0].rows.iter().find(|row| row.stack == name).unwrap();
        row.times_tcp.unwrap().median
    };
    for stack in ["rest", "rest@bridge", "tcp@bridge"] {
        assert!((times(stack) - 1.0).abs() < 1e-9, "{stack}: {}", times(stack));
    }
}

#[test]
fn what_runs_elsewhere_is_compared_with_nothing() {
    let mut record = record_of_two_ways(10);
    for trial in record.trials.iter_mut().filter(|trial| trial.stack.contains('@')) {
        trial.server_placed = false;
    }
    let summary = Summary::new(&record).unwrap();
    assert!(summary.tables.iter().all(|table| table.ways.is_empty()));
    let row = summary.tables[0].rows.iter().find(|row| row.stack == "rest@bridge").unwrap();
    assert!(row.is_elsewhere && row.times_tcp.is_none() && row.ties.is_none());
}
