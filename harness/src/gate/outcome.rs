//! What a gate has found.

use serde::{Deserialize, Serialize};

use super::decision::{Judgement, Verdict};
use super::settings::{GateSettings, Metric};
use super::side::ExchangedEnd;

/// The result of a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What the base was, in a few words.
    pub base: String,
    /// What the new side was.
    pub new: String,
    /// The end that differed.
    pub side: ExchangedEnd,
    /// The settings.
    pub settings: GateSettings,
    /// The seed of the links, the order and the environments.
    pub seed: u64,
    /// The verdict on the whole change.
    pub verdict: Verdict,
    /// What is known about each metric of each stack.
    pub judgements: Vec<Judgement>,
    /// What a reader must know, a sentence each.
    pub notes: Vec<String>,
    /// How long the stacks were called, in seconds.
    pub measured_seconds: f64,
    /// How long the gate took after the build, in seconds.
    pub seconds: f64,
    /// The rounds, in order.
    pub rounds: Vec<RoundRecord>,
}

/// A stack in a round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundRecord {
    /// The number of the round, from 0.
    pub round: u32,
    /// The name of the stack.
    pub stack: String,
    /// The seeds of the section padding of base and new; absent for programs that were not linked here.
    pub links: [Option<u32>; 2],
    /// The median over the pairs of slices of ln(new ÷ base).
    pub ratios: Vec<(Metric, f64)>,
}
