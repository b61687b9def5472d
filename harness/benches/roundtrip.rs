//! One call per stack, against a server in a separate process as in `rpcbench run`, but unpinned and without blocks. For
//! exploration only: reports and gates are made from records.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/last_run.rs"]
mod last_run;
#[path = "support/servers.rs"]
mod servers;

use calculator::{Call, Value};
use criterion::{Criterion, criterion_group};

fn roundtrip(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("roundtrip");
    let call = Call::positional("add", [Value::Int(2), Value::Int(3)]);
    servers::for_each_stack(
        |_| true,
        |stack, make_calls| {
            group.bench_function(stack.name, |b| {
                b.iter_custom(|calls| make_calls(&call, &Value::Int(5), calls));
            });
        },
    );
    group.finish();
}

criterion_group!(benches, roundtrip);

fn main() {
    last_run::compared_with("roundtrip", benches);
}
