//! Which floors a run measures, and with which calls.

use rpcbench::load::Operation;
use rpcbench::record::Record;

use crate::Run;
use crate::common::finish;

/// The record and the output of a run of `rest-hyper`, whose audit may or may not have passed: the machine may be busy.
fn measured(load: &str, operation: &str) -> (Record, String) {
    let run = Run::of(&["rest-hyper"], 1, "200ms");
    let ended = finish(&mut run.command(&["--load", load, "--operation", operation]));
    assert!(matches!(ended.status.code(), Some(0 | 4)), "{:?}", ended.err);
    (run.record(), ended.out.join("\n"))
}

/// The stacks of `record`, each of which was called right with `operation`.
fn stacks_calling(record: &Record, operation: &str) -> Vec<String> {
    let operation: Operation = operation.parse().unwrap();
    let trials = record.trials.iter().map(|trial| {
        assert_eq!(trial.operation, operation, "{}", trial.stack);
        assert!(trial.counts.right > 0 && trial.counts.wrong == 0, "{}: {:?}", trial.stack, trial.counts);
        trial.stack.clone()
    });
    let mut stacks: Vec<_> = trials.collect();
    stacks.sort();
    stacks
}

#[test]
fn the_floors_send_the_payload_that_the_stacks_send() {
    let (record, said) = measured("closed:1", "echo:10KiB");
    assert_eq!(stacks_calling(&record, "echo:10KiB"), ["inproc", "rest-hyper", "tcp"]);
    assert!(said.contains("× tcp") && !said.contains("the floors call add"), "{said}");
    let bytes = |stack: &str| {
        let wire = record.wire.iter().find(|wire| wire.stack == stack).unwrap();
        assert!(wire.exact && wire.payload.up >= 10_240.0, "{wire:?}");
        let parts = wire.hops[0].parts.unwrap();
        assert_eq!(parts.arguments + parts.envelope + parts.framing, wire.hops[0].bytes);
        (wire.per_call, parts)
    };
    let (floor, parts) = bytes("tcp");
    assert_eq!((parts.envelope, parts.framing), (64, 0));
    let (rest, _) = bytes("rest-hyper");
    assert!(floor.up < rest.up && floor.down < rest.down, "{floor:?} {rest:?}");
}

#[test]
fn several_callers_have_a_floor_with_an_event_loop() {
    let (record, said) = measured("closed:4", "echo:1KiB");
    assert_eq!(stacks_calling(&record, "echo:1KiB"), ["rest-hyper", "tcp", "tcp-async"]);
    assert!(said.contains("× tcp-async"), "{said}");
    let facts = record.fairness.iter().find(|facts| facts.stack == "tcp-async").unwrap();
    for end in [Some(&facts.client), facts.server.as_ref()] {
        assert_eq!(end.unwrap().runtime, "Tokio, one thread");
    }
    let wire = |stack: &str| record.wire.iter().find(|wire| wire.stack == stack).unwrap().per_call;
    assert_eq!(wire("tcp-async"), wire("tcp"));
}

#[test]
fn an_open_loop_over_several_connections_has_a_floor_with_an_event_loop() {
    let (record, said) = measured("open:200:poisson", "hello");
    assert_eq!(stacks_calling(&record, "hello"), ["rest-hyper", "tcp", "tcp-async"]);
    for trial in &record.trials {
        assert_eq!(trial.generator_limit.is_some_and(|rate| rate > 0.0), trial.stack == "tcp-async");
    }
    assert!(said.contains("the generator reached ") && said.contains(" calls/s on tcp-async: "), "{said}");
    assert!(said.contains("× tcp-async"), "{said}");
}
