//! A merged record equals the record of one observer of all calls.

use super::*;
use crate::deploy::{Cores, Placement};
use crate::load::{Load, Operation};
use crate::observe::{Expectation, Observation, Timing};
use crate::record::{Agent, AgentPart, Build, ClockOffset, ReferenceClock, SCHEMA, StartSpread, Tool};
use crate::scenario::{Measurement, Scenario, TrialSpec, TrialTimes};
use crate::stacks::Stack;
use crate::sys;
use calculator::conformance::Numbers;
use calculator::{CallError, ErrorKind, Value};
use proptest::prelude::*;
use std::num::NonZeroU32;
use std::time::Duration;

/// One call of an open loop.
#[derive(Clone, Debug)]
struct CallOutcome {
    agent: usize,
    late: u64,
    waited: u64,
    took: u64,
    /// What became of it.
    outcome: u8,
}

fn record_call(seen: &mut Observation, call: &CallOutcome) {
    let five = Expectation::Value(Value::Int(5));
    let failed = |kind| Err(CallError::new(kind, ""));
    let result = match call.outcome {
        0 => Ok(Value::Int(-5)),
        1 => failed(ErrorKind::Timeout),
        2 => failed(ErrorKind::Overflow),
        3 => failed(ErrorKind::Undeliverable),
        _ => Ok(Value::Int(5)),
    };
    let timing = Timing {
        latency: Duration::from_nanos(call.late + call.waited + call.took),
        service: Some(Duration::from_nanos(call.took)),
        schedule_lag: Some(Duration::from_nanos(call.late)),
    };
    seen.record(timing, &result, &five, Numbers::Exact);
    seen.counts.slots += 1;
}

fn trial_of(seen: &Observation, load: &str, agent: u32) -> Trial {
    let not_right = seen.counts.not_right();
    let latency = |histogram, missing| Latency::new(histogram, missing).unwrap();
    let measurement = Measurement {
        connections: NonZeroU32::new(8),
        warm: false,
        ..Measurement::new("rate".to_owned(), Operation::ADD, load.parse().unwrap(), Placement::Free)
    };
    let times = TrialTimes { warmup: Duration::ZERO, measure: Duration::from_secs(2) };
    let spec = TrialSpec::new(Stack::named("rest").unwrap(), &measurement, &Cores::default(), times);
    let mut trial = Trial {
        measured_seconds: 2.0,
        latency: latency(&seen.latency, not_right),
        service: latency(&seen.service, not_right),
        schedule_lag: latency(&seen.schedule_lag, 0),
        sent_per_second: Some(seen.counts.started as f64 / 2.0),
        throughput: seen.counts.right as f64 / 2.0,
        counts: seen.counts.clone(),
        client: Some(Used {
            cpu_ns: 1_000,
            utilisation: 0.1 * f64::from(agent),
            voluntary_switches: 3,
            involuntary_switches: 2,
            peak_rss: u64::from(agent),
            run_queue_ns: Some(1_000),
            throttled_ns: Some(0),
        }),
        ..Trial::new(&spec, 0, 0)
    };
    audit(&mut trial, Contention::Reject);
    trial.agents = vec![AgentPart::new(&trial, agent, Some(u64::from(agent) * 1_000))];
    trial
}

fn partial(agent: u32, of: u32, trials: Vec<Trial>) -> (String, Record) {
    let offset = |bound_ns| ClockOffset { offset_ns: 5, bound_ns };
    let machine = sys::machine();
    let record = Record {
        schema: SCHEMA,
        id: "0123abcd".to_owned(),
        started: "2026-11-22T18:30:00Z".to_owned(),
        seconds: f64::from(agent),
        interrupted: false,
        tool: Tool {
            version: "0.1.0".to_owned(),
            optimised: true,
            full_observation: true,
            build: Build::default(),
        },
        machine: machine.clone(),
        agents: vec![Agent {
            number: agent,
            of,
            start: "2026-11-22T18:30:00Z".to_owned(),
            gap: 1.0,
            machine,
            clock: Some(ReferenceClock {
                name: "server:1".to_owned(),
                exchanges: 32,
                start: offset(100 * u64::from(agent)),
                end: Some(offset(10)),
            }),
        }],
        scenario: Scenario::load("quick").unwrap(),
        seed: 7,
        stacks: vec![],
        skipped: vec![],
        checks: vec![],
        wire: vec![],
        wire_of_ways: vec![],
        counts: vec![],
        captures: vec![],
        sockets: vec![],
        fairness: vec![],
        trials,
        searches: vec![],
        codecs: vec![],
        timelines: vec![],
        topologies: vec![],
    };
    (format!("{agent}.json"), record)
}

fn calls(count: u64) -> Observation {
    let mut seen = Observation::default();
    for took in 1..=count {
        record_call(&mut seen, &CallOutcome { agent: 0, late: 1, waited: 0, took: took * 1_000, outcome: 9 });
    }
    seen
}

