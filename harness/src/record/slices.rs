//! The slices of trials that take turns, and the figures that follow from them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Status, Trial};
use crate::stats::median;

/// The figures of the slices of a trial, in order. Each list has one number for each slice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slices {
    /// Correct answers.
    pub right: Vec<u64>,
    /// Median latency in nanoseconds of the calls with a correct answer; `null` without any.
    pub p50: Vec<Option<u64>>,
    /// CPU time of the client in nanoseconds; `null` where it was not observed, as in the next two.
    pub client_cpu_ns: Vec<Option<u64>>,
    /// CPU time of the server in nanoseconds.
    pub server_cpu_ns: Vec<Option<u64>>,
    /// CPU time of the broker in nanoseconds.
    pub broker_cpu_ns: Vec<Option<u64>>,
}

impl Slices {
    /// The median latency in nanoseconds in the slice `index`.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn median_latency(&self, index: usize) -> Option<f64> {
        self.p50.get(index).copied().flatten().map(|nanos| nanos as f64)
    }

    /// The client's CPU time per correct answer in nanoseconds in the slice `index`.
    #[must_use]
    pub fn client_cpu(&self, index: usize) -> Option<f64> {
        self.per_answer(index, self.client_cpu_ns.get(index).copied().flatten()?)
    }

    /// The CPU time per correct answer in nanoseconds of the server in the slice `index`, and of its broker where it has one.
    #[must_use]
    pub fn serving_cpu(&self, index: usize, is_brokered: bool) -> Option<f64> {
        let of = |cpu_ns: &[Option<u64>]| cpu_ns.get(index).copied().flatten();
        let broker = if is_brokered { of(&self.broker_cpu_ns)? } else { 0 };
        self.per_answer(index, of(&self.server_cpu_ns)?.checked_add(broker)?)
    }

    #[allow(clippy::cast_precision_loss)]
    fn per_answer(&self, index: usize, cpu_ns: u64) -> Option<f64> {
        let right = *self.right.get(index)?;
        (right > 0).then(|| cpu_ns as f64 / right as f64)
    }
}

/// A figure of each trial in slices, without what the machine's speed changed from round to round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Levels(BTreeMap<(u32, u32), f64>);

impl Levels {
    /// The levels of `trials`, which are those of one measurement. `figure` is the figure of a slice, given by its index.
    ///
    /// In each round, every trial of a block has one slice, so all of them see the same speed of the machine. A slice's
    /// logarithm is taken for the sum of a term of its trial and a term of its round. The term of the round is the median over
    /// its trials of how far each is from the trial's own median, and that of the trial the median of what remains (a step of
    /// Tukey's median polish, *Exploratory Data Analysis*, 1977). So neither a stall in a slice nor a trial that is slow for a
    /// while changes the others. The median of all calls of a trial would not do: where the machine has two speeds, it jumps from
    /// one to the other with the share of the slow slices.
    #[must_use]
    pub fn new(trials: &[&Trial], figure: impl Fn(&Trial, &Slices, usize) -> Option<f64>) -> Self {
        let mut blocks: BTreeMap<u32, Vec<(u32, Vec<f64>)>> = BTreeMap::new();
        for trial in trials.iter().filter(|trial| trial.status == Status::Valid) {
            let Some(slices) = &trial.slices else { continue };
            let log = |index| {
                let figure = figure(trial, slices, index)?;
                (figure.is_finite() && figure > 0.0).then(|| figure.ln())
            };
            if let Some(logs) = (0..slices.right.len()).map(log).collect::<Option<Vec<f64>>>() {
                blocks.entry(trial.block).or_default().push((trial.position, logs));
            }
        }
        let mut levels = BTreeMap::new();
        for (block, mut trials) in blocks {
            // A trial that ended early has no slice in the last rounds.
            let rounds = trials.iter().map(|(_, logs)| logs.len()).max().unwrap_or(0);
            trials.retain(|(_, logs)| logs.len() == rounds);
            let usual: Vec<f64> = trials.iter().filter_map(|(_, logs)| median(logs)).collect();
            let off = |round: usize| -> Vec<f64> {
                trials.iter().zip(&usual).map(|((_, logs), usual)| logs[round] - usual).collect()
            };
            let terms: Vec<f64> = (0..rounds).filter_map(|round| median(&off(round))).collect();
            for (position, logs) in &trials {
                let rest: Vec<f64> = logs.iter().zip(&terms).map(|(log, term)| log - term).collect();
                levels.extend(median(&rest).map(|level| ((block, *position), level.exp())));
            }
        }
        Levels(levels)
    }

