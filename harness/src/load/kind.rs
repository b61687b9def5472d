//! The load of a trial: closed or open loop, and its text form.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stacks::{hint, nearest};

/// When calls are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Load {
    /// A closed loop with this many callers, each of which has one call in flight. Written `closed:32`.
    Closed(NonZeroU32),
    /// An open loop: calls are made on a schedule, whether or not earlier ones have been answered. Written
    /// `open:5000:poisson`.
    Open(Rate, Arrivals),
}

/// Calls per second: 1 to 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Rate(u32);

/// How the scheduled send times of an open loop are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// At even intervals.
    Constant,
    /// At random and independently, like the calls of many users.
    Poisson,
}

/// Maximum number of callers of a closed loop. With more, the memory and scheduling of the client would dominate.
const MAX_CALLERS: u32 = 10_000;
/// Maximum rate of an open loop: ten times the rate that one core can send.
const MAX_RATE: u32 = 1_000_000;

impl Rate {
    /// One call per second.
    pub const ONE: Rate = Rate(1);

    /// `per_second` calls per second; `None` if that is 0 or more than 1,000,000.
    #[must_use]
    pub fn new(per_second: u32) -> Option<Self> {
        (1..=MAX_RATE).contains(&per_second).then_some(Rate(per_second))
    }

    /// Calls per second.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Load {
    /// A closed loop with one caller.
    pub const ONE_CALLER: Load = Load::Closed(NonZeroU32::MIN);

    /// Number of callers of a closed loop.
    #[must_use]
    pub fn callers(self) -> Option<u32> {
        match self {
            Load::Closed(callers) => Some(callers.get()),
            Load::Open(..) => None,
        }
    }

    /// Rate of an open loop.
    #[must_use]
    pub fn rate(self) -> Option<Rate> {
        match self {
            Load::Closed(_) => None,
            Load::Open(rate, _) => Some(rate),
        }
    }

    /// The part of load generator `index` (from 0) if `of` generators share this load as evenly as possible. `None` if
    /// there are fewer callers, or calls per second, than generators.
    #[must_use]
    pub fn share(self, index: u32, of: NonZeroU32) -> Option<Self> {
        match self {
            Load::Closed(callers) => {
                NonZeroU32::new(share(callers.get(), index, of)).filter(|_| callers >= of).map(Load::Closed)
            }
            Load::Open(rate, arrivals) => {
                let part = Rate::new(share(rate.get(), index, of)).filter(|_| rate.get() >= of.get());
                part.map(|rate| Load::Open(rate, arrivals))
            }
        }
    }

    /// The sum of two loads; the inverse of [`Self::share`]. `None` if they are of different kinds, or if the sum exceeds
    /// the maximum.
    #[must_use]
    pub fn combine(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Load::Closed(a), Load::Closed(b)) => {
                a.checked_add(b.get()).filter(|sum| sum.get() <= MAX_CALLERS).map(Load::Closed)
            }
            (Load::Open(a, arrivals), Load::Open(b, same)) if arrivals == same => {
                a.0.checked_add(b.0).and_then(Rate::new).map(|rate| Load::Open(rate, arrivals))
            }
            _ => None,
        }
    }

    /// Whether this load measures latency rather than throughput. With several callers in a closed loop each call waits
    /// for those of the others.
    #[must_use]
    pub fn is_for_latency(self) -> bool {
        self == Load::ONE_CALLER || self.rate().is_some()
    }
}

/// Part `index` (from 0) of `all` divided into `of` parts that differ by at most one.
#[must_use]
pub fn share(all: u32, index: u32, of: NonZeroU32) -> u32 {
    all / of + u32::from(index < all % of)
}

/// Why a text is not a [`Load`].
#[derive(Debug, thiserror::Error)]
pub enum LoadParseError {
    /// An open loop without its arrivals.
    #[error(
        "`{0}`: whether calls are sent at random or at even intervals is missing: write {0}:poisson or {0}:constant"
    )]
    NoArrivals(String),
    /// An open loop whose arrivals are neither of the two.
    #[error(
        "`{load}`: unknown arrivals `{arrivals}`{}; they are poisson and constant",
        hint(nearest(arrivals, ARRIVALS))
    )]
    Arrivals {
        /// The text.
        load: String,
        /// The part of it that should be the arrivals.
        arrivals: String,
    },
    /// A closed loop without a number of callers in range.
    #[error("`{0}`: expected closed:CALLERS with 1 to {MAX_CALLERS} callers, for example closed:32")]
    Callers(String),
    /// An open loop without a rate in range.
    #[error(
        "`{0}`: expected open:RATE:poisson or open:RATE:constant with 1 to {MAX_RATE} calls a second, for example \
         open:5000:poisson"
    )]
    Rate(String),
    /// Neither a closed nor an open loop.
    #[error(
        "unknown load `{0}`; expected closed:CALLERS with 1 to {MAX_CALLERS} callers, for example closed:32, or \
         open:RATE:constant or open:RATE:poisson with 1 to {MAX_RATE} calls a second, for example open:5000:poisson"
    )]
    Unknown(String),
}

