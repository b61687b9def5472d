//! The plan of a run: blocks of trials, each block in an order of its own.

use std::num::NonZeroU32;
use std::time::Duration;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Measurement, Scenario};
use crate::deploy::{Cores, NotEnoughCores, Placement};
use crate::load::Operation;
use crate::stack::{Driver, Stack, UnknownStack};

/// The least and the most that a trial may take to measure.
const MEASURE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(600));

/// Why a scenario cannot be carried out as it is.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It names a stack that does not exist.
    #[error(transparent)]
    Stack(#[from] UnknownStack),
    /// It needs more cores than there are.
    #[error(transparent)]
    Cores(#[from] NotEnoughCores),
    /// It measures nothing, or for a time out of range.
    #[error("{0}")]
    Setting(String),
}

/// What one trial measures.
#[derive(Clone)]
pub struct TrialSpec {
    /// The stack.
    pub stack: &'static Stack,
    /// The name of the measurement that it belongs to.
    pub measurement: String,
    /// What is called. The floors always add.
    pub operation: Operation,
    /// How many callers there are.
    pub callers: NonZeroU32,
    /// Over how many connections they go.
    pub connections: NonZeroU32,
    /// Where client and server run.
    pub placement: Placement,
    /// The cores that follow from it.
    pub cores: Cores,
    /// Whether the cores are kept awake.
    pub warm: bool,
    /// Whether this is the second of an A/A pair, which is no stack of its own.
    pub twin: bool,
}

/// The trials of one block of a run, in the order of the scenario.
#[derive(Clone)]
pub struct Plan {
    /// Trials that stay together, in their order, when a block is shuffled.
    units: Vec<Vec<TrialSpec>>,
}

impl Plan {
    /// Resolves `scenario` for a process that may use the cores `allowed`.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn new(scenario: &Scenario, allowed: &[usize]) -> Result<Self, PlanError> {
        let setting = |message: &str| Err(PlanError::Setting(message.to_owned()));
        if !(MEASURE.0..=MEASURE.1).contains(&scenario.measure) {
            return setting("a trial is measured for 20ms to 600s");
        }
        if scenario.warmup > MEASURE.1 {
            return setting("a warm-up takes at most 600s");
        }
        if scenario.timeout.is_zero() || scenario.timeout > MEASURE.1 {
            return setting("a call may take 1ms to 600s");
        }
        if scenario.measurements.is_empty() {
            return setting("the scenario has no [[measurement]]: there is nothing to measure");
        }
        let stacks = stacks_with_floors(&scenario.stacks)?;
        let pairs = pairs(scenario, &stacks)?;
        let mut units = Vec::new();
        for measurement in &scenario.measurements {
            let cores = measurement.placement.cores(allowed)?;
            let trial = |stack| trial(stack, measurement, &cores);
            let measurable = |pair: &&[&Stack; 2]| pair.iter().all(|stack| makes_sense(stack, measurement));
            for [a, b] in pairs.iter().filter(measurable) {
                let (a, b) = (trial(*a), TrialSpec { twin: a.name == b.name, ..trial(*b) });
                units.push(vec![a.clone(), b.clone(), b, a]);
            }
            let alone = |stack: &Stack| {
                !pairs.iter().filter(measurable).flatten().any(|paired| paired.name == stack.name)
            };
            let measured = stacks.iter().filter(|stack| makes_sense(stack, measurement) && alone(stack));
            units.extend(measured.map(|stack| vec![trial(stack)]));
        }
        Ok(Plan { units })
    }

    /// Every trial of a block.
    pub fn trials(&self) -> impl Iterator<Item = &TrialSpec> {
        self.units.iter().flatten()
    }

    /// The stacks, each once, in the order of the scenario, floors first.
    #[must_use]
    pub fn stacks(&self) -> Vec<&'static Stack> {
        let mut stacks: Vec<&'static Stack> = Vec::new();
        for trial in self.trials() {
            if stacks.iter().all(|stack| stack.name != trial.stack.name) {
                stacks.push(trial.stack);
            }
        }
        stacks
    }

    /// Leaves out the trials of `stack`.
    pub fn skip(&mut self, stack: &str) {
        for unit in &mut self.units {
            unit.retain(|trial| trial.stack.name != stack);
        }
    }

    /// The trials of the block with this number, in an order that follows from the seed.
    #[must_use]
    pub fn block(&self, number: u32, seed: u64) -> Vec<TrialSpec> {
        let mut units = self.units.clone();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::from(number));
        units.shuffle(&mut rng);
        units.into_iter().flatten().collect()
    }
}

fn stacks_with_floors(names: &[String]) -> Result<Vec<&'static Stack>, UnknownStack> {
    let mut stacks = vec![Stack::named("inproc")?, Stack::named("tcp")?];
    for name in names {
        let stack = Stack::named(name)?;
        if stacks.iter().all(|other| other.name != stack.name) {
            stacks.push(stack);
        }
    }
    Ok(stacks)
}

/// The pairs of the scenario, as far as their stacks are measured at all.
fn pairs(scenario: &Scenario, stacks: &[&'static Stack]) -> Result<Vec<[&'static Stack; 2]>, PlanError> {
    let mut pairs: Vec<[&'static Stack; 2]> = Vec::new();
    for [a, b] in &scenario.pairs {
        let pair = [Stack::named(a)?, Stack::named(b)?];
        for stack in &pair {
            let again = pairs.iter().flatten().any(|paired| paired.name == stack.name);
            if again || stack.protocol.is_floor() {
                let what = if again { "is in two pairs" } else { "is a floor" };
                return Err(PlanError::Setting(format!(
                    "the stack {} {what}: it cannot be paired",
                    stack.name
                )));
            }
        }
        if pair.iter().all(|paired| stacks.iter().any(|stack| stack.name == paired.name)) {
            pairs.push(pair);
        }
    }
    Ok(pairs)
}

/// A function call has no placement and no use for more than one caller; a method that is not there cannot be called.
fn makes_sense(stack: &Stack, measurement: &Measurement) -> bool {
    (stack.has_server() || measurement.load.callers() == 1) && stack.has(measurement.operation.method())
}

fn trial(stack: &'static Stack, measurement: &Measurement, cores: &Cores) -> TrialSpec {
    let callers = NonZeroU32::new(measurement.load.callers()).unwrap_or(NonZeroU32::MIN);
    let connections = match measurement.connections {
        Some(connections) if stack.multiplexes => connections.min(callers),
        _ => callers,
    };
    TrialSpec {
        stack,
        measurement: measurement.name.clone(),
        operation: if stack.driver == Driver::Threads { Operation::ADD } else { measurement.operation },
        callers,
        connections,
        placement: measurement.placement,
        cores: cores.clone(),
        warm: measurement.warm && measurement.placement == Placement::Split && !cores.client.is_empty(),
        twin: false,
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
        assert_eq!(stacks, ["inproc", "tcp", "rest"]);
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
    fn settings_out_of_range_and_unknown_stacks_are_refused() {
        let refused = |change: fn(&mut Scenario)| {
            let mut scenario = scenario(&["rest"]);
            change(&mut scenario);
            Plan::new(&scenario, &[0, 1]).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(refused(|s| s.measure = Duration::ZERO).contains("20ms to 600s"));
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
