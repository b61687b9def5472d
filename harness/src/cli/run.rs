//! `rpcbench run`.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::Context;
use calculator::{Executor, printable, printable_json};
use jiff::Zoned;

use super::addresses::check_addresses;
use super::brokers::broker_urls;
use super::control_token::control_token;
use super::detail::Detail;
use super::interrupts::{ENDING_RUN, Interrupts};
use super::output::print_text;
use super::overrides::Overrides;
use super::progress::Progress;
use super::protocol_options::parse_server_options;
use super::targets::{TargetsArguments, check_handlers};
use super::{Exit, Failure, Outcome, print, print_error};
use crate::claims::SloOutcome;
use crate::deploy::Placement;
use crate::load::{OwnOperation, parse_call};
use crate::record::{RECORD_FILE, Record, prepare_folder};
use crate::report::{self, Summary};
use crate::run::targets::Targets;
use crate::run::{self, Options, RunError};
use crate::scenario::{Plan, Scenario, Slo, Stage, TrialSpec};
use crate::stacks::{BROKER_VARIABLE, BrokerUrls, ServerOptions, Stack, Transport, parse_or_suggest};
use crate::sys;

/// Measure stacks, and write a record and a report
///
/// The scenario says which stacks are measured under which loads. Options override it for all of its measurements.
/// Ctrl-C ends the run early; the trials made so far are kept.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  rpcbench run
  rpcbench run standard --out results/mine
  rpcbench run --stack rest-hyper,zerorpc --load closed:1,closed:32 --blocks 10
  rpcbench run --stack rest-hyper --load open:5000:poisson --placement split
  rpcbench run --stack rest-hyper,grpc --transport tcp,unix,tls
  rpcbench run --stack xmlrpc --target xmlrpc=http://127.0.0.1:8000/
  rpcbench run --call 'get_user(7)' --target jsonrpc@old=http://127.0.0.1:8001/ --target jsonrpc@new=http://127.0.0.1:8002/
  rpcbench run --call 'GET /users/7' --target rest=http://127.0.0.1:8080/
  rpcbench run --call 'GET /users/7' --target rest=http://127.0.0.1:8080/ --stage 10..500:30s --stage 500:1m --slo 'p99<50ms'")]
pub(super) struct Arguments {
    /// The names of built-in scenarios (see `rpcbench list`), or scenario files
    #[arg(value_name = "SCENARIO|FILE.toml", default_value = "quick")]
    scenarios: Vec<String>,
    /// Measure only these stacks (and always the floors: `inproc`, `tcp`, and for several connections `tcp-async`)
    #[arg(long = "stack", value_name = "A,B", value_delimiter = ',')]
    stacks: Vec<String>,
    /// Call this method of your own service instead of the calculator's (repeatable): METHOD(ARGUMENT, …) with arguments in
    /// JSON, by position or as NAME=VALUE; or, for REST, VERB /PATH [BODY]. Any result counts as correct; a scenario with
    /// `[[operation]]` can check it
    #[arg(long = "call", value_name = "CALL", value_parser = parse_call)]
    calls: Vec<OwnOperation>,
    /// Measure every stack over these transports instead of over TCP: tcp, unix (Unix sockets), stdio (pipes), tls (TLS 1.3), tls-resumed
    /// (the same, resuming sessions), h2 (HTTP/2 without TLS), h2-tls (HTTP/2 with TLS). STACK+unix names a single one. Floors that are not
    /// listed stay over TCP
    #[arg(long = "transport", value_name = "A,B", value_delimiter = ',', value_parser = parse_or_suggest::<Transport>)]
    transports: Vec<Transport>,
    #[command(flatten)]
    overrides: Overrides,
    /// Make calls at a rate that changes in stages (repeatable), instead of the loads of the scenario: RATE:TIME, or FROM..TO:TIME for a rate
    /// that changes evenly. The report shows the calls of each stage, and response times over time
    #[arg(long = "stage", value_name = "FROM..TO:TIME", conflicts_with = "loads")]
    stages: Vec<Stage>,
    /// The seed of the arguments and of the order of the trials; random by default
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Use this placement instead of the scenario's: split (client and server on separate cores), shared (all on one
    /// core) or free (any core)
    #[arg(long)]
    placement: Option<Placement>,
    /// Do not keep idle cores awake; only has an effect in placement split
    #[arg(long)]
    no_warm: bool,
    /// How servers run handlers, unless the scenario sets it: blocking (one at a time), threads:N or async [default: async]
    #[arg(long, value_parser = parse_or_suggest::<Executor>)]
    executor: Option<Executor>,
    #[command(flatten)]
    targets: TargetsArguments,
    /// Permit load on servers whose addresses are neither loopback nor private
    #[arg(long)]
    yes: bool,
    /// Use this broker instead of starting a private one (repeatable, once for each kind of broker, which the scheme of the URL
    /// selects). The queues of the run are deleted at its end. @FILE reads the URL from a file, env:NAME from an environment
    /// variable, - from standard input
    #[arg(long = "broker", value_name = "URL", env = BROKER_VARIABLE, hide_env_values = true)]
    brokers: Vec<String>,
    /// Require this of every stack except the floors (repeatable): `p99<20ms`, `get_user.p99<20ms`, `error_rate<0.1%` or
    /// `rate>=500`; the figures are p50, p90, p95, p99, p99.9, max, error_rate and rate. If a requirement is broken, the exit code
    /// is 1
    #[arg(long = "slo", value_name = "SLO")]
    slos: Vec<Slo>,
    /// Fail if one of these stacks or protocols cannot be measured, instead of skipping it
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    require: Vec<String>,
    /// Also count the exact instructions and allocations of a call at each server, for `rpcbench compare`. Needs Valgrind, and
    /// takes about ten seconds for each stack
    #[arg(long)]
    counts: bool,
    /// The folder for the record and the report [default: results/<date>-<scenario>-<id>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the record into this folder if it cannot be written into that of --out, for example because the disk is full
    #[arg(long, value_name = "DIR")]
    fallback_out: Option<PathBuf>,
    /// What to print at the end
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    detail: Detail,
    /// Further arguments for the servers that the run starts, such as faults
    #[arg(long = "server-arg", value_name = "ARG", allow_hyphen_values = true, hide = true)]
    server_arguments: Vec<String>,
    /// Further arguments for the second server of an A/A pair: a difference that the run should detect
    #[arg(long = "twin-arg", value_name = "ARG", allow_hyphen_values = true, hide = true)]
    twin_arguments: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// The tables
    Text,
    /// The record, as JSON
    Json,
    /// Only the path of the report
    Quiet,
}

