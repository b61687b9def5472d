//! The simulation is repeatable, and finds servers and clients that are wrong.

// Clippy lets test functions unwrap, but not their helpers.
#![allow(clippy::unwrap_used)]

use simulation::{Defect, Options, Outcome, Plan, Protocol, Violation, run};

const PROTOCOLS: [Protocol; 5] =
    [Protocol::Zerorpc, Protocol::Rest, Protocol::RestBare, Protocol::XmlRpc, Protocol::JsonRpc];

fn simulate(seed: u64, protocol: Protocol, options: &Options) -> Outcome {
    run(&Plan::from_seed(seed, Some(protocol)), options).unwrap()
}

#[test]
fn the_same_seed_has_the_same_outcome() {
    let options = Options { record_events: true, ..Options::default() };
    for protocol in PROTOCOLS {
        for seed in 0..8 {
            let (first, second) = (simulate(seed, protocol, &options), simulate(seed, protocol, &options));
            let events = [&first, &second].map(|outcome| outcome.trace.events.as_ref().unwrap());
            for (number, (one, other)) in events[0].iter().zip(events[1]).enumerate() {
                assert_eq!(one, other, "event {number} of seed {seed} with {protocol}");
            }
            assert_eq!(first, second, "seed {seed} with {protocol}");
            assert!(first.trace.len > 0 && !first.records.is_empty());
        }
        let hashes = [0, 1].map(|seed| simulate(seed, protocol, &Options::default()).trace.hash);
        assert_ne!(hashes[0], hashes[1], "different seeds with {protocol}");
    }
}

#[test]
fn no_property_is_violated() {
    for protocol in PROTOCOLS {
        for seed in 1_000..1_010 {
            let outcome = simulate(seed, protocol, &Options::default());
            assert_eq!(outcome.violations, [], "seed {seed} with {protocol}");
        }
    }
}

/// Runs seeds until `is_expected` accepts a violation.
fn assert_found(protocol: Protocol, defect: Defect, is_expected: fn(&Violation) -> bool) {
    let options = Options { defect, ..Options::default() };
    let is_found = (0..100).any(|seed| simulate(seed, protocol, &options).violations.iter().any(is_expected));
    assert!(is_found, "{defect:?} with {protocol}");
}

#[test]
fn a_call_that_is_executed_twice_is_found() {
    let is_expected = |violation: &Violation| matches!(violation, Violation::Executions { times: 2.., .. });
    for protocol in PROTOCOLS {
        assert_found(protocol, Defect::ServerExecutesTwice, is_expected);
        assert_found(protocol, Defect::ClientSendsTwice, is_expected);
    }
}

#[test]
fn a_call_that_is_lost_is_found() {
    let is_expected = |violation: &Violation| matches!(violation, Violation::FailedWithoutFault { .. });
    for protocol in PROTOCOLS {
        assert_found(protocol, Defect::ServerLosesCalls, is_expected);
        assert_found(protocol, Defect::ClientLosesAnswers, is_expected);
    }
}

#[test]
fn an_answer_that_belongs_to_another_call_is_found() {
    let is_expected = |violation: &Violation| matches!(violation, Violation::WrongAnswer { .. });
    for protocol in PROTOCOLS {
        assert_found(protocol, Defect::ClientMixesAnswers, is_expected);
    }
    assert_found(Protocol::Zerorpc, Defect::ClientSkipsItems, is_expected);
}

#[test]
fn a_call_that_outlasts_its_deadline_is_found() {
    let is_expected = |violation: &Violation| matches!(violation, Violation::LateEnd { .. });
    for protocol in PROTOCOLS {
        assert_found(protocol, Defect::CallerIgnoresDeadline, is_expected);
    }
}

#[test]
fn connections_that_are_kept_are_found() {
    let is_expected = |violation: &Violation| matches!(violation, Violation::Connections { .. });
    for protocol in PROTOCOLS {
        assert_found(protocol, Defect::ClientKeepsConnections, is_expected);
    }
}
