//! Records that are made up.

use std::num::NonZeroU32;
use std::time::Duration;

use calculator::Value;
use calculator::conformance::Numbers;

use crate::deploy::Cores;
use crate::load::{Load, Operation};
use crate::observe::wire::Traffic;
use crate::observe::{Expectation, Observation, Timing};
use crate::record::{
    Build, Check, CheckFailure, CheckLevel, CountedBy, Hop, Latency, Parts, Party, Record, SCHEMA,
    StackFacts, Tool, Trial, Used, Wire, audit,
};
use crate::scenario::{Contention, Measurement, Scenario, TrialSpec, TrialTimes};
use crate::stacks::Stack;
use crate::sys;

/// A record of `blocks` blocks of `stacks`, each a microsecond slower than the one before it.
pub(crate) fn record(stacks: &[&str], blocks: u32) -> Record {
    let mut scenario = Scenario::load("quick").unwrap();
    scenario.blocks = NonZeroU32::new(blocks.max(1)).unwrap();
    let stacks: Vec<_> = stacks.iter().map(|name| Stack::named(name).unwrap()).collect();
    let facts: Vec<_> = stacks.iter().map(|stack| StackFacts::new(stack, "async".to_owned(), None)).collect();
    let mut trials = Vec::new();
    for block in 0..blocks {
        for measurement in &scenario.measurements {
            for (position, facts) in (0..).zip(&facts) {
                if facts.name != "inproc" || measurement.load == Load::ONE_CALLER {
                    trials.push(trial(facts, measurement, block, position));
                }
            }
        }
    }
    of_trials(scenario, facts, trials)
}

pub(crate) fn of_trials(scenario: Scenario, facts: Vec<StackFacts>, trials: Vec<Trial>) -> Record {
    Record {
        schema: SCHEMA,
        id: "0123abcd".to_owned(),
        started: "2026-01-02T03:04:05Z".to_owned(),
        seconds: 12.0,
        interrupted: false,
        tool: Tool {
            version: "0.1.0".to_owned(),
            optimised: true,
            full_observation: true,
            build: Build::default(),
        },
        machine: sys::machine(),
        agents: vec![],
        scenario,
        seed: 7,
        checks: facts.iter().map(|facts| check(&facts.name)).collect(),
        counts: vec![],
        captures: vec![],
        sockets: vec![],
        fairness: vec![],
        wire: facts.iter().skip(1).map(|facts| wire(&facts.name)).collect(),
        wire_of_ways: vec![],
        stacks: facts,
        skipped: vec![],
        trials,
        searches: vec![],
        codecs: vec![],
        timelines: vec![],
        topologies: vec![],
    }
}

pub(crate) fn trial(facts: &StackFacts, measurement: &Measurement, block: u32, position: u32) -> Trial {
    let mut seen = Observation::default();
    for i in 0..1_000 {
        let took = Duration::from_nanos(u64::from(1_000 * (position + 1) + 10 * block + i));
        seen.record(Timing::closed(took), &Ok(Value::Null), &Expectation::AnyResult, Numbers::Exact);
    }
    let used = |cpu_ns| Some(Used { cpu_ns, utilisation: 0.5, peak_rss: 1, ..Used::default() });
    let cores = Cores { client: vec![0], server: vec![0] };
    let stack = Stack::named(&facts.name).unwrap();
    let times = TrialTimes { warmup: Duration::ZERO, measure: Duration::from_millis(300) };
    let mut trial = Trial {
        at_seconds: 1.0,
        measured_seconds: 0.3,
        latency: Latency::new(&seen.latency, 0).unwrap(),
        counts: seen.counts,
        throughput: 100_000.0 / f64::from(position + 1),
        client: used(1_500_000),
        server: (facts.name != "inproc").then(|| used(2_500_000 * u64::from(position + 1))).flatten(),
        broker: facts.name.starts_with("amqp").then(|| used(90_000_000)).flatten(),
        ..Trial::new(&TrialSpec::new(stack, measurement, &cores, times), block, position)
    };
    audit(&mut trial, Contention::Reject);
    trial
}

fn check(stack: &str) -> Check {
    Check {
        stack: stack.to_owned(),
        not_sent: 0,
        gated_by: vec![],
        core_passed: 18,
        core: 18,
        strict_passed: 8,
        strict: 9,
        failures: vec![CheckFailure {
            level: CheckLevel::Strict,
            call: "echo([])".to_owned(),
            expected: "[]".to_owned(),
            answer: "null".to_owned(),
        }],
    }
}

fn wire(stack: &str) -> Wire {
    Wire {
        stack: stack.to_owned(),
        operation: Operation::ADD,
        payload: Traffic { up: 16.0, down: 8.0 },
        per_call: Traffic { up: 123.0, down: 7.0 },
        setup: Traffic::default(),
        behind_broker: None,
        hops: hops(stack.starts_with("amqp")),
        exact: true,
        counted_by: CountedBy::Kernel,
    }
}

/// The hops between client and server, directly or through a broker.
fn hops(brokered: bool) -> Vec<Hop> {
    use Party::{Broker, Client, Server};
    let hops: &[_] = if brokered {
        &[(Client, Broker), (Broker, Server), (Server, Broker), (Broker, Client)]
    } else {
        &[(Client, Server), (Server, Client)]
    };
    let hop = |&(from, to): &(Party, Party)| {
        let bytes = if from == Client { 123 } else { 7 };
        Hop { from, to, bytes, parts: Parts::of(bytes, 2, 5), packets: 1.0 }
    };
    hops.iter().map(hop).collect()
}

/// A record of two blocks of one stack and the floors.
pub(super) fn small_record() -> Record {
    record(&["inproc", "tcp", "rest"], 2)
}
