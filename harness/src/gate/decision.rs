//! Decides after every round whether the new side is slower. Pure: what it decides depends on the rounds alone, so recorded
//! rounds can be replayed through it.

use serde::{Deserialize, Serialize};

use super::settings::{GateSettings, Metric};
use crate::stats::{Evidence, location_bounds, median};

/// The probability with which a gate may raise an alarm, or let a change through, if the opposite is true.
pub const ERROR_RATE: f64 = 0.01;

/// After this share of its rounds, a gate ends if at the pace so far it would need [`HOPELESS_FACTOR`] times its rounds.
const EARLY_SHARE: f64 = 0.5;
/// See [`EARLY_SHARE`].
const HOPELESS_FACTOR: f64 = 2.0;

/// What is known about a metric of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The new side is slower by more than the threshold.
    Slower,
    /// The new side is not slower by more than the threshold.
    NotSlower,
    /// Neither is certain.
    Undecided,
}

/// A metric of a stack, and the evidence about it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The name of the stack.
    pub stack: String,
    /// The metric.
    pub metric: Metric,
    /// The threshold: a share by which the new side may be slower.
    pub threshold: f64,
    /// The logarithm of new ÷ base in each round.
    ratios: Vec<f64>,
    slower: Evidence,
    not_slower: Evidence,
    verdict: Verdict,
}

/// What a gate says about a metric of a stack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The name of the stack.
    pub stack: String,
    /// The metric.
    pub metric: Metric,
    /// The verdict.
    pub verdict: Verdict,
    /// The threshold: a share by which the new side may be slower.
    pub threshold: f64,
    /// The difference of the new side from the base, a share: the median of the rounds. Absent without a round.
    pub difference: Option<f64>,
    /// The bounds of the difference, a share each; absent while there are too few rounds. The probability that they ever fail
    /// to contain the true difference during a gate is at most [`ERROR_RATE`].
    pub bounds: Option<(f64, f64)>,
    /// The rounds that the verdict took, or would take at the pace so far; absent if there is no end in sight.
    pub rounds_needed: Option<u32>,
}

/// The state of a gate: a row for each metric of each stack.
#[derive(Clone, Debug)]
pub struct Decider {
    rows: Vec<Row>,
    max_rounds: u32,
    rounds: u32,
}

impl Decider {
    /// A gate about `rows` (stack, metric and threshold, a share) that ends after `max_rounds` rounds at the latest.
    #[must_use]
    pub fn new(rows: impl IntoIterator<Item = (String, Metric, f64)>, max_rounds: u32) -> Self {
        let rows = rows.into_iter().map(|(stack, metric, threshold)| {
            // On logarithms, a threshold of 1 % lies at ln 1.01, and an unchanged side is as far below it as one that is
            // slower by twice the threshold is above: both count in full.
            let bound = threshold.ln_1p();
            Row {
                stack,
                metric,
                threshold,
                ratios: vec![],
                slower: Evidence::above(bound, bound),
                not_slower: Evidence::below(bound, bound),
                verdict: Verdict::Undecided,
            }
        });
        Decider { rows: rows.collect(), max_rounds, rounds: 0 }
    }

    /// The gate that `settings` describe.
    #[must_use]
    pub fn of(settings: &GateSettings, metrics: &[Metric], extra_threshold: f64) -> Self {
        let rows = settings.stacks.iter().flat_map(|stack| {
            metrics
                .iter()
                .map(move |metric| (stack.clone(), *metric, settings.threshold(*metric).max(extra_threshold)))
        });
        Decider::new(rows, settings.max_rounds())
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The number of rounds so far.
    #[must_use]
    pub fn rounds(&self) -> u32 {
        self.rounds
    }

    /// Adds a round. `ratio` returns the logarithm of new ÷ base for a stack and a metric.
    pub fn push(&mut self, ratio: impl Fn(&str, Metric) -> Option<f64>) {
        self.rounds += 1;
        let alarm = self.alarm();
        for row in &mut self.rows {
            let Some(ratio) = ratio(&row.stack, row.metric) else { continue };
            row.ratios.push(ratio);
            row.slower.push(ratio);
            row.not_slower.push(ratio);
            // What was certain once stays so: the probability holds for the whole series.
            if row.verdict == Verdict::Undecided {
                if row.slower.e_value() >= alarm {
                    row.verdict = Verdict::Slower;
                // A change is let through only if every row allows it, so each may use the whole probability.
                } else if row.not_slower.e_value() >= 1.0 / ERROR_RATE {
                    row.verdict = Verdict::NotSlower;
                }
            }
        }
    }

    /// The verdict on the whole change: slower as soon as one row is, not slower once every row is not.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let all = |verdict| self.rows.iter().all(|row| row.verdict == verdict);
        if self.rows.iter().any(|row| row.verdict == Verdict::Slower) {
            Verdict::Slower
        } else if all(Verdict::NotSlower) {
            Verdict::NotSlower
        } else {
            Verdict::Undecided
        }
    }

