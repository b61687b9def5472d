//! Decides after every round whether the new side is slower. Pure: what it decides depends on the rounds alone, so recorded
//! rounds can be replayed through it.

use serde::Serialize;

use super::settings::{GateSettings, Metric};
use crate::stats::{ERROR_RATE, Evidence, lower_bound, median, upper_bound};

/// The evidence for "not slower" with which a row is let through. A gate may let a change through that is slower with a
/// probability of [`ERROR_RATE`]. It does so only if every row is let through, so each may use the whole probability.
const ENOUGH_TO_PASS: f64 = 1.0 / ERROR_RATE;
/// After this share of its rounds, a gate ends if at the pace so far it would need [`HOPELESS_FACTOR`] times its rounds.
const EARLY_SHARE: f64 = 0.5;
/// See [`EARLY_SHARE`].
const HOPELESS_FACTOR: f64 = 2.0;

/// What is known about a metric of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
struct Row {
    /// The name of the stack.
    stack: String,
    metric: Metric,
    /// A share by which the new side may be slower.
    threshold: f64,
    /// The logarithm of new ÷ base in each round.
    ratios: Vec<f64>,
    slower: Evidence,
    not_slower: Evidence,
    verdict: Verdict,
    /// The rounds that the verdict took.
    decided_after: Option<u32>,
}

