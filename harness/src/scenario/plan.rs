//! The plan of a run: blocks of trials, each shuffled separately.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::model::{Measurement, Scenario, Search, floor_for};
use crate::deploy::{Cores, NotEnoughCores, Placement};
use crate::load::{AgreedTimes, Load, Operation, Rate, share};
use crate::stacks::{EVENT_FLOOR, FLOORS, Stack, UnknownStack};

/// The longest time of a scenario.
const MAX_TIME: Duration = Duration::from_secs(600);
/// How long a trial may be measured.
const MEASURE_RANGE: RangeInclusive<Duration> = Duration::from_millis(20)..=MAX_TIME;
/// The permitted length of a slice. The minimum is much longer than the readings at its ends take.
const SLICE_RANGE: RangeInclusive<Duration> = Duration::from_millis(10)..=MAX_TIME;
/// The p99 that a search may ask for.
const SEARCH_LIMIT_RANGE: RangeInclusive<Duration> = Duration::from_micros(10)..=Duration::from_secs(60);
/// The largest number of connections of a trial.
const MAX_CONNECTIONS: NonZeroU32 = NonZeroU32::new(10_000).unwrap();

/// Why a scenario cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The scenario names a stack that does not exist.
    #[error(transparent)]
    Stack(#[from] UnknownStack),
    /// A placement needs more cores than there are.
    #[error(transparent)]
    Cores(#[from] NotEnoughCores),
    /// The length of the window is out of range.
    #[error("a trial is measured for 20ms to 600s")]
    Measure,
    /// The length of a slice is out of range.
    #[error("a slice takes 10ms to 600s")]
    Slice,
    /// The warm-up is too long.
    #[error("a warm-up takes at most 600s")]
    Warmup,
    /// The timeout of calls is out of range.
    #[error("a call may take 1ms to 600s")]
    Timeout,
    /// The scenario has neither a measurement nor a search.
    #[error("the scenario has no [[measurement]] and no [[search]]: there is nothing to measure")]
    Nothing,
    /// A number of connections is out of range.
    #[error("calls go over 1 to 10000 connections")]
    Connections,
    /// The limit of a search is out of range.
    #[error("the p99 of a search lies between 10us and 60s")]
    SearchLimit,
    /// A stack is in two pairs.
    #[error("the stack {0} is in two pairs: it cannot be paired")]
    InTwoPairs(&'static str),
    /// A floor is in a pair.
    #[error("the stack {0} is a floor: it cannot be paired")]
    PairedFloor(&'static str),
}

/// The settings of one trial.
#[derive(Clone)]
pub struct TrialSpec {
    /// The stack.
    pub stack: &'static Stack,
    /// The name of the measurement that it belongs to.
    pub measurement: String,
    /// What is called.
    pub operation: Operation,
    /// The load.
    pub load: Load,
    /// The number of connections.
    pub connections: NonZeroU32,
    /// Where client and server run.
    pub placement: Placement,
    /// The cores that follow from it.
    pub cores: Cores,
    /// Whether the cores are kept awake.
    pub warm: bool,
    /// Whether this is the second half of an A/A pair.
    pub twin: bool,
    /// One agent's share of the trial; `None` if the run has no agents.
    pub share: Option<AgentShare>,
    /// The number of slices in which it is measured, in turn with others of the measurement; 1 if it is measured in one piece.
    pub slices: u32,
    /// Whether the trial, an open loop of a floor, first finds the limit of the load generator over its connections.
    pub finds_generator_limit: bool,
}

/// The number of the agent that runs a share of a trial, and the agreed times of the trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentShare {
    /// The agent's number, from 1.
    pub agent: u32,
    /// The agreed times of the trial.
    pub agreed: AgreedTimes,
}

impl TrialSpec {
    /// The trial of `measurement` for `stack` on `cores`, as one part: neither the second of a pair nor one agent's share.
    #[must_use]
    pub fn new(stack: &'static Stack, measurement: &Measurement, cores: &Cores) -> Self {
        let connections = match (measurement.load, measurement.connections) {
            (Load::Closed(callers), Some(connections)) if stack.multiplexes => connections.min(callers),
            _ => measurement.max_connections(),
        };
        TrialSpec {
            stack,
            measurement: measurement.name.clone(),
            operation: measurement.operation,
            load: measurement.load,
            connections,
            placement: measurement.placement,
            cores: cores.clone(),
            warm: measurement.warm && measurement.placement == Placement::Split && !cores.client.is_empty(),
            twin: false,
            share: None,
            slices: 1,
            finds_generator_limit: false,
        }
    }

    /// The share that agent number `agent` (from 1) of `of` agents has in this trial: its part of the load and of the
    /// connections, at least one connection. `None` if the load has fewer callers, or calls per second, than agents.
    #[must_use]
    pub fn share(&self, agent: u32, of: NonZeroU32, agreed: AgreedTimes) -> Option<Self> {
        let index = agent.checked_sub(1)?;
        let connections =
            NonZeroU32::new(share(self.connections.get(), index, of)).unwrap_or(NonZeroU32::MIN);
        Some(TrialSpec {
            load: self.load.share(index, of)?,
            connections,
            share: Some(AgentShare { agent, agreed }),
            slices: 1,
            // All agents would have to find it at the same time.
            finds_generator_limit: false,
            ..self.clone()
        })
    }
}

/// The trials of one block of a run, in the order of the scenario.
#[derive(Clone)]
pub struct Plan {
    /// Trials that stay together, in their order, when a block is shuffled.
    units: Vec<Vec<TrialSpec>>,
    searches: Vec<PlannedSearch>,
}

/// Trials of a block that are alive at the same time, and are measured in turn.
#[derive(Clone)]
pub struct Group {
    /// The trials, in any order.
    pub trials: Vec<TrialSpec>,
    /// Rounds, in each of which every trial has one turn: the indexes of the trials in the order of the turns.
    pub rounds: Vec<Vec<usize>>,
}

impl Group {
    /// A trial that is made in one piece.
    #[must_use]
    pub fn single(trial: TrialSpec) -> Self {
        Group { trials: vec![trial], rounds: vec![vec![0]] }
    }

    /// The trials of `units`, which stay together in each round: those of a pair in the order A B B A or B A A B. The order
    /// of the units is shuffled anew for each round.
    fn in_turns(units: Vec<Vec<TrialSpec>>, rng: &mut impl Rng) -> Self {
        let mut trials = Vec::new();
        let mut indexes: Vec<Vec<usize>> = Vec::new();
        for unit in units {
            indexes.push((trials.len()..trials.len() + unit.len()).collect());
            trials.extend(unit);
        }
        let rounds = trials.first().map_or(1, |trial: &TrialSpec| trial.slices);
        let mut round = || {
            indexes.shuffle(rng);
            for unit in &mut indexes {
                if let [a, b, c, d] = unit.as_mut_slice()
                    && rng.random()
                {
                    std::mem::swap(a, b);
                    std::mem::swap(c, d);
                }
            }
            indexes.iter().flatten().copied().collect()
        };
        let rounds = (0..rounds).map(|_| round()).collect();
        Group { trials, rounds }
    }
}

/// A search and its stacks.
#[derive(Clone)]
pub struct PlannedSearch {
    /// The search.
    pub search: Search,
    /// The stacks to search for.
    pub stacks: Vec<&'static Stack>,
    cores: Cores,
}

impl PlannedSearch {
    /// The trial of `stack` at `rate`.
    #[must_use]
    pub fn trial(&self, stack: &'static Stack, rate: Rate) -> TrialSpec {
        TrialSpec::new(stack, &self.search.measurement_at(rate), &self.cores)
    }
}

impl Plan {
    /// Resolves `scenario` for a process that may use the cores `allowed`.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn new(scenario: &Scenario, allowed: &[usize]) -> Result<Self, PlanError> {
        check_ranges(scenario)?;
        let stacks = stacks_of(scenario)?;
        let pairs = pairs(scenario, &stacks)?;
        let mut units = Vec::new();
        for measurement in &scenario.measurements {
            let cores = measurement.placement.cores(allowed)?;
            let trial = |stack: &'static Stack| {
                let spec = TrialSpec::new(stack, measurement, &cores);
                let is_floor = stack.name == floor_for(spec.connections);
                TrialSpec {
                    finds_generator_limit: is_floor && spec.load.rate().is_some(),
                    slices: measurement.slices(scenario.measure),
                    ..spec
                }
            };
            let measurable =
                |pair: &&[&Stack; 2]| pair.iter().all(|stack| scenario.measures(stack, measurement));
            for [a, b] in pairs.iter().filter(measurable) {
                let (a, b) = (trial(a), TrialSpec { twin: a.name == b.name, ..trial(b) });
                units.push(vec![a.clone(), b.clone(), b, a]);
            }
            let is_unpaired = |stack: &Stack| {
                !pairs.iter().filter(measurable).flatten().any(|paired| paired.name == stack.name)
            };
            let measured =
                stacks.iter().filter(|stack| scenario.measures(stack, measurement) && is_unpaired(stack));
            units.extend(measured.map(|stack| vec![trial(stack)]));
        }
        let mut searches = Vec::new();
        for search in &scenario.searches {
            let cores = search.placement.cores(allowed)?;
            let any_rate = search.measurement_at(Rate::ONE);
            let stacks = stacks.iter().filter(|stack| scenario.measures(stack, &any_rate));
            let stacks = stacks.copied().collect();
            searches.push(PlannedSearch { search: search.clone(), stacks, cores });
        }
        Ok(Plan { units, searches })
    }

    /// Every trial of a block.
    pub fn trials(&self) -> impl Iterator<Item = &TrialSpec> {
        self.units.iter().flatten()
    }

    /// The searches that follow the blocks, each with its stacks in a random order that depends only on `seed`.
    #[must_use]
    pub fn searches(&self, seed: u64) -> Vec<PlannedSearch> {
        let mut searches = self.searches.clone();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::MAX);
        for search in &mut searches {
            search.stacks.shuffle(&mut rng);
        }
        searches
    }

    /// The operations of the searches for `stack`.
    pub fn searched_operations(&self, stack: &Stack) -> impl Iterator<Item = Operation> {
        let is_searched =
            |search: &&PlannedSearch| search.stacks.iter().any(|other| other.name == stack.name);
        self.searches.iter().filter(is_searched).map(|search| search.search.operation)
    }

    /// The stacks, each once, in the order of the scenario, floors first.
    #[must_use]
    pub fn stacks(&self) -> Vec<&'static Stack> {
        let mut stacks: Vec<&'static Stack> = Vec::new();
        let searched = self.searches.iter().flat_map(|search| &search.stacks).copied();
        for stack in self.trials().map(|trial| trial.stack).chain(searched) {
            if stacks.iter().all(|known| known.name != stack.name) {
                stacks.push(stack);
            }
        }
        stacks.sort_by_key(|stack| !stack.protocol.is_floor());
        stacks
    }

    /// Measures every trial in one piece.
    pub fn keep_whole(&mut self) {
        self.units.iter_mut().flatten().for_each(|trial| trial.slices = 1);
    }

    /// Removes the trials of `stack`.
    pub fn skip(&mut self, stack: &str) {
        for unit in &mut self.units {
            unit.retain(|trial| trial.stack.name != stack);
        }
        for search in &mut self.searches {
            search.stacks.retain(|searched| searched.name != stack);
        }
    }

    /// The trials of block `number` in one piece each, in a random order that depends only on `number` and `seed`.
    #[must_use]
    pub fn block(&self, number: u32, seed: u64) -> Vec<TrialSpec> {
        self.shuffled(number, seed).0.into_iter().flatten().collect()
    }

    /// The trials of block `number`, those together that take turns, in a random order that depends only on `number` and
    /// `seed`.
    #[must_use]
    pub fn groups(&self, number: u32, seed: u64) -> Vec<Group> {
        let (units, mut rng) = self.shuffled(number, seed);
        let mut groups = Vec::new();
        // Those that take turns with others, by measurement.
        let mut sliced: Vec<(usize, Vec<Vec<TrialSpec>>)> = Vec::new();
        for unit in units {
            let Some(first) = unit.first() else { continue };
            if first.slices == 1 {
                groups.extend(unit.into_iter().map(|trial| Some(Group::single(trial))));
                continue;
            }
            let same =
                |others: &&mut (usize, Vec<Vec<TrialSpec>>)| others.1[0][0].measurement == first.measurement;
            match sliced.iter_mut().find(same) {
                Some((_, units)) => units.push(unit),
                None => {
                    sliced.push((groups.len(), vec![unit]));
                    groups.push(None);
                }
            }
        }
        for (at, units) in sliced {
            groups[at] = Some(Group::in_turns(units, &mut rng));
        }
        groups.into_iter().flatten().collect()
    }

    fn shuffled(&self, number: u32, seed: u64) -> (Vec<Vec<TrialSpec>>, ChaCha8Rng) {
        let mut units = self.units.clone();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::from(number));
        units.shuffle(&mut rng);
        (units, rng)
    }
}

