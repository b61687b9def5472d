//! The settings of a gate: `scenarios/gate.toml`, or another file of the same form.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::deploy::Placement;
use crate::load::Operation;
use crate::scenario::{ScenarioError, duration, parse_toml};
use crate::stacks::Stack;

/// The built-in settings.
const BUILT_IN: &str = include_str!("../../../scenarios/gate.toml");
/// The shortest slice: with fewer calls, its figures are chance.
const MIN_SLICE: Duration = Duration::from_millis(1);
/// The thresholds that make sense, shares.
const THRESHOLDS: RangeInclusive<f64> = 0.001..=10.0;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// CPU time of the server per call.
    ServerCpu,
    /// CPU time of the client per call.
    ClientCpu,
    /// Median latency.
    LatencyP50,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Metric; 3] = [Metric::ServerCpu, Metric::ClientCpu, Metric::LatencyP50];

    /// The key in the settings.
    fn key(self) -> &'static str {
        match self {
            Metric::ServerCpu => "thresholds.server-cpu",
            Metric::ClientCpu => "thresholds.client-cpu",
            Metric::LatencyP50 => "thresholds.latency-p50",
        }
    }

    /// The name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Metric::ServerCpu => "CPU per call, server",
            Metric::ClientCpu => "CPU per call, client",
            Metric::LatencyP50 => "latency p50",
        }
    }
}

/// The settings of a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateSettings {
    /// The stacks that are compared, by name.
    pub stacks: Vec<String>,
    /// The operation that is called.
    pub operation: Operation,
    /// Where the processes run.
    pub placement: Placement,
    /// How long each side is called before a round is measured.
    #[serde(with = "duration")]
    pub warmup: Duration,
    /// The length of a slice: the calls to one side without a change.
    #[serde(with = "duration")]
    pub slice: Duration,
    /// The slices of each side in a round.
    pub slices: u32,
    /// The longest time for which a stack is called in a gate, warm-ups included.
    #[serde(with = "duration")]
    pub max_time: Duration,
    /// The standard deviation of a metric between two links of the same source, a share.
    pub link_spread: f64,
    /// By which share the new side may be slower.
    pub thresholds: Thresholds,
}

/// The threshold of each metric, a share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Thresholds {
    /// [`Metric::ServerCpu`].
    pub server_cpu: f64,
    /// [`Metric::ClientCpu`].
    pub client_cpu: f64,
    /// [`Metric::LatencyP50`].
    pub latency_p50: f64,
}

impl GateSettings {
    /// The settings in the file at `path`, or the built-in ones.
    ///
    /// # Errors
    /// [`ScenarioError`].
    pub fn load(path: Option<&Path>) -> Result<Self, ScenarioError> {
        let Some(path) = path else { return Self::parse("gate.toml", BUILT_IN) };
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Parses settings; `origin` names them in messages.
    ///
    /// # Errors
    /// [`ScenarioError::Invalid`] with the line and column, and what was expected there.
    fn parse(origin: &str, text: &str) -> Result<Self, ScenarioError> {
        let settings: Self = parse_toml(origin, text)?;
        settings.check().map_err(|(key, message)| ScenarioError::invalid_key(origin, text, key, &message))?;
        Ok(settings)
    }

    /// Checks what the form does not guarantee.
    ///
    /// # Errors
    /// The key, with that of its table if it is in one, and what is wrong with its value.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        for (index, name) in self.stacks.iter().enumerate() {
            let stack = Stack::named(name).map_err(|error| ("stacks", error.to_string()))?;
            if stack.needs_broker() && stack.transport.has_tls() {
                return Err(("stacks", format!("{name}: the broker of a gate has no TLS")));
            }
            if !self.operation.may_be_called_on(stack) {
                return Err(("operation", format!("clients of {name} cannot call {}", self.operation)));
            }
            if self.stacks[..index].contains(name) {
                return Err(("stacks", format!("{name} is named twice")));
            }
        }
        if self.stacks.is_empty() {
            return Err(("stacks", "name at least one stack".to_owned()));
        }
        if self.slices == 0 || self.slice < MIN_SLICE {
            return Err(("slice", format!("a round has at least one slice of {MIN_SLICE:?}")));
        }
        for metric in Metric::ALL {
            if !THRESHOLDS.contains(&self.threshold(metric)) {
                return Err((
                    metric.key(),
                    "expected a share from 0.001 to 10, for example 0.01 for 1 %".to_owned(),
                ));
            }
        }
        if !(0.0..=1.0).contains(&self.link_spread) {
            return Err(("link_spread", "expected a share from 0 to 1".to_owned()));
        }
        Ok(())
    }

    /// The threshold of `metric`, a share.
    #[must_use]
    pub fn threshold(&self, metric: Metric) -> f64 {
        match metric {
            Metric::ServerCpu => self.thresholds.server_cpu,
            Metric::ClientCpu => self.thresholds.client_cpu,
            Metric::LatencyP50 => self.thresholds.latency_p50,
        }
    }

    /// For how long a round calls a stack.
    #[must_use]
    pub fn round(&self) -> Duration {
        2 * (self.warmup + self.slice.saturating_mul(self.slices))
    }

    /// How many rounds a gate has at most.
    #[must_use]
    pub fn max_rounds(&self) -> u32 {
        u32::try_from(self.max_time.as_nanos() / self.round().as_nanos().max(1)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_settings_are_valid() {
        let settings = GateSettings::load(None).unwrap();
        assert!(settings.max_rounds() >= 200, "{}", settings.max_rounds());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, expected) in [
            ("slices =", "slizes =", "unknown field `slizes`"),
            ("server-cpu = 0.01", "server-cpu = 0", "0.001 to 10"),
            ("\"rest-hyper\"", "\"rest-hipper\"", "did you mean `rest-hyper`?"),
            ("[\"rest-hyper\"]", "[\"rest\", \"rest\"]", "rest is named twice"),
            ("link_spread = 0", "link_spread = 7", "a share from 0 to 1"),
            ("slice = \"2ms\"", "slice = \"20us\"", "at least one slice of 1ms"),
        ] {
            // A comment is no place of an error.
            let text = format!("# stacks = [] slice = 1 link_spread = 0 server-cpu = 0\n{BUILT_IN}");
            let at = text.rfind(from).unwrap();
            let broken = format!("{}{}", &text[..at], text[at..].replacen(from, to, 1));
            let message = GateSettings::parse("mine.toml", &broken).unwrap_err().to_string();
            let line = text[..at].lines().count() + usize::from(text[..at].ends_with('\n'));
            assert!(
                message.starts_with(&format!("mine.toml:{line}:")) && message.contains(expected),
                "{message}"
            );
        }
        let error = GateSettings::load(Some(Path::new("/nowhere/gate.toml"))).unwrap_err();
        assert!(error.to_string().contains("/nowhere/gate.toml"), "{error}");
    }
}
