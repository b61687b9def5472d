//! Tests of the load generator with clients in memory, in real time: counts only, no durations.

use super::*;
use crate::observe::CallOutcome;
use crate::stacks::Way;
use calculator::conformance::Numbers;
use calculator::{Calculator, Call, CallError, CallFuture, ErrorKind, Service, Value};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A client that answers like the calculator, except that every n-th answer is `fault()`.
struct FaultyClient {
    calls: AtomicU64,
    every: u64,
    fault: fn() -> Result<Value, CallError>,
}

impl Client for FaultyClient {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        Box::pin(async move {
            if number.is_multiple_of(self.every) {
                (self.fault)()
            } else {
                Calculator.call(&call.method, call.params.clone())
            }
        })
    }
}

fn plan(load: &str) -> Plan {
    Plan {
        operation: Operation::ADD,
        own: OwnCalls::default(),
        load: load.parse().unwrap(),
        multiplexes: false,
        warmup: WarmUp::Settle(Duration::ZERO),
        measure: Duration::from_millis(30),
        timeout: Some(Duration::from_secs(5)),
        numbers: Numbers::Exact,
        seed: 1,
        block: 0,
        interrupted: Arc::default(),
        way: Way::Call,
        keeps_calls: false,
        ramps: Arc::default(),
        live: None,
        in_flight: Arc::default(),
    }
}

fn observe(
    driver: Driver,
    load: &str,
    every: u64,
    fault: fn() -> Result<Value, CallError>,
) -> (Observation, u64) {
    let client = Arc::new(FaultyClient { calls: AtomicU64::new(0), every, fault });
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
            let (observed, made) = observe(driver, load, 10, || Ok(Value::Int(-1)));
            assert_eq!(observed.counts.started, made, "{load}");
            assert_eq!(observed.counts.wrong, made / 10);
            assert_eq!(observed.counts.right, made - made / 10);
            assert_eq!(observed.latency.len(), observed.counts.right);
            assert!(observed.counts.is_conserved(), "{:?}", observed.counts);
        }
    }
}

#[test]
fn an_open_loop_makes_one_call_per_slot() {
    for driver in [Driver::Tokio, Driver::Threads] {
        let (observed, made) = observe(driver, "open:5000:constant", 1_000, || Ok(Value::Int(-1)));
        assert_eq!((observed.counts.slots, observed.counts.started, made), (150, 150, 150));
        assert_eq!((observed.service.len(), observed.schedule_lag.len()), (150, 150));
    }
}

#[test]
fn calls_are_kept_with_their_slots_only_where_that_was_asked_for() {
    for driver in [Driver::Tokio, Driver::Threads] {
        for keeps_calls in [true, false] {
            let lost = || Err(CallError::new(ErrorKind::Undeliverable, ""));
            let client = FaultyClient { calls: AtomicU64::new(0), every: 3, fault: lost };
            let clients: Vec<Arc<dyn Client>> = vec![Arc::new(client)];
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let plan = Plan { keeps_calls, ..plan("open:5000:constant") };
            let window = Arc::new(std::sync::OnceLock::new());
            let opened = Arc::clone(&window);
            let on_window = Box::new(move |window| opened.set(window).unwrap());
            let observed = runtime.block_on(run(&plan, driver, &clients, on_window)).unwrap();
            let window: Window = *window.get().unwrap();
            assert!(observed.calls.iter().all(|call| window.contains(call.slot)));
            let ended_as =
                |outcome| observed.calls.iter().filter(|call| call.outcome == outcome).count() as u64;
            let kept = [CallOutcome::Right, CallOutcome::Failed(ErrorKind::Undeliverable)].map(ended_as);
            assert_eq!(kept, if keeps_calls { [100, 50] } else { [0, 0] });
            let mut slots: Vec<_> = observed.calls.iter().map(|call| call.slot).collect();
            slots.sort_unstable();
            slots.dedup();
            assert_eq!(slots.len(), observed.calls.len());
        }
    }
}

#[test]
fn failures_are_counted_by_kind() {
    let (observed, made) =
        observe(Driver::Tokio, "closed:1", 4, || Err(CallError::new(ErrorKind::ZeroDivision, "")));
    assert_eq!(observed.counts.failed.get(&ErrorKind::ZeroDivision), Some(&(made / 4)));
    assert_eq!(observed.counts.right + made / 4, made);
}

#[test]
fn a_caller_gives_up_after_consecutive_transport_errors() {
    let lost = || Err(CallError::new(ErrorKind::Undeliverable, ""));
    let (observed, made) = observe(Driver::Tokio, "closed:1", 1, lost);
    assert_eq!((made, observed.callers_gave_up), (u64::from(closed::MAX_CONSECUTIVE_LOSSES), 1));
    assert_eq!(observed.counts.failed.get(&ErrorKind::Undeliverable), Some(&made));
}

#[test]
fn a_rate_that_changes_begins_with_the_window() {
    for driver in [Driver::Tokio, Driver::Threads] {
        let client = FaultyClient { calls: AtomicU64::new(0), every: u64::MAX, fault: || Ok(Value::Null) };
        let clients: Vec<Arc<dyn Client>> = vec![Arc::new(client)];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let length = Duration::from_millis(50);
        let begin = Instant::now() + Duration::from_millis(5);
        let agreed = AgreedTimes { warmup_start: begin, window_start: begin };
        let plan = Plan {
            ramps: [Ramp { from: 0, to: 2_000, length }].into(),
            warmup: WarmUp::Agreed(agreed),
            measure: length,
            keeps_calls: true,
            ..plan("open:2000:constant")
        };
        let observed = runtime.block_on(run(&plan, driver, &clients, Box::new(|_| ()))).unwrap();
        assert_eq!((observed.counts.slots, observed.counts.right), (50, 50));
        // A fourth of them in the first half.
        let middle = begin + length / 2;
        let early = observed.slots.iter().filter(|slot| **slot < middle).count();
        assert!((12..=13).contains(&early), "{early}");
        assert_eq!(observed.calls.len(), 50);
    }
}

#[test]
fn calls_are_published_for_a_view_as_they_end() {
    let live = Arc::new(crate::observe::Live::default());
    let client = FaultyClient {
        calls: AtomicU64::new(0),
        every: 3,
        fault: || Err(CallError::new(ErrorKind::Internal, "")),
    };
    let clients: Vec<Arc<dyn Client>> = vec![Arc::new(client)];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let plan = Plan { live: Some(Arc::clone(&live)), ..plan("open:5000:constant") };
    let observed = runtime.block_on(run(&plan, Driver::Tokio, &clients, Box::new(|_| ()))).unwrap();
    let calls = live.take();
    assert_eq!((calls.right(), calls.not_right), (observed.counts.right, observed.counts.errors()));
}
