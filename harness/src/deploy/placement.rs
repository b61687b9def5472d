//! Placement: the cores on which the processes of a trial run.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sys;

/// Where client and server run. This affects latency more than the choice of protocol does, so nothing is compared across
/// placements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// The client on one core, server and broker on another.
    Split,
    /// Everything on one core: a round trip then takes the CPU time of the whole call.
    Shared,
    /// Client, server and broker on any core, as the operating system schedules them.
    Free,
}

impl Placement {
    /// Every placement.
    pub const ALL: [Placement; 3] = [Placement::Split, Placement::Shared, Placement::Free];

    /// The name in scenarios and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Placement::Split => "split",
            Placement::Shared => "shared",
            Placement::Free => "free",
        }
    }

    /// Whether a server that was already running meets this placement. `server` is the set of cores that it may run on,
    /// `cores` what this placement assigns, and `allowed` what the run may use.
    #[must_use]
    pub fn is_met(self, cores: &Cores, server: &[usize], allowed: &[usize]) -> bool {
        match self {
            Placement::Shared => server == cores.server,
            Placement::Split => !server.is_empty() && server.iter().all(|core| !cores.client.contains(core)),
            Placement::Free => allowed.iter().all(|core| server.contains(core)),
        }
    }

    /// Assigns cores out of `allowed`; empty lists where processes cannot be pinned.
    ///
    /// # Errors
    /// When the placement needs more cores than are allowed.
    pub fn cores(self, allowed: &[usize]) -> Result<Cores, NotEnoughCores> {
        if !sys::FULL {
            // The record states that this build cannot pin processes.
            return Ok(Cores::default());
        }
        match (self, allowed) {
            (Placement::Free, _) => Ok(Cores::default()),
            // The last core, because many systems handle interrupts on the first.
            (Placement::Shared, [.., last]) => Ok(Cores { client: vec![*last], server: vec![*last] }),
            (Placement::Split, [.., client, server]) => {
                Ok(Cores { client: vec![*client], server: vec![*server] })
            }
            (Placement::Split | Placement::Shared, _) => Err(NotEnoughCores(allowed.len())),
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Placement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|placement| placement.name() == text)
            .ok_or_else(|| format!("unknown placement `{text}`; the placements are split, shared, free"))
    }
}

/// There are too few cores for placement `split`.
#[derive(Debug, thiserror::Error)]
#[error("placement split needs two cores and this process may use {0}; use --placement shared")]
pub struct NotEnoughCores(usize);

/// The cores assigned to each process. An empty list means any core.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Cores {
    /// Cores of the client.
    pub client: Vec<usize>,
    /// Cores of the server and of the broker.
    pub server: Vec<usize>,
}

impl Cores {
    /// Whether client and server share a single core.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.client.len() == 1 && self.client == self.server
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_met_compares_the_cores_of_a_running_server() {
        let (shared, split) =
            (Cores { client: vec![1], server: vec![1] }, Cores { client: vec![0], server: vec![1] });
        let met =
            |placement: Placement, cores: &Cores, server: &[usize]| placement.is_met(cores, server, &[0, 1]);
        assert!(met(Placement::Shared, &shared, &[1]) && !met(Placement::Shared, &shared, &[0, 1]));
        assert!(met(Placement::Split, &split, &[1, 2]) && !met(Placement::Split, &split, &[0, 1]));
        assert!(!met(Placement::Split, &split, &[]));
        assert!(
            met(Placement::Free, &Cores::default(), &[0, 1])
                && !met(Placement::Free, &Cores::default(), &[1])
        );
    }

    #[test]
    fn split_needs_two_cores_and_shared_needs_one() {
        let cores = |placement: Placement, allowed| placement.cores(allowed);
        assert_eq!(cores(Placement::Free, &[0, 1]).unwrap(), Cores::default());
        if !sys::FULL {
            assert_eq!(cores(Placement::Split, &[0]).unwrap(), Cores::default());
            return;
        }
        let split = cores(Placement::Split, &[0, 1]).unwrap();
        assert!(!split.is_one() && !Cores::default().is_one());
        assert_eq!((split.client, split.server), (vec![0], vec![1]));
        let shared = cores(Placement::Shared, &[4]).unwrap();
        assert!(shared.is_one());
        assert_eq!((shared.client, shared.server), (vec![4], vec![4]));
        assert!(cores(Placement::Split, &[0]).is_err());
    }
}