pub(super) fn run(arguments: Arguments) -> Outcome {
    let brokers = broker_urls(&arguments.brokers)?;
    let load = |name: &String| {
        let scenario = Scenario::load(name).map_err(Failure::usage)?;
        let mut scenario = with_overrides(scenario, &arguments)?;
        let mut targets = arguments.targets.of(&mut scenario, &brokers)?;
        if !arguments.transports.is_empty() && !targets.urls.is_empty() {
            let reason =
                "the URL of a server that is already running says its transport; leave out --transport";
            return Err(Failure::usage(format!("--transport: {reason}")));
        }
        scenario.slos.extend(arguments.slos.iter().cloned());
        measure_own(&mut scenario, &targets)?;
        scenario.check_slos().map_err(Failure::usage)?;
        check_addresses(&targets, arguments.yes)?;
        if !targets.controls.is_empty() {
            targets.control_token = Some(control_token()?);
        }
        Ok((scenario, targets))
    };
    let scenarios: Vec<(Scenario, Targets)> =
        arguments.scenarios.iter().map(load).collect::<Result<_, Failure>>()?;
    for (option, folder) in [("--out", &arguments.out), ("--fallback-out", &arguments.fallback_out)] {
        if folder.is_some() && scenarios.len() > 1 {
            let reason = "takes one scenario; the records would overwrite each other";
            return Err(Failure::usage(format!("{option} {reason}")));
        }
    }
    // Every mistake is reported before the first trial.
    for (scenario, targets) in &scenarios {
        let plan = Plan::new(scenario, &sys::allowed_cores())
            .map_err(|error| Failure::usage(format!("scenario {}: {error}", scenario.name)))?;
        check_names(&plan, targets, &arguments)?;
        check_brokers(&plan, &brokers)?;
        server_options(&arguments, &plan, targets, &arguments.twin_arguments)?;
    }
    let interrupts = Interrupts::watch(ENDING_RUN)?;
    sys::allow_many_connections();
    let mut exit = Exit::Done;
    for (scenario, targets) in &scenarios {
        let ended = run_one(scenario, targets, &arguments, &brokers, &interrupts)?;
        if let Some(exit) = interrupts.exit() {
            return Ok(exit);
        }
        exit = exit.and(ended);
    }
    Ok(exit)
}

