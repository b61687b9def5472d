//! The search for the highest rate that a stack holds: one whose calls are answered in time.

use crate::load::Rate;

/// The rate that is tried first.
const FIRST: u32 = 2_000;
/// How close the highest rate that held and the lowest that did not must be.
const CLOSE: f64 = 1.05;

/// Bisection on a scale of ratios: rates are doubled until one does not hold, or halved until one does, and then the
/// geometric mean of both is tried until they lie within 5 % of each other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bisection {
    /// The highest rate that held.
    pub held: Option<Rate>,
    /// The lowest rate that did not.
    pub failed: Option<Rate>,
}

impl Bisection {
    /// The rate to be tried next; `None` when the answer is known well enough.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn next(&self) -> Option<Rate> {
        match (self.held.map(Rate::get), self.failed.map(Rate::get)) {
            (None, None) => Rate::new(FIRST),
            (Some(held), None) => Rate::new(held.saturating_mul(2)),
            (None, Some(failed)) => Rate::new(failed / 2),
            (Some(held), Some(failed)) if f64::from(failed) <= f64::from(held) * CLOSE => None,
            (Some(held), Some(failed)) => {
                let between = (f64::from(held) * f64::from(failed)).sqrt() as u32;
                Rate::new(between.max(held + 1)).filter(|rate| rate.get() < failed)
            }
        }
    }

    /// Takes note of how `rate` did.
    pub fn tried(&mut self, rate: Rate, held: bool) {
        let end = if held { &mut self.held } else { &mut self.failed };
        *end = Some(rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found of a server that holds rates up to `capacity`, and after how many trials.
    fn search(capacity: u32) -> (Option<u32>, Option<u32>, u32) {
        let mut bisection = Bisection::default();
        let mut trials = 0;
        while let Some(rate) = bisection.next() {
            bisection.tried(rate, rate.get() <= capacity);
            trials += 1;
        }
        (bisection.held.map(Rate::get), bisection.failed.map(Rate::get), trials)
    }

    #[test]
    fn the_capacity_lies_between_two_rates_that_are_close() {
        for capacity in [20, 37, 999, 2_000, 2_001, 65_432, 777_777] {
            let (held, failed, trials) = search(capacity);
            let (held, failed) = (held.unwrap(), failed.unwrap_or(1_000_001));
            assert!(held <= capacity && capacity < failed, "{capacity}: {held}..{failed}");
            assert!(failed - held <= 1 || f64::from(failed) <= f64::from(held) * CLOSE || failed > 1_000_000);
            assert!(trials < 25, "{trials}");
        }
    }

    #[test]
    fn what_holds_nothing_or_everything_has_one_end_only() {
        assert_eq!(search(0).0, None);
        assert_eq!(search(0).1, Some(1));
        let (held, failed, _) = search(1_000_000);
        assert_eq!((held, failed), (Some(512_000), None));
    }
}
