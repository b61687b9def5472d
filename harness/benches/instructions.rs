//! The instructions of each step of a call in each protocol, counted by Callgrind: the same program gives the same numbers,
//! however busy the machine is. `-- --callgrind-limits='ir=1.0%'` ends with exit code 3 if a step takes 1 % more instructions
//! than in the last run.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/codecs.rs"]
mod codecs;

use std::process::{Command, Stdio};

use codecs::Step;
use gungraun::{library_benchmark, library_benchmark_group};

/// The step of a call that is counted.
fn prepare(protocol: &str, operation: &str, step: &str) -> Step {
    assert!(codecs::PROTOCOLS.contains(&protocol) && codecs::OPERATIONS.contains(&operation));
    let index = codecs::STEPS.iter().position(|name| *name == step).expect("a step of a call");
    let steps = codecs::steps(protocol, operation);
    let step = steps.into_iter().nth(index).expect("as many steps as names");
    // The first time, a thread's own tables may be made.
    step();
    step
}

/// A benchmark with all steps of a call in each of these protocols.
macro_rules! protocols {
    ($($protocol:ident)*) => {$(
        #[library_benchmark(setup = prepare)]
        #[bench::add_encode_call(stringify!($protocol), "add", "encode call")]
        #[bench::add_decode_call(stringify!($protocol), "add", "decode call")]
        #[bench::add_answer_call(stringify!($protocol), "add", "answer call")]
        #[bench::add_encode_result(stringify!($protocol), "add", "encode result")]
        #[bench::add_decode_result(stringify!($protocol), "add", "decode result")]
        #[bench::echo_encode_call(stringify!($protocol), "echo 10KiB", "encode call")]
        #[bench::echo_decode_call(stringify!($protocol), "echo 10KiB", "decode call")]
        #[bench::echo_answer_call(stringify!($protocol), "echo 10KiB", "answer call")]
        #[bench::echo_encode_result(stringify!($protocol), "echo 10KiB", "encode result")]
        #[bench::echo_decode_result(stringify!($protocol), "echo 10KiB", "decode result")]
        fn $protocol(step: Step) -> Step {
            step();
            // Dropped where it does not count.
            step
        }
    )*};
}

protocols!(rest jsonrpc xmlrpc zerorpc amqp);

library_benchmark_group!(name = codec; benchmarks = rest, jsonrpc, xmlrpc, zerorpc, amqp);

/// Runs all benchmarks, or in a process that Callgrind observes the one that its arguments name.
fn count() {
    // The macro makes a function of this name.
    gungraun::main!(library_benchmark_groups = codec);
    main();
}

/// A program that is needed and missing, with how to get it.
fn missing() -> Option<&'static str> {
    let programs = [
        ("valgrind", "Valgrind is missing: apt install valgrind"),
        ("gungraun-runner", "gungraun-runner is missing: cargo install gungraun-runner --version 0.20.0"),
    ];
    let is_missing = |program: &str| {
        let mut version = Command::new(program);
        version.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_err()
    };
    programs.into_iter().find(|(program, _)| is_missing(program)).map(|(_, remedy)| remedy)
}

fn main() {
    let is_observed = std::env::args().nth(1).is_some_and(|argument| argument == "--gungraun-run");
    // There is nothing to count in `cargo test`.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    match missing() {
        _ if is_observed => count(),
        _ if !is_bench => {}
        Some(remedy) => println!("instructions are not counted. {remedy}"),
        None => count(),
    }
}