/// Lets a scenario with nothing but operations of one's own measure `targets`, if there are any, and checks that all can be called
/// where they are measured.
fn measure_own(scenario: &mut Scenario, targets: &Targets) -> Result<(), Failure> {
    if scenario.has_only_own() {
        if !targets.urls.is_empty() {
            scenario.measure_targets(targets.urls.keys().map(String::as_str));
        }
        if scenario.stacks.is_empty() {
            return Err(Failure::usage(
                "there is no stack to measure: give --target STACK=URL, for example jsonrpc=http://127.0.0.1:8080/",
            ));
        }
    }
    scenario.check_operations().map_err(Failure::usage)
}

fn with_overrides(mut scenario: Scenario, arguments: &Arguments) -> Result<Scenario, Failure> {
    if !arguments.calls.is_empty() {
        scenario.call_only(&arguments.calls).map_err(Failure::usage)?;
    }
    let (overrides, warm) = (&arguments.overrides, !arguments.no_warm);
    let mut scenario = overrides.apply(scenario, &arguments.stacks, arguments.placement, warm)?;
    if !arguments.stages.is_empty() {
        scenario.load_in_stages(&arguments.stages, overrides.blocks().unwrap_or(NonZeroU32::MIN));
    }
    let over = scenario.over(&arguments.transports);
    over.map_err(|reason| Failure::usage(format!("--transport {reason}")))?;
    Ok(scenario)
}

/// Rejects an option for a stack that is not measured: it would silently have no effect.
fn check_names(plan: &Plan, targets: &Targets, arguments: &Arguments) -> Result<(), Failure> {
    let planned = plan.stacks();
    for name in &arguments.require {
        let stack = Stack::named(name).map_err(Failure::usage)?;
        let covers = |planned: &&Stack| planned.name == *name || planned.protocol.name() == *name;
        if !planned.iter().any(covers) {
            return Err(Failure::usage(format!(
                "--require {}: it is not among the stacks to be measured",
                stack.name
            )));
        }
    }
    if let Some(name) = targets.urls.keys().next() {
        check_handlers(plan, name)?;
    }
    if let Some(name) = targets.urls.keys().find(|name| !planned.iter().any(|planned| planned.name == **name))
    {
        return Err(Failure::usage(format!("--target {name}: it is not among the stacks to be measured")));
    }
    let is_elsewhere = |stack: &&&Stack| stack.is_elsewhere() && !targets.urls.contains_key(stack.name);
    match planned.iter().find(is_elsewhere) {
        Some(stack) => Err(Failure::usage(format!(
            "{}: its server is not started by the run; give --target {0}=URL",
            stack.name
        ))),
        None => Ok(()),
    }
}

/// Rejects a stack over another transport than that of the broker that was given.
fn check_brokers(plan: &Plan, brokers: &BrokerUrls) -> Result<(), Failure> {
    let stacks = plan.stacks();
    let is_other = |stack: &&&Stack| stack.transport != Transport::Tcp && brokers.of_stack(stack).is_some();
    match stacks.iter().find(is_other) {
        Some(stack) => Err(Failure::usage(format!(
            "{}: the URL of --broker says its transport; name the stack `{}`",
            stack.name,
            stack.base_name()
        ))),
        None => Ok(()),
    }
}

fn run_one(
    scenario: &Scenario,
    targets: &Targets,
    arguments: &Arguments,
    brokers: &BrokerUrls,
    interrupts: &Interrupts,
) -> Outcome {
    let id = format!("{:08x}", rand::random::<u32>());
    let date = Zoned::now().strftime("%Y-%m-%d");
    let folder = arguments
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from("results").join(format!("{date}-{}-{id}", scenario.name)));
    let plan = Plan::new(scenario, &sys::allowed_cores()).map_err(Failure::usage)?;
    prepare(&folder)?;
    if let Some(fallback) = &arguments.fallback_out {
        prepare(fallback)?;
    }
    let mut progress = Progress::new(arguments.format != Format::Text).with_view();
    let options = Options {
        seed: arguments.seed.unwrap_or_else(rand::random),
        server: server_options(arguments, &plan, targets, &[])?,
        twin: server_options(arguments, &plan, targets, &arguments.twin_arguments)?,
        targets: targets.clone(),
        brokers: brokers.clone(),
        require: arguments.require.clone(),
        counts: arguments.counts,
        file: folder.join(RECORD_FILE),
        fallback: arguments.fallback_out.as_ref().map(|folder| folder.join(RECORD_FILE)),
        id,
        live: progress.live(),
    };
    let finished = run::run(scenario, &options, interrupts.flag(), &mut |event| progress.report(&event));
    progress.finish();
    for problem in run::remove_leftovers(&plan, &options) {
        print_error(&format_args!("warning: the queues of the run are left at the broker: {problem}"));
    }
    let finished = match finished {
        Err(error) if interrupts.exit().is_some() => {
            print_error(&error);
            // Only if they are empty, as they are without a record.
            let _ = std::fs::remove_dir(&folder);
            let _ = arguments.fallback_out.as_ref().map(std::fs::remove_dir);
            return Ok(Exit::Done);
        }
        Err(error @ (RunError::Plan(_) | RunError::Operation { .. })) => return Err(Failure::usage(error)),
        Err(error) => return Err(Failure::could_not_run(error)),
        Ok(finished) => finished,
    };
    match finished.saved.map(|file| file.unwrap_or(options.file)) {
        Ok(file) => finish(&finished.record, &file, arguments.format, arguments.detail),
        Err(error) => {
            // What was measured is shown all the same: it is not anywhere else.
            let summary = Summary::new(&finished.record).map_err(Failure::could_not_run)?;
            show(&finished.record, &summary, arguments.format, arguments.detail)?;
            Err(Failure::could_not_run(error))
        }
    }
}

