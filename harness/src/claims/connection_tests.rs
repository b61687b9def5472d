//! The verdicts of the scenarios `connections` and `cold-call` on records that are made up.

use super::*;
use crate::record::{Record, Skipped, StackFacts, Status, TopologyResult, Trial, topology_sample};
use crate::report::tests::{of_trials, trial};
use crate::scenario::Scenario;
use crate::stacks::Stack;

fn facts(scenario: &Scenario) -> Vec<StackFacts> {
    let of = |name: &String| StackFacts::new(Stack::named(name).unwrap(), "async".to_owned(), None);
    scenario.stacks.iter().map(of).collect()
}

/// The verdict on the claim `name` of `record`.
fn verdict(record: &Record, name: &str) -> Verdict {
    judge(record).into_iter().find(|claim| claim.name == name).unwrap().verdict
}

/// A record of `connections` in which direct protocols have a connection for each pair, and AMQP two for each process.
fn connections() -> Record {
    let scenario = Scenario::load("connections").unwrap();
    let facts = facts(&scenario);
    let mut topologies = Vec::new();
    for topology in &scenario.topologies {
        let size = [topology.clients.get(), topology.servers.get()];
        for facts in &facts {
            let count = if facts.name == "amqp" { 2 * (size[0] + size[1]) } else { size[0] * size[1] };
            for block in 0..2 {
                topologies.push(topology_sample(&topology.name, &facts.name, block, size, count.into()));
            }
        }
    }
    Record { topologies, ..of_trials(scenario, facts, vec![]) }
}

/// The record of `connections` with a change of each result of `stack`.
fn changed(stack: &str, change: impl Fn(&mut TopologyResult)) -> Record {
    let mut record = connections();
    record.topologies.iter_mut().filter(|result| result.stack == stack).for_each(change);
    record
}

#[test]
fn each_verdict_on_connections_follows_from_the_counts_and_changes_with_them() {
    let made_up = connections();
    assert_eq!(verdict(&made_up, "many"), Verdict::Holds);
    let shared = changed("zerorpc", |it| it.connections = Some(u64::from(it.clients + it.servers)));
    assert_eq!(verdict(&shared, "many"), Verdict::HoldsInPart);
    let mut all = made_up.clone();
    all.topologies.iter_mut().for_each(|it| it.connections = Some(1));
    assert_eq!(verdict(&all, "many"), Verdict::DoesNotHold);

    // In the smallest of the systems a broker saves nothing: 16 connections are 16.
    assert_eq!(verdict(&made_up, "few"), Verdict::HoldsInPart);
    let one_each = changed("amqp", |it| it.connections = Some(u64::from(it.clients + it.servers)));
    assert_eq!(verdict(&one_each, "few"), Verdict::Holds);
    let one_per_pair = changed("amqp", |it| it.connections = Some(u64::from(it.clients * it.servers)));
    assert_eq!(verdict(&one_per_pair, "few"), Verdict::DoesNotHold);

    // A millisecond for each connection.
    assert_eq!(verdict(&made_up, "set-up"), Verdict::Holds);
    let slow_broker = changed("amqp", |it| it.setup_ns = it.setup_ns.map(|ns| 100 * ns));
    assert_eq!(verdict(&slow_broker, "set-up"), Verdict::DoesNotHold);
    let fast_rest = changed("rest", |it| it.setup_ns = it.setup_ns.map(|ns| ns / 100));
    assert_eq!(verdict(&fast_rest, "set-up"), Verdict::HoldsInPart);
    let once = changed("amqp", |it| {
        it.setup_ns = it.setup_ns.map(|ns| if it.block == 0 { ns } else { 100 * ns });
    });
    assert_eq!(verdict(&once, "set-up"), Verdict::CannotTell, "the blocks disagree");

    // 2 KiB for each connection, and 100 MiB for a broker.
    assert_eq!(verdict(&made_up, "memory"), Verdict::DoesNotHold);
    let small_broker = changed("amqp", |it| it.broker_memory.as_mut().unwrap().after = 1 << 20);
    assert_eq!(verdict(&small_broker, "memory"), Verdict::Holds);
    let large_rest = Record {
        topologies: changed("rest", |it| it.client_memory.as_mut().unwrap().after = 1 << 30).topologies,
        ..made_up
    };
    assert_eq!(verdict(&large_rest, "memory"), Verdict::HoldsInPart);
}

