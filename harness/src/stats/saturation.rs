//! Which end of the connections was saturated, decided by the blocks of a run.

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

/// An end is saturated if the median of its blocks is at least this share of a core. In the records so far, ends that limit a stack
/// use 86 % of a core and more, also where a measurement in slices lets a core idle when a slice begins; the other ends use less
/// than 75 %.
const SATURATED: f64 = 0.80;

impl Saturation {
    /// The ends that were saturated, from the shares of a core that client and server used in each block. `None` without
    /// blocks.
    ///
    /// The median of the blocks decides, so that half of them may be disturbed in either direction without changing the result.
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

/// Whether an end that used these `shares` of a core was saturated; `None` without any.
pub(crate) fn is_saturated(shares: &[f64]) -> Option<bool> {
    Some(median(shares)? >= SATURATED)
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
    fn single_blocks_do_not_change_the_state() {
        let state = |shares: &[f64]| is_saturated(shares).unwrap();
        assert!(state(&[0.97, 0.60, 0.90, 0.93, 0.72]));
        assert!(!state(&[0.70, 0.99, 0.74, 0.99, 0.76]));
        assert!(is_saturated(&[0.80]).unwrap() && !is_saturated(&[0.79]).unwrap());
    }
}