/// Parses the options of the servers that the run starts: the arguments for all servers, followed by `further`.
fn server_options(
    arguments: &Arguments,
    plan: &Plan,
    targets: &Targets,
    further: &[String],
) -> Result<ServerOptions, Failure> {
    let words: Vec<_> = arguments.server_arguments.iter().chain(further).cloned().collect();
    let started: Vec<_> =
        plan.stacks().into_iter().filter(|stack| !targets.urls.contains_key(stack.name)).collect();
    let mut options = parse_server_options(&words, &started)?;
    let is_given = |option: &str| options.given.iter().any(|given| given == option);
    if is_given("--executor") || arguments.executor.is_some() {
        check_conflict("--executor", plan, |trial| trial.executor.is_some())?;
    }
    if is_given("--work") {
        check_conflict("--work", plan, |trial| trial.work.is_some())?;
    }
    for option in &options.given {
        let name = option.trim_start_matches('-');
        check_conflict(option, plan, |trial| trial.options.names().any(|set| set == name))?;
    }
    if let Some(executor) = arguments.executor.filter(|_| !is_given("--executor")) {
        options.common.executor = executor;
    }
    Ok(options)
}

/// Refuses `option` where a trial's measurement `sets` the same: one of the two would silently have no effect.
fn check_conflict(option: &str, plan: &Plan, sets: impl Fn(&TrialSpec) -> bool) -> Result<(), Failure> {
    let Some(trial) = plan.trials_and_timelines().find(sets) else { return Ok(()) };
    let setting = option.trim_start_matches('-');
    Err(Failure::usage(format!(
        "{option}: the measurement `{}` of the scenario sets the {setting} of its servers",
        trial.measurement
    )))
}

/// Creates the results folder, which must not hold a record yet.
pub(super) fn prepare(folder: &Path) -> Result<(), Failure> {
    if folder.join(RECORD_FILE).exists() {
        return Err(Failure::usage(format!(
            "{} holds a record already; give another --out",
            folder.display()
        )));
    }
    prepare_folder(folder)
        .with_context(|| format!("cannot write results into {}", folder.display()))
        .map_err(Failure::usage)
}

/// Writes the report of `record`, which is in `file`, beside that file, and prints the result.
pub(super) fn finish(record: &Record, file: &Path, format: Format, detail: Detail) -> Outcome {
    let summary = Summary::new(record).map_err(Failure::could_not_run)?;
    let folder = file.with_file_name("report");
    let page = report::write(record, &summary, &folder);
    show(record, &summary, format, detail)?;
    let page = page
        .with_context(|| format!("cannot write the report into {}", folder.display()))
        .map_err(Failure::could_not_run)?;
    let shown = |path: &Path| printable(&path.display().to_string()).into_owned();
    match format {
        Format::Text => print(&format!("\nrecord: {}\nreport: {}\n", shown(file), shown(&page)))?,
        Format::Quiet => print(&format!("{}\n", shown(&page)))?,
        Format::Json => {}
    }
    let has_slo = |outcome| summary.slos.iter().any(|judged| judged.outcome == outcome);
    Ok(if has_slo(SloOutcome::Broken) {
        Exit::No
    } else if !run::is_sound(record) || has_slo(SloOutcome::Undecided) {
        Exit::AuditFailed
    } else {
        Exit::Done
    })
}

fn show(record: &Record, summary: &Summary, format: Format, detail: Detail) -> Result<(), Failure> {
    match format {
        Format::Text => print_text(&report::terminal(record, summary, detail.screen())),
        Format::Json => {
            let text = serde_json::to_string_pretty(record).map_err(Failure::could_not_run)?;
            print(&format!("{}\n", printable_json(&text)))
        }
        Format::Quiet => Ok(()),
    }
}
