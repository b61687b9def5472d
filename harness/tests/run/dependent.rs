//! The operation `dependent`: six calls of which some need the results of others.

use rpcbench::record::{Record, Status, Trial};

use crate::Run;
use crate::common::finish;

/// The stacks with a trial of `operation`, all of which are valid, and have right answers only.
fn measured<'a>(record: &'a Record, operation: &str) -> Vec<&'a Trial> {
    let trials = record.trials.iter().filter(|trial| trial.operation.to_string() == operation);
    let trials: Vec<_> = trials.collect();
    for trial in &trials {
        let stack = &trial.stack;
        assert_eq!((trial.status, trial.complaint()), (Status::Valid, None), "{stack} {operation}");
        assert!(trial.counts.right > 0, "{stack} {operation}");
        assert_eq!(trial.counts.not_right(), trial.counts.unfinished, "{stack} {operation}");
    }
    trials
}

fn stacks<'a>(trials: &[&'a Trial]) -> Vec<&'a str> {
    let mut stacks: Vec<_> = trials.iter().map(|trial| trial.stack.as_str()).collect();
    stacks.sort_unstable();
    stacks
}

/// The bytes of all messages of `operation` of `stack`, there and back.
fn bytes(record: &Record, stack: &str, operation: &str) -> [u64; 2] {
    let is_wanted =
        |wire: &&rpcbench::record::Wire| wire.stack == stack && wire.operation.to_string() == operation;
    let wire = record.wire.iter().find(is_wanted).unwrap();
    assert!(wire.exact, "{stack} {operation}");
    let [up, down] = wire.hops.as_slice() else { panic!("{stack} {operation}: {:?}", wire.hops) };
    assert_eq!(up.parts.is_some(), operation == "add", "{stack} {operation}");
    [up.bytes, down.bytes]
}

#[test]
fn each_stack_calculates_as_its_protocol_can() {
    let run = Run::of(&["jsonrpc-hyper", "xmlrpc-hyper", "zerorpc", "thrift-compact"], 1, "100ms");
    let operations = "--operation=add,dependent,dependent:batched,dependent:concurrent";
    finish(&mut run.command(&[operations])).with(0, &[]);
    let record = run.record();
    let all = measured(&record, "dependent");
    let expected = ["inproc", "jsonrpc-hyper", "tcp", "thrift-compact", "xmlrpc-hyper", "zerorpc"];
    assert_eq!(stacks(&all), expected);
    assert_eq!(stacks(&measured(&record, "dependent:batched")), ["jsonrpc-hyper", "xmlrpc-hyper"]);
    assert_eq!(stacks(&measured(&record, "dependent:concurrent")), ["zerorpc"]);

    #[cfg(target_os = "linux")]
    {
        // Each of the floor's six messages has 64 bytes.
        assert_eq!(bytes(&record, "tcp", "dependent"), [384, 384]);
        for stack in ["jsonrpc-hyper", "xmlrpc-hyper", "thrift-compact"] {
            let (one, six) = (bytes(&record, stack, "add"), bytes(&record, stack, "dependent"));
            // The names of the methods and the numbers differ in length.
            assert!(
                (0..2).all(|way| (one[way] * 5..one[way] * 8).contains(&six[way])),
                "{stack}: {one:?} {six:?}"
            );
        }
        let (six, batched) = ("dependent", "dependent:batched");
        let [up, down] = bytes(&record, "jsonrpc-hyper", batched);
        let [up_of_six, down_of_six] = bytes(&record, "jsonrpc-hyper", six);
        assert!(up < up_of_six && down < down_of_six, "a batch has fewer heads");
    }

    let report = std::fs::read_to_string(run.results().join("report/report.md")).unwrap();
    for part in ["dependent (6 round trips)", "dependent:batched (4 round trips)"] {
        assert!(report.contains(part), "{part}");
    }
}

#[test]
fn other_ways_to_calculate_are_refused_with_those_that_there_are() {
    let run = Run::of(&["rest-hyper"], 1, "50ms");
    finish(&mut run.command(&["--operation=dependent:pipelined"])).with(2, &["dependent:batched"]);
}
