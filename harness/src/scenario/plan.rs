//! The plan of a run: blocks of trials, each shuffled separately.

use std::num::NonZeroU32;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::group::{self, Group};
use super::model::{Measurement, Scenario, Search, floor_for};
use super::plan_limits::{PlanError, check_ranges};
use super::timeline::Timeline;
use super::topology::Topology;
use super::topology_plan::PlannedTopologies;
use super::trial_spec::TrialSpec;
use super::trial_times::TrialTimes;
use crate::deploy::Cores;
use crate::load::{Load, Operation, Rate};
use crate::stacks::{EVENT_FLOOR, FLOORS, Stack, UnknownStack, without_label};
use crate::sys;

/// The trials of one block of a run, in the order of the scenario.
#[derive(Clone)]
pub struct Plan {
    /// Trials that stay together, in their order, when a block is shuffled.
    units: Vec<Vec<TrialSpec>>,
    searches: Vec<PlannedSearch>,
    timelines: Vec<PlannedTimeline>,
    topologies: PlannedTopologies,
}

/// A search and its stacks.
#[derive(Clone)]
pub struct PlannedSearch {
    /// The search.
    pub search: Search,
    /// The stacks to search for.
    pub stacks: Vec<&'static Stack>,
    cores: Cores,
    times: TrialTimes,
}

/// A timeline and its stacks.
#[derive(Clone)]
pub struct PlannedTimeline {
    /// The timeline.
    pub timeline: Timeline,
    /// The stacks that take part.
    pub stacks: Vec<&'static Stack>,
    /// The number of its blocks.
    pub blocks: NonZeroU32,
    cores: Cores,
    times: TrialTimes,
}

impl PlannedTimeline {
    /// How often it is run, over all stacks and blocks.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.stacks.len().saturating_mul(usize::try_from(self.blocks.get()).unwrap_or(usize::MAX))
    }

    /// The trial of `stack` with the same calls.
    #[must_use]
    pub fn trial(&self, stack: &'static Stack) -> TrialSpec {
        TrialSpec::new(stack, &self.timeline.measurement(), &self.cores, self.times)
    }
}

impl PlannedSearch {
    /// The trial of `stack` at `rate`.
    #[must_use]
    pub fn trial(&self, stack: &'static Stack, rate: Rate) -> TrialSpec {
        TrialSpec::new(stack, &self.search.measurement_at(rate), &self.cores, self.times)
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
            let times = scenario.times_of(measurement);
            let trial = |stack: &'static Stack| {
                let spec = TrialSpec::new(stack, measurement, &cores, times);
                let is_floor = stack.name == floor_for(spec.connections);
                TrialSpec {
                    finds_generator_limit: is_floor && spec.load.rate().is_some(),
                    slices: measurement.slices(times.measure),
                    blocks: scenario.blocks_of(measurement).get(),
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
            let times = scenario.times_of(&any_rate);
            let stacks = stacks.iter().filter(|stack| scenario.measures(stack, &any_rate));
            let stacks = stacks.copied().collect();
            searches.push(PlannedSearch { search: search.clone(), stacks, cores, times });
        }
        Timeline::check_all(&scenario.timelines, &stacks)?;
        let mut timelines = Vec::new();
        for timeline in &scenario.timelines {
            let cores = timeline.placement.cores(allowed)?;
            let calls = timeline.measurement();
            let takes_part =
                |stack: &&&'static Stack| timeline.includes(stack) && scenario.measures(stack, &calls);
            let stacks = stacks.iter().filter(takes_part).copied().collect();
            let blocks = timeline.blocks.unwrap_or(scenario.blocks);
            let times = scenario.times_of(&calls);
            timelines.push(PlannedTimeline { timeline: timeline.clone(), stacks, blocks, cores, times });
        }
        Topology::check_all(&scenario.topologies, &stacks, sys::max_open_files())?;
        let topologies = PlannedTopologies::new(scenario, &stacks, allowed)?;
        Ok(Plan { units, searches, timelines, topologies })
    }

    /// Every trial of the first block, which contains all of them.
    pub fn trials(&self) -> impl Iterator<Item = &TrialSpec> {
        self.units.iter().flatten()
    }