/// Checks that every number of the scenario is in range.
fn check_ranges(scenario: &Scenario) -> Result<(), PlanError> {
    let Scenario { measure, warmup, timeout, measurements, searches, .. } = scenario;
    let mut slices = measurements.iter().filter_map(|measurement| measurement.slice);
    let connections = measurements.iter().filter_map(|measurement| measurement.connections);
    let mut connections = connections.chain(searches.iter().map(|search| search.connections));
    if !MEASURE_RANGE.contains(measure) {
        Err(PlanError::Measure)
    } else if slices.any(|slice| !SLICE_RANGE.contains(&slice)) {
        Err(PlanError::Slice)
    } else if *warmup > MAX_TIME {
        Err(PlanError::Warmup)
    } else if timeout.is_zero() || *timeout > MAX_TIME {
        Err(PlanError::Timeout)
    } else if measurements.is_empty() && searches.is_empty() {
        Err(PlanError::Nothing)
    } else if connections.any(|connections| connections > MAX_CONNECTIONS) {
        Err(PlanError::Connections)
    } else if searches.iter().any(|search| !SEARCH_LIMIT_RANGE.contains(&search.p99)) {
        Err(PlanError::SearchLimit)
    } else {
        Ok(())
    }
}

/// The stacks of the scenario, each once, floors first.
fn stacks_of(scenario: &Scenario) -> Result<Vec<&'static Stack>, UnknownStack> {
    let floors = FLOORS.iter().filter(|_| scenario.floors).map(|name| Stack::named(name));
    let mut stacks = floors.collect::<Result<Vec<_>, _>>()?;
    for name in &scenario.stacks {
        let stack = Stack::named(name)?;
        if stacks.iter().all(|other| other.name != stack.name) {
            stacks.push(stack);
        }
    }
    Ok(stacks)
}

