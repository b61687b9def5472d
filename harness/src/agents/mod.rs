//! Load from several machines: agents that agree on a time without talking to each other, and what they saw put together.
//!
//! Every agent derives the whole schedule (which trial is made when) from what it was told: the start, the seed, the
//! scenario and how many agents there are. Each makes its share of the load and writes a partial record;
//! [`merge`](merge::merge) adds those up.

pub mod clock;
pub mod merge;
mod run;
mod start;
mod wait;

pub use run::{Options, check, run};
pub use start::{Start, StartError};
pub(crate) use wait::{wait_for, wait_until};

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::scenario::Scenario;

/// The environment variable in which Kubernetes tells each pod of an Indexed Job its index, from 0.
pub const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";

/// The most agents of a run: as many as there may be callers.
const MOST: u32 = 10_000;

/// Which agent of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// From 1.
    pub agent: u32,
    /// How many there are.
    pub of: NonZeroU32,
}

/// Which agent of how many, as it is written: one that says only how many takes its own number from
/// [`INDEX_VARIABLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenNumber {
    agent: Option<u32>,
    of: NonZeroU32,
}

impl GivenNumber {
    /// The number, with `index` from 0 where none was given.
    ///
    /// # Errors
    /// What is missing or does not fit, in words.
    pub fn with_index(self, index: Option<&str>) -> Result<Number, String> {
        let of = self.of;
        let agent = match (self.agent, index) {
            (Some(agent), _) => Some(agent),
            (None, Some(index)) => Some(
                index
                    .parse()
                    .ok()
                    .and_then(|index: u32| index.checked_add(1))
                    .ok_or_else(|| format!("{INDEX_VARIABLE} is `{index}`; expected an index from 0"))?,
            ),
            // Whoever is alone has no need of a number.
            (None, None) => (of == NonZeroU32::MIN).then_some(1),
        };
        let agent = agent.ok_or_else(|| {
            format!(
                "which of the {of} agents is this? Give I/{of}, or set {INDEX_VARIABLE} as Kubernetes does"
            )
        })?;
        if agent > of.get() {
            return Err(format!("there is no agent {agent} of {of}: {INDEX_VARIABLE} counts from 0"));
        }
        Ok(Number { agent, of })
    }
}

impl FromStr for GivenNumber {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (agent, of) = match text.split_once('/') {
            Some((agent, of)) => (Some(agent), of),
            None => (None, text),
        };
        let of = of.parse().ok().filter(|of: &NonZeroU32| of.get() <= MOST);
        let agent = agent
            .map(|agent| agent.parse().ok().filter(|agent| *agent > 0))
            .map_or(Some(None), |a| a.map(Some));
        of.zip(agent)
            .filter(|(of, agent)| agent.is_none_or(|agent| agent <= of.get()))
            .map(|(of, agent)| GivenNumber { agent, of })
            .ok_or_else(|| {
                "expected I/N, for example 1/3 and 2/3 and 3/3, or N alone in an Indexed Job of Kubernetes"
                    .to_owned()
            })
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.agent, self.of)
    }
}

/// What all agents of a run have been told alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) seed: u64,
    pub(crate) of: NonZeroU32,
    /// Nanoseconds since 1970.
    pub(crate) start: i128,
    pub(crate) gap: std::time::Duration,
}

impl Told<'_> {
    /// The identity of the run: eight hexadecimal digits that agents who were told the same have in common, and others
    /// have not.
    pub(crate) fn id(&self) -> String {
        let scenario = serde_json::to_string(self.scenario).unwrap_or_default();
        let told = format!("{} {} {} {} {scenario}", self.start, self.seed, self.of, self.gap.as_nanos());
        // FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo), with the halves of its 64 bits folded into one.
        let hash = told.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{:08x}", (hash >> 32) ^ (hash & 0xffff_ffff))
    }
}

/// The seed of an agent's own arguments and arrivals: those of agents must not be the same, and agent 1 makes the calls
/// that a run without agents would.
fn own_seed(seed: u64, agent: u32) -> u64 {
    // Callers take the numbers that follow a seed, ten thousand of them at most.
    seed.wrapping_add(u64::from(agent.saturating_sub(1)) << 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_number_is_given_whole_or_completed_by_kubernetes() {
        let number =
            |text: &str, index| text.parse::<GivenNumber>()?.with_index(index).map(|n| n.to_string());
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
            let error = number(text, index).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn agents_that_were_told_the_same_have_the_same_id_and_no_others() {
        let scenario = Scenario::load("quick").unwrap();
        let mut other = scenario.clone();
        other.measure *= 2;
        let told = Told {
            scenario: &scenario,
            seed: 1,
            of: NonZeroU32::new(3).unwrap(),
            start: 1_790_000_000_000_000_000,
            gap: Duration::from_secs(1),
        };
        assert_eq!(told.id(), Told { ..told }.id());
        assert_eq!(told.id().len(), 8);
        for changed in [
            Told { scenario: &other, ..told },
            Told { seed: 2, ..told },
            Told { of: NonZeroU32::MIN, ..told },
            Told { start: told.start + 1, ..told },
            Told { gap: Duration::from_secs(2), ..told },
        ] {
            assert_ne!(changed.id(), told.id());
        }
    }

    #[test]
    fn agents_have_seeds_of_their_own() {
        assert_eq!(own_seed(7, 1), 7);
        let seeds: std::collections::BTreeSet<u64> =
            (1..=100).map(|agent| own_seed(u64::MAX, agent)).collect();
        assert_eq!(seeds.len(), 100);
    }
}
