//! The claims about brokers, on records that are made up so that every condition is true, and so that every one is false.

use std::sync::LazyLock;

use super::*;
use crate::observe::wire::Traffic;
use crate::record::{Deliveries, EventTimes, ServerCalls, Trial, Wire, WireOfWay};
use crate::scenario::{Action, Plan, Scenario};
use crate::stacks::Way;

/// The figures of a trial.
#[derive(Clone, Copy)]
struct Figures {
    calls_per_second: f64,
    p50_us: u64,
    p90_ms: u64,
    /// CPU time of each process per call.
    cpu_us: u64,
    /// The calls of each server.
    servers: &'static [u64],
    /// What each receiver got of 1,000 messages; empty for calls.
    received: &'static [u64],
}

impl Figures {
    fn rate(calls_per_second: f64, servers: &'static [u64]) -> Self {
        Figures { calls_per_second, p50_us: 100, p90_ms: 10, cpu_us: 100, servers, received: &[] }
    }

    /// Of messages without an answer.
    fn messages(p50_us: u64, cpu_us: u64, received: &'static [u64]) -> Self {
        Figures { p50_us, cpu_us, received, ..Figures::rate(1_000.0, &[333, 333, 334]) }
    }
}

/// The figures of a timeline.
#[derive(Clone, Copy)]
struct Over {
    /// Answers of each 100 ms, before the first event and after it.
    answers: [u64; 2],
    slowest_at_end_ms: u64,
    /// The calls of each server, those that were added last.
    servers: [u64; 3],
}

fn counted(calls: &[u64]) -> Vec<ServerCalls> {
    calls.iter().map(|calls| ServerCalls { calls: Some(*calls) }).collect()
}

/// A record of the built-in scenario `name` with these figures of each measurement or timeline and stack.
fn record_of(
    name: &str,
    of_trial: impl Fn(&str, &str) -> Figures,
    of_timeline: impl Fn(&str, &str) -> Over,
) -> Record {
    static MADE_UP: LazyLock<Record> =
        LazyLock::new(|| made_up(&["tcp", "rest", "xmlrpc", "jsonrpc", "zerorpc", "amqp", "amqp-bare"], 1));
    let scenario = Scenario::load(name).unwrap();
    let plan = Plan::new(&scenario, &[0, 1]).unwrap();
    let mut record = Record { scenario, ..MADE_UP.clone() };
    let templates = std::mem::take(&mut record.trials);
    for spec in plan.trials() {
        let template = templates.iter().find(|trial| trial.stack == spec.stack.name).unwrap();
        let figures = of_trial(&spec.measurement, spec.stack.name);
        for block in 0..spec.blocks {
            record.trials.push(with_figures(figures, Trial { block, way: spec.way, ..template.clone() }));
            record.trials.last_mut().unwrap().measurement.clone_from(&spec.measurement);
        }
    }
    for planned in plan.timelines() {
        for stack in &planned.stacks {
            let over = of_timeline(&planned.timeline.name, stack.name);
            let result = TimelineResult::new(&planned.timeline, &planned.trial(stack), 0);
            record.timelines.push(with_answers(over, result));
        }
    }
    record
}

fn with_figures(figures: Figures, trial: Trial) -> Trial {
    let deliveries = Deliveries { sent: 1_000, confirmed: 1_000, receivers: counted(figures.received) };
    let mut trial = Trial {
        throughput: figures.calls_per_second,
        servers: counted(figures.servers),
        deliveries: (!figures.received.is_empty()).then_some(deliveries),
        ..trial
    };
    let latency = trial.latency.as_mut().unwrap();
    (latency.p50, latency.p90) = (Some(figures.p50_us * 1_000), Some(figures.p90_ms * 1_000_000));
    let cpu_ns = figures.cpu_us * 1_000 * trial.counts.right;
    let processes = [&mut trial.client, &mut trial.server, &mut trial.broker];
    processes.into_iter().flatten().for_each(|used| used.cpu_ns = cpu_ns);
    trial
}

