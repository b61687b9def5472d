//! `rpcbench agent`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use calculator::{printable, printable_json};

use super::brokers::broker_urls;
use super::control_token::control_token;
use super::interrupts::{ENDING_RUN, Interrupts};
use super::overrides::Overrides;
use super::progress::Progress;
use super::serve::{host_and_port, resolve};
use super::targets::{check_handlers, named_twice, parse_target};
use super::{Exit, Failure, Outcome, print, print_error, print_required};
use crate::agents::clock::RunClock;
use crate::agents::{self, AgentArgument, AgentError, INDEX_VARIABLE, Options, Start};
use crate::deploy::Placement;
use crate::observe::control::ControlPort;
use crate::record::{Record, prepare_folder};
use crate::run::{Finished, RunError, is_sound};
use crate::scenario::{Plan, Scenario};
use crate::stacks::{BROKER_VARIABLE, Stack, default_brokered};
use crate::sys;

/// The pause before a clock that does not answer yet is asked again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// The longest time between trials.
const MAX_GAP: Duration = Duration::from_secs(600);

/// Run one of several load generators against servers that are already running
///
/// Agents run on separate machines. Each makes its share of every trial at the same time as the others, and writes a
/// partial record; `rpcbench merge` merges these into one record.
///
/// Agents do not communicate: the schedule of the trials follows from their options, so give all of them the same ones,
/// except --agent and --out. Callers, rates and connections are those of all agents together, who share them as evenly
/// as whole numbers allow; each must get at least one caller, or one call per second. The warm-up always takes three
/// times the length that the scenario gives. Callers are not pinned to cores.
#[derive(clap::Args)]
#[command(after_help = "Examples, on two machines, with a server on a third that was started by
`rpcbench serve rest --listen 198.18.0.1:8080 --control 198.18.0.1:8081`, all with the same RPCBENCH_CONTROL_TOKEN:
  rpcbench agent --agent 1/2 --load closed:64 --target rest=http://198.18.0.1:8080/ \\
    --clock 198.18.0.1:8081 --out one.json
  rpcbench agent --agent 2/2 --load closed:64 --target rest=http://198.18.0.1:8080/ \\
    --clock 198.18.0.1:8081 --out two.json
  rpcbench merge one.json two.json --out results/together
An open loop of 20,000 calls/s in all, at a given time:
  rpcbench agent --agent 2/2 --at 2026-11-22T18:30:00Z --load open:20000:poisson --connections 64 \\
    --target rest=http://198.18.0.1:8080/ --out two.json
In an Indexed Job of Kubernetes, collected by `kubectl logs`:
  rpcbench agent --agent 3 --load closed:48 --at next:2min --target rest=http://rest:8080/ --out -")]
pub(super) struct Arguments {
    /// The name of a built-in scenario (see `rpcbench list`), or a scenario file
    #[arg(value_name = "SCENARIO|FILE.toml", default_value = "quick")]
    scenario: String,
    /// This is agent I (from 1) of N. N alone takes I from JOB_COMPLETION_INDEX, as set by Kubernetes
    #[arg(long, value_name = "I/N", default_value = "1/1", env = "RPCBENCH_AGENT")]
    agent: AgentArgument,
    /// When the calls of the first trial begin: an RFC 3339 time, seconds since 1970, or next:60s for the next full minute
    /// that is at least 10 s away. The servers are checked before that
    #[arg(long, value_name = "TIME", default_value = "next:60s", env = "RPCBENCH_AT")]
    at: Start,
    /// Take the time from the clock of the server with this control port (`serve --control`), and record its uncertainty.
    /// By default each agent uses the clock of its machine. The token in RPCBENCH_CONTROL_TOKEN must be that of the server
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    clock: Option<String>,
    /// The pause between the measured window of a trial and the first calls of the next one, in which the last answers
    /// arrive and new connections are made
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = gap)]
    gap: Duration,
    /// A server that is already running (repeatable)
    // No parser here: what it refuses is repeated, and a URL may hold a password.
    #[arg(long = "target", value_name = "STACK=URL")]
    targets: Vec<String>,
    /// The broker of servers that are already running and serve the default topic or subject (repeatable)
    #[arg(long = "broker", value_name = "URL", env = BROKER_VARIABLE, hide_env_values = true)]
    brokers: Vec<String>,
    /// Measure only these stacks; by default each that has a --target, and for a --broker the stack that has its protocol's name
    #[arg(long = "stack", value_name = "A,B", value_delimiter = ',')]
    stacks: Vec<String>,
    #[command(flatten)]
    overrides: Overrides,
    /// The seed of the arguments and of the order of the trials; by default the start time in seconds since 1970
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The file for the partial record; `-` prints it as one line on standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Write the partial record into this file if that of --out cannot be written, for example because the disk is full
    #[arg(long, value_name = "FILE")]
    fallback_out: Option<PathBuf>,
}

