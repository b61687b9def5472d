//! Reports of stacks whose server was reached by two routes.

use super::*;

/// Stacks over two routes, of which the second takes a quarter longer.
fn record_of_two_routes(blocks: u32) -> Record {
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
fn every_format_shows_the_cost_of_another_route() {
    for (blocks, range) in [(10, "1.25 (1.25–1.25)"), (3, "1.25 (1.25–1.25)")] {
        let record = record_of_two_routes(blocks);
        let summary = Summary::new(&record).unwrap();
        let variants = &summary.measurements[0].variants;
        let intervals: Vec<_> =
            variants.iter().map(|variant| (variant.variant.as_str(), variant.interval.is_some())).collect();
        let has_verdict = blocks == 10;
        assert_eq!(intervals, [("tcp@bridge", has_verdict), ("rest@bridge", has_verdict)]);
        let figures = Figures::new(&record, &summary).unwrap();
        let answer = format!(
            "median latency over the route bridge, as a multiple of that over the usual route: tcp {range}"
        );
        assert!(markdown::render(&report(&record, &summary), &figures).contains(&answer));
        let page = html::render(&report(&record, &summary), &figures).unwrap();
        assert!(page.contains("The same stack by another route: median latency"));
        assert!(printed(&record, &summary).contains("rest@bridge"));
    }
}

#[test]
fn a_variant_is_compared_with_the_floor_over_the_same_route() {
    let summary = Summary::new(&record_of_two_routes(10)).unwrap();
    let ratio = |name: &str| {
        let row = summary.measurements[0].stacks.iter().find(|row| row.stack == name).unwrap();
        row.ratio_to_floor.unwrap().median
    };
    for stack in ["rest", "rest@bridge", "tcp@bridge"] {
        assert!((ratio(stack) - 1.0).abs() < 1e-9, "{stack}: {}", ratio(stack));
    }
}

#[test]
fn a_server_on_unknown_cores_is_not_compared() {
    let mut record = record_of_two_routes(10);
    for trial in record.trials.iter_mut().filter(|trial| trial.stack.contains('@')) {
        trial.server_placed = false;
    }
    let summary = Summary::new(&record).unwrap();
    assert!(summary.measurements.iter().all(|measurement| measurement.variants.is_empty()));
    let row = summary.measurements[0].stacks.iter().find(|row| row.stack == "rest@bridge").unwrap();
    assert!(row.is_unplaced && row.ratio_to_floor.is_none());
}
