//! What a server can answer: its CPU time per call with several callers, and the rate that a core of it allows. Of a service of
//! one's own, whose CPU time is not known, the rate that was seen.

use std::collections::BTreeMap;

use super::spread::Spread;
use super::stack::StackKind;
use crate::record::Trial;
use crate::stats::{Saturation, is_saturated};

/// What a server can answer, from the trials of a closed loop with several callers. A server includes its broker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServerCapacity {
    /// Which end was saturated; `None` where that is not known.
    pub saturation: Option<Saturation>,
    /// CPU time of the server per correct answer in nanoseconds; `None` where it could not be observed.
    pub cpu: Option<Spread>,
    /// The calls per second that a core of the server can answer at that CPU time. Only a lower bound unless the server was
    /// saturated.
    pub per_core: Option<Spread>,
}

impl ServerCapacity {
    /// The capacity from the valid `trials` of a stack of this `kind`. `is_placed` states whether the server ran on the
    /// cores that the trials name.
    pub(super) fn new(trials: &[&Trial], kind: StackKind, is_placed: bool) -> Self {
        let per_core = Spread::over_blocks(trials, |trial| capacity_per_core(trial, kind));
        ServerCapacity {
            saturation: is_placed.then(|| Saturation::of(&utilisations(trials, kind)?)).flatten(),
            cpu: Spread::over_blocks(trials, |trial| Some(1e9 / capacity_per_core(trial, kind)?)),
            per_core,
        }
    }

    /// Whether the server was saturated, so that the capacity is exact and can be compared.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.saturation.is_some_and(Saturation::includes_server)
    }

    /// Why the capacity is not compared with others, in words; `None` where it is.
    #[must_use]
    pub fn obstacle(&self) -> Option<&'static str> {
        match self.saturation {
            Some(Saturation::Server | Saturation::Both) => None,
            Some(Saturation::Client) => Some("only the client saturated"),
            Some(Saturation::Neither) => Some("neither end saturated"),
            None => Some("saturated end not known"),
        }
    }
}

/// What is known of a service of one's own with several callers: the rate that was seen, and whether the client limited it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenRate {
    /// Whether the client was saturated; `None` where its CPU time is not known.
    client_saturated: Option<bool>,
}

impl SeenRate {
    /// What the valid `trials` say about the client. One that uses as much as a saturated core counts as saturated, although it
    /// might have had more cores.
    pub(super) fn new(trials: &[&Trial]) -> Self {
        let used = |trial: &&Trial| Some(trial.client.filter(|_| trial.agents.is_empty())?.utilisation);
        let shares: Option<Vec<f64>> = trials.iter().map(used).collect();
        SeenRate { client_saturated: shares.and_then(|shares| is_saturated(&shares)) }
    }

    /// Why the rate is not compared with others, in words; `None` where it is.
    #[must_use]
    pub fn obstacle(self) -> Option<&'static str> {
        match self.client_saturated {
            Some(false) => None,
            Some(true) => Some("the client saturated"),
            None => Some("the client's CPU time is not known"),
        }
    }
}

/// The calls per second that a core of the server can answer at the CPU time that it took per correct answer in `trial`;
/// `None` where that could not be observed.
pub(super) fn capacity_per_core(trial: &Trial, kind: StackKind) -> Option<f64> {
    let cpu_ns = trial.serving(kind.is_brokered())?.cpu_ns;
    trial.per_answer(cpu_ns).filter(|_| cpu_ns > 0).map(|nanos| 1e9 / nanos)
}

/// The shares of a core that client and server used in each block, in order: the mean of a block's trials. `None` where a
/// trial's are not known.
#[allow(clippy::cast_precision_loss)]
pub(super) fn utilisations(trials: &[&Trial], kind: StackKind) -> Option<Vec<[f64; 2]>> {
    let mut blocks: BTreeMap<u32, Vec<[f64; 2]>> = BTreeMap::new();
    for trial in trials {
        blocks.entry(trial.block).or_default().push(trial.utilisations(kind.is_brokered())?);
    }
    let mean = |trials: Vec<[f64; 2]>| {
        [0, 1].map(|end| trials.iter().map(|used| used[end]).sum::<f64>() / trials.len() as f64)
    };
    Some(blocks.into_values().map(mean).collect())
}