/// What a gate says about a metric of a stack.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// The lower bound of the difference, a share; absent while there is none. The probability that *any* row of a gate ever
    /// has one above the true difference is at most [`ERROR_RATE`]. At or above the threshold exactly if the row is slower.
    pub lower_bound: Option<f64>,
    /// The upper bound of the difference, a share; absent while there is none. The probability that a row ever has one below
    /// the true difference is at most [`ERROR_RATE`]. At or below the threshold exactly if the row is not slower.
    pub upper_bound: Option<f64>,
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
    fn new(rows: impl IntoIterator<Item = (String, Metric, f64)>, max_rounds: u32) -> Self {
        let rows = rows.into_iter().map(|(stack, metric, threshold)| {
            // On logarithms, a threshold of 1 % lies at ln 1.01. An unchanged side is as far below it as one that is slower
            // by twice the threshold is above: both count equally, and in full at the narrowest width.
            let bound = threshold.ln_1p();
            Row {
                stack,
                metric,
                threshold,
                ratios: vec![],
                slower: Evidence::above(bound, bound),
                not_slower: Evidence::below(bound, bound),
                verdict: Verdict::Undecided,
                decided_after: None,
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
            row.push(ratio, alarm);
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
    pub(super) fn min_rounds(&self) -> u32 {
        let evidence = Evidence::above(0.0, 1.0);
        (0..u32::MAX).find(|rounds| evidence.e_value_at_most(*rounds) >= self.alarm()).unwrap_or(u32::MAX)
    }

    /// The e-value with which a row raises an alarm. One about any of the rows ends the gate, so all of them share the
    /// probability of a false one, [`ERROR_RATE`].
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
        let alarm = self.alarm();
        undecided.peek().is_some()
            && undecided.all(|row| {
                let is_out_of_reach = row.slower.e_value_at_most(left) < alarm
                    && row.not_slower.e_value_at_most(left) < ENOUGH_TO_PASS;
                let most = HOPELESS_FACTOR * f64::from(self.max_rounds);
                let is_too_slow = || row.rounds_needed(alarm).is_none_or(|needed| f64::from(needed) > most);
                is_out_of_reach || !is_early && is_too_slow()
            })
    }

    /// What the gate says about each row.
    #[must_use]
    pub fn judgements(&self) -> Vec<Judgement> {
        self.rows.iter().map(|row| row.judgement(self.alarm())).collect()
    }
}

impl Row {
    /// Adds a round. Evidence of `alarm` makes the row slower.
    fn push(&mut self, ratio: f64, alarm: f64) {
        self.ratios.push(ratio);
        self.slower.push(ratio);
        self.not_slower.push(ratio);
        // What was certain once stays so: the probability holds for the whole series.
        if self.verdict != Verdict::Undecided {
            return;
        }
        if self.slower.e_value() >= alarm {
            self.verdict = Verdict::Slower;
        } else if self.not_slower.e_value() >= ENOUGH_TO_PASS {
            self.verdict = Verdict::NotSlower;
        } else {
            return;
        }
        self.decided_after = Some(self.rounds());
    }

    /// The rounds in which the metric was measured.
    fn rounds(&self) -> u32 {
        u32::try_from(self.ratios.len()).unwrap_or(u32::MAX)
    }

    /// The rounds that a verdict took, or takes at the pace so far; `None` if the evidence does not grow.
    fn rounds_needed(&self, alarm: f64) -> Option<u32> {
        let needed = |evidence: Evidence, enough: f64| {
            let needed = f64::from(self.rounds()) * enough.ln() / evidence.e_value().ln();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            (evidence.e_value() > 1.0 && needed < f64::from(u32::MAX)).then(|| needed.ceil() as u32)
        };
        let at_this_pace = [needed(self.slower, alarm), needed(self.not_slower, ENOUGH_TO_PASS)];
        self.decided_after.or_else(|| at_this_pace.into_iter().flatten().min())
    }

    /// The bounds of the difference, a share each. What the verdict says stays certain, whatever the rounds after it show;
    /// a bound that contradicts it is absent.
    fn bounds(&self, alarm: f64) -> (Option<f64>, Option<f64>) {
        let scale = self.threshold.ln_1p();
        let low = lower_bound(&self.ratios, scale, alarm).map(f64::exp_m1);
        let high = upper_bound(&self.ratios, scale, ENOUGH_TO_PASS).map(f64::exp_m1);
        match self.verdict {
            Verdict::Undecided => (low, high),
            Verdict::Slower => {
                let low = low.map_or(self.threshold, |low| low.max(self.threshold));
                (Some(low), high.filter(|high| *high > low))
            }
            Verdict::NotSlower => {
                let high = high.map_or(self.threshold, |high| high.min(self.threshold));
                (low.filter(|low| *low < high), Some(high))
            }
        }
    }

    fn judgement(&self, alarm: f64) -> Judgement {
        let (lower_bound, upper_bound) = self.bounds(alarm);
        Judgement {
            stack: self.stack.clone(),
            metric: self.metric,
            verdict: self.verdict,
            threshold: self.threshold,
            difference: median(&self.ratios).map(f64::exp_m1),
            lower_bound,
            upper_bound,
            rounds_needed: self.rounds_needed(alarm),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

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
        assert_eq!((decider.verdict(), decider.rounds()), (Verdict::NotSlower, 11));
        let judgement = &decider.judgements()[0];
        assert_eq!((judgement.difference, judgement.rounds_needed), (Some(0.0), Some(11)));
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
    fn a_row_that_was_decided_early_shows_when() {
        let decider = decide(|round| [0.0, if round % 2 == 0 { 0.03 } else { 0.0 }]);
        assert!(decider.rounds() > 11);
        assert_eq!(decider.judgements()[0].rounds_needed, Some(11));
    }

    #[test]
    fn each_direction_is_estimated_with_the_evidence_that_it_takes() {
        // As far above the threshold as below it: an alarm about one of two rows takes more rounds.
        for (difference, enough) in [(0.013, 200.0_f64), (0.007, 100.0)] {
            let mut decider = decider();
            for _ in 0..2 {
                decider.push(|_, _| Some(f64::ln_1p(difference)));
            }
            let row = &decider.rows[0];
            let evidence = row.slower.e_value().max(row.not_slower.e_value());
            let expected = (2.0 * enough.ln() / evidence.ln()).ceil();
            let needed = decider.judgements()[0].rounds_needed.map(f64::from);
            assert_eq!((row.verdict, needed), (Verdict::Undecided, Some(expected)));
        }
    }

    #[test]
    fn a_row_with_an_alarm_out_of_reach_is_hopeless() {
        // Nine rounds that count in full at every width are enough evidence for "not slower", but not for an alarm about one of
        // two rows.
        let gate = |difference: f64| {
            let mut decider = Decider::new(ROWS.map(|metric| ("rest".to_owned(), metric, 0.01)), 9);
            decider.push(|_, _| Some(difference.ln_1p()));
            decider.is_over()
        };
        assert!(!gate(0.0));
        assert!(gate(0.02));
    }

    #[test]
    fn bounds_contain_the_difference_once_there_are_enough_rounds() {
        let mut decider = decider();
        for round in 0..20 {
            let now = [f64::from(round % 3) * 0.001, 0.03];
            decider.push(|_, metric| Some(now[usize::from(metric == ROWS[1])].ln_1p()));
        }
        for judgement in decider.judgements() {
            let difference = judgement.difference.unwrap();
            assert!(judgement.lower_bound.is_some_and(|low| low <= difference), "{judgement:?}");
            assert!(judgement.upper_bound.is_some_and(|high| high >= difference), "{judgement:?}");
        }
    }

    /// A difference with the noise of rounds: far off in one of ten, and 2 % higher or lower for a while.
    fn noisy(rng: &mut ChaCha8Rng, location: f64, round: u32) -> f64 {
        let tail = if rng.random_bool(0.1) { 20.0 } else { 1.0 };
        let drift = if round / 15 % 2 == 1 { 0.02 * (rng.random::<f64>() - 0.5) } else { 0.0 };
        location + drift + tail * 0.01 * (rng.random::<f64>() + rng.random::<f64>() - 1.0)
    }

    #[test]
    fn bounds_and_verdict_never_contradict() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut verdicts = [0; 3];
        for gate in 0..14 {
            let location = [-0.01, 0.0, 0.005, 0.01, 0.015, 0.02, 0.04][gate % 7];
            let rows = Metric::ALL.map(|metric| ("rest".to_owned(), metric, 0.01));
            let mut decider = Decider::new(rows, u32::MAX);
            // Beyond its end, too: a row may be decided long before the others.
            for round in 0..60 {
                // Turns around after a while, so that later rounds speak against the verdict.
                let location = if round >= 40 { 0.02 - location } else { location };
                let now = Metric::ALL.map(|_| noisy(&mut rng, location, round));
                decider.push(|_, metric| Some(now[metric as usize].ln_1p()));
                for judgement in decider.judgements() {
                    let Judgement { verdict, threshold, lower_bound: low, upper_bound: high, .. } = judgement;
                    verdicts[verdict as usize] += 1;
                    let is_above = low.is_some_and(|low| low >= threshold);
                    let is_below = high.is_some_and(|high| high <= threshold);
                    let expected = (verdict == Verdict::Slower, verdict == Verdict::NotSlower);
                    assert_eq!((is_above, is_below), expected, "{judgement:?}");
                    assert!(low.is_none_or(|low| high.is_none_or(|high| low < high)), "{judgement:?}");
                }
            }
        }
        assert!(verdicts.iter().all(|count| *count > 200), "{verdicts:?}");
    }
}