fn gap(text: &str) -> Result<Duration, String> {
    calculator::parse_duration(text)
        .ok()
        .filter(|gap| (Duration::from_millis(10)..=MAX_GAP).contains(gap))
        .ok_or_else(|| "expected 10ms to 600s, for example 1s".to_owned())
}

pub(super) fn agent(arguments: &Arguments) -> Outcome {
    let index = sys::variable(INDEX_VARIABLE).and_then(|index| index.into_string().ok());
    let number = arguments
        .agent
        .with_index(index.as_deref())
        .map_err(|problem| Failure::usage(format!("--agent: {problem}")))?;
    let targets = targets(arguments)?;
    let scenario = scenario(arguments, &targets)?;
    // Every mistake is reported before the first wait.
    let plan = Plan::new(&scenario, &sys::allowed_cores())
        .map_err(|error| Failure::usage(format!("scenario {}: {error}", scenario.name)))?;
    if let Some(name) = targets.keys().next() {
        check_handlers(&plan, name)?;
    }
    let to_file = arguments.out != Path::new("-");
    let mut options = Options {
        number,
        start: 0,
        gap: arguments.gap,
        seed: 0,
        targets,
        file: to_file.then(|| arguments.out.clone()),
        fallback: arguments.fallback_out.clone().filter(|_| to_file),
    };
    agents::check(&scenario, &options).map_err(failure)?;
    options.file.iter().chain(&options.fallback).try_for_each(|file| prepare(file))?;
    let interrupts = Interrupts::watch(ENDING_RUN)?;
    sys::allow_many_connections();
    let clock = clock(arguments, interrupts.flag())?;
    options.start = arguments.at.resolve(clock.now());
    let start_seconds = u64::try_from(options.start / 1_000_000_000).unwrap_or_default();
    options.seed = arguments.seed.unwrap_or(start_seconds);
    let mut progress = Progress::new(!to_file);
    let finished =
        agents::run(&scenario, &options, &clock, interrupts.flag(), &mut |event| progress.report(&event));
    progress.finish();
    let record = match (finished, interrupts.exit()) {
        (Err(error), Some(exit)) => {
            print_error(&error);
            return Ok(exit);
        }
        (finished, _) => deliver(finished.map_err(failure)?)?,
    };
    let exit = if is_sound(&record) { Exit::Done } else { Exit::AuditFailed };
    Ok(interrupts.exit().unwrap_or(exit))
}

/// Prints the partial record on standard output, as one line that can be found in a log, or the path of its file.
fn deliver(finished: Finished) -> Result<Record, Failure> {
    let Finished { record, saved } = finished;
    match saved.map_err(Failure::could_not_run)? {
        Some(file) => print(&format!("partial record: {}\n", printable(&file.display().to_string())))?,
        None => {
            let line = serde_json::to_string(&record).map_err(Failure::could_not_run)?;
            print_required(&format!("{}\n", printable_json(&line)), "the partial record")?;
        }
    }
    Ok(record)
}

