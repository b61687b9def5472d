//! A run: preflight of every stack, then block after block of trials, into a record.

pub mod fairness;
pub mod ledger;
pub mod preflight;
pub mod search;
pub mod targets;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use calculator::Executor;
use jiff::Timestamp;

use crate::deploy::rabbitmq::{BrokerError, PrivateBroker};
use crate::load::Operation;
use crate::record::{
    Check, Probe, Record, SCHEMA, Searched, Skipped, StackFacts, Status, Tool, Trial, write_atomically,
};
use crate::run::search::Bisection;
use crate::run::targets::{TargetError, Targets};
use crate::scenario::{Plan, PlanError, PlannedSearch, Scenario, TrialSpec};
use crate::stacks::{Role, Stack};
use crate::sys;
use crate::trial::{self, BrokerSite, Setting, without_credentials};

/// What a run is told beside its scenario.
pub struct Options {
    /// The seed of the arguments and of the order of the trials.
    pub seed: u64,
    /// How servers run handlers.
    pub executor: Executor,
    /// Threads of a server's runtime.
    pub workers: usize,
    /// Further arguments for servers: faults.
    pub server_arguments: Vec<String>,
    /// Further arguments for the server of the second half of an A/A pair.
    pub twin_arguments: Vec<String>,
    /// Servers that are already running.
    pub targets: Targets,
    /// The URL of a broker to use instead of a private one.
    pub broker: Option<String>,
    /// Protocols that must not be skipped.
    pub require: Vec<String>,
    /// Where the record goes, after every block.
    pub folder: PathBuf,
    /// The run's identity.
    pub id: String,
}

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The scenario cannot be carried out.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A protocol that was required cannot be measured.
    #[error("{0}")]
    Required(String),
    /// A server that was named cannot be used.
    #[error("{0}")]
    Target(String),
    /// A server that was named does not answer, now.
    #[error("{0}")]
    Unreachable(String),
    /// Several agents cannot make the run together.
    #[error("{0}")]
    Together(String),
    /// The agreed start cannot be kept.
    #[error("{0}")]
    Start(String),
    /// A server that was waited for cannot be used.
    #[error(transparent)]
    NotReady(#[from] TargetError),
    /// Nothing is left to measure.
    #[error("nothing could be measured: {0}")]
    Nothing(String),
    /// The record cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// What a run tells while it is under way.
#[derive(Debug)]
pub enum Event<'a> {
    /// A stack is about to be checked.
    Checking(&'a str),
    /// A stack has been checked.
    Checked(&'a Check),
    /// A stack is left out.
    Skipped(&'a Skipped),
    /// A private broker is about to be started.
    StartingBroker,
    /// The trials begin: so many.
    Measuring(u64),
    /// A trial was made.
    Made(&'a Trial),
    /// The highest rate of a stack was searched for.
    Searched(&'a Searched),
}

/// Makes a run of `scenario`, and tells `progress` of it. The record is written to the folder after every block, whole
/// each time.
///
/// # Errors
/// [`RunError`]. Trials that fail do not end a run; they stand in the record.
pub fn run(
    scenario: &Scenario,
    options: &Options,
    interrupted: &Arc<AtomicBool>,
    progress: &mut dyn FnMut(Event<'_>),
) -> Result<Record, RunError> {
    let mut plan = Plan::new(scenario, &sys::allowed_cores())?;
    let controls = options.targets.ready(interrupted)?;
    let setting = Setting {
        scenario,
        seed: options.seed,
        executor: options.executor,
        workers: options.workers,
        server_arguments: &options.server_arguments,
        twin_arguments: &options.twin_arguments,
        targets: &options.targets.urls,
        controls: &controls,
        began: Instant::now(),
        interrupted,
    };
    let mut record = new_record(scenario, options);
    let mut brokers = Brokers::new(options.broker.clone());

    check_stacks(&mut plan, &setting, &mut brokers, options, &mut record, progress)?;
    record.stacks = plan.stacks().into_iter().map(|stack| facts(stack, options)).collect();
    progress(Event::Measuring(plan.trials().count() as u64 * u64::from(scenario.blocks.get())));
    for block in 0..scenario.blocks.get() {
        for (position, spec) in (0_u32..).zip(plan.block(block, options.seed)) {
            if interrupted.load(Ordering::Relaxed) {
                break;
            }
            // A broker that was there for the checks and is not now fails the trial, not the run.
            let broker = brokers.for_trial(&spec, &options.targets.urls, progress);
            if let Some(trial) = trial::make(&spec, &setting, broker, (block, position)) {
                progress(Event::Made(&trial));
                record.trials.push(trial);
            }
        }
        // Until the last block is made, what is written is the record of a run that has not come to its end.
        let stopped = interrupted.load(Ordering::Relaxed);
        record.interrupted = stopped || block + 1 < scenario.blocks.get();
        record.seconds = setting.began.elapsed().as_secs_f64();
        write(&record, options)?;
        if stopped {
            break;
        }
    }
    for planned in plan.searches(options.seed) {
        for stack in &planned.stacks {
            let searched = search(&planned, stack, |spec| {
                let broker = brokers.for_trial(spec, &options.targets.urls, progress);
                trial::make(spec, &setting, broker, (0, 0))
            });
            let Some(searched) = searched else {
                record.interrupted = true;
                break;
            };
            progress(Event::Searched(&searched));
            record.searches.push(searched);
        }
        record.seconds = setting.began.elapsed().as_secs_f64();
        write(&record, options)?;
    }
    Ok(record)
}

/// How often a rate must not hold to count as such.
const AGREEMENT: usize = 2;

/// Searches for the highest rate that `stack` holds. `None` where that was interrupted.
fn search(
    planned: &PlannedSearch,
    stack: &'static Stack,
    mut make: impl FnMut(&TrialSpec) -> Option<Trial>,
) -> Option<Searched> {
    let mut bisection = Bisection::default();
    let mut probes: Vec<Probe> = Vec::new();
    while let Some(rate) = bisection.next() {
        let (mut held, mut failed) = (0, 0);
        // What disturbs a trial only ever makes it slower: one that holds at once needs no second.
        while failed < AGREEMENT && held < 1 + failed.min(1) {
            let probe = Probe::of(&make(&planned.trial(stack, rate))?, &planned.search, rate);
            *(if probe.held { &mut held } else { &mut failed }) += 1;
            probes.push(probe);
        }
        bisection.tried(rate, failed < AGREEMENT);
    }
    Some(Searched {
        search: planned.search.name.clone(),
        stack: stack.name.to_owned(),
        held: bisection.held,
        failed: bisection.failed,
        probes,
    })
}

/// Whether every trial of `record` counts, and none is missing because the run was interrupted.
#[must_use]
pub fn is_sound(record: &Record) -> bool {
    !record.interrupted && record.trials.iter().all(|trial| trial.status == Status::Valid)
}

fn write(record: &Record, options: &Options) -> Result<(), RunError> {
    let path = options.folder.join("record.json");
    let failed = |source: std::io::Error| RunError::Write { path: path.clone(), source };
    let text = serde_json::to_vec_pretty(record).map_err(|error| failed(error.into()))?;
    write_atomically(&path, &text).map_err(failed)
}

pub(crate) fn new_record(scenario: &Scenario, options: &Options) -> Record {
    Record {
        schema: SCHEMA,
        id: options.id.clone(),
        started: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        seconds: 0.0,
        interrupted: false,
        tool: Tool {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            optimised: !cfg!(debug_assertions),
            full_observation: sys::FULL,
        },
        machine: sys::machine(),
        agents: vec![],
        scenario: scenario.clone(),
        seed: options.seed,
        stacks: vec![],
        skipped: vec![],
        checks: vec![],
        wire: vec![],
        sockets: vec![],
        fairness: vec![],
        trials: vec![],
        searches: vec![],
    }
}

pub(crate) fn facts(stack: &Stack, options: &Options) -> StackFacts {
    let target = options.targets.urls.get(stack.name).map(|url| without_credentials(url));
    let executor = match stack.reference() {
        _ if target.is_some() => "not observable".to_owned(),
        Some(reference) => reference.executor.to_owned(),
        None => options.executor.to_string(),
    };
    let mut facts = StackFacts::new(stack, executor, target);
    if options.targets.controls.contains_key(stack.name) {
        // Only this suite's servers have a control port.
        facts.server = stack.server.to_owned();
    }
    facts
}

/// Passes every stack of the plan through the conformance table, and leaves out those that cannot be measured.
pub(crate) fn check_stacks(
    plan: &mut Plan,
    setting: &Setting<'_>,
    brokers: &mut Brokers,
    options: &Options,
    record: &mut Record,
    progress: &mut dyn FnMut(Event<'_>),
) -> Result<(), RunError> {
    for stack in plan.stacks() {
        if setting.interrupted.load(Ordering::Relaxed) {
            break;
        }
        progress(Event::Checking(stack.name));
        let result = brokers
            .for_stack(stack, options.targets.urls.contains_key(stack.name), progress)
            .map_err(|error| error.to_string())
            .and_then(|broker| {
                preflight::inspect(stack, &operations_of(plan, stack), setting, broker.as_ref())
                    .map_err(|error| error.to_string())
            });
        let (reason, answered) = match result {
            Ok(findings) => {
                progress(Event::Checked(&findings.check));
                let passed = findings.check.may_be_measured();
                record.wire.extend(findings.wire);
                record.sockets.extend(findings.sockets);
                record.fairness.extend(passed.then_some(findings.fairness));
                record.checks.push(findings.check);
                if passed {
                    continue;
                }
                // Behind a broker that is there, a server may not be yet.
                let answered = record.checks.last().is_some_and(|check| check.core_passed > 0);
                ("it does not pass the core rows of `rpcbench check`".to_owned(), answered)
            }
            Err(reason) => (reason, false),
        };
        if let Some(url) = options.targets.urls.get(stack.name) {
            let address = without_credentials(url);
            let problem = format!("{} at {address}: {reason}", stack.name);
            return Err(if answered { RunError::Target(problem) } else { RunError::Unreachable(problem) });
        }
        let required = |name: &String| name == stack.name || name == stack.protocol.name();
        if options.require.iter().any(required) {
            return Err(RunError::Required(format!("{} is required: {reason}", stack.name)));
        }
        let skipped = Skipped { stack: stack.name.to_owned(), reason };
        progress(Event::Skipped(&skipped));
        record.skipped.push(skipped);
        plan.skip(stack.name);
    }
    // Floors alone are nothing to compare.
    let only_floors = plan.stacks().iter().all(|stack| stack.role == Role::Floor);
    match (only_floors, record.skipped.first()) {
        (true, Some(skipped)) => Err(RunError::Nothing(format!("{}: {}", skipped.stack, skipped.reason))),
        _ => Ok(()),
    }
}

fn operations_of(plan: &Plan, stack: &Stack) -> Vec<Operation> {
    let mut operations: Vec<Operation> = Vec::new();
    for trial in plan.trials().filter(|trial| trial.stack.name == stack.name) {
        if !operations.contains(&trial.operation) {
            operations.push(trial.operation);
        }
    }
    operations
}

/// The brokers of a run: one that was named, or a private one for each set of cores, since a broker is measured where
/// its placement puts it.
pub(crate) struct Brokers {
    external: Option<String>,
    private: Vec<(Vec<usize>, Result<PrivateBroker, String>)>,
}

impl Brokers {
    /// The broker at the URL `external`, or private ones as they are needed.
    pub(crate) fn new(external: Option<String>) -> Self {
        Brokers { external, private: vec![] }
    }

    fn for_stack(
        &mut self,
        stack: &Stack,
        has_target: bool,
        progress: &mut dyn FnMut(Event<'_>),
    ) -> Result<Option<BrokerSite>, String> {
        if !stack.needs_broker() || has_target {
            return Ok(None);
        }
        // The cores of a check do not matter; those of the first broker are as good as any.
        let cores = self.private.first().map(|(cores, _)| cores.clone());
        let cores = cores.unwrap_or_else(|| sys::allowed_cores().last().copied().into_iter().collect());
        self.on(&cores, progress).map(Some)
    }

    fn for_trial(
        &mut self,
        spec: &TrialSpec,
        targets: &BTreeMap<String, String>,
        progress: &mut dyn FnMut(Event<'_>),
    ) -> Result<Option<BrokerSite>, String> {
        if !spec.stack.needs_broker() || targets.contains_key(spec.stack.name) {
            return Ok(None);
        }
        self.on(&spec.cores.server, progress).map(Some)
    }

    fn on(&mut self, cores: &[usize], progress: &mut dyn FnMut(Event<'_>)) -> Result<BrokerSite, String> {
        if let Some(url) = &self.external {
            return Ok(BrokerSite { url: url.clone(), pid: None });
        }
        let known = self.private.iter().position(|(mask, _)| mask == cores);
        let at = known.unwrap_or_else(|| {
            progress(Event::StartingBroker);
            let started = PrivateBroker::start(cores).map_err(|error: BrokerError| error.to_string());
            self.private.push((cores.to_vec(), started));
            self.private.len() - 1
        });
        match &self.private[at].1 {
            Ok(broker) => Ok(BrokerSite { url: broker.url().to_owned(), pid: Some(broker.pid()) }),
            Err(reason) => Err(reason.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_target_stays_out_of_the_record() {
        let options = Options {
            seed: 1,
            executor: Executor::Async,
            workers: 1,
            server_arguments: vec![],
            twin_arguments: vec![],
            targets: Targets {
                urls: BTreeMap::from([("amqp".to_owned(), "amqp://user:secret@host:5672/%2f".to_owned())]),
                ..Targets::default()
            },
            broker: Some("amqp://user:secret@host/".to_owned()),
            require: vec![],
            folder: PathBuf::new(),
            id: String::new(),
        };
        let mut record = new_record(&Scenario::load("quick").unwrap(), &options);
        record.stacks.push(facts(Stack::default_of(calculator::Protocol::Amqp), &options));
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.contains("amqp://host:5672/%2f") && !text.contains("secret"), "{text}");
    }
}
