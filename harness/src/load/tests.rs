//! Loads against services in memory, in real time: what is counted, not how long it takes.

use super::*;
use calculator::{Calculator, Call, CallError, CallFuture, ErrorKind, Service, Value};
use std::sync::atomic::{AtomicU64, Ordering};

/// Answers from the calculator; each n-th answer is what `spoil` makes of it.
struct Spoiled {
    calls: AtomicU64,
    every: u64,
    spoil: fn() -> Result<Value, CallError>,
}

impl Client for Spoiled {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        Box::pin(async move {
            if number.is_multiple_of(self.every) {
                (self.spoil)()
            } else {
                Calculator.call(&call.method, call.params.clone())
            }
        })
    }
}

fn plan(load: &str) -> Plan {
    Plan {
        operation: Operation::ADD,
        load: load.parse().unwrap(),
        multiplexes: false,
        warmup: WarmUp::Settle(Duration::ZERO),
        measure: Duration::from_millis(30),
        timeout: Some(Duration::from_secs(5)),
        seed: 1,
        interrupted: Arc::default(),
        in_flight: Arc::default(),
    }
}

fn observe(
    driver: Driver,
    load: &str,
    every: u64,
    spoil: fn() -> Result<Value, CallError>,
) -> (Observation, u64) {
    let client = Arc::new(Spoiled { calls: AtomicU64::new(0), every, spoil });
    let clients: Vec<Arc<dyn Client>> = vec![Arc::clone(&client) as _];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let plan = plan(load);
    let observation = runtime.block_on(run(&plan, driver, &clients, Box::new(|_| ()))).unwrap();
    assert_eq!(plan.in_flight.now(), 0);
    (observation, client.calls.load(Ordering::Relaxed))
}

#[test]
fn every_call_is_counted_and_every_answer_is_checked() {
    for driver in [Driver::Tokio, Driver::Threads] {
        for load in ["closed:1", "closed:3", "open:5000:constant", "open:5000:poisson"] {
            let (seen, made) = observe(driver, load, 10, || Ok(Value::Int(-1)));
            assert_eq!(seen.counts.started, made, "{load}");
            assert_eq!(seen.counts.wrong, made / 10);
            assert_eq!(seen.counts.right, made - made / 10);
            assert_eq!(seen.latency.len(), seen.counts.right);
            assert!(seen.counts.is_conserved(), "{:?}", seen.counts);
        }
    }
}

#[test]
fn an_open_loop_makes_the_calls_of_its_schedule() {
    for driver in [Driver::Tokio, Driver::Threads] {
        let (seen, made) = observe(driver, "open:5000:constant", 1_000, || Ok(Value::Int(-1)));
        assert_eq!((seen.counts.slots, seen.counts.started, made), (150, 150, 150));
        assert_eq!((seen.service.len(), seen.schedule_lag.len()), (150, 150));
    }
}

#[test]
fn failures_are_counted_by_kind() {
    let (seen, made) =
        observe(Driver::Tokio, "closed:1", 4, || Err(CallError::new(ErrorKind::ZeroDivision, "")));
    assert_eq!(seen.counts.failed.get(&ErrorKind::ZeroDivision), Some(&(made / 4)));
    assert_eq!(seen.counts.right + made / 4, made);
}

#[test]
fn a_caller_whose_server_is_gone_gives_up() {
    let lost = || Err(CallError::new(ErrorKind::Undeliverable, ""));
    let (seen, made) = observe(Driver::Tokio, "closed:1", 1, lost);
    assert_eq!((made, seen.callers_gave_up), (u64::from(closed::GIVE_UP_AFTER), 1));
    assert_eq!(seen.counts.failed.get(&ErrorKind::Undeliverable), Some(&made));
}