fn with_answers(over: Over, result: TimelineResult) -> TimelineResult {
    let [before, end] = over.answers;
    let bin = |index| TimelineBin {
        scheduled: 20,
        right: 20,
        answered: Some(if index < 10 { before } else { end }),
        max_ns: Some(over.slowest_at_end_ms * 1_000_000),
        ..TimelineBin::default()
    };
    let event = |seconds: u64| {
        let ns = seconds * 1_000_000_000;
        EventTimes { action: Action::AddServer, planned_ns: ns, began_ns: ns, done_ns: ns + 1 }
    };
    TimelineResult {
        bins: (0..50).map(bin).collect(),
        events: vec![event(1), event(2)],
        servers: counted(&over.servers),
        ..result
    }
}

/// The bytes of a cast of `amqp` as a multiple of those of a call.
fn with_bytes_of_cast(mut record: Record, multiple: f64) -> Record {
    let call = record.wire.iter().find(|wire| wire.stack == "amqp").unwrap().clone();
    let Traffic { up, down } = call.per_call;
    let wire = Wire { per_call: Traffic { up: multiple * up, down: multiple * down }, ..call };
    record.wire_of_ways = vec![WireOfWay { way: Way::Cast, wire }];
    record
}

fn no_timeline(_: &str, _: &str) -> Over {
    unreachable!("the scenario has none")
}

/// Checks that every claim of `record` has the verdict `expected`.
#[track_caller]
pub(super) fn check(record: &Record, expected: Verdict) {
    for claim in judge(record) {
        let outcomes: Vec<_> =
            claim.conditions.iter().map(|it| (&it.condition.name, &it.estimate, it.outcome)).collect();
        assert_eq!(claim.verdict, expected, "{}: {outcomes:#?}", claim.name);
    }
}

#[test]
fn the_verdicts_on_round_robin_follow_from_the_shares_and_the_rates_of_the_servers() {
    let good = |measurement: &str, _: &str| match measurement {
        "1 server" => Figures::rate(480.0, &[]),
        "2 servers" => Figures::rate(950.0, &[501, 499]),
        "4 servers" => Figures::rate(1_900.0, &[251, 249, 250, 250]),
        "4 servers, one slow, prefetch 1" => Figures::rate(1_200.0, &[31, 31, 31, 7]),
        _ => Figures { p90_ms: 300, ..Figures::rate(1_500.0, &[25, 25, 26, 24]) },
    };
    check(&record_of("round-robin", good, no_timeline), Verdict::Holds);
    let bad = |measurement: &str, _: &str| match measurement {
        "1 server" => Figures::rate(480.0, &[]),
        "2 servers" => Figures::rate(500.0, &[70, 30]),
        "4 servers" => Figures::rate(600.0, &[40, 30, 20, 10]),
        "4 servers, one slow, prefetch 1" => {
            Figures { p90_ms: 290, ..Figures::rate(100.0, &[26, 26, 26, 22]) }
        }
        _ => Figures { p90_ms: 300, ..Figures::rate(100.0, &[40, 30, 20, 10]) },
    };
    check(&record_of("round-robin", bad, no_timeline), Verdict::DoesNotHold);
}

#[test]
fn the_verdicts_on_added_servers_follow_from_the_answers_over_time() {
    let figures = |three: f64| {
        move |measurement: &str, _: &str| match measurement {
            "one address" => Figures::rate(98.0, &[]),
            _ => Figures::rate(three, &[1, 1, 1]),
        }
    };
    let found = Over { answers: [10, 20], slowest_at_end_ms: 40, servers: [500, 300, 200] };
    let unfound = Over { answers: [10, 10], slowest_at_end_ms: 2_500, servers: [1_000, 0, 0] };
    let good = |_: &str, stack: &str| if stack == "amqp" { found } else { unfound };
    check(&record_of("scale-out", figures(290.0), good), Verdict::Holds);
    let bad = |_: &str, stack: &str| if stack == "amqp" { unfound } else { found };
    check(&record_of("scale-out", figures(100.0), bad), Verdict::DoesNotHold);
}

