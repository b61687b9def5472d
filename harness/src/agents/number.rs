//! The number of an agent, and how many agents the run has.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// The environment variable in which Kubernetes passes each pod of an Indexed Job its index, from 0.
pub const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";

/// The largest number of agents of a run: each needs at least one caller, and there may be 10,000 of those.
const MAX_AGENTS: u32 = 10_000;

/// The number of an agent, and how many agents the run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentNumber {
    /// The number of this agent, from 1.
    pub agent: u32,
    /// The number of agents.
    pub of: NonZeroU32,
}

/// The number of an agent as a command line gives it: `2/3`, or `3` for one of three that takes its own number from
/// [`INDEX_VARIABLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentArgument {
    agent: Option<u32>,
    of: NonZeroU32,
}

/// Why the number of an agent is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// The text is neither `I/N` nor `N`.
    #[error("expected I/N, for example 1/3 and 2/3 and 3/3, or N alone in an Indexed Job of Kubernetes")]
    Syntax,
    /// [`INDEX_VARIABLE`] is not a number.
    #[error("{INDEX_VARIABLE} is `{0}`; expected an index from 0")]
    Index(String),
    /// Only the number of agents is known.
    #[error("which of the {of} agents is this? Give I/{of}, or set {INDEX_VARIABLE} as Kubernetes does")]
    Missing {
        /// The number of agents.
        of: NonZeroU32,
    },
    /// The number is larger than that of the agents.
    #[error("there is no agent {agent} of {of}: {INDEX_VARIABLE} counts from 0")]
    OutOfRange {
        /// The number of this agent.
        agent: u32,
        /// The number of agents.
        of: NonZeroU32,
    },
}

impl AgentArgument {
    /// Resolves the argument. `index`, counted from 0, is used if the argument has only the number of agents.
    ///
    /// # Errors
    /// [`NumberError`].
    pub fn with_index(self, index: Option<&str>) -> Result<AgentNumber, NumberError> {
        let of = self.of;
        let agent = match (self.agent, index) {
            (Some(agent), _) => agent,
            (None, Some(index)) => {
                let number = index.parse().ok().and_then(|index: u32| index.checked_add(1));
                number.ok_or_else(|| NumberError::Index(index.to_owned()))?
            }
            // A single agent needs no index.
            (None, None) if of == NonZeroU32::MIN => 1,
            (None, None) => return Err(NumberError::Missing { of }),
        };
        if agent > of.get() {
            return Err(NumberError::OutOfRange { agent, of });
        }
        Ok(AgentNumber { agent, of })
    }
}

impl FromStr for AgentArgument {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let (agent, of) = match text.split_once('/') {
            Some((agent, of)) => (Some(agent), of),
            None => (None, text),
        };
        let of: NonZeroU32 = of.parse().map_err(|_| NumberError::Syntax)?;
        let agent: Option<NonZeroU32> = agent.map(str::parse).transpose().map_err(|_| NumberError::Syntax)?;
        if of.get() > MAX_AGENTS || agent.is_some_and(|agent| agent > of) {
            return Err(NumberError::Syntax);
        }
        Ok(AgentArgument { agent: agent.map(NonZeroU32::get), of })
    }
}

impl fmt::Display for AgentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.agent, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_given_in_full_or_completed_by_kubernetes() {
        let number = |text: &str, index| {
            text.parse::<AgentArgument>()?.with_index(index).map(|number| number.to_string())
        };
        assert_eq!(number("1/3", None).unwrap(), "1 of 3");
        assert_eq!(number("3/3", Some("0")).unwrap(), "3 of 3");
        assert_eq!(number("3", Some("0")).unwrap(), "1 of 3");
        assert_eq!(number("3", Some("2")).unwrap(), "3 of 3");
        assert_eq!(number("1", None).unwrap(), "1 of 1");
        for (text, index, word) in [
            ("0/3", None, "I/N"),
            ("4/3", None, "I/N"),
            ("3/", None, "I/N"),
            ("/3", None, "I/N"),
            ("10001", None, "I/N"),
            ("0", None, "I/N"),
            ("3", None, "which of the 3"),
            ("3", Some("3"), "no agent 4 of 3"),
            ("3", Some("first"), "`first`"),
        ] {
            let error = number(text, index).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
