//! Servers in separate processes, as in `rpcbench run`, but unpinned, for the benchmarks of whole calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use calculator::{Call, Client, Value};
use rpcbench::deploy::broker::{BrokerKind, PrivateBroker};
use rpcbench::scenario::Scenario;
use rpcbench::stacks::{Options, ServerOptions, Stack, all};
use rpcbench::trial::{BrokerLocation, RunningServer, ServerCopy, TrialContext};

const TIMEOUT: Duration = Duration::from_secs(5);

/// Starts a server of each stack that `is_wanted`, one after the other, and gives `bench` a function that makes so many calls
/// of `call` and returns how long they took. Stacks that need a broker are left out where none can be started.
pub(crate) fn for_each_stack(
    is_wanted: impl Fn(&Stack) -> bool,
    mut bench: impl FnMut(&'static Stack, &mut dyn FnMut(&Call, &Value, u64) -> Duration),
) {
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
        live: None,
    };
    let started = BrokerKind::ALL.map(|kind| {
        let started = PrivateBroker::start(kind, &[]);
        started.map_err(|error| eprintln!("the stacks behind {kind} are left out: {error}")).ok()
    });
    for stack in all() {
        let broker = started.iter().flatten().find(|broker| Some(broker.kind()) == stack.broker());
        let broker =
            broker.map(|broker| BrokerLocation { url: broker.url().to_owned(), pid: None, tls: None });
        if stack.needs_broker() && broker.is_none() || !is_wanted(stack) {
            continue;
        }
        let running =
            RunningServer::start(stack, &setting, broker.as_ref(), &[], ServerCopy::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(running.location.connect(stack, 1, TIMEOUT)).unwrap().remove(0);
        bench(stack, &mut |call, result, calls| {
            let calls = make_calls(Arc::clone(&client), call.clone(), result.clone(), calls);
            // A task, like the callers of the load generator.
            runtime.block_on(async { tokio::spawn(calls).await.unwrap() })
        });
    }
}

async fn make_calls(client: Arc<dyn Client>, call: Call, result: Value, calls: u64) -> Duration {
    let expected = Ok(result);
    let started = Instant::now();
    for _ in 0..calls {
        assert_eq!(client.call(&call).await, expected);
    }
    started.elapsed()
}