/// The pairs of the scenario whose stacks are both measured.
fn pairs(scenario: &Scenario, stacks: &[&'static Stack]) -> Result<Vec<[&'static Stack; 2]>, PlanError> {
    let mut pairs: Vec<[&'static Stack; 2]> = Vec::new();
    for [a, b] in &scenario.pairs {
        let pair = [Stack::named(a)?, Stack::named(b)?];
        for stack in &pair {
            let again = pairs.iter().flatten().any(|paired| paired.name == stack.name);
            if again {
                return Err(PlanError::InTwoPairs(stack.name));
            }
            if stack.protocol.is_floor() {
                return Err(PlanError::PairedFloor(stack.name));
            }
        }
        if pair.iter().all(|paired| stacks.iter().any(|stack| stack.name == paired.name)) {
            pairs.push(pair);
        }
    }
    Ok(pairs)
}

impl Scenario {
    /// Whether `stack`, which is one of the scenario or a floor, has a trial in `measurement`. A plain function call has
    /// only one caller, a server may lack the method, and the floor of several connections is measured with one only if the
    /// scenario lists it.
    #[must_use]
    pub fn measures(&self, stack: &Stack, measurement: &Measurement) -> bool {
        let is_needed = stack.name != EVENT_FLOOR
            || floor_for(measurement.max_connections()) == EVENT_FLOOR
            || self.stacks.iter().any(|listed| listed == EVENT_FLOOR);
        (stack.has_server() || measurement.load == Load::ONE_CALLER)
            && stack.has(measurement.operation.method())
            && is_needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(stacks: &[&str]) -> Scenario {
        let mut scenario = Scenario::load("quick").unwrap();
        scenario.stacks = stacks.iter().map(|name| (*name).to_owned()).collect();
        scenario
    }

    fn names<'a>(trials: impl IntoIterator<Item = &'a TrialSpec>) -> Vec<String> {
        trials.into_iter().map(|trial| format!("{} {}", trial.stack.name, trial.measurement)).collect()
    }

    #[test]
    fn floors_are_in_every_plan_once() {
        let plan = Plan::new(&scenario(&["tcp", "rest", "rest"]), &[0, 1]).unwrap();
        let stacks: Vec<_> = plan.stacks().iter().map(|stack| stack.name).collect();
        assert_eq!(stacks, ["inproc", "tcp", "tcp-async", "rest"]);
    }

    #[test]
    fn several_connections_have_a_floor_with_an_event_loop_and_payloads_one_with_the_payload() {
        let mut scenario = scenario(&["rest"]);
        let mut trials = |load: &str, connections: Option<u32>| {
            for measurement in &mut scenario.measurements {
                measurement.load = load.parse().unwrap();
                measurement.connections = connections.and_then(NonZeroU32::new);
                measurement.operation = "echo:10KiB".parse().unwrap();
            }
            let plan = Plan::new(&scenario, &[0, 1]).unwrap();
            assert!(plan.trials().all(|trial| trial.operation.to_string() == "echo:10KiB"));
            let first = &scenario.measurements[0].name;
            let trials = plan.trials().filter(|trial| trial.measurement == *first);
            trials.map(|trial| trial.stack.name).collect::<Vec<_>>()
        };
        assert_eq!(trials("closed:1", None), ["inproc", "tcp", "rest"]);
        assert_eq!(trials("closed:2", None), ["tcp", "tcp-async", "rest"]);
        assert_eq!(trials("open:100:poisson", None), ["tcp", "tcp-async", "rest"]);
        assert_eq!(trials("open:100:poisson", Some(1)), ["tcp", "rest"]);
        scenario.stacks.push("tcp-async".to_owned());
        let plan = Plan::new(&scenario, &[0, 1]).unwrap();
        assert!(plan.trials().any(|trial| trial.stack.name == "tcp-async"));
    }

    #[test]
    fn blocks_have_the_same_trials_in_orders_that_follow_from_the_seed() {
        let plan = Plan::new(&scenario(&["rest", "jsonrpc", "zerorpc", "xmlrpc"]), &[0, 1]).unwrap();
        let block = |number, seed| names(&plan.block(number, seed));
        assert_eq!(block(0, 7), block(0, 7));
        assert_ne!(block(0, 7), block(1, 7));
        assert_ne!(block(0, 7), block(0, 8));
        let (mut shuffled, mut all) = (block(3, 7), names(plan.trials()));
        shuffled.sort();
        all.sort();
        assert_eq!(shuffled, all);
    }

    #[test]
    fn pairs_stand_together_in_mirrored_order() {
        let mut scenario = scenario(&["rest", "jsonrpc", "zerorpc"]);
        scenario.pairs = vec![["rest".into(), "jsonrpc".into()], ["zerorpc".into(), "zerorpc".into()]];
        let plan = Plan::new(&scenario, &[0, 1]).unwrap();
        for number in 0..20 {
            let block = plan.block(number, 1);
            let at = block.iter().position(|trial| trial.stack.name == "rest").unwrap();
            let order: Vec<_> = block[at..at + 4].iter().map(|trial| trial.stack.name).collect();
            assert_eq!(order, ["rest", "jsonrpc", "jsonrpc", "rest"]);
            let at = block.iter().position(|trial| trial.stack.name == "zerorpc").unwrap();
            let twins: Vec<_> = block[at..at + 4].iter().map(|trial| trial.twin).collect();
            assert_eq!(twins, [false, true, true, false]);
        }
        scenario.pairs.push(["rest".into(), "zerorpc".into()]);
        assert!(Plan::new(&scenario, &[0, 1]).err().unwrap().to_string().contains("in two pairs"));
    }

    #[test]
    fn trials_of_a_measurement_take_turns_and_pairs_stay_together_in_each() {
        let mut scenario = scenario(&["rest", "jsonrpc", "zerorpc"]);
        scenario.pairs = vec![["rest".into(), "jsonrpc".into()]];
        scenario.measure = Duration::from_millis(250);
        for measurement in &mut scenario.measurements {
            measurement.slice = Some(Duration::from_millis(20));
        }
        let plan = Plan::new(&scenario, &[0, 1]).unwrap();
        let groups = plan.groups(0, 7);
        assert_eq!(groups.len(), scenario.measurements.len());
        let mut all = names(groups.iter().flat_map(|group| &group.trials));
        let mut expected = names(plan.trials());
        all.sort();
        expected.sort();
        assert_eq!(all, expected);
        for group in &groups {
            assert!(group.trials.iter().all(|trial| trial.measurement == group.trials[0].measurement));
            // 250 ms in slices of at most 20 ms.
            assert_eq!(group.rounds.len(), 13);
            assert_ne!(group.rounds[0], group.rounds[1]);
            for round in &group.rounds {
                let stacks: Vec<_> = round.iter().map(|index| group.trials[*index].stack.name).collect();
                let at = stacks.iter().position(|stack| ["rest", "jsonrpc"].contains(stack)).unwrap();
                let orders = [["rest", "jsonrpc", "jsonrpc", "rest"], ["jsonrpc", "rest", "rest", "jsonrpc"]];
                assert!(orders.iter().any(|order| stacks[at..at + 4] == *order), "{stacks:?}");
                let mut indexes = round.clone();
                indexes.sort_unstable();
                assert_eq!(indexes, (0..group.trials.len()).collect::<Vec<_>>());
            }
        }
        assert!(plan.trials().all(|trial| trial.slices == 13));
    }

    #[test]
    fn open_loops_and_runs_without_turns_are_measured_in_one_piece() {
        let mut scenario = scenario(&["rest", "jsonrpc", "zerorpc"]);
        scenario.pairs = vec![["rest".into(), "jsonrpc".into()]];
        for measurement in &mut scenario.measurements {
            measurement.slice = Some(Duration::from_millis(10));
        }
        let mut plan = Plan::new(&scenario, &[0, 1]).unwrap();
        plan.keep_whole();
        let groups = plan.groups(3, 7);
        assert!(groups.iter().all(|group| group.trials.len() == 1 && group.rounds == [[0]]));
        assert_eq!(names(groups.iter().flat_map(|group| &group.trials)), names(&plan.block(3, 7)));
        for measurement in &mut scenario.measurements {
            measurement.load = "open:100:poisson".parse().unwrap();
        }
        let plan = Plan::new(&scenario, &[0, 1]).unwrap();
        let trials: Vec<_> = plan.groups(3, 7).into_iter().flat_map(|group| group.trials).collect();
        assert_eq!(names(&trials), names(&plan.block(3, 7)));
        assert!(trials.iter().all(|trial| trial.slices == 1));
    }

    #[test]
    fn settings_out_of_range_and_unknown_stacks_are_refused() {
        let refused = |change: fn(&mut Scenario)| {
            let mut scenario = scenario(&["rest"]);
            change(&mut scenario);
            Plan::new(&scenario, &[0, 1]).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(refused(|s| s.measure = Duration::ZERO).contains("20ms to 600s"));
        assert!(
            refused(|s| s.measurements[0].slice = Some(Duration::from_millis(9))).contains("10ms to 600s")
        );
        assert!(refused(|s| s.timeout = Duration::ZERO).contains("1ms to 600s"));
        assert!(refused(|s| s.measurements.clear()).contains("nothing to measure"));
        assert!(refused(|s| s.stacks.push("soap".to_owned())).contains("unknown stack `soap`"));
    }

    #[test]
    fn only_a_stack_that_multiplexes_shares_connections() {
        let mut scenario = scenario(&["rest", "zerorpc"]);
        for measurement in &mut scenario.measurements {
            measurement.load = "closed:8".parse().unwrap();
            measurement.connections = NonZeroU32::new(2);
        }
        let plan = Plan::new(&scenario, &[0, 1]).unwrap();
        let connections = |name| plan.trials().find(|t| t.stack.name == name).unwrap().connections.get();
        assert_eq!((connections("rest"), connections("zerorpc"), connections("tcp")), (8, 2, 8));
    }
}
