//! The statements about stacks, the verdict on the fastest protocol, and the stacks that are left out of both.

use super::*;

#[test]
fn a_verdict_needs_enough_blocks_and_both_rankings() {
    let page = |record: &Record| rendered(record).remove("index.html").unwrap();
    // An interval from nine blocks is wrong once in 256 times, which is more often than 1 % ÷ 3 pairs of stacks.
    let few = page(&record(&["tcp", "rest", "rest-hyper", "zerorpc"], 9));
    assert!(few.contains("No verdict on the fastest protocol: it needs 10 blocks"), "{few}");
    assert!(few.contains("that takes at least 10 for 3 pairs of stacks"));
    // `rest` leads with usual libraries, `zerorpc` with minimal ones.
    let mixed = record(&["tcp", "rest", "zerorpc", "rest-hyper"], 10);
    assert!(page(&mixed).contains("it is rest with usual libraries and zerorpc with minimal ones"));
    // The first and the second stack change places in every other block.
    let mut tied = record(&["tcp", "zerorpc", "rest", "rest-hyper"], 10);
    for trial in tied.trials.iter_mut().filter(|trial| trial.block % 2 == 0 && trial.stack == "zerorpc") {
        trial.latency.as_mut().unwrap().p50 = Some(1 << 20);
    }
    assert!(page(&tied).contains("rest leads both rankings, but in at least one of them its lead"));
    let clear = record(&["tcp", "zerorpc", "rest", "rest-hyper"], 10);
    assert!(
        page(&clear)
            .contains("zerorpc is the fastest, with usual and with minimal libraries: faster than rest by")
    );
}

#[test]
fn every_pair_of_ranked_stacks_gets_one_of_the_three_statements() {
    let mut record = record(&["tcp", "rest", "jsonrpc", "zerorpc"], 12);
    for trial in &mut record.trials {
        let nanos = match trial.stack.as_str() {
            "rest" => 10_000 + u64::from(trial.block % 3) * 20,
            "jsonrpc" => 10_000 + u64::from((trial.block + 1) % 3) * 20,
            "zerorpc" => 9_000 + 3_000 * u64::from(trial.block % 2),
            _ => continue,
        };
        trial.latency.as_mut().unwrap().p50 = Some(nanos);
    }
    let summary = Summary::new(&record).unwrap();
    let ranking = &summary.measurements[0].ranking;
    assert_eq!(ranking.comparisons.pairs.len(), 3);
    let statement = |a, b| ranking.between(a, b).unwrap().statement;
    assert_eq!(statement("rest", "jsonrpc"), Statement::NoDifference);
    assert_eq!(statement("zerorpc", "rest"), Statement::Undecided);
    assert_eq!(ranking.between("tcp", "rest"), None);
    // Calls per second were not changed.
    let throughput = &summary.measurements[1].ranking;
    assert_eq!(throughput.between("rest", "zerorpc").unwrap().statement, Statement::Faster);
    assert_eq!(throughput.between("zerorpc", "rest").unwrap().statement, Statement::Slower);
    let json = serde_json::to_value(report(&record, &summary)).unwrap();
    let comparisons = &json["measurements"][0]["comparisons"];
    assert_eq!(
        (&comparisons["delta"], &comparisons["blocks_needed"]),
        (&serde_json::json!(0.01), &serde_json::json!(10))
    );
    let between_json = |names: [&str; 2]| {
        let pairs = comparisons["pairs"].as_array().unwrap();
        pairs
            .iter()
            .find(|pair| pair["stacks"] == serde_json::json!(names))
            .map(|pair| pair["statement"].clone())
    };
    assert_eq!(between_json(["rest", "jsonrpc"]), Some("no-difference".into()));
    let files = checked(&record);
    for name in ["index.html", "report.md", "terminal"] {
        for text in ["no difference above 1.0 %", "undecided", "faster by 50 % (50–50 %)", "δ is 1.0 %"] {
            assert!(files[name].contains(text), "{name}: {text}\n{}", files[name]);
        }
    }
}

#[test]
fn a_stack_that_differs_from_itself_puts_a_warning_on_the_run() {
    let mut record = record(&["tcp", "rest", "zerorpc"], 10);
    let twins: Vec<Trial> = record
        .trials
        .iter()
        .filter(|trial| trial.stack == "rest")
        .map(|trial| Trial { twin: true, ..trial.clone() })
        .collect();
    record.trials.extend(twins);
    let same = Summary::new(&record).unwrap();
    assert!(same.measurements[0].pairs[0].ratio.unwrap().contains_one());
    assert!(same.warnings.iter().all(|warning| !warning.contains("distinguishable from itself")));
    assert!(rendered(&record)["index.html"].contains("rest against itself: 1.000"));

    for trial in record.trials.iter_mut().filter(|trial| trial.twin) {
        let p50 = &mut trial.latency.as_mut().unwrap().p50;
        *p50 = p50.map(|nanos| nanos * 2);
    }
    let differing = Summary::new(&record).unwrap();
    assert!(differing.warnings[0].contains("rest is distinguishable from itself"));

    // For programs, all ratios are of speeds: the second half took twice as long.
    let json = |summary| serde_json::to_value(report(&record, summary)).unwrap()["measurements"][0].clone();
    assert_eq!(json(&same)["comparisons"]["same"][0]["statement"], "no-difference");
    let pair = &json(&differing)["comparisons"]["same"][0];
    assert_eq!(
        (&pair["stacks"], &pair["statement"]),
        (&serde_json::json!(["rest", "rest"]), &serde_json::json!("faster"))
    );
    assert!((pair["ratio"]["median"].as_f64().unwrap() - 2.0).abs() < 1e-9, "{pair}");
}

#[test]
fn a_stack_that_is_not_ranked_leaves_no_verdict_whatever_the_number_of_blocks() {
    for stack in ["zerorpc", "rest-hyper"] {
        let mut record = record(&["tcp", "zerorpc", "rest", "rest-hyper"], 10);
        for facts in record.stacks.iter_mut().filter(|facts| facts.name == stack) {
            facts.target = Some("elsewhere".to_owned());
        }
        for trial in record.trials.iter_mut().filter(|trial| trial.stack == stack) {
            trial.server_placed = false;
        }
        let page = rendered(&record).remove("index.html").unwrap();
        assert!(
            page.contains(&format!("No verdict on the fastest protocol: {stack} is among the fastest")),
            "{page}"
        );
        assert!(!page.contains("it needs 10 blocks"));
    }
}
