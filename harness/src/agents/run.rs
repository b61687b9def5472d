//! One agent's share of a run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::agreement::{Agreement, seed_of_agent};
use super::clock::RunClock;
use super::error::AgentError;
use super::number::AgentNumber;
use super::start::format_time;
use super::timetable::Timetable;
use crate::load::AgreedTimes;
use crate::record::{Agent, Record};
use crate::run::targets::Targets;
use crate::run::{
    Brokers, Event, Finished, Progress, RecordFile, RunError, check_stacks, new_record, stack_facts,
};
use crate::scenario::{Plan, Scenario, TrialSpec};
use crate::stacks::{BrokerUrls, Options as ClientOptions, ServerOptions};
use crate::sys;
use crate::trial::{self, TrialContext, wait_until};

/// The pause before a server that does not answer yet is checked again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// The options of an agent, apart from its scenario.
#[derive(Debug)]
pub struct Options {
    /// The number of this agent, and how many agents the run has.
    pub number: AgentNumber,
    /// When the calls of the first trial begin, by the clock of the run: nanoseconds since 1970.
    pub start: i128,
    /// The time between the end of one trial's window and the first calls of the next.
    pub gap: Duration,
    /// The seed that all agents have in common.
    pub seed: u64,
    /// The URL of the server of each stack.
    pub targets: BTreeMap<String, String>,
    /// The file for the partial record; `None` if it is not written to a file.
    pub file: Option<PathBuf>,
    /// The file that it is written to where that fails.
    pub fallback: Option<PathBuf>,
}

/// Checks that several agents can share the run of `scenario`: that the load of every trial is large enough to divide.
///
/// # Errors
/// [`AgentError::Search`], [`AgentError::Codecs`], [`AgentError::Timeline`], [`AgentError::Topology`], [`AgentError::Load`], or
/// the plan's error.
pub fn check(scenario: &Scenario, options: &Options) -> Result<(), AgentError> {
    if let Some(search) = scenario.searches.first() {
        return Err(AgentError::Search { scenario: scenario.name.clone(), search: search.name.clone() });
    }
    if !scenario.codecs.is_empty() {
        return Err(AgentError::Codecs { scenario: scenario.name.clone() });
    }
    if let Some(timeline) = scenario.timelines.first() {
        let (scenario, timeline) = (scenario.name.clone(), timeline.name.clone());
        return Err(AgentError::Timeline { scenario, timeline });
    }
    if let Some(topology) = scenario.topologies.first() {
        let (scenario, topology) = (scenario.name.clone(), topology.name.clone());
        return Err(AgentError::Topology { scenario, topology });
    }
    let now = Instant::now();
    for spec in Plan::new(scenario, &sys::allowed_cores()).map_err(RunError::from)?.trials() {
        share(spec, options, AgreedTimes { warmup_start: now, window_start: now })?;
    }
    Ok(())
}

fn share(spec: &TrialSpec, options: &Options, agreed: AgreedTimes) -> Result<TrialSpec, AgentError> {
    let AgentNumber { agent, of } = options.number;
    spec.share(agent, of, agreed).ok_or(AgentError::Load { load: spec.load, of })
}

