//! Runs simulations from seeds, and replays a seed.

#![forbid(unsafe_code)]

use std::alloc::System;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cap::Cap;
use clap::Parser;
use simulation::{Options, Outcome, Plan, Protocol, run};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// How often progress is printed, in real time.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(30);

/// Run the servers and clients of zerorpc, REST, XML-RPC and JSON-RPC on virtual time and a simulated network that fails,
/// once for each seed, and check that every call ends as expected. Exits with 1 after a violation.
#[derive(Parser)]
#[command(name = "simulate")]
struct Arguments {
    /// The number of seeds
    #[arg(long, default_value_t = 1_000, conflicts_with = "seed")]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0, conflicts_with = "seed")]
    first: u64,
    /// Replay this seed, and print what happens
    #[arg(long)]
    seed: Option<u64>,
    /// Use this protocol instead of the one that the seed chooses
    #[arg(long)]
    protocol: Option<Protocol>,
    /// With --seed: print every event of the network, too
    #[arg(long, requires = "seed")]
    events: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.seed {
        Some(seed) => replay(seed, &arguments),
        None => run_seeds(&arguments),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("simulate: {error}");
            ExitCode::from(3)
        }
    }
}

fn simulate(plan: &Plan, record_events: bool) -> std::io::Result<Outcome> {
    let allocated = Some((|| ALLOCATOR.allocated()) as fn() -> usize);
    run(plan, &Options { record_events, allocated, ..Options::default() })
}

/// Runs one simulation after another until one fails.
fn run_seeds(arguments: &Arguments) -> std::io::Result<ExitCode> {
    let started = Instant::now();
    let mut printed = started;
    let (mut calls, mut time) = (0, Duration::ZERO);
    let mut by_protocol = BTreeMap::new();
    for number in 0..arguments.seeds {
        let seed = arguments.first.wrapping_add(number);
        let plan = Plan::from_seed(seed, arguments.protocol);
        let outcome = simulate(&plan, false)?;
        calls += outcome.records.len();
        time += outcome.time;
        *by_protocol.entry(plan.protocol.to_string()).or_insert(0_u64) += 1;
        if !outcome.violations.is_empty() {
            println!("seed {seed} ({}):", plan.protocol);
            for violation in &outcome.violations {
                println!("  {violation}");
            }
            let protocol = arguments.protocol.map(|protocol| format!(" --protocol {protocol}"));
            println!("replay it with: scripts/simulate --seed {seed}{}", protocol.unwrap_or_default());
            return Ok(ExitCode::FAILURE);
        }
        if printed.elapsed() > PROGRESS_INTERVAL {
            printed = Instant::now();
            eprintln!("{} of {} seeds", number + 1, arguments.seeds);
        }
    }
    let protocols: Vec<_> = by_protocol.iter().map(|(name, seeds)| format!("{name} {seeds}")).collect();
    println!(
        "{} seeds from {} without a violation ({}): {calls} calls in {:.0} h of virtual time, {:.1} s of real time",
        arguments.seeds,
        arguments.first,
        protocols.join(", "),
        time.as_secs_f64() / 3_600.0,
        started.elapsed().as_secs_f64()
    );
    Ok(ExitCode::SUCCESS)
}

/// Runs one simulation and prints what happens in it.
fn replay(seed: u64, arguments: &Arguments) -> std::io::Result<ExitCode> {
    let plan = Plan::from_seed(seed, arguments.protocol);
    let outcome = simulate(&plan, arguments.events)?;
    println!("{plan:#?}");
    for event in outcome.trace.events.iter().flatten() {
        println!("{event}");
    }
    for record in &outcome.records {
        let ending: String = format!("{:?}", record.ending).chars().take(200).collect();
        println!(
            "{:>12.6} s  call {}: began {:?}, {ending}",
            record.ended.as_secs_f64(),
            record.id,
            record.began
        );
    }
    println!("{} events, hash {:016x}", outcome.trace.len, outcome.trace.hash);
    for violation in &outcome.violations {
        println!("violation: {violation}");
    }
    Ok(if outcome.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
