//! Whichever process of a run dies or stops first, nothing is left in the end: no process, and no folder of the broker.
//!
//! The short form makes a few random choices each time, and prints their seed. `scripts/leftovers` sets the variables for
//! the long form.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rpcbench::record::{Label, Status};

use crate::common::TEST_TIMEOUT;
use crate::leftovers::widest_placement;
use crate::{Run, wait_for};

/// The number of runs that are killed at a random moment.
const KILLS_VARIABLE: &str = "RPCBENCH_KILLS";
/// The number of orders in which the processes of a run get their signals, or `all`.
const ORDERS_VARIABLE: &str = "RPCBENCH_KILL_ORDERS";
/// The number of the first of all orders, from 1.
const FIRST_VARIABLE: &str = "RPCBENCH_KILL_FIRST";
/// The seed of both, for repeating a failure.
const SEED_VARIABLE: &str = "RPCBENCH_KILL_SEED";

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A generator with the seed of [`SEED_VARIABLE`], or a random one. The seed is printed.
fn generator() -> ChaCha8Rng {
    let seed = number(SEED_VARIABLE).unwrap_or_else(rand::random);
    println!("{SEED_VARIABLE}={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

/// A process of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Guard,
    Run,
    Broker,
    Server,
}

impl Victim {
    const ALL: [Victim; 4] = [Victim::Guard, Victim::Run, Victim::Broker, Victim::Server];

    /// A word in the command line of no other process of the run.
    fn word(self) -> &'static str {
        match self {
            Victim::Guard => "__broker-guard",
            Victim::Run => " run tiny.toml",
            Victim::Broker => "beam",
            Victim::Server => " serve amqp",
        }
    }
}

/// A signal for each of the four processes, in this order.
#[derive(Clone)]
struct Order([(Victim, Signal); 4]);

impl Order {
    /// The victims that are stopped after the run was killed. The kernel continues those of them that are children of the run
    /// when it dies, which may be before or after that.
    fn stopped_after_the_death_of_the_run(&self) -> impl Iterator<Item = Victim> {
        let after = self.0.iter().skip_while(|event| **event != (Victim::Run, Signal::SIGKILL));
        after.filter(|(_, signal)| *signal == Signal::SIGSTOP).map(|(victim, _)| *victim)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (victim, signal) in &self.0 {
            write!(f, "{victim:?} {signal}, ")?;
        }
        Ok(())
    }
}

/// Every order of the four processes with every choice of SIGKILL and SIGSTOP for each: 384.
fn every_order() -> Vec<Order> {
    let mut orders = Vec::new();
    for a in Victim::ALL {
        for b in Victim::ALL.into_iter().filter(|b| *b != a) {
            for c in Victim::ALL.into_iter().filter(|c| ![a, b].contains(c)) {
                for d in Victim::ALL.into_iter().filter(|d| ![a, b, c].contains(d)) {
                    for choice in 0..16_u32 {
                        let signal = |position: usize| match choice >> position & 1 {
                            0 => Signal::SIGKILL,
                            _ => Signal::SIGSTOP,
                        };
                        orders.push(Order([(a, signal(0)), (b, signal(1)), (c, signal(2)), (d, signal(3))]));
                    }
                }
            }
        }
    }
    orders
}

/// Starts a run with a broker, a server and processes that keep cores awake, sends the signals, and asserts that nothing is
/// left. A run that was only stopped is killed at the end, because a stopped process does nothing. A guard or server that was
/// stopped after its run had died is continued, because no process is left that would do so; it ends then.
fn assert_nothing_is_left_after(order: &Order) {
    let run = Run::placed(&["amqp"], 100, "500ms", widest_placement());
    let mut process = run.start(&["--require", "amqp"]);
    wait_for(&process, "measuring");
    let begun = Instant::now();
    let victims = loop {
        let found = order.0.map(|(victim, signal)| (run.processes(victim.word()).first().copied(), signal));
        if found.iter().all(|(found, _)| found.is_some()) {
            break found;
        }
        assert!(begun.elapsed() < TEST_TIMEOUT, "the processes of a trial never run at the same time");
    };
    for (victim, signal) in victims {
        // It may have ended with one of the others.
        let _ = victim.map(|victim| kill(victim, signal));
    }
    let _ = kill(process.pid(), Signal::SIGKILL);
    process.ended();
    for victim in order.stopped_after_the_death_of_the_run().filter(|victim| *victim != Victim::Broker) {
        for stopped in run.processes(victim.word()) {
            let _ = kill(stopped, Signal::SIGCONT);
        }
    }
    run.leaves_nothing();
}