/// Runs one agent's share of `scenario`, at the times that follow from `options` and `clock`. Writes the record to the file
/// of `options` after every block.
///
/// # Errors
/// [`AgentError`], but not if the record cannot be written, which [`Finished::saved`] reports. Failed trials do not end the
/// run; they are recorded.
pub fn run(
    scenario: &Scenario,
    options: &Options,
    clock: &RunClock,
    interrupted: &Arc<AtomicBool>,
    progress: Progress<'_>,
) -> Result<Finished, AgentError> {
    // Agents agree on the times of whole trials.
    let scenario = &scenario.in_one_piece();
    check(scenario, options)?;
    let mut plan = Plan::new(scenario, &sys::allowed_cores()).map_err(RunError::from)?;
    let start = clock
        .instant_at(options.start)
        .filter(|start| *start > Instant::now())
        .ok_or_else(|| AgentError::StartPassed { start: format_time(options.start) })?;
    // Agents start no servers.
    let (server, clients) = (ServerOptions::default(), ClientOptions::default());
    let context = TrialContext {
        scenario,
        seed: seed_of_agent(options.seed, options.number.agent),
        server: &server,
        twin: &server,
        targets: &options.targets,
        clients: &clients,
        controls: &BTreeMap::new(),
        started_at: start,
        interrupted,
        live: None,
    };
    let mut record = new_partial_record(scenario, options);
    check_servers(&mut plan, &context, options, &mut record, progress)?;
    if Instant::now() >= start {
        return Err(AgentError::StartPassedDuringChecks { start: format_time(options.start) });
    }
    progress(Event::Measuring(plan.trials_in_all_blocks()));
    let timetable = Timetable::new(scenario, start, options.gap);
    let mut trials_done = 0;
    let mut file = options.file.clone().map(|file| RecordFile::new(file, options.fallback.clone()));
    for block in 0..scenario.blocks.get() {
        for (position, spec) in (0_u32..).zip(plan.block(block, options.seed)) {
            let agreed = timetable.trial(trials_done, spec.times.warmup);
            let spec = share(&spec, options, agreed)?;
            trials_done += 1;
            block_until(timetable.preparation(agreed), interrupted)?;
            if interrupted.load(Ordering::Relaxed) {
                break;
            }
            if let Some(trial) = trial::run(&spec, &context, Ok(None), (block, position)) {
                progress(Event::TrialDone(&trial));
                record.trials.push(trial);
            }
        }
        let stopped = interrupted.load(Ordering::Relaxed);
        let is_last = stopped || block + 1 == scenario.blocks.get();
        record.interrupted = stopped || !is_last;
        if is_last {
            record.seconds = Instant::now().saturating_duration_since(start).as_secs_f64();
            if let Some(agent) = record.agents.first_mut() {
                agent.clock = clock.reference_at_end();
            }
        }
        if let Some(file) = &mut file {
            file.save(&record, progress);
        }
        if stopped {
            break;
        }
    }
    let saved = file.map(|file| file.finish(&record)).transpose();
    Ok(Finished { record, saved })
}

/// The partial record of an agent, with nothing measured yet.
fn new_partial_record(scenario: &Scenario, options: &Options) -> Record {
    let Options { number, start, gap, seed, .. } = options;
    let agreement = Agreement { scenario, seed: *seed, of: number.of, start: *start, gap: *gap };
    let mut record = new_record(scenario, &run_options(options, agreement.id()));
    record.started = format_time(*start);
    record.agents.push(Agent {
        number: number.agent,
        of: number.of.get(),
        start: format_time(*start),
        gap: gap.as_secs_f64(),
        machine: record.machine.clone(),
        clock: None,
    });
    record
}

/// The options of the same run without agents.
fn run_options(options: &Options, id: String) -> crate::run::Options {
    crate::run::Options {
        seed: options.seed,
        server: ServerOptions::default(),
        twin: ServerOptions::default(),
        targets: Targets { urls: options.targets.clone(), ..Targets::default() },
        brokers: BrokerUrls::default(),
        require: vec![],
        counts: false,
        file: PathBuf::new(),
        fallback: None,
        id,
        live: None,
    }
}

/// Checks every server. One that does not answer may still be starting; it is checked again until the start.
fn check_servers(
    plan: &mut Plan,
    context: &TrialContext<'_>,
    options: &Options,
    record: &mut Record,
    progress: Progress<'_>,
) -> Result<(), AgentError> {
    let run_options = run_options(options, record.id.clone());
    let unchecked = record.clone();
    loop {
        let checked = check_stacks(
            plan,
            context,
            &mut Brokers::new(BrokerUrls::default()),
            &run_options,
            record,
            progress,
        );
        match checked {
            Err(RunError::Unreachable { .. }) if Instant::now() + RETRY_INTERVAL < context.started_at => {
                record.clone_from(&unchecked);
                block_until(Instant::now().checked_add(RETRY_INTERVAL), context.interrupted)?;
            }
            checked => {
                record.stacks =
                    plan.stacks().into_iter().map(|stack| stack_facts(stack, &run_options)).collect();
                return Ok(checked?);
            }
        }
    }
}

