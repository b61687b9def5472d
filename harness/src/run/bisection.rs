//! The order in which a search tries rates.

use crate::load::Rate;

/// The rate that is tried first.
const FIRST_RATE: u32 = 2_000;
/// A search ends when the lowest rate that failed is at most this multiple of the highest rate that held.
const RESOLUTION: f64 = 1.05;

/// Bisection on a scale of ratios: the rate is doubled until one fails, or halved until one holds, and then the
/// geometric mean of both ends is tried until they lie within 5 % of each other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bisection {
    /// The highest rate that held.
    pub held: Option<Rate>,
    /// The lowest rate that failed.
    pub failed: Option<Rate>,
}

impl Bisection {
    /// The rate to be tried next; `None` when the search is over.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(super) fn next(&self) -> Option<Rate> {
        match (self.held.map(Rate::get), self.failed.map(Rate::get)) {
            (None, None) => Rate::new(FIRST_RATE),
            (Some(held), None) => Rate::new(held.saturating_mul(2)),
            (None, Some(failed)) => Rate::new(failed / 2),
            (Some(held), Some(failed)) if f64::from(failed) <= f64::from(held) * RESOLUTION => None,
            (Some(held), Some(failed)) => {
                let between = (f64::from(held) * f64::from(failed)).sqrt() as u32;
                Rate::new(between.max(held + 1)).filter(|rate| rate.get() < failed)
            }
        }
    }

    /// Narrows the search by the outcome of `rate`.
    pub(super) fn narrow(&mut self, rate: Rate, held: bool) {
        let end = if held { &mut self.held } else { &mut self.failed };
        *end = Some(rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches a server that holds rates up to `capacity`: the rate that held, the one that failed, and the number of
    /// trials.
    fn search(capacity: u32) -> (Option<u32>, Option<u32>, u32) {
        let mut bisection = Bisection::default();
        let mut trials = 0;
        while let Some(rate) = bisection.next() {
            bisection.narrow(rate, rate.get() <= capacity);
            trials += 1;
        }
        (bisection.held.map(Rate::get), bisection.failed.map(Rate::get), trials)
    }

    #[test]
    fn the_capacity_lies_between_two_close_rates() {
        for capacity in [20, 37, 999, 2_000, 2_001, 65_432, 777_777] {
            let (held, failed, trials) = search(capacity);
            let (held, failed) = (held.unwrap(), failed.unwrap_or(1_000_001));
            assert!(held <= capacity && capacity < failed, "{capacity}: {held}..{failed}");
            let is_close = f64::from(failed) <= f64::from(held) * RESOLUTION;
            assert!(failed - held <= 1 || is_close || failed > 1_000_000);
            assert!(trials < 25, "{trials}");
        }
    }

    #[test]
    fn a_server_that_holds_no_rate_or_every_rate_has_only_one_bound() {
        assert_eq!(search(0).0, None);
        assert_eq!(search(0).1, Some(1));
        let (held, failed, _) = search(1_000_000);
        assert_eq!((held, failed), (Some(512_000), None));
    }
}
