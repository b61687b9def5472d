//! How calls follow each other, as people write it.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How calls follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Load {
    /// That many callers, each with one call in flight. Written `closed:32`.
    Closed(NonZeroU32),
    /// Calls begin on a schedule, so many a second, whatever the answers do. Written `open:5000:poisson`.
    Open(Rate, Arrivals),
}

/// Calls per second: 1 to 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Rate(u32);

/// How the calls of an open loop are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// At even intervals.
    Constant,
    /// At random, each independent of the others, as those of many users are.
    Poisson,
}

/// The most callers of a closed loop: beyond it the client's own memory and scheduling are what is measured.
const MOST_CALLERS: u32 = 10_000;
/// The highest rate that a schedule is made for: ten times what a core can send.
const HIGHEST_RATE: u32 = 1_000_000;

impl Rate {
    /// One call a second.
    pub const ONE: Rate = Rate(1);

    /// `per_second` calls a second; `None` where that is 0 or more than 1,000,000.
    #[must_use]
    pub fn new(per_second: u32) -> Option<Self> {
        (1..=HIGHEST_RATE).contains(&per_second).then_some(Rate(per_second))
    }

    /// Calls per second.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Load {
    /// One call after another.
    pub const ONE_CALLER: Load = Load::Closed(NonZeroU32::MIN);

    /// How many callers there are; an open loop has as many as it needs.
    #[must_use]
    pub fn callers(self) -> Option<u32> {
        match self {
            Load::Closed(callers) => Some(callers.get()),
            Load::Open(..) => None,
        }
    }

    /// Calls per second, where that is set and not found out.
    #[must_use]
    pub fn rate(self) -> Option<Rate> {
        match self {
            Load::Closed(_) => None,
            Load::Open(rate, _) => Some(rate),
        }
    }

    /// The part of number `index`, from 0, of `of` who share it: callers or calls per second, as evenly as whole
    /// numbers allow. `None` where there is not one for each.
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

    /// Both loads at once. `None` where they are of different kinds, or too much together.
    #[must_use]
    pub fn and(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Load::Closed(a), Load::Closed(b)) => {
                a.checked_add(b.get()).filter(|sum| sum.get() <= MOST_CALLERS).map(Load::Closed)
            }
            (Load::Open(a, arrivals), Load::Open(b, same)) if arrivals == same => {
                a.0.checked_add(b.0).and_then(Rate::new).map(|rate| Load::Open(rate, arrivals))
            }
            _ => None,
        }
    }

    /// Whether what it finds out is how long a call takes, and not how many there can be: with several callers one
    /// after the other, each waits for the others.
    #[must_use]
    pub fn is_for_latency(self) -> bool {
        self == Load::ONE_CALLER || self.rate().is_some()
    }
}

/// The part of number `index`, from 0, of `of` who share `all`: no part is larger than another by more than one.
#[must_use]
pub fn share(all: u32, index: u32, of: NonZeroU32) -> u32 {
    all / of + u32::from(index < all % of)
}

/// A text that names no load.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown load `{0}`; expected closed:CALLERS with 1 to {MOST_CALLERS} callers, for example closed:32, or \
     open:RATE:constant or open:RATE:poisson with 1 to {HIGHEST_RATE} calls a second, for example open:5000:poisson"
)]
pub struct LoadParseError(String);

impl FromStr for Load {
    type Err = LoadParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let closed = |callers: &str| {
            let callers = callers.parse().ok().filter(|callers: &NonZeroU32| callers.get() <= MOST_CALLERS);
            callers.map(Load::Closed)
        };
        let open = |rate: &str, arrivals: &str| {
            let arrivals = match arrivals {
                "constant" => Arrivals::Constant,
                "poisson" => Arrivals::Poisson,
                _ => return None,
            };
            rate.parse().ok().and_then(Rate::new).map(|rate| Load::Open(rate, arrivals))
        };
        match text.split(':').collect::<Vec<_>>().as_slice() {
            ["closed", callers] => closed(callers),
            ["open", rate, arrivals] => open(rate, arrivals),
            _ => None,
        }
        .ok_or_else(|| LoadParseError(text.to_owned()))
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
    fn loads_are_read_back_as_written_and_nonsense_is_refused() {
        for text in ["closed:1", "closed:10000", "open:1:constant", "open:1000000:poisson"] {
            assert_eq!(text.parse::<Load>().unwrap().to_string(), text);
        }
        for text in [
            "closed",
            "closed:0",
            "closed:-1",
            "closed:10001",
            "closed:1.5",
            "open",
            "open:5000",
            "open:0:constant",
            "open:-5:constant",
            "open:1000001:poisson",
            "open:1e3:poisson",
            "open:5000:uniform",
            "open:5000:poisson:1",
            "",
        ] {
            let error = text.parse::<Load>().unwrap_err().to_string();
            assert!(error.contains("1 to 10000 callers") && error.contains("1 to 1000000 calls"), "{text}");
        }
    }

    #[test]
    fn shares_are_even_and_add_up_and_nobody_goes_without() {
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
                    all.map_or(Some(part), |all| all.and(part)).map(Some)
                }),
                Some(Some(load(whole)))
            );
        }
        let four = NonZeroU32::new(4).unwrap();
        for (whole, index) in [("closed:3", 0), ("closed:3", 3), ("open:3:constant", 0)] {
            assert_eq!(load(whole).share(index, four), None, "{whole}");
        }
        assert_eq!(load("open:5:poisson").and(load("open:5:constant")), None);
        assert_eq!(load("closed:5").and(load("open:5:constant")), None);
        assert_eq!(load("closed:10000").and(load("closed:1")), None);
    }

    #[test]
    fn latency_is_what_one_caller_and_an_open_loop_are_for() {
        for (text, expected) in [("closed:1", true), ("open:5000:poisson", true), ("closed:2", false)] {
            assert_eq!(text.parse::<Load>().unwrap().is_for_latency(), expected, "{text}");
        }
    }
}