fn failure(error: AgentError) -> Failure {
    match error {
        AgentError::Run(RunError::Plan(_) | RunError::Operation { .. })
        | AgentError::Search { .. }
        | AgentError::Codecs { .. }
        | AgentError::Timeline { .. }
        | AgentError::Load { .. } => Failure::usage(error),
        _ => Failure::could_not_run(error),
    }
}

/// The servers by stack.
fn targets(arguments: &Arguments) -> Result<BTreeMap<String, String>, Failure> {
    let mut targets = BTreeMap::new();
    let brokers = broker_urls(&arguments.brokers)?;
    for given in &arguments.targets {
        let (stack, url) = parse_target(given, &brokers)?;
        if targets.insert(stack.name.to_owned(), url).is_some() {
            return Err(named_twice("--target", stack.name));
        }
    }
    if let Some((stack, _)) =
        targets.iter().find(|(stack, _)| !arguments.stacks.is_empty() && !arguments.stacks.contains(stack))
    {
        return Err(Failure::usage(format!("--target {stack}: it is not among the stacks to be measured")));
    }
    let named = arguments.stacks.iter().map(|name| Stack::named(name).map_err(Failure::usage));
    let stacks: Vec<&Stack> = if arguments.stacks.is_empty() {
        default_brokered().map(|(_, stack)| stack).collect()
    } else {
        named.collect::<Result<_, _>>()?
    };
    for stack in stacks {
        if let Some(url) = brokers.of_stack(stack) {
            targets.entry(stack.name.to_owned()).or_insert_with(|| url.to_owned());
        }
    }
    for name in &arguments.stacks {
        let stack = Stack::named(name).map_err(Failure::usage)?;
        if !targets.contains_key(stack.name) {
            let what = if stack.needs_broker() { "--broker or --target" } else { "--target" };
            return Err(Failure::usage(format!("{name} has no {what}: an agent starts no servers")));
        }
    }
    if targets.is_empty() {
        return Err(Failure::usage(
            "an agent starts no servers; give a --target, for example rest=http://HOST:8080/",
        ));
    }
    Ok(targets)
}

/// The scenario for the stacks that have a server, in placement `free`: an agent runs on the cores that it was started on.
fn scenario(arguments: &Arguments, targets: &BTreeMap<String, String>) -> Result<Scenario, Failure> {
    let mut scenario = Scenario::load(&arguments.scenario).map_err(Failure::usage)?;
    // A floor is measured if it has a server, like any other stack.
    scenario.floors = false;
    let stacks: Vec<String> = targets.keys().cloned().collect();
    let scenario = arguments.overrides.apply(scenario, &stacks, Some(Placement::Free), false)?;
    scenario.check_operations().map_err(Failure::usage)?;
    Ok(scenario)
}

/// Checks that the record can be written, before the wait for the start.
fn prepare(out: &Path) -> Result<(), Failure> {
    if out.exists() {
        return Err(Failure::usage(format!("{} exists already; give another --out", out.display())));
    }
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    prepare_folder(folder).with_context(|| format!("cannot write {}", out.display())).map_err(Failure::usage)
}

/// The clock of the run. A server that does not answer yet is asked again until the start.
fn clock(arguments: &Arguments, interrupted: &AtomicBool) -> Result<RunClock, Failure> {
    let own = RunClock::new(None).map_err(Failure::could_not_run)?;
    let Some(name) = &arguments.clock else { return Ok(own) };
    let token = control_token()?;
    let start = own.instant_at(arguments.at.resolve(own.now()));
    let may_retry = |start| Instant::now() + RETRY_INTERVAL < start && !interrupted.load(Ordering::Relaxed);
    loop {
        let asked = resolve(name).and_then(|address| {
            let port = ControlPort { address, token: token.clone() };
            Ok(RunClock::new(Some((port, name.clone())))?)
        });
        match asked {
            Err(_) if start.is_some_and(may_retry) => std::thread::sleep(RETRY_INTERVAL),
            asked => {
                return asked
                    .with_context(|| format!("no control port of a server reports its clock at {name}"))
                    .map_err(Failure::could_not_run);
            }
        }
    }
}
