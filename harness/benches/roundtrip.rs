//! One call per stack, against a server in a separate process as in `rpcbench run`, but unpinned and without blocks. For
//! exploration only: reports and gates are made from records.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use calculator::{Call, Client, Value};
use criterion::{Criterion, criterion_group, criterion_main};
use rpcbench::deploy::rabbitmq::PrivateBroker;
use rpcbench::scenario::Scenario;
use rpcbench::stacks::{Options, ServerOptions, all};
use rpcbench::trial::{BrokerLocation, RunningServer, ServerCopy, TrialContext};

const TIMEOUT: Duration = Duration::from_secs(5);

async fn make_calls(client: Arc<dyn Client>, calls: u64) -> Duration {
    let call = Call::positional("add", [Value::Int(2), Value::Int(3)]);
    let started = Instant::now();
    for _ in 0..calls {
        assert_eq!(client.call(&call).await, Ok(Value::Int(5)));
    }
    started.elapsed()
}

fn roundtrip(criterion: &mut Criterion) {
    let scenario = Scenario::load("quick").unwrap();
    let interrupted = Arc::new(AtomicBool::new(false));
    let (targets, controls) = (BTreeMap::new(), BTreeMap::new());
    let (server, clients) = (ServerOptions::default(), Options::default());
    let setting = TrialContext {
        scenario: &scenario,
        seed: 1,
        server: &server,
        twin: &server,
        targets: &targets,
        clients: &clients,
        controls: &controls,
        started_at: Instant::now(),
        interrupted: &interrupted,
    };
    let broker =
        PrivateBroker::start(&[]).map_err(|error| eprintln!("the AMQP stacks are left out: {error}")).ok();
    let broker = broker.as_ref().map(|broker| BrokerLocation { url: broker.url().to_owned(), pid: None });
    let mut group = criterion.benchmark_group("roundtrip");
    for stack in all() {
        if stack.needs_broker() && broker.is_none() {
            continue;
        }
        let running =
            RunningServer::start(stack, &setting, broker.as_ref(), &[], ServerCopy::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(running.location.connect(stack, 1, TIMEOUT)).unwrap().remove(0);
        group.bench_function(stack.name, |b| {
            b.iter_custom(|calls| {
                // A task, like the callers of the load generator.
                runtime
                    .block_on(async { tokio::spawn(make_calls(Arc::clone(&client), calls)).await.unwrap() })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, roundtrip);
criterion_main!(benches);
