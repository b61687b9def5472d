//! Reports of closed loops with several callers: what a core of each server can answer, and which end was saturated.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::record;
use crate::report::StackKind;
use crate::report::server_capacity::utilisations;
use crate::stats::Saturation;

/// The measurement of a made-up record that has several callers.
const THROUGHPUT: usize = 1;

/// A record in which client and server of each stack used these shares of their cores.
fn record_of(utilisations: &[(&str, f64, f64)], blocks: u32) -> Record {
    let stacks: Vec<&str> = utilisations.iter().map(|(stack, ..)| *stack).collect();
    let mut record = record(&stacks, blocks);
    for trial in &mut record.trials {
        let (_, client, server) = utilisations.iter().find(|(stack, ..)| *stack == trial.stack).unwrap();
        trial.cores.server = vec![1];
        trial.client.as_mut().unwrap().utilisation = *client;
        trial.server.as_mut().unwrap().utilisation = *server;
    }
    record
}

#[test]
fn stacks_are_ranked_by_what_a_core_of_the_server_can_answer() {
    let mut record = record_of(&[("tcp", 0.99, 0.99), ("zerorpc", 0.97, 0.96), ("rest", 0.98, 0.97)], 10);
    // The client of zerorpc is slow, so that fewer calls are seen although its server needs less CPU time.
    for trial in record.trials.iter_mut().filter(|trial| trial.stack == "zerorpc") {
        trial.throughput = 10.0;
    }
    let summary = Summary::new(&record).unwrap();
    let measurement = &summary.measurements[THROUGHPUT];
    assert_eq!(measurement.ranking.stacks, ["zerorpc", "rest"]);
    // 5 and 7.5 ms of CPU time for 1,000 correct answers.
    let comparison = measurement.ranking.between("zerorpc", "rest").unwrap();
    assert_eq!(comparison.statement, Statement::Faster);
    assert!((comparison.ratio.unwrap().median - 1.5).abs() < 1e-9);
    let files = checked(&record);
    for name in ["index.html", "report.md", "terminal"] {
        assert!(
            files[name].contains("200,000") && files[name].contains("133,333"),
            "{name}: {}",
            files[name]
        );
    }
    assert!(files["throughput-calls.svg"].contains("200,000 (10 seen)"));
    assert!(files["report.md"].contains(
        "a core of the server can answer from 133,333 (rest, 33,333 seen) to 200,000 (zerorpc, 10 seen) calls/s"
    ));
}

#[test]
fn a_stack_whose_server_was_not_saturated_has_a_lower_bound_and_is_not_ranked() {
    for (client, server, state, reason) in [
        (0.98, 0.66, "client", "only the client saturated"),
        (0.02, 0.02, "neither", "neither end saturated"),
    ] {
        let mut record =
            record_of(&[("tcp", 0.99, 0.99), ("zerorpc", client, server), ("rest", 0.98, 0.97)], 10);
        // A label of an older version does not decide.
        for trial in record.trials.iter_mut().filter(|trial| trial.stack == "rest") {
            trial.labels.push(Label::ClientBound);
        }
        let summary = Summary::new(&record).unwrap();
        assert_eq!(summary.measurements[THROUGHPUT].ranking.stacks, ["rest"]);
        // Latencies of one caller are ranked in any case.
        assert_eq!(summary.measurements[0].ranking.stacks, ["zerorpc", "rest"]);
        let files = checked(&record);
        assert!(files["throughput-calls.svg"].contains("≥ 200,000 (50,000 seen)"));
        for name in ["index.html", "report.md", "terminal"] {
            assert!(files[name].contains(&format!("not ranked: {reason}")), "{name}");
            assert!(files[name].contains("≥ 200,000"), "{name}");
            assert!(!files[name].contains("client-bound"), "{name}");
        }
        let row = &report(&record, &summary).measurements[THROUGHPUT].stacks.rows[1];
        assert!(row.cells.contains(&Cell::from(state)), "{row:?}");
    }
}

#[test]
fn without_a_look_at_the_server_only_the_observed_rate_is_shown() {
    let mut record = record_of(&[("tcp", 0.99, 0.99), ("zerorpc", 0.98, 0.97), ("rest", 0.98, 0.97)], 10);
    for trial in record.trials.iter_mut().filter(|trial| trial.stack == "rest") {
        trial.server = None;
    }
    let summary = Summary::new(&record).unwrap();
    let measurement = &summary.measurements[THROUGHPUT];
    assert_eq!(measurement.ranking.stacks, ["zerorpc"]);
    assert!(measurement.noise().is_some());
    let files = checked(&record);
    assert!(files["throughput-calls.svg"].contains("33,333 seen"));
    assert!(files["terminal"].contains("not ranked: saturated end not known"));
}

#[test]
fn a_floor_of_another_operation_is_no_floor() {
    let with_floor = record(&["tcp", "amqp-bare", "amqp"], 10);
    let multiples = |record: &Record| {
        let summary = Summary::new(record).unwrap();
        let row = summary.measurements[0].stacks.iter().find(|row| row.stack == "amqp").unwrap();
        (row.ratio_to_floor.is_some(), row.ratio_to_own_floor.is_some())
    };
    assert_eq!(multiples(&with_floor), (true, true));
    let mut without = with_floor.clone();
    without.scenario.measurements[0].operation = "echo:10KiB".parse().unwrap();
    for trial in without.trials.iter_mut().filter(|trial| trial.measurement == "latency") {
        if trial.stack == "amqp" {
            trial.operation = "echo:10KiB".parse().unwrap();
        }
    }
    assert_eq!(multiples(&without), (false, false));
    let files = rendered(&without);
    assert!(files["terminal"].contains("which calls add and not echo:10KiB"));
    assert!(!files["latency-p50.svg"].contains("× tcp"));
    assert!(rendered(&with_floor)["latency-p50.svg"].contains("× tcp"));
}

/// Another run with the noise of the reference record gives every row the same state: in 97 of 100 runs of ten blocks, and
/// in practically all runs of the thirty blocks that `standard` has.
#[test]
fn the_state_of_a_row_of_the_reference_record_does_not_depend_on_chance() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../results/reference/record.json");
    let record = record::read(path.as_ref()).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut states = BTreeSet::new();
    for facts in &record.stacks {
        let is_of_stack = |trial: &&Trial| trial.stack == facts.name && !trial.load.is_for_latency();
        let trials: Vec<&Trial> =
            record.trials.iter().filter(is_of_stack).filter(|trial| !trial.twin).collect();
        let blocks = utilisations(&trials, StackKind::of(facts)).unwrap();
        let Some(state) = Saturation::of(&blocks) else { continue };
        states.insert(state);
        for (drawn, most) in [(10, 30), (30, 1)] {
            let mut draw =
                || (0..drawn).map(|_| blocks[rng.random_range(0..blocks.len())]).collect::<Vec<_>>();
            let others = (0..1_000).filter(|_| Saturation::of(&draw()) != Some(state)).count();
            assert!(
                others <= most,
                "{}: {}, but not in {others} of {drawn} blocks",
                facts.name,
                state.name()
            );
        }
    }
    // The rule is not trivial: the record has rows of several kinds.
    assert!(states.len() > 1, "{states:?}");
}
