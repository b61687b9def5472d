//! The operation `stream:N`: calls whose results are streams.

use rpcbench::record::{Status, Wire};

use crate::Run;
use crate::common::finish;

#[test]
fn streams_are_received_from_the_servers_of_protocols_that_have_them() {
    let stacks = ["zerorpc", "zerorpc-zeromq", "zerorpc-python", "grpc", "grpc-h2", "grpc-python"];
    let run = Run::of(&[&stacks[..], &["rest-hyper"]].concat(), 1, "800ms");
    finish(&mut run.command(&["--operation=add,stream:1,stream:1000"])).with(0, &[]);
    let record = run.record();
    for operation in ["stream:1", "stream:1000"] {
        let trials = record.trials.iter().filter(|trial| trial.operation.to_string() == operation);
        let mut measured = vec![];
        for trial in trials {
            let stack = trial.stack.as_str();
            assert_eq!((trial.status, trial.complaint()), (Status::Valid, None), "{stack} {operation}");
            assert!(trial.counts.right > 0, "{stack} {operation}");
            assert_eq!(trial.counts.not_right(), trial.counts.unfinished, "{stack} {operation}");
            measured.push(stack);
        }
        measured.sort_unstable();
        let mut expected = stacks;
        expected.sort_unstable();
        assert_eq!(measured, expected, "{operation}");
    }

    #[cfg(target_os = "linux")]
    {
        let wire = |stack: &str, operation: &str| {
            let is_wanted = |wire: &&Wire| wire.stack == stack && wire.operation.to_string() == operation;
            record.wire.iter().find(is_wanted).unwrap()
        };
        for stack in stacks {
            let (one, thousand) = (wire(stack, "stream:1"), wire(stack, "stream:1000"));
            assert_eq!((one.payload.down, thousand.payload.down), (8.0, 8_000.0), "{stack}");
            // Each item is a message, which has a byte or more.
            assert!(thousand.per_call.down - one.per_call.down > 999.0, "{stack}: {thousand:?}");
        }
        // The client of zerorpc gives credit for fifty or a hundred items at a time.
        let (one, thousand) = (wire("zerorpc", "stream:1"), wire("zerorpc", "stream:1000"));
        assert!(thousand.per_call.up > 5.0 * one.per_call.up, "{one:?} {thousand:?}");
    }

    let report = std::fs::read_to_string(run.results().join("report/report.md")).unwrap();
    for part in ["stream:1000 (a stream of 1,000 items)", "an item: ", " items/s"] {
        assert!(report.contains(part), "{part}");
    }
}

#[test]
fn a_stream_of_no_length_is_refused() {
    let run = Run::of(&["zerorpc"], 1, "50ms");
    for operation in ["stream:0", "stream:10KiB", "stream:100001"] {
        let words = ["the number of its items", "stream:1000"];
        finish(&mut run.command(&[&format!("--operation={operation}")])).with(2, &words);
    }
}