/// The names of [`Arrivals`].
const ARRIVALS: [&str; 2] = ["poisson", "constant"];

impl FromStr for Load {
    type Err = LoadParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let load = || text.to_owned();
        let rate =
            |rate: &str| rate.parse().ok().and_then(Rate::new).ok_or_else(|| LoadParseError::Rate(load()));
        match text.split(':').collect::<Vec<_>>().as_slice() {
            ["closed", callers] => {
                let callers: Option<NonZeroU32> = callers.parse().ok();
                let callers = callers.filter(|callers| callers.get() <= MAX_CALLERS);
                callers.map(Load::Closed).ok_or_else(|| LoadParseError::Callers(load()))
            }
            ["open", per_second] => {
                Err(rate(per_second).map_or_else(|error| error, |_| LoadParseError::NoArrivals(load())))
            }
            ["open", per_second, "constant"] => Ok(Load::Open(rate(per_second)?, Arrivals::Constant)),
            ["open", per_second, "poisson"] => Ok(Load::Open(rate(per_second)?, Arrivals::Poisson)),
            ["open", per_second, arrivals] => {
                rate(per_second)?;
                Err(LoadParseError::Arrivals { load: load(), arrivals: (*arrivals).to_owned() })
            }
            ["closed", ..] => Err(LoadParseError::Callers(load())),
            ["open", ..] => Err(LoadParseError::Rate(load())),
            _ => Err(LoadParseError::Unknown(load())),
        }
    }
}

impl fmt::Display for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Arrivals::Constant => "constant",
            Arrivals::Poisson => "poisson",
        })
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Load::Closed(callers) => write!(f, "closed:{callers}"),
            Load::Open(rate, arrivals) => write!(f, "open:{}:{arrivals}", rate.get()),
        }
    }
}

impl TryFrom<String> for Load {
    type Error = LoadParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Load> for String {
    fn from(load: Load) -> Self {
        load.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_it_displays_and_rejects_everything_else() {
        for text in ["closed:1", "closed:10000", "open:1:constant", "open:1000000:poisson"] {
            assert_eq!(text.parse::<Load>().unwrap().to_string(), text);
        }
        for (text, expected) in [
            ("closed", "1 to 10000 callers"),
            ("closed:0", "1 to 10000 callers"),
            ("closed:-1", "1 to 10000 callers"),
            ("closed:10001", "1 to 10000 callers"),
            ("closed:1.5", "1 to 10000 callers"),
            ("open", "open:RATE:poisson"),
            ("open:5000", "write open:5000:poisson or open:5000:constant"),
            ("open:0:constant", "1 to 1000000 calls"),
            ("open:0", "1 to 1000000 calls"),
            ("open:-5:constant", "1 to 1000000 calls"),
            ("open:1000001:poisson", "1 to 1000000 calls"),
            ("open:1e3:poisson", "1 to 1000000 calls"),
            ("open:5000:uniform", "unknown arrivals `uniform`"),
            ("open:5000:poison", "did you mean `poisson`?"),
            ("open:5000:poisson:1", "1 to 1000000 calls"),
            ("", "unknown load"),
            ("fast", "closed:CALLERS"),
        ] {
            let error = text.parse::<Load>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn shares_are_even_and_never_empty_and_add_up() {
        let load = |text: &str| text.parse::<Load>().unwrap();
        for (whole, parts) in [
            ("closed:3", vec!["closed:1", "closed:1", "closed:1"]),
            ("closed:32", vec!["closed:11", "closed:11", "closed:10"]),
            ("open:5000:poisson", vec!["open:1667:poisson", "open:1667:poisson", "open:1666:poisson"]),
        ] {
            let of = NonZeroU32::new(3).unwrap();
            let shares: Vec<_> = (0..3).map(|index| load(whole).share(index, of).unwrap()).collect();
            assert_eq!(shares.iter().map(ToString::to_string).collect::<Vec<_>>(), parts);
            assert_eq!(
                shares.into_iter().try_fold(None::<Load>, |all, part| {
                    all.map_or(Some(part), |all| all.combine(part)).map(Some)
                }),
                Some(Some(load(whole)))
            );
        }
        let four = NonZeroU32::new(4).unwrap();
        for (whole, index) in [("closed:3", 0), ("closed:3", 3), ("open:3:constant", 0)] {
            assert_eq!(load(whole).share(index, four), None, "{whole}");
        }
        assert_eq!(load("open:5:poisson").combine(load("open:5:constant")), None);
        assert_eq!(load("closed:5").combine(load("open:5:constant")), None);
        assert_eq!(load("closed:10000").combine(load("closed:1")), None);
    }

    #[test]
    fn one_caller_and_open_loops_measure_latency() {
        for (text, expected) in [("closed:1", true), ("open:5000:poisson", true), ("closed:2", false)] {
            assert_eq!(text.parse::<Load>().unwrap().is_for_latency(), expected, "{text}");
        }
    }
}