    /// The level of `trial`; `None` where it has no slices, or not the figure in all of them.
    #[must_use]
    pub fn of(&self, trial: &Trial) -> Option<f64> {
        trial.slices.as_ref()?;
        self.0.get(&(trial.block, trial.position)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample::trial;

    fn in_slices(position: u32, p50: &[u64]) -> Trial {
        let mut trial = trial("rest", [0, 0]);
        trial.position = position;
        trial.slices = Some(Slices {
            right: vec![100; p50.len()],
            p50: p50.iter().copied().map(Some).collect(),
            ..Slices::default()
        });
        trial
    }

    fn levels(trials: &[Trial]) -> Vec<Option<f64>> {
        let trials: Vec<_> = trials.iter().collect();
        let levels = Levels::new(&trials, |_, slices, index| slices.median_latency(index));
        trials.iter().map(|trial| levels.of(trial)).collect()
    }

    #[test]
    fn a_machine_with_two_speeds_does_not_change_the_ratio_of_two_trials() {
        // Half of the rounds are slow; the second trial takes 1.1 times as long as the first, and each has another stall.
        let first = [1_000, 2_000, 1_000, 2_000, 1_000, 2_000, 90_000];
        let second = [1_100, 2_200, 1_100, 50_000, 1_100, 2_200, 1_100];
        let third = [3_000, 6_000, 3_000, 6_000, 3_000, 6_000, 3_000];
        let levels = levels(&[in_slices(0, &first), in_slices(1, &second), in_slices(2, &third)]);
        let [Some(first), Some(second), Some(third)] = levels[..] else { panic!("{levels:?}") };
        assert!((second / first - 1.1).abs() < 1e-9 && (third / first - 3.0).abs() < 1e-9, "{levels:?}");
        // The level is a latency, not only a share.
        assert!((900.0..3_000.0).contains(&first), "{first}");
    }

    #[test]
    fn a_trial_that_is_slow_for_a_while_does_not_change_the_others() {
        let steady = |position, p50| in_slices(position, &[p50; 6]);
        let of = |third: &[u64]| levels(&[steady(0, 1_000), steady(1, 1_050), in_slices(2, third)]);
        let (quiet, stalled) = (of(&[3_000; 6]), of(&[3_000, 3_000, 3_000, 90_000, 90_000, 90_000]));
        assert_eq!(quiet[..2], stalled[..2]);
        let [Some(first), Some(second), _] = stalled[..] else { panic!("{stalled:?}") };
        assert!((first - 1_000.0).abs() < 1e-6 && (second - 1_050.0).abs() < 1e-6, "{stalled:?}");
    }

    #[test]
    fn only_trials_with_all_slices_have_a_level() {
        let whole = in_slices(0, &[10, 20, 30]);
        let shorter = in_slices(1, &[10, 20]);
        let mut unobserved = in_slices(2, &[10, 20, 30]);
        unobserved.slices.as_mut().unwrap().p50[1] = None;
        let mut invalid = in_slices(3, &[10, 20, 30]);
        invalid.status = Status::Invalid;
        let levels = levels(&[whole, shorter, unobserved, invalid, trial("rest", [0, 0])]);
        assert_eq!(
            levels.iter().map(Option::is_some).collect::<Vec<_>>(),
            [true, false, false, false, false]
        );
    }

    #[test]
    fn cpu_time_is_divided_among_the_answers_of_its_slice() {
        let slices = Slices {
            right: vec![10, 0],
            p50: vec![None; 2],
            client_cpu_ns: vec![Some(50), Some(50)],
            server_cpu_ns: vec![Some(100), Some(1)],
            broker_cpu_ns: vec![Some(20), None],
        };
        let near = |value: Option<f64>, expected: f64| assert!((value.unwrap() - expected).abs() < 1e-9);
        near(slices.client_cpu(0), 5.0);
        near(slices.serving_cpu(0, false), 10.0);
        near(slices.serving_cpu(0, true), 12.0);
        assert_eq!(
            (slices.client_cpu(1), slices.serving_cpu(1, true), slices.client_cpu(2)),
            (None, None, None)
        );
    }
}
