//! Tests of the load generator against simulated servers whose latencies can be calculated, in virtual time.

use std::sync::Mutex;
use std::time::Duration;

use calculator::conformance::Numbers;
use calculator::{Calculator, Call, CallError, CallFuture, ErrorKind, OneIn, Service, Stall, Value};

use super::time::virtual_time::{TICK, VirtualTime};
use super::*;
use crate::stacks::Way;
use crate::stats::quantile_with_missing;

/// A server that processes calls one at a time in order of arrival, and injects faults.
struct Server {
    time: VirtualTime,
    service: Duration,
    stall: Option<Stall>,
    fail: Option<OneIn>,
    wrong: Option<OneIn>,
    queue: Mutex<Queue>,
}

struct Queue {
    /// When the server has finished all calls that have arrived.
    free_at: Instant,
    calls: u64,
}

impl Server {
    fn new(time: VirtualTime, service: Duration) -> Self {
        let queue = Mutex::new(Queue { free_at: time.start(), calls: 0 });
        Server { time, service, stall: None, fail: None, wrong: None, queue }
    }

    /// Enqueues a call that arrives now. Returns its number and when it is finished.
    fn enqueue(&self) -> (u64, Instant) {
        let mut queue = self.queue.lock().unwrap();
        let starts = end_of_stall(queue.free_at.max(self.time.now()), self.time.start(), self.stall);
        queue.free_at = starts + self.service;
        queue.calls += 1;
        (queue.calls - 1, queue.free_at)
    }
}

/// The start of a call that would start at `instant` if there were no stalls. The server was started at `begin`.
fn end_of_stall(instant: Instant, begin: Instant, stall: Option<Stall>) -> Instant {
    instant + stall.and_then(|stall| stall.remaining(instant - begin)).unwrap_or_default()
}

impl Client for Server {
    fn call<'a>(&'a self, call: &'a Call) -> CallFuture<'a> {
        Box::pin(async move {
            let (number, finished_at) = self.enqueue();
            self.time.sleep_until(finished_at).await;
            if self.fail.is_some_and(|fail| fail.hits(number)) {
                return Err(CallError::new(ErrorKind::Internal, ""));
            }
            let answer = Calculator.call(&call.method, call.params.clone());
            if self.wrong.is_some_and(|wrong| wrong.hits(number)) { Ok(Value::Null) } else { answer }
        })
    }
}

const SERVICE: Duration = Duration::from_micros(40);

fn plan(load: &str, measure: Duration) -> Plan {
    Plan {
        operation: Operation::ADD,
        own: OwnCalls::default(),
        load: load.parse().unwrap(),
        multiplexes: true,
        warmup: WarmUp::Settle(Duration::ZERO),
        measure,
        timeout: None,
        numbers: Numbers::Exact,
        seed: 7,
        block: 0,
        interrupted: Arc::default(),
        way: Way::Call,
        keeps_calls: false,
        ramps: Arc::default(),
        live: None,
        in_flight: Arc::default(),
    }
}

fn observe(plan: &Plan, connections: usize, fault: impl FnOnce(&mut Server)) -> Observation {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let time = VirtualTime::new();
        let mut server = Server::new(time, SERVICE);
        fault(&mut server);
        let server: Arc<dyn Client> = Arc::new(server);
        let clients = vec![server; connections];
        run_in(time, plan, Driver::Tokio, &clients, Box::new(|_| ())).await.unwrap()
    })
}