    /// Every trial of the first block, and for each timeline and each of its stacks the trial with the same calls.
    pub fn trials_and_timelines(&self) -> impl Iterator<Item = TrialSpec> {
        let of_timeline = |planned: &'_ PlannedTimeline| {
            planned.stacks.iter().map(|stack| planned.trial(stack)).collect::<Vec<_>>()
        };
        self.trials().cloned().chain(self.timelines.iter().flat_map(of_timeline))
    }

    /// The number of trials of all blocks.
    #[must_use]
    pub fn trials_in_all_blocks(&self) -> u64 {
        self.trials().map(|trial| u64::from(trial.blocks)).sum()
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

    /// Whether searches, timelines or topologies follow the blocks.
    #[must_use]
    pub fn has_more_than_blocks(&self) -> bool {
        self.searches.iter().any(|search| !search.stacks.is_empty()) || self.has_more_than_searches()
    }

    /// Whether timelines or topologies follow the searches.
    #[must_use]
    pub fn has_more_than_searches(&self) -> bool {
        self.timelines.iter().any(|planned| !planned.stacks.is_empty()) || !self.topologies.is_empty()
    }

    /// The topologies that follow the timelines.
    #[must_use]
    pub fn topologies(&self) -> &PlannedTopologies {
        &self.topologies
    }

    /// The timelines that follow the searches.
    #[must_use]
    pub fn timelines(&self) -> &[PlannedTimeline] {
        &self.timelines
    }

    /// The timelines of block `number`, each with one stack, in a random order that depends only on `number` and `seed`.
    #[must_use]
    pub fn timelines_of_block(&self, number: u32, seed: u64) -> Vec<(&PlannedTimeline, &'static Stack)> {
        let of_block = self.timelines.iter().filter(|planned| number < planned.blocks.get());
        let mut all: Vec<_> =
            of_block.flat_map(|planned| planned.stacks.iter().map(move |stack| (planned, *stack))).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::MAX - 1 - u64::from(number));
        all.shuffle(&mut rng);
        all
    }

    /// The operations of the searches, timelines and topologies of `stack`.
    pub fn further_operations(&self, stack: &Stack) -> impl Iterator<Item = Operation> {
        let includes = move |stacks: &[&Stack]| stacks.iter().any(|other| other.name == stack.name);
        let searched = self.searches.iter().filter(move |search| includes(&search.stacks));
        let called = self.timelines.iter().filter(move |planned| includes(&planned.stacks));
        let searched = searched.map(|search| search.search.operation);
        let called = called.map(|planned| planned.timeline.operation);
        searched.chain(called).chain(self.topologies.operations(stack))
    }

    /// The stacks, each once, in the order of the scenario, floors first.
    #[must_use]
    pub fn stacks(&self) -> Vec<&'static Stack> {
        let mut stacks: Vec<&'static Stack> = Vec::new();
        let searched = self.searches.iter().flat_map(|search| &search.stacks).copied();
        let called = self.timelines.iter().flat_map(|planned| &planned.stacks).copied();
        let measured = self.trials().map(|trial| trial.stack);
        for stack in measured.chain(searched).chain(called).chain(self.topologies.stacks()) {
            if stacks.iter().all(|known| known.name != stack.name) {
                stacks.push(stack);
            }
        }
        stacks.sort_by_key(|stack| !stack.protocol.is_floor());
        stacks
    }

    /// Removes the trials of `stack`.
    pub fn skip(&mut self, stack: &str) {
        for unit in &mut self.units {
            unit.retain(|trial| trial.stack.name != stack);
        }
        for search in &mut self.searches {
            search.stacks.retain(|searched| searched.name != stack);
        }
        for planned in &mut self.timelines {
            planned.stacks.retain(|called| called.name != stack);
        }
        self.topologies.skip(stack);
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
        group::groups(units, &mut rng)
    }

    fn shuffled(&self, number: u32, seed: u64) -> (Vec<Vec<TrialSpec>>, ChaCha8Rng) {
        let is_in_block = |unit: &&Vec<TrialSpec>| unit.first().is_some_and(|trial| number < trial.blocks);
        let mut units: Vec<_> = self.units.iter().filter(is_in_block).cloned().collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::from(number));
        units.shuffle(&mut rng);
        (units, rng)
    }
}