#[test]
fn whichever_process_dies_or_stops_first_nothing_is_left() {
    let mut orders = every_order();
    if std::env::var(ORDERS_VARIABLE).is_ok_and(|value| value == "all") {
        let first = number(FIRST_VARIABLE).unwrap_or(1);
        for (number, order) in (1..).zip(&orders).filter(|(number, _)| *number >= first) {
            println!("{number} of {}: {order}", orders.len());
            assert_nothing_is_left_after(order);
        }
        return;
    }
    orders.shuffle(&mut generator());
    let count = number(ORDERS_VARIABLE).and_then(|count| usize::try_from(count).ok()).unwrap_or(3);
    for order in orders.iter().take(count) {
        println!("{order}");
        assert_nothing_is_left_after(order);
    }
}

#[test]
fn a_run_whose_guard_is_killed_fails_its_trials_and_leaves_nothing() {
    // In this placement, there is one broker.
    let run = Run::placed(&["amqp"], 2, "500ms", "shared");
    let mut process = run.start(&["--require", "amqp"]);
    wait_for(&process, "measuring");
    kill(run.process("__broker-guard"), Signal::SIGKILL).unwrap();
    process.ended().with(4, &["RabbitMQ has ended during the run"]);
    run.leaves_nothing();
    let record = run.record();
    assert!(!record.interrupted);
    assert!(record.trials.iter().any(|trial| trial.stack == "tcp" && trial.status == Status::Valid));
    assert!(record.trials.iter().any(|trial| trial.stack == "amqp" && trial.status == Status::Failed));
}

#[test]
fn a_core_that_is_not_kept_awake_to_the_end_makes_a_trial_cold() {
    if widest_placement() != "split" {
        return;
    }
    for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
        let run = Run::placed(&["rest-hyper"], 1, "1s", "split");
        let mut process = run.start(&[]);
        wait_for(&process, "measuring");
        // The server of a trial is started when its cores are awake, and runs for more than a second.
        run.process(" serve rest-hyper");
        kill(run.process("__keep-awake"), signal).unwrap();
        process.ended();
        let record = run.record();
        let cold = record.trials.iter().filter(|trial| !trial.warm).count();
        assert_eq!(cold, 1, "{signal}");
        for trial in &record.trials {
            assert_eq!(trial.labels.contains(&Label::Cold), !trial.warm);
        }
        run.leaves_nothing();
    }
}

#[test]
fn a_run_that_is_killed_at_a_random_moment_leaves_nothing() {
    let mut generator = generator();
    let kills = number(KILLS_VARIABLE).unwrap_or(3);
    let start = || {
        let run = Run::placed(&["rest-hyper", "amqp"], 2, "200ms", widest_placement());
        let process = run.start(&["--require", "amqp"]);
        (run, process)
    };
    // How long a whole run takes.
    let begun = Instant::now();
    let (run, mut process) = start();
    process.ended();
    let length = begun.elapsed();
    run.leaves_nothing();
    for number in 1..=kills {
        let moment = length.mul_f64(generator.random::<f64>());
        println!("kill {number} of {kills} after {moment:.3?} of {length:.3?}");
        let (run, mut process) = start();
        std::thread::sleep(moment);
        let _ = kill(process.pid(), Signal::SIGKILL);
        process.ended();
        run.leaves_nothing();
    }
}

#[test]
fn every_order_is_different_and_has_each_process_once() {
    let orders = every_order();
    let different: BTreeSet<String> = orders.iter().map(ToString::to_string).collect();
    assert_eq!(different.len(), 24 * 16);
    for victim in Victim::ALL {
        assert!(orders.iter().all(|order| order.0.iter().filter(|(of, _)| *of == victim).count() == 1));
    }
    // Each of the other three comes after the run in half of the orders, and each gets the one signal in half of the choices.
    let stopped = orders.iter().flat_map(Order::stopped_after_the_death_of_the_run);
    assert_eq!(stopped.count(), 3 * 384 / 8);
}
