//! The options that all agents of a run have in common.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::scenario::Scenario;

/// The options that must be the same for all agents of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreement<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) seed: u64,
    /// The number of agents.
    pub(super) of: NonZeroU32,
    /// When the calls of the first trial begin, in nanoseconds since 1970.
    pub(super) start: i128,
    pub(super) gap: Duration,
}

impl Agreement<'_> {
    /// The id of the run: eight hexadecimal digits, the same for agents with the same options and different otherwise.
    pub(super) fn id(&self) -> String {
        let scenario = serde_json::to_string(self.scenario).unwrap_or_default();
        let text = format!("{} {} {} {} {scenario}", self.start, self.seed, self.of, self.gap.as_nanos());
        // FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo), with the halves of its 64 bits folded into one.
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{:08x}", (hash >> 32) ^ (hash & 0xffff_ffff))
    }
}

/// The seed of the arguments and arrivals of agent number `agent`, from 1: different for each agent, and `seed` itself for
/// agent 1, which therefore makes the same calls as a run without agents.
pub(super) fn seed_of_agent(seed: u64, agent: u32) -> u64 {
    // Each caller adds its number, at most 10,000, to the seed.
    seed.wrapping_add(u64::from(agent.saturating_sub(1)) << 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_with_the_same_options_have_the_same_id_and_others_do_not() {
        let scenario = Scenario::load("quick").unwrap();
        let mut other = scenario.clone();
        other.measure *= 2;
        let agreement = Agreement {
            scenario: &scenario,
            seed: 1,
            of: NonZeroU32::new(3).unwrap(),
            start: 1_790_000_000_000_000_000,
            gap: Duration::from_secs(1),
        };
        assert_eq!(agreement.id(), Agreement { ..agreement }.id());
        assert_eq!(agreement.id().len(), 8);
        for changed in [
            Agreement { scenario: &other, ..agreement },
            Agreement { seed: 2, ..agreement },
            Agreement { of: NonZeroU32::MIN, ..agreement },
            Agreement { start: agreement.start + 1, ..agreement },
            Agreement { gap: Duration::from_secs(2), ..agreement },
        ] {
            assert_ne!(changed.id(), agreement.id());
        }
    }

    #[test]
    fn every_agent_has_a_different_seed() {
        assert_eq!(seed_of_agent(7, 1), 7);
        let seeds: std::collections::BTreeSet<u64> =
            (1..=100).map(|agent| seed_of_agent(u64::MAX, agent)).collect();
        assert_eq!(seeds.len(), 100);
    }
}
