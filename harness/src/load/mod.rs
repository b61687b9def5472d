//! The load generator: which calls are made, by how many callers, and what becomes of them.

mod closed;
mod operation;

pub use closed::{Plan, Window, run};
pub use operation::{Operation, OperationParseError, Prepared, parse_size};

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
}

/// The most callers of a closed loop: beyond it the client's own memory and scheduling are what is measured.
const MOST_CALLERS: u32 = 10_000;

impl Load {
    /// How many callers there are.
    #[must_use]
    pub fn callers(self) -> u32 {
        match self {
            Load::Closed(callers) => callers.get(),
        }
    }
}

/// A text that names no load.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown load `{0}`; expected closed:CALLERS with 1 to {MOST_CALLERS} callers, for example closed:32"
)]
pub struct LoadParseError(String);

impl FromStr for Load {
    type Err = LoadParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("closed:")
            .and_then(|callers| callers.parse().ok())
            .filter(|callers: &NonZeroU32| callers.get() <= MOST_CALLERS)
            .map(Load::Closed)
            .ok_or_else(|| LoadParseError(text.to_owned()))
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Load::Closed(callers) => write!(f, "closed:{callers}"),
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
        for text in ["closed:1", "closed:10000"] {
            assert_eq!(text.parse::<Load>().unwrap().to_string(), text);
        }
        for text in ["closed", "closed:0", "closed:-1", "closed:10001", "closed:1.5", "open", ""] {
            assert!(text.parse::<Load>().is_err(), "{text}");
        }
    }
}