#[test]
fn the_verdicts_on_the_ways_follow_from_times_bytes_and_deliveries() {
    let good = |measurement: &str, _: &str| match measurement {
        "call" => Figures::rate(1_000.0, &[1, 1, 1]),
        "cast" => Figures::messages(50, 60, &[300, 300, 400]),
        "fanout" => Figures::messages(70, 150, &[1_000, 1_000, 1_000]),
        _ => Figures::messages(50, 60, &[0, 999, 1]),
    };
    check(&with_bytes_of_cast(record_of("call-cast-fanout", good, no_timeline), 0.6), Verdict::Holds);
    // Slower than a call, more expensive, and with one message of a thousand lost: fewer arrive, and none arrives twice.
    let bad = |measurement: &str, _: &str| match measurement {
        "call" => Figures::rate(1_000.0, &[1, 1, 1]),
        "cast" => Figures::messages(110, 90, &[300, 300, 399]),
        "fanout" => Figures::messages(120, 260, &[1_000, 999, 1_000]),
        _ => Figures::messages(130, 100, &[0, 998, 1]),
    };
    let lost = with_bytes_of_cast(record_of("call-cast-fanout", bad, no_timeline), 0.9);
    let verdicts: Vec<_> = judge(&lost).into_iter().map(|claim| (claim.name, claim.verdict)).collect();
    let expected = [
        ("sooner", Verdict::DoesNotHold),
        ("cheaper", Verdict::DoesNotHold),
        ("one-receiver", Verdict::HoldsInPart),
        ("all-receivers", Verdict::HoldsInPart),
        ("fanout-cheaper", Verdict::DoesNotHold),
    ];
    assert_eq!(verdicts, expected.map(|(name, verdict)| (name.to_owned(), verdict)));
}

#[test]
fn the_verdicts_on_exchanges_follow_from_times_with_few_and_with_many_bindings() {
    let with = |cost: fn(&str, bool) -> u64| {
        move |measurement: &str, _: &str| {
            let is_large = measurement.ends_with(", 1000 bindings");
            let micros = cost(measurement.split(',').next().unwrap(), is_large);
            Figures { p50_us: micros, cpu_us: micros, ..Figures::rate(1_000.0, &[]) }
        }
    };
    let good = with(|kind, is_large| if kind == "fanout" && is_large { 2_000 } else { 100 });
    check(&record_of("exchanges", good, no_timeline), Verdict::Holds);
    let bad = with(|kind, is_large| match (kind, is_large) {
        ("fanout", _) => 100,
        ("topic", false) => 150,
        ("topic", true) => 300,
        (_, is_large) => {
            if is_large {
                200
            } else {
                100
            }
        }
    });
    check(&record_of("exchanges", bad, no_timeline), Verdict::DoesNotHold);
}

#[test]
fn a_missing_broker_leaves_the_claims_about_it_open_and_says_what_to_install() {
    let nothing = |_: &str, _: &str| Figures::rate(100.0, &[25, 25, 25, 25]);
    let over = |_: &str, _: &str| Over { answers: [10, 10], slowest_at_end_ms: 1, servers: [1, 0, 0] };
    for name in ["round-robin", "scale-out", "call-cast-fanout", "exchanges"] {
        let mut record = record_of(name, nothing, over);
        record.trials.retain(|trial| !trial.stack.starts_with("amqp"));
        record.timelines.retain(|timeline| timeline.stack != "amqp");
        for stack in ["amqp", "amqp-bare"] {
            let reason = "no broker: install RabbitMQ".to_owned();
            record.skipped.push(Skipped { stack: stack.to_owned(), reason });
        }
        for claim in judge(&record) {
            let of_amqp: Vec<_> = claim
                .conditions
                .iter()
                .filter(|it| it.condition.stack.as_ref().is_some_and(|stack| stack.starts_with("amqp")))
                .collect();
            let open = |it: &&JudgedCondition| {
                it.estimate.as_ref().is_err_and(|reason| reason.contains("install RabbitMQ"))
            };
            assert!(of_amqp.iter().all(open), "{name}: {}", claim.name);
            if of_amqp.len() == claim.conditions.len() {
                assert_eq!(claim.verdict, Verdict::CannotTell, "{name}: {}", claim.name);
            }
        }
    }
}
