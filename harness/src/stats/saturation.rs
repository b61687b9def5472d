//! Which end of the connections was saturated, decided over the blocks of a run.

use super::quantile::median;

/// The ends whose cores were busy nearly all the time, so that they could not have handled more calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Saturation {
    /// The client only.
    Client,
    /// The server only, with its broker where there is one.
    Server,
    /// Both ends.
    Both,
    /// Neither end.
    Neither,
}

/// An end becomes saturated in a block in which it uses at least this share of a core.
const BECOMES_SATURATED: f64 = 0.95;
/// A saturated end stops being saturated in a block in which it uses less than this share of a core.
const STOPS_BEING_SATURATED: f64 = 0.85;
/// An end is saturated before the first block if the median of its blocks is at least this: the middle of the other two.
const STARTS_SATURATED: f64 = 0.90;

impl Saturation {
    /// The ends that were saturated in more than half of the blocks, from the shares of a core that client and server used
    /// in each block, in order. `None` without blocks.
    ///
    /// Each end has two thresholds (a Schmitt trigger), so that a share that varies about one of them does not change the
    /// result from block to block. The state before the first block follows from all blocks, so that the first one
    /// does not decide for those that follow.
    #[must_use]
    pub fn of(blocks: &[[f64; 2]]) -> Option<Self> {
        let end = |end: usize| is_saturated(&blocks.iter().map(|block| block[end]).collect::<Vec<_>>());
        Some(match (end(0)?, end(1)?) {
            (true, true) => Saturation::Both,
            (true, false) => Saturation::Client,
            (false, true) => Saturation::Server,
            (false, false) => Saturation::Neither,
        })
    }

    /// Whether the server was saturated.
    #[must_use]
    pub fn includes_server(self) -> bool {
        matches!(self, Saturation::Server | Saturation::Both)
    }

    /// The ends in a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Saturation::Client => "client",
            Saturation::Server => "server",
            Saturation::Both => "both",
            Saturation::Neither => "neither",
        }
    }
}

/// Whether an end that used these `shares` of a core was saturated in more than half of the blocks.
fn is_saturated(shares: &[f64]) -> Option<bool> {
    let mut saturated = median(shares)? >= STARTS_SATURATED;
    let blocks = shares.iter().filter(|share| {
        saturated = if saturated { **share >= STOPS_BEING_SATURATED } else { **share >= BECOMES_SATURATED };
        saturated
    });
    Some(2 * blocks.count() > shares.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_judged_separately() {
        let of = |client: f64, server: f64| Saturation::of(&[[client, server]; 3]);
        assert_eq!(of(0.98, 0.66), Some(Saturation::Client));
        assert_eq!(of(0.46, 0.99), Some(Saturation::Server));
        assert_eq!(of(0.97, 0.94), Some(Saturation::Both));
        assert_eq!(of(0.02, 0.02), Some(Saturation::Neither));
        assert_eq!(Saturation::of(&[]), None);
    }

    #[test]
    fn a_share_between_the_thresholds_keeps_the_state() {
        let state = |shares: &[f64]| is_saturated(shares).unwrap();
        // The first block is at neither threshold: the median of all decides.
        assert!(state(&[0.89, 0.94, 0.93, 0.94]));
        assert!(!state(&[0.91, 0.86, 0.88, 0.87]));
        // A share varies about 0.95, then about 0.85.
        assert!(state(&[0.96, 0.94, 0.96, 0.94, 0.94]));
        assert!(!state(&[0.84, 0.86, 0.84, 0.86, 0.86]));
        // One disturbed block ends the state only until the share is above 0.95 again.
        assert!(state(&[0.97, 0.97, 0.60, 0.90, 0.97, 0.97]));
        assert!(!state(&[0.97, 0.60, 0.90, 0.90, 0.90, 0.90]));
        // Half of the blocks is not most of them.
        assert!(!state(&[0.99, 0.60]));
    }

    #[test]
    fn a_single_block_is_judged_by_the_middle_of_the_thresholds() {
        assert!(is_saturated(&[0.90]).unwrap());
        assert!(!is_saturated(&[0.89]).unwrap());
    }
}