#[test]
fn counts_that_agree_in_every_block_need_no_interval_and_without_them_the_reason_is_given() {
    let condition = |record: &Record, claim: &str, index: usize| {
        let judged = judge(record).into_iter().find(|judged| judged.name == claim).unwrap();
        judged.conditions[index].clone()
    };
    assert_eq!(condition(&connections(), "few", 0).estimate, Ok(Estimate::Counted(128.0 / 1_024.0)));
    assert_eq!(condition(&connections(), "many", 0).estimate, Ok(Estimate::Counted(1_024.0)));
    // Times are not the same in each block, so that one of them decides nothing.
    let mut once = connections();
    once.topologies.retain(|it| it.block == 0);
    assert_eq!(
        [verdict(&once, "few"), verdict(&once, "set-up")],
        [Verdict::HoldsInPart, Verdict::CannotTell]
    );
    assert_eq!(condition(&once, "set-up", 0).estimate, Ok(Estimate::TooFewBlocks(8.0)));
    let needed = judge(&once).into_iter().map(|claim| claim.blocks_needed);
    assert_eq!(needed.collect::<Vec<_>>(), [1, 1, 2, 2]);
    let differing = changed("amqp", |it| it.connections = it.connections.map(|n| n + u64::from(it.block)));
    let Ok(Estimate::Measured(interval)) = condition(&differing, "few", 0).estimate else {
        panic!("a range")
    };
    assert_eq!((interval.low, interval.high), (128.0 / 1_024.0, 129.0 / 1_024.0));

    let mut skipped = connections();
    skipped.topologies.retain(|it| it.stack != "amqp");
    let reason = "no RabbitMQ: apt install rabbitmq-server".to_owned();
    skipped.skipped.push(Skipped { stack: "amqp".to_owned(), reason });
    for claim in ["few", "set-up", "memory"] {
        assert_eq!(verdict(&skipped, claim), Verdict::CannotTell, "{claim}");
    }
    let obstacle = condition(&skipped, "few", 0).estimate.unwrap_err();
    assert_eq!(obstacle, "amqp was not measured: no RabbitMQ: apt install rabbitmq-server");
    let failed = changed("amqp", |it| it.fail("no answer:\n  from amqp".to_owned()));
    let obstacle = condition(&failed, "few", 0).estimate.unwrap_err();
    assert!(
        obstacle.ends_with("no valid block of the topology `32 × 32`: no answer: from amqp"),
        "{obstacle}"
    );
    let unobservable = changed("rest", |it| it.connections = None);
    let obstacle = condition(&unobservable, "many", 0).estimate.unwrap_err();
    assert_eq!(obstacle, "the connections of rest was not observable");
    let elsewhere = changed("amqp", |it| it.broker_memory = None);
    assert!(condition(&elsewhere, "memory", 0).estimate.unwrap_err().contains("memory of amqp"));
}

/// How many times as long a call takes that opens its connection, and how many bytes that takes in addition to the 130 of the call.
type Cost = fn(&str) -> (u64, f64);

/// A record of `cold-call` in which a call on an open connection takes 100 µs.
fn cold_call(cost: Cost) -> Record {
    let mut scenario = Scenario::load("cold-call").unwrap();
    scenario.measurements.retain(|measurement| measurement.load.rate().is_none());
    let facts = facts(&scenario);
    let mut trials: Vec<Trial> = Vec::new();
    for measurement in &scenario.measurements {
        for facts in &facts {
            // Making a histogram up takes long, so there is one for all blocks.
            let mut made_up = trial(facts, measurement, 0, 0);
            let times = if measurement.connection.is_kept() { 1 } else { cost(&facts.name).0 };
            made_up.latency.as_mut().unwrap().p50 = Some(100_000 * times);
            #[allow(clippy::cast_precision_loss)]
            (made_up.throughput = 10_000.0 / times as f64);
            made_up.status = Status::Valid;
            trials.extend((0..12).map(|block| Trial { block, ..made_up.clone() }));
        }
    }
    let mut record = of_trials(scenario, facts, trials);
    let mut first = record.wire[0].clone();
    first.stack = record.stacks[0].name.clone();
    record.wire.push(first);
    for wire in &mut record.wire {
        wire.setup.up = cost(&wire.stack).1;
    }
    record
}

#[test]
fn each_verdict_on_cold_calls_follows_from_the_times_and_bytes_and_changes_with_them() {
    use Verdict::{DoesNotHold, Holds, HoldsInPart};
    let verdicts = |cost: Cost| {
        let record = cold_call(cost);
        ["first", "rate", "broker", "bytes"].map(|claim| verdict(&record, claim))
    };
    assert_eq!(verdicts(|_| (3, 200.0)), [Holds, Holds, DoesNotHold, Holds]);
    assert_eq!(verdicts(|_| (1, 0.0)), [DoesNotHold, DoesNotHold, DoesNotHold, DoesNotHold]);
    let broker_costs_more: Cost = |stack| if stack == "amqp" { (30, 5_000.0) } else { (3, 0.0) };
    assert_eq!(verdicts(broker_costs_more), [Holds, Holds, Holds, HoldsInPart]);
    let only_zerorpc: Cost = |stack| if stack == "zerorpc" { (3, 130.0) } else { (1, 129.0) };
    assert_eq!(verdicts(only_zerorpc), [HoldsInPart, HoldsInPart, DoesNotHold, HoldsInPart]);
}

#[test]
fn a_claim_about_a_topology_names_one_with_the_stack() {
    let text = crate::scenario::built_in("connections").unwrap();
    let (from_claims, at) = (text.find("[[claim]]").unwrap(), text.find("[[topology]]").unwrap());
    for (from, to, expected) in [
        ("measurement = \"32 × 32\"", "measurement = \"32 × 31\"", "did you mean `32 × 32`?"),
        ("stack = \"rest\"", "stack = \"tcp\"", "`tcp` does not take part in the topology `32 × 32`"),
        ("figure = \"sockets\"", "figure = \"bytes\"", "unknown measurement `32 × 32`"),
        ("figure = \"sockets\"", "figure = \"socket\"", "did you mean `sockets`?"),
    ] {
        let claims = text[from_claims..at].replacen(from, to, 1);
        assert_ne!(claims, text[from_claims..at], "{from}");
        let broken = format!("{}{claims}{}", &text[..from_claims], &text[at..]);
        let error = Scenario::parse("mine.toml", &broken).unwrap_err().to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
}
