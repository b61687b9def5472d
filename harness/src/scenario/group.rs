//! The trials of a block that are measured in turn.

use rand::Rng;
use rand::seq::SliceRandom;

use super::trial_spec::TrialSpec;

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
        for index in 0..trials.len() {
            let name = trials[index].stack.name;
            trials[index].instance = trials[..index].iter().filter(|other| other.stack.name == name).count();
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

/// The groups of `units`, trials that stay together: one for the trials of a measurement that are measured in slices, and one
/// for each other trial. The group of a measurement stands where its first unit stood.
pub(super) fn groups(units: Vec<Vec<TrialSpec>>, rng: &mut impl Rng) -> Vec<Group> {
    // The units of each group.
    let mut parts: Vec<Vec<Vec<TrialSpec>>> = Vec::new();
    for unit in units {
        let Some(first) = unit.first() else { continue };
        if first.slices == 1 {
            parts.extend(unit.into_iter().map(|trial| vec![vec![trial]]));
            continue;
        }
        let same = parts.iter_mut().find(|part| part[0][0].measurement == first.measurement);
        match same {
            Some(part) => part.push(unit),
            None => parts.push(vec![unit]),
        }
    }
    parts.into_iter().map(|units| Group::in_turns(units, rng)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Plan, Scenario};
    use std::time::Duration;

    fn scenario() -> Scenario {
        let mut scenario = Scenario::load("quick").unwrap();
        scenario.stacks = ["rest", "jsonrpc", "zerorpc"].map(ToOwned::to_owned).to_vec();
        scenario.pairs = vec![["rest".into(), "jsonrpc".into()]];
        scenario
    }

    fn names<'a>(trials: impl IntoIterator<Item = &'a TrialSpec>) -> Vec<String> {
        trials.into_iter().map(|trial| format!("{} {}", trial.stack.name, trial.measurement)).collect()
    }

    #[test]
    fn trials_of_a_measurement_take_turns_and_pairs_stay_together_in_each() {
        let mut scenario = scenario();
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
            for stack in ["rest", "jsonrpc", "zerorpc"] {
                let of_stack = group.trials.iter().filter(|trial| trial.stack.name == stack);
                let instances: Vec<_> = of_stack.map(|trial| trial.instance).collect();
                assert_eq!(instances, (0..instances.len()).collect::<Vec<_>>());
                assert_eq!(instances.len(), if stack == "zerorpc" { 1 } else { 2 });
            }
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
    fn open_loops_and_scenarios_in_one_piece_have_no_turns() {
        let mut scenario = scenario();
        for measurement in &mut scenario.measurements {
            measurement.slice = Some(Duration::from_millis(10));
        }
        let plan = Plan::new(&scenario.in_one_piece(), &[0, 1]).unwrap();
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
}
