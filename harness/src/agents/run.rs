//! What one agent does.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use calculator::Executor;

use super::clock::RunClock;
use super::{Number, Told, own_seed, start::shown, wait_until};
use crate::load::Agreed;
use crate::record::{Agent, Record};
use crate::run::targets::Targets;
use crate::run::{Brokers, Event, RunError, check_stacks, facts, new_record};
use crate::scenario::{Plan, Scenario, TrialSpec};
use crate::sys;
use crate::trial::{self, Setting};

/// How long to wait before a server that does not answer yet is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// What an agent is told beside its scenario.
#[derive(Debug)]
pub struct Options {
    /// Which one it is.
    pub number: Number,
    /// When the calls of the first trial begin, by the run's clock: nanoseconds since 1970.
    pub start: i128,
    /// The time between the end of one trial's window and the first calls of the next.
    pub gap: Duration,
    /// The seed that all agents have been told.
    pub seed: u64,
    /// Where the server of each stack is.
    pub targets: BTreeMap<String, String>,
}

/// When the trials of a run are made: each has a slot of the same length.
#[derive(Clone, Copy, Debug)]
struct Timetable {
    start: Instant,
    warmup: Duration,
    slot: Duration,
    gap: Duration,
}

impl Timetable {
    fn new(scenario: &Scenario, start: Instant, gap: Duration) -> Self {
        let agreed = Agreed::new(start, scenario.warmup);
        let slot = (agreed.until - start) + scenario.measure + gap;
        Timetable { start, warmup: scenario.warmup, slot, gap }
    }

    /// When trial number `trial` of the run, from 0, is made.
    fn of(&self, trial: u32) -> Agreed {
        Agreed::new(self.start + self.slot * trial, self.warmup)
    }
}

/// Finds out whether agents can make the run of `scenario` together: whether there is a part of each trial for each.
///
/// # Errors
/// [`RunError`].
pub fn check(scenario: &Scenario, options: &Options) -> Result<(), RunError> {
    if let Some(search) = scenario.searches.first() {
        return Err(RunError::Together(format!(
            "scenario {}: the search {} tries rates by what came of the last one, which agents do not tell each other; \
             give the rates with --load, or take another scenario",
            scenario.name, search.name
        )));
    }
    let now = Instant::now();
    for spec in Plan::new(scenario, &sys::allowed_cores())?.trials() {
        part(spec, options, Agreed { from: now, until: now })?;
    }
    Ok(())
}

fn part(spec: &TrialSpec, options: &Options, agreed: Agreed) -> Result<TrialSpec, RunError> {
    let Number { agent, of } = options.number;
    spec.share(agent, of, agreed).ok_or_else(|| {
        RunError::Together(format!(
            "{} cannot be shared by {of} agents: give each one caller, or one call a second, at least",
            spec.load
        ))
    })
}

