//! The time that each step of a call takes in each protocol, without a socket, for two small arguments and for a document of
//! 10 KiB. For exploration only: reports and gates are made from records.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/codecs.rs"]
mod codecs;
#[path = "support/last_run.rs"]
mod last_run;

use criterion::{Criterion, criterion_group};

fn codec(criterion: &mut Criterion) {
    for operation in codecs::OPERATIONS {
        let mut group = criterion.benchmark_group(format!("codec {operation}"));
        for protocol in codecs::PROTOCOLS {
            for (name, step) in codecs::STEPS.iter().zip(codecs::steps(protocol, operation)) {
                group.bench_function(format!("{protocol}/{name}"), |b| b.iter(&step));
            }
        }
        group.finish();
    }
}

criterion_group!(benches, codec);

fn main() {
    last_run::compared_with("codec", benches);
}