/// Blocks the thread until `deadline`, or until `interrupted` is set. Returns at once without a deadline.
fn block_until(deadline: Option<Instant>, interrupted: &AtomicBool) -> Result<(), AgentError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(AgentError::Timer)?;
    if let Some(deadline) = deadline {
        runtime.block_on(wait_until(deadline, interrupted));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::number::AgentArgument;
    use crate::stacks::Stack;

    fn scenario(loads: &[&str]) -> Scenario {
        let mut scenario = Scenario::load("quick").unwrap();
        scenario.floors = false;
        scenario.stacks = vec!["rest".to_owned(), "zerorpc".to_owned()];
        let measurement = scenario.measurements[0].clone();
        scenario.measurements = loads
            .iter()
            .map(|load| crate::scenario::Measurement {
                name: (*load).to_owned(),
                load: load.parse().unwrap(),
                ..measurement.clone()
            })
            .collect();
        scenario
    }

    fn options(number: &str) -> Options {
        let number: AgentArgument = number.parse().unwrap();
        Options {
            number: number.with_index(None).unwrap(),
            start: 0,
            gap: Duration::from_secs(1),
            seed: 5,
            targets: BTreeMap::new(),
            file: None,
            fallback: None,
        }
    }

    #[test]
    fn shares_of_all_agents_add_up_to_the_whole_load_in_the_same_order_at_the_same_times() {
        let scenario = scenario(&["closed:5", "open:700:poisson"]);
        let plan = Plan::new(&scenario, &[0]).unwrap();
        let times = Timetable::new(&scenario, Instant::now(), Duration::from_secs(1));
        let parts = |number: &str| -> Vec<TrialSpec> {
            let options = options(number);
            let block = plan.block(3, options.seed);
            (0..)
                .zip(block)
                .map(|(k, spec)| share(&spec, &options, times.trial(k, spec.times.warmup)).unwrap())
                .collect()
        };
        let (whole, one, two) = (plan.block(3, 5), parts("1/2"), parts("2/2"));
        assert_eq!(whole.len(), 4);
        for ((whole, one), two) in whole.iter().zip(&one).zip(&two) {
            assert_eq!(one.load.combine(two.load), Some(whole.load));
            assert_eq!((whole.stack.name, &whole.measurement), (one.stack.name, &two.measurement));
            assert_eq!(one.share.unwrap().agreed, two.share.unwrap().agreed);
            assert_eq!(one.connections.get() + two.connections.get(), whole.connections.get());
        }
        let lengths: Vec<_> = one.iter().map(|spec| spec.share.unwrap().agreed).collect();
        for pair in lengths.windows(2) {
            // Warm-up of three times 100 ms, a window of 300 ms, and the gap.
            assert_eq!(pair[1].warmup_start - pair[0].warmup_start, Duration::from_millis(300 + 300 + 1000));
        }
    }

    #[test]
    fn rejects_searches_timelines_and_loads_that_cannot_be_shared() {
        let refused =
            |scenario: &Scenario, number| check(scenario, &options(number)).unwrap_err().to_string();
        assert!(refused(&scenario(&["closed:2"]), "1/3").contains("closed:2 cannot be shared by 3 agents"));
        assert!(refused(&scenario(&["open:2:constant"]), "3/3").contains("one call a second"));
        assert!(refused(&Scenario::load("saturation").unwrap(), "1/3").contains("--load"));
        assert!(refused(&Scenario::load("codecs").unwrap(), "1/3").contains("without sockets"));
        assert!(
            refused(&Scenario::load("connections").unwrap(), "1/3").contains("cannot share the topology")
        );
        let outage = refused(&Scenario::load("outage").unwrap(), "1/3");
        assert!(outage.contains("cannot share the timeline"), "{outage}");
        assert!(check(&scenario(&["closed:3"]), &options("1/3")).is_ok());
    }

    #[test]
    fn a_stack_that_shares_connections_keeps_one_for_each_agent() {
        let mut scenario = scenario(&["closed:6"]);
        scenario.measurements[0].connections = std::num::NonZeroU32::new(2);
        let plan = Plan::new(&scenario, &[0]).unwrap();
        let zerorpc =
            plan.trials().find(|spec| spec.stack.name == Stack::named("zerorpc").unwrap().name).unwrap();
        let now = Instant::now();
        let spec =
            share(zerorpc, &options("3/3"), AgreedTimes { warmup_start: now, window_start: now }).unwrap();
        assert_eq!((spec.connections.get(), spec.load.callers()), (1, Some(2)));
    }
}