/// The stacks of the scenario, each once, floors first.
fn stacks_of(scenario: &Scenario) -> Result<Vec<&'static Stack>, UnknownStack> {
    let has_floors =
        scenario.floors || scenario.measurements.iter().any(|measurement| measurement.floors == Some(true));
    let floors = FLOORS.iter().filter(|_| has_floors).map(|name| Stack::named(name));
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
    /// Whether `stack` has a trial in `measurement`. A plain function call has only one caller, no server and no connection, a
    /// server may lack the method or an option, or have a fixed executor, and the floor of several connections is measured with
    /// one only if it is listed. `STACK@LABEL` is
    /// measured where STACK is.
    #[must_use]
    pub fn measures(&self, stack: &Stack, measurement: &Measurement) -> bool {
        let base = without_label(stack.name);
        let listed = if measurement.stacks.is_empty() { &self.stacks } else { &measurement.stacks };
        let is_listed = listed.iter().any(|name| name == stack.name || name == base);
        let is_floor = FLOORS.contains(&base)
            && measurement.floors.unwrap_or(self.floors)
            && (base != EVENT_FLOOR || floor_for(measurement.max_connections()) == EVENT_FLOOR);
        (stack.has_server() || (measurement.load == Load::ONE_CALLER && measurement.connection.is_kept()))
            && measurement.operation.may_be_called_on(stack)
            && (measurement.executor.is_none() || stack.has_executors())
            && (measurement.servers == NonZeroU32::MIN || stack.has_server())
            && stack.has_server_options(&measurement.options)
            && stack.has_way(measurement.way)
            && (measurement.exchange.is_none() || stack.has_exchanges())
            && (is_listed || is_floor)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        scenario.blocks = NonZeroU32::new(20).unwrap();
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
    fn a_measurement_may_have_its_own_stacks_floors_blocks_and_times() {
        let mut scenario = scenario(&["rest", "zerorpc", "jsonrpc"]);
        let small = &mut scenario.measurements[0];
        small.stacks = vec!["zerorpc".to_owned()];
        (small.floors, small.blocks) = (Some(false), NonZeroU32::new(2));
        (small.warmup, small.measure) = (Some(Duration::ZERO), Some(Duration::from_millis(40)));
        small.slice = Some(Duration::from_millis(20));
        let small = small.name.clone();
        let plan = Plan::new(&scenario, &[0, 1]).unwrap();
        let of_small: Vec<_> = plan.trials().filter(|trial| trial.measurement == small).collect();
        let [only] = of_small.as_slice() else { panic!("one stack") };
        assert_eq!((only.stack.name, only.blocks, only.slices), ("zerorpc", 2, 2));
        let times = TrialTimes { warmup: Duration::ZERO, measure: Duration::from_millis(40) };
        assert_eq!(only.times, times);
        let other = plan.trials().find(|trial| trial.measurement != small).unwrap();
        assert_eq!((other.times.measure, other.blocks), (scenario.measure, scenario.blocks.get()));
        let of_block = |number| plan.block(number, 1).len();
        assert_eq!([of_block(1), of_block(2)], [plan.trials().count(), plan.trials().count() - 1]);
        let all: usize = (0..scenario.blocks.get()).map(of_block).sum();
        assert_eq!(plan.trials_in_all_blocks(), all as u64);
        // Floors only where a measurement asks for them.
        scenario.floors = false;
        scenario.measurements[1].floors = Some(true);
        let plan = Plan::new(&scenario, &[0, 1]).unwrap();
        let floors: Vec<_> = plan.trials().filter(|trial| trial.stack.protocol.is_floor()).collect();
        assert_eq!(names(floors.iter().copied()), ["tcp throughput", "tcp-async throughput"]);
        scenario.restrict_to(&["rest".to_owned()]);
        assert!(scenario.measurements.iter().all(|measurement| measurement.name != small));
    }

    #[test]
    fn only_a_stack_whose_executor_can_be_chosen_is_measured_with_one() {
        let mut scenario = scenario(&["rest", "zerorpc-python", "tcp-async"]);
        scenario.measurements.truncate(1);
        let mut trials = |executor: Option<&str>| {
            let measurement = &mut scenario.measurements[0];
            measurement.executor = executor.map(|name| name.parse().unwrap());
            measurement.work = Some("sleep:5ms".parse().unwrap());
            let handlers = (measurement.executor, measurement.work);
            let plan = Plan::new(&scenario, &[0, 1]).unwrap();
            assert!(plan.trials().all(|trial| (trial.executor, trial.work) == handlers));
            plan.trials().map(|trial| trial.stack.name).collect::<Vec<_>>()
        };
        assert_eq!(trials(None), ["inproc", "tcp", "tcp-async", "rest", "zerorpc-python"]);
        assert_eq!(trials(Some("blocking")), ["tcp-async", "rest"]);
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
