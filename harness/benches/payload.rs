//! One call of `echo` with documents of several sizes, for the usual and the minimal stack of each protocol, against a server
//! in a separate process. For exploration only: reports and gates are made from records.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/last_run.rs"]
mod last_run;
#[path = "support/servers.rs"]
mod servers;

use calculator::document::document;
use calculator::{Call, Method};
use criterion::{Criterion, Throughput, criterion_group};

/// The sizes of documents, in bytes, with their names.
const SIZES: [(&str, usize); 4] =
    [("100B", 100), ("1KiB", 1 << 10), ("10KiB", 10 << 10), ("100KiB", 100 << 10)];

fn payload(criterion: &mut Criterion) {
    servers::for_each_stack(
        |stack| stack.has(Method::Echo),
        |stack, make_calls| {
            let mut group = criterion.benchmark_group(format!("payload {}", stack.name));
            for (name, bytes) in SIZES {
                let document = document(1, bytes);
                let call = Call::positional("echo", [document.clone()]);
                // There and back.
                group.throughput(Throughput::Bytes(2 * bytes as u64));
                group.bench_function(name, |b| b.iter_custom(|calls| make_calls(&call, &document, calls)));
            }
            group.finish();
        },
    );
}

criterion_group!(benches, payload);

fn main() {
    last_run::compared_with("payload", benches);
}