fn two() -> Vec<(String, Record)> {
    (1..=2).map(|agent| partial(agent, 2, vec![trial_of(&calls(100), "open:100:poisson", agent)])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Bucket for bucket and count for count.
    #[test]
    fn merging_equals_recording_together(
        all in prop::collection::vec(
            (0..3_usize, 0..5_000_000_u64, 0..80_000_000_000_u64, 0..100_000_000_000_u64, 0..12_u8)
                .prop_map(|(agent, late, waited, took, outcome)| CallOutcome { agent, late, waited, took, outcome }),
            0..300,
        ),
        not_sent in 0..50_u64,
    ) {
        let mut whole = Observation::default();
        let mut parts = [Observation::default(), Observation::default(), Observation::default()];
        for call in &all {
            record_call(&mut whole, call);
            record_call(&mut parts[call.agent], call);
        }
        for seen in [&mut whole, &mut parts[2]] {
            seen.counts.not_sent += not_sent;
            seen.counts.slots += not_sent;
        }
        let loads = ["open:34:poisson", "open:33:poisson", "open:33:poisson"];
        let partials = (1..4_u32).zip(parts.iter().zip(loads))
            .map(|(agent, (seen, load))| partial(agent, 3, vec![trial_of(seen, load, agent)]))
            .collect::<Vec<_>>();
        // The order in which records are given does not matter.
        let partials = partials.into_iter().rev().collect();
        let merged = merge(partials, false).unwrap();
        let [merged] = merged.trials.as_slice() else { panic!("one trial") };
        let expected = trial_of(&whole, "open:100:poisson", 1);
        prop_assert_eq!(&merged.counts, &expected.counts);
        prop_assert_eq!(merged.load, expected.load);
        for (of_parts, of_whole) in [
            (&merged.latency, &expected.latency),
            (&merged.service, &expected.service),
            (&merged.schedule_lag, &expected.schedule_lag),
        ] {
            // Quantiles and the encoded histogram, and what that decodes to.
            let buckets = |latency: &Option<Latency>| latency.as_ref().map(|l| l.histogram().unwrap());
            prop_assert_eq!(buckets(of_parts), buckets(of_whole));
            let quantiles = |latency: &Option<Latency>| latency.clone().map(|l| Latency { histogram: String::new(), ..l });
            prop_assert_eq!(quantiles(of_parts), quantiles(of_whole));
        }
        // All parts were measured for the same two seconds.
        prop_assert!((merged.throughput - expected.throughput).abs() < 1e-6 * expected.throughput.max(1.0));
        let sent = |trial: &Trial| trial.sent_per_second.unwrap();
        prop_assert!((sent(merged) - sent(&expected)).abs() < 1e-6 * sent(&expected).max(1.0));
        prop_assert_eq!(merged.agents.len(), 3);
    }
}

#[test]
fn facts_of_every_agent_are_kept_and_the_merged_trial_is_valid() {
    let merged = merge(two(), false).unwrap();
    assert_eq!(merged.agents.iter().map(|agent| agent.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(merged.seconds, 2.0);
    let trial = &merged.trials[0];
    assert_eq!((trial.status, trial.complaint()), (Status::Valid, None));
    assert_eq!((trial.counts.right, trial.connections), (200, 16));
    assert_eq!((trial.throughput, trial.sent_per_second), (100.0, Some(100.0)));
    let client = trial.client.unwrap();
    assert_eq!((client.cpu_ns, client.utilisation, client.peak_rss), (2_000, 0.2, 2));
    let spread = StartSpread::of(&merged).unwrap();
    assert_eq!(spread, StartSpread { greatest_ns: 1_000, bound_ns: Some(300), is_wide: false });
}

#[test]
fn an_invalid_part_makes_the_merged_trial_invalid() {
    let mut partials = two();
    let part = &mut partials[1].1.trials[0];
    part.agents[0].status = Status::Invalid;
    part.agents[0].reason = "the generator was late".to_owned();
    part.labels.push(Label::Unsettled);
    let trial = merge(partials, false).unwrap().trials.remove(0);
    assert_eq!((trial.status, trial.complaint()), (Status::Invalid, Some("agent 2: the generator was late")));
    assert_eq!(trial.labels, [Label::Unsettled]);

    let mut failed = two();
    for (_, record) in &mut failed {
        record.trials[0].status = Status::Failed;
        record.trials[0].agents[0].status = Status::Failed;
    }
    assert_eq!(merge(failed, false).unwrap().trials[0].status, Status::Failed);
}

#[test]
fn a_trial_that_one_agent_did_not_make_is_invalid() {
    let mut partials = two();
    partials[1].1.interrupted = true;
    partials[1].1.trials.clear();
    let merged = merge(partials, false).unwrap();
    assert!(merged.interrupted);
    assert_eq!(merged.trials[0].complaint(), Some("agent 2 of 2 did not run this trial"));
}

#[test]
fn rejects_records_of_different_runs_by_name() {
    let refused = |change: fn(&mut Vec<(String, Record)>)| {
        let mut partials = two();
        change(&mut partials);
        merge(partials, false).unwrap_err().to_string()
    };
    assert!(refused(Vec::clear).contains("nothing to merge"));
    assert!(refused(|p| p[1].1.agents.clear()).contains("2.json is not a partial record"));
    assert!(
        refused(|p| p[1].1.tool.version = "0.2.0".into())
            .contains("version of the one is 0.1.0, of the other 0.2.0")
    );
    assert!(
        refused(|p| {
            p[0].1.tool.build.commit = Some("0123456789ab".to_owned());
            p[1].1.tool.build.commit = Some("cdef01234567".to_owned());
        })
        .contains("commit")
    );
    assert!(refused(|p| p[1].1.tool.optimised = false).contains("optimisations"));
    assert!(refused(|p| p[1].1.seed = 8).contains("the seed of the one is 7, of the other 8"));
    assert!(refused(|p| p[1].1.agents[0].of = 3).contains("number of agents"));
    assert!(refused(|p| p[1].1.agents[0].start = "2026-11-22T18:31:00Z".into()).contains("18:31"));
    assert!(refused(|p| p[1].1.agents[0].gap = 2.0).contains("gap"));
    assert!(refused(|p| p[1].1.scenario.name = "mine".into()).contains("quick, of the other mine"));
    assert!(refused(|p| p[1].1.scenario.stacks.clear()).contains("not the same stacks"));
    assert!(refused(|p| p[1].1.id = "ffff0000".into()).contains("different runs"));
    assert!(refused(|p| p[1].1.trials[0].stack = "zerorpc".into()).contains("different trials in block 1"));
    assert!(refused(|p| p[1].1.agents[0].number = 1).contains("both of agent 1"));
    assert!(
        refused(|p| p[1].1.trials[0].latency.as_mut().unwrap().histogram = "AAAA".into()).contains("2.json")
    );
    let missing = refused(|p| drop(p.remove(0)));
    assert!(missing.contains("agent 1 of 2 is missing") && missing.contains("--allow-missing"), "{missing}");

    let mut one = two();
    one.remove(0);
    let merged = merge(one, true).unwrap();
    assert_eq!(merged.trials[0].complaint(), Some("agent 1 of 2 did not run this trial"));
    let load: Load = "open:100:poisson".parse().unwrap();
    assert_eq!(merged.trials[0].load, load);
}

#[test]
fn a_start_spread_of_more_than_a_tenth_of_a_trial_is_wide() {
    let spread = |late: u64, bound: Option<u64>| {
        let mut merged = merge(two(), false).unwrap();
        merged.trials[0].agents[1].start_delay_ns = Some(1_000 + late);
        for agent in &mut merged.agents {
            agent.clock = agent.clock.take().zip(bound).map(|(mut clock, bound)| {
                clock.start.bound_ns = bound;
                clock
            });
        }
        StartSpread::of(&merged).unwrap()
    };
    // The window of `quick` is 300 ms.
    assert!(!spread(29_000_000, Some(400_000)).is_wide);
    assert!(spread(29_000_000, Some(600_000)).is_wide);
    assert!(spread(30_000_001, None).is_wide);
    let unknown = spread(1_000_000, None);
    assert!(unknown.bound_ns.is_none() && unknown.sentence().contains("--clock"), "{}", unknown.sentence());
    assert!(spread(31_000_000, Some(1)).sentence().contains("more than a tenth"));
}

#[test]
fn drift_increases_the_error_of_a_clock() {
    let offset = |offset_ns, bound_ns| ClockOffset { offset_ns, bound_ns };
    let clock = |start, end| ReferenceClock { name: String::new(), exchanges: 1, start, end };
    assert_eq!(clock(offset(-7, 3), None).error_ns(), 3);
    assert_eq!(clock(offset(-7, 30), Some(offset(-7, 3))).error_ns(), 30);
    assert_eq!(clock(offset(-7, 3), Some(offset(13, 4))).error_ns(), 24);
}

#[test]
fn the_agent_that_a_quota_held_up_most_counts_and_waits_add_up() {
    let used = |run_queue_ns, throttled_ns| Used { run_queue_ns, throttled_ns, ..Used::default() };
    let sum = |a, b| {
        let sum = add_usage(a, b);
        (sum.run_queue_ns, sum.throttled_ns)
    };
    assert_eq!(sum(used(Some(1), Some(20)), used(Some(2), Some(10))), (Some(3), Some(20)));
    assert_eq!(sum(used(Some(1), None), used(None, Some(10))), (None, Some(10)));
}