    /// Whether the gate ends: the answer is clear, the rounds are used up, or it will not become clear.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.verdict() != Verdict::Undecided || self.rounds >= self.max_rounds || self.is_hopeless()
    }

    /// The smallest number of rounds with which every row can be decided in either direction.
    #[must_use]
    pub fn min_rounds(&self) -> u32 {
        let evidence = Evidence::above(0.0, 1.0);
        (0..u32::MAX).find(|rounds| evidence.e_value_at_most(*rounds) >= self.alarm()).unwrap_or(u32::MAX)
    }

    /// The e-value with which a row raises an alarm. One about any of the rows ends the gate, so all of them share the
    /// probability of a false one.
    #[allow(clippy::cast_precision_loss)]
    fn alarm(&self) -> f64 {
        self.rows.len() as f64 / ERROR_RATE
    }

    /// Whether a row will not become clear: further rounds could not decide it whatever they bring, or at the pace of the
    /// first half it would take twice as many rounds as there are.
    fn is_hopeless(&self) -> bool {
        let left = self.max_rounds.saturating_sub(self.rounds);
        let undecided = self.rows.iter().filter(|row| row.verdict == Verdict::Undecided);
        let is_early = f64::from(self.rounds) < EARLY_SHARE * f64::from(self.max_rounds);
        let mut undecided = undecided.peekable();
        undecided.peek().is_some()
            && undecided.all(|row| {
                let reach = row.slower.e_value_at_most(left).max(row.not_slower.e_value_at_most(left));
                let most = HOPELESS_FACTOR * f64::from(self.max_rounds);
                let is_too_slow = || row.rounds_needed().is_none_or(|needed| f64::from(needed) > most);
                reach < 1.0 / ERROR_RATE || !is_early && is_too_slow()
            })
    }

    /// What the gate says about each row.
    #[must_use]
    pub fn judgements(&self) -> Vec<Judgement> {
        self.rows.iter().map(Row::judgement).collect()
    }
}

impl Row {
    /// The rounds that a verdict takes at the pace so far; `None` if the evidence does not grow.
    fn rounds_needed(&self) -> Option<u32> {
        let rounds = u32::try_from(self.ratios.len()).ok()?;
        let evidence = self.slower.e_value().max(self.not_slower.e_value());
        if self.verdict != Verdict::Undecided {
            return Some(rounds);
        }
        let needed = f64::from(rounds) * (1.0 / ERROR_RATE).ln() / evidence.ln();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        (evidence > 1.0 && needed < f64::from(u32::MAX)).then(|| needed.ceil() as u32)
    }

    fn judgement(&self) -> Judgement {
        let scale = self.threshold.ln_1p();
        let (low, high) = location_bounds(&self.ratios, scale, ERROR_RATE);
        let bounds = (low.is_finite() && high.is_finite()).then(|| (low.exp_m1(), high.exp_m1()));
        Judgement {
            stack: self.stack.clone(),
            metric: self.metric,
            verdict: self.verdict,
            threshold: self.threshold,
            difference: median(&self.ratios).map(f64::exp_m1),
            bounds,
            rounds_needed: self.rounds_needed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [Metric; 2] = [Metric::ServerCpu, Metric::ClientCpu];

    fn decider() -> Decider {
        Decider::new(ROWS.map(|metric| ("rest".to_owned(), metric, 0.01)), 30)
    }

    /// Pushes rounds with these differences of the two metrics until the gate ends.
    fn decide(mut differences: impl FnMut(u32) -> [f64; 2]) -> Decider {
        let mut decider = decider();
        while !decider.is_over() {
            let now = differences(decider.rounds());
            decider.push(|_, metric| Some(now[usize::from(metric == ROWS[1])].ln_1p()));
        }
        decider
    }

    #[test]
    fn an_unchanged_side_is_let_through_after_a_few_rounds() {
        let decider = decide(|_| [0.0, 0.0]);
        assert_eq!((decider.verdict(), decider.rounds()), (Verdict::NotSlower, 9));
        let judgement = &decider.judgements()[0];
        assert_eq!((judgement.difference, judgement.rounds_needed), (Some(0.0), Some(9)));
    }

    #[test]
    fn every_row_takes_some_rounds() {
        // As many as an alarm takes if every round counts in full.
        assert_eq!(decider().min_rounds(), 10);
        assert_eq!(decide(|_| [0.0, 1.0]).rounds(), 10);
    }

    #[test]
    fn a_faster_side_is_let_through() {
        assert_eq!(decide(|_| [-0.2, -0.001]).verdict(), Verdict::NotSlower);
    }

    #[test]
    fn one_slower_metric_ends_the_gate() {
        let decider = decide(|_| [0.0, 0.02]);
        assert_eq!(decider.verdict(), Verdict::Slower);
        let verdicts: Vec<_> = decider.judgements().iter().map(|judgement| judgement.verdict).collect();
        assert_eq!(verdicts, [Verdict::NotSlower, Verdict::Slower]);
    }

    #[test]
    fn a_side_at_the_threshold_stays_undecided_and_the_gate_gives_up_early() {
        let decider = decide(|round| [0.0, if round % 2 == 0 { 0.014 } else { 0.006 }]);
        assert_eq!((decider.verdict(), decider.rounds()), (Verdict::Undecided, 15));
        assert_eq!(decider.judgements()[1].rounds_needed, None);
    }

    #[test]
    fn a_single_round_of_any_size_decides_nothing() {
        let decider = decide(|round| [0.0, if round == 0 { 1e9 } else { 0.0 }]);
        assert_eq!(decider.verdict(), Verdict::NotSlower);
    }

    #[test]
    fn a_metric_that_cannot_be_measured_is_never_decided() {
        let mut decider = decider();
        for _ in 0..12 {
            decider.push(|_, metric| (metric == ROWS[0]).then_some(0.0));
        }
        assert_eq!(decider.verdict(), Verdict::Undecided);
        assert_eq!(decider.judgements()[1].difference, None);
    }

    #[test]
    fn bounds_contain_the_difference_once_there_are_enough_rounds() {
        let decider = decide(|round| [f64::from(round % 3) * 0.001, 0.0]);
        let judgement = &decider.judgements()[0];
        let (low, high) = judgement.bounds.unwrap_or((f64::NAN, f64::NAN));
        let difference = judgement.difference.unwrap();
        assert!(judgement.bounds.is_none() || (low <= difference && difference <= high));
    }
}