/// Response times of a first-in-first-out server by Lindley's recursion: a call starts when it has arrived and the one
/// before it is finished (D. V. Lindley, "The theory of queues with a single server", 1952).
fn response_times(plan: &Plan, stall: Option<Stall>) -> Vec<u64> {
    let Load::Open(rate, arrivals) = plan.load else { panic!("an open loop") };
    let begin = Instant::now();
    let mut free_at = begin;
    let slots = Schedule::new(begin, rate, arrivals, plan.seed, plan.block)
        .take_while(|slot| *slot - begin < plan.measure);
    let mut times: Vec<u64> = slots
        .map(|slot| {
            // The generator wakes up at the next tick of the clock.
            let ticks = (slot - begin).as_nanos().div_ceil(TICK.as_nanos());
            let sent = begin + TICK * u32::try_from(ticks).unwrap();
            free_at = end_of_stall(free_at.max(sent), begin, stall) + SERVICE;
            u64::try_from((free_at - slot).as_nanos()).unwrap()
        })
        .collect();
    times.sort_unstable();
    times
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank within the list")]
fn nearest_rank(sorted: &[u64], q: f64) -> u64 {
    sorted[(q * sorted.len() as f64).ceil() as usize - 1]
}

/// Asserts that two times are equal within the resolution of a histogram plus two ticks of the clock.
fn assert_same(observed: u64, expected: u64, what: &str) {
    let error = observed.abs_diff(expected);
    assert!(error <= expected / 1_000 + 200, "{what}: {observed} observed, {expected} expected");
}

const STALL: Stall = Stall { length: Duration::from_millis(100), period: Duration::from_secs(1) };
/// Thirty stalls, the first of them a period after the start.
const LONG: Duration = Duration::from_secs(31);
const QUANTILES: [f64; 6] = [0.5, 0.9, 0.95, 0.99, 0.999, 1.0];

#[test]
fn quantiles_of_a_stalling_server_equal_those_of_the_queueing_model() {
    for load in ["open:1000:constant", "open:1000:poisson"] {
        for (multiplexes, connections) in [(true, 4), (false, 120)] {
            let plan = Plan { multiplexes, ..plan(load, LONG) };
            let observed = observe(&plan, connections, |server| server.stall = Some(STALL));
            let expected = response_times(&plan, Some(STALL));
            assert_eq!(observed.counts.slots, expected.len() as u64);
            assert_eq!(observed.counts.right, observed.counts.slots);
            for q in QUANTILES {
                let observed_quantile = quantile_with_missing(&observed.latency, 0, q).unwrap();
                assert_same(
                    observed_quantile,
                    nearest_rank(&expected, q),
                    &format!("{load}, {connections} connections, {q}"),
                );
            }
            // The generator never waits for a caller: in virtual time its lag is at most one tick.
            assert!(observed.schedule_lag.max() <= 100, "{}", observed.schedule_lag.max());
        }
    }
}

#[test]
fn quantiles_of_a_stall_equal_the_closed_formula() {
    let plan = plan("open:2000:constant", LONG);
    let observed = observe(&plan, 1, |server| server.stall = Some(STALL));
    let utilisation = 2_000.0 * SERVICE.as_secs_f64();
    let (length, period) = (STALL.length.as_secs_f64(), STALL.period.as_secs_f64());
    for q in [0.95, 0.99, 0.999] {
        // A call that arrives at time t after the start of a stall waits for the rest of the stall and for the calls before
        // it: length − t·(1 − utilisation) in total. The share of calls that wait longer than x is the share of arrivals
        // at such t. 30 of the 31 seconds have a stall.
        let above = (1.0 - q) * 31.0 / 30.0;
        let expected = length - above * period * (1.0 - utilisation) + SERVICE.as_secs_f64();
        let found = quantile_with_missing(&observed.latency, 0, q).unwrap() as f64 / 1e9;
        assert!((found / expected - 1.0).abs() < 0.01, "{q}: {found} s observed, {expected} s expected");
    }
}

#[test]
fn a_closed_loop_does_not_show_the_stalls_that_an_open_loop_shows() {
    let stall = |server: &mut Server| server.stall = Some(STALL);
    let closed = observe(&plan("closed:1", LONG), 1, stall);
    let open = observe(&plan("open:2000:constant", LONG), 1, stall);
    let p99 = |observed: &Observation| quantile_with_missing(&observed.latency, 0, 0.99).unwrap();
    // One call per stall waits, of 22,500 calls per second.
    assert_same(p99(&closed), 40_000, "the closed loop");
    assert!(p99(&open) > 90_000_000, "{}", p99(&open));
    assert_same(closed.latency.max(), 100_040_000, "its maximum");
}

#[test]
fn response_time_starts_at_the_slot_and_service_time_at_the_send() {
    // One connection with one call at a time, at twice the rate that it can carry.
    let plan = Plan { multiplexes: false, ..plan("open:50000:constant", Duration::from_millis(100)) };
    let observed = observe(&plan, 1, |_| ());
    assert_eq!((observed.counts.slots, observed.counts.right), (5_000, 5_000));
    assert_same(observed.service.max(), 40_000, "service");
    assert_same(observed.service.min(), 40_000, "service");
    // The last of 5,000 slots lies at 99.98 ms; its call ends at 200 ms.
    assert_same(observed.latency.max(), 100_020_000, "response");
    // While the connection is busy, the generator could not have sent: that is not its lag.
    assert!(observed.schedule_lag.max() <= 100, "{}", observed.schedule_lag.max());
}

#[test]
fn slots_beyond_the_limit_are_counted_as_not_sent() {
    for (multiplexes, connections) in [(true, 1), (false, 8)] {
        // A stall in the last 900 ms of the trial: the calls that are scheduled meanwhile fill the backlog.
        let long = Stall { length: Duration::from_millis(900), period: Duration::from_secs(1) };
        let plan = Plan { multiplexes, ..plan("open:10000:constant", Duration::from_millis(1_900)) };
        let observed = observe(&plan, connections, |server| server.stall = Some(long));
        assert_eq!((observed.counts.slots, observed.counts.not_sent), (19_000, 0));
        let plan = Plan { load: "open:20000:constant".parse().unwrap(), ..plan };
        let observed = observe(&plan, connections, |server| server.stall = Some(long));
        // 10,000 of the 18,000 slots during the stall fit into the backlog.
        assert_eq!((observed.counts.slots, observed.counts.not_sent), (38_000, 8_000));
        assert_eq!(observed.counts.started, 30_000);
        assert!(observed.counts.is_conserved());
        // Slots that were not sent count as slower than all calls that were answered.
        assert_eq!(quantile_with_missing(&observed.latency, observed.counts.not_right(), 0.99), None);
    }
}

#[test]
fn failures_and_wrong_answers_are_counted_exactly() {
    for load in ["closed:1", "open:1000:poisson"] {
        let plan = plan(load, Duration::from_secs(10));
        let observed = observe(&plan, 1, |server| server.fail = Some("1/10".parse().unwrap()));
        assert_eq!(observed.counts.errors(), observed.counts.started / 10, "{load}");
        let observed = observe(&plan, 1, |server| server.wrong = Some("1/100".parse().unwrap()));
        assert_eq!(observed.counts.wrong, observed.counts.started / 100, "{load}");
        assert!(observed.counts.started > 9_000);
    }
}

#[test]
fn calls_are_measured_after_the_warm_up() {
    let plan = Plan {
        warmup: WarmUp::Settle(Duration::from_millis(50)),
        ..plan("open:5000:constant", Duration::from_secs(1))
    };
    let observed = observe(&plan, 1, |_| ());
    assert!(observed.settled);
    assert_eq!((observed.counts.slots, observed.counts.right), (5_000, 5_000));
}
