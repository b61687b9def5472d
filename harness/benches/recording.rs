//! The cost of recording a call, which is the same for every stack: reading the clock, comparing the result, and updating
//! the histograms.
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use calculator::Value;
use calculator::conformance::Numbers;
use criterion::{Criterion, criterion_group, criterion_main};
use rpcbench::load::{OwnOperation, OwnOperations};
use rpcbench::observe::{Expectation, Observation, Timing};
use rpcbench::stacks::Stack;

fn recording(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("recording");
    let result = Ok(Value::Int(5));
    let expected = Expectation::Value(Value::Int(5));
    let mut nanos = 10_000;
    let mut varied = move || {
        // Varied, so that not always the same bucket of the histogram is updated.
        nanos = 10_000 + (nanos * 7 + 13) % 50_000;
        Duration::from_nanos(nanos)
    };
    let observation = Mutex::new(Observation::default());
    group.bench_function("closed loop", |bencher| {
        bencher.iter(|| {
            let timing = Timing::closed(varied());
            observation.lock().unwrap().record(
                timing,
                black_box(&result),
                black_box(&expected),
                Numbers::Exact,
            );
        });
    });
    group.bench_function("open loop", |bencher| {
        bencher.iter(|| {
            let service = varied();
            let timing =
                Timing { latency: 2 * service, service: Some(service), schedule_lag: Some(service / 4) };
            observation.lock().unwrap().record(
                timing,
                black_box(&result),
                black_box(&expected),
                Numbers::Exact,
            );
        });
    });
    // What an operation of one's own costs beside one of the calculator, whose calls are prepared before the trial.
    let definition: OwnOperation = serde_json::from_value(serde_json::json!({
        "name": "own_add", "method": "add", "params": ["{x}", "{y}"],
        "variables": { "x": { "integer": [1, 40_000] }, "y": { "integer": [1, 40_000] } },
    }))
    .unwrap();
    let name = definition.name;
    let own = OwnOperations::new(&[definition], Path::new(""), |_| String::new()).unwrap();
    let stack = Stack::named("jsonrpc").unwrap();
    group.bench_function("preparing an own call", |bencher| {
        bencher.iter(|| own.example(black_box(name), stack, 1));
    });
    group.bench_function("clock", |bencher| bencher.iter(Instant::now));
    group.finish();
}

criterion_group!(benches, recording);
criterion_main!(benches);