/// Makes one agent's part of the run of `scenario`, at the times that follow from `options` by `clock`. After every
/// block `save` is given the record so far.
///
/// # Errors
/// [`RunError`]. Trials that fail do not end a run; they stand in the record.
pub fn run(
    scenario: &Scenario,
    options: &Options,
    clock: &RunClock,
    interrupted: &Arc<AtomicBool>,
    progress: &mut dyn FnMut(Event<'_>),
    save: &mut dyn FnMut(&Record) -> Result<(), RunError>,
) -> Result<Record, RunError> {
    check(scenario, options)?;
    let mut plan = Plan::new(scenario, &sys::allowed_cores())?;
    let too_late = |what: &str| {
        RunError::Start(format!(
            "the start at {} has passed {what}; agree on a later --at",
            shown(options.start)
        ))
    };
    let start = clock.when(options.start).filter(|start| *start > Instant::now());
    let start = start.ok_or_else(|| too_late("already"))?;
    let setting = Setting {
        scenario,
        seed: own_seed(options.seed, options.number.agent),
        executor: Executor::Async,
        workers: 1,
        server_arguments: &[],
        twin_arguments: &[],
        targets: &options.targets,
        controls: &BTreeMap::new(),
        began: start,
        interrupted,
    };
    let mut record = blank(scenario, options);
    check_servers(&mut plan, &setting, options, &mut record, progress)?;
    if Instant::now() >= start {
        return Err(too_late("while the servers were being checked"));
    }
    let times = Timetable::new(scenario, start, options.gap);
    let ends = |record: &mut Record, interrupted: bool| {
        record.interrupted = interrupted;
        record.seconds = Instant::now().saturating_duration_since(start).as_secs_f64();
        if let Some(agent) = record.agents.first_mut() {
            agent.clock = clock.ends();
        }
    };
    progress(Event::Measuring(plan.trials().count() as u64 * u64::from(scenario.blocks.get())));
    let mut made = 0;
    for block in 0..scenario.blocks.get() {
        for (position, spec) in (0_u32..).zip(plan.block(block, options.seed)) {
            let spec = part(&spec, options, times.of(made))?;
            made += 1;
            if let Some(part) = spec.part {
                wait_awake(part.agreed.from.checked_sub(times.gap), interrupted)?;
            }
            if interrupted.load(Ordering::Relaxed) {
                break;
            }
            if let Some(trial) = trial::make(&spec, &setting, Ok(None), (block, position)) {
                progress(Event::Made(&trial));
                record.trials.push(trial);
            }
        }
        let stopped = interrupted.load(Ordering::Relaxed);
        if stopped || block + 1 == scenario.blocks.get() {
            ends(&mut record, stopped);
        } else {
            record.interrupted = true;
        }
        save(&record)?;
        if stopped {
            break;
        }
    }
    Ok(record)
}

fn blank(scenario: &Scenario, options: &Options) -> Record {
    let Options { number, start, gap, seed, .. } = options;
    let told = Told { scenario, seed: *seed, of: number.of, start: *start, gap: *gap };
    let mut record = new_record(scenario, &run_options(options, told.id()));
    record.started = shown(*start);
    record.agents.push(Agent {
        number: number.agent,
        of: number.of.get(),
        start: shown(*start),
        gap: gap.as_secs_f64(),
        machine: record.machine.clone(),
        clock: None,
    });
    record
}

/// What a run by one program would have been told.
fn run_options(options: &Options, id: String) -> crate::run::Options {
    crate::run::Options {
        seed: options.seed,
        executor: Executor::Async,
        workers: 1,
        server_arguments: vec![],
        twin_arguments: vec![],
        targets: Targets { urls: options.targets.clone(), ..Targets::default() },
        broker: None,
        require: vec![],
        folder: PathBuf::new(),
        id,
    }
}

/// Checks every server. One that does not answer may still be starting; it is asked again until the start.
fn check_servers(
    plan: &mut Plan,
    setting: &Setting<'_>,
    options: &Options,
    record: &mut Record,
    progress: &mut dyn FnMut(Event<'_>),
) -> Result<(), RunError> {
    let run_options = run_options(options, record.id.clone());
    let before = record.clone();
    loop {
        let checked = check_stacks(plan, setting, &mut Brokers::new(None), &run_options, record, progress);
        match checked {
            Err(RunError::Unreachable(_)) if Instant::now() + AGAIN < setting.began => {
                record.clone_from(&before);
                wait_awake(Instant::now().checked_add(AGAIN), setting.interrupted)?;
            }
            checked => {
                record.stacks = plan.stacks().into_iter().map(|stack| facts(stack, &run_options)).collect();
                return checked;
            }
        }
    }
}

/// Waits outside of a trial, where there is no runtime.
fn wait_awake(until: Option<Instant>, interrupted: &AtomicBool) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| RunError::Start(format!("there is no timer: {error}")))?;
    if let Some(until) = until {
        runtime.block_on(wait_until(until, interrupted));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let number: super::super::GivenNumber = number.parse().unwrap();
        Options {
            number: number.with_index(None).unwrap(),
            start: 0,
            gap: Duration::from_secs(1),
            seed: 5,
            targets: BTreeMap::new(),
        }
    }

    #[test]
    fn parts_of_all_agents_are_the_whole_load_in_the_same_order_at_the_same_times() {
        let scenario = scenario(&["closed:5", "open:700:poisson"]);
        let plan = Plan::new(&scenario, &[0]).unwrap();
        let times = Timetable::new(&scenario, Instant::now(), Duration::from_secs(1));
        let parts = |number: &str| -> Vec<TrialSpec> {
            let options = options(number);
            let block = plan.block(3, options.seed);
            (0..).zip(block).map(|(k, spec)| part(&spec, &options, times.of(k)).unwrap()).collect()
        };
        let (whole, one, two) = (plan.block(3, 5), parts("1/2"), parts("2/2"));
        assert_eq!(whole.len(), 4);
        for ((whole, one), two) in whole.iter().zip(&one).zip(&two) {
            assert_eq!(one.load.and(two.load), Some(whole.load));
            assert_eq!((whole.stack.name, &whole.measurement), (one.stack.name, &two.measurement));
            assert_eq!(one.part.unwrap().agreed, two.part.unwrap().agreed);
            assert_eq!(one.connections.get() + two.connections.get(), whole.connections.get());
        }
        let lengths: Vec<_> = one.iter().map(|spec| spec.part.unwrap().agreed).collect();
        for pair in lengths.windows(2) {
            // Warm-up of three times 100 ms, a window of 300 ms, and the gap.
            assert_eq!(pair[1].from - pair[0].from, Duration::from_millis(300 + 300 + 1000));
        }
    }

    #[test]
    fn what_agents_cannot_do_together_is_refused() {
        let refused =
            |scenario: &Scenario, number| check(scenario, &options(number)).unwrap_err().to_string();
        assert!(refused(&scenario(&["closed:2"]), "1/3").contains("closed:2 cannot be shared by 3 agents"));
        assert!(refused(&scenario(&["open:2:constant"]), "3/3").contains("one call a second"));
        assert!(refused(&Scenario::load("saturation").unwrap(), "1/3").contains("--load"));
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
        let spec = part(zerorpc, &options("3/3"), Agreed { from: now, until: now }).unwrap();
        assert_eq!((spec.connections.get(), spec.load.callers()), (1, Some(2)));
    }
}
