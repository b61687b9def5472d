//! Scenarios: files that say what is measured, and the plan of blocks of trials that follows from one.

mod plan;

pub use plan::{AgentShare, Plan, PlanError, PlannedSearch, TrialSpec};

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::deploy::Placement;
use crate::load::{Arrivals, Load, Operation, Rate};
use crate::stacks::Stack;

/// The scenarios that are built into the program, by name.
pub static BUILT_IN: &[(&str, &str)] = &[
    ("quick", include_str!("../../../scenarios/quick.toml")),
    ("standard", include_str!("../../../scenarios/standard.toml")),
    ("saturation", include_str!("../../../scenarios/saturation.toml")),
    ("rate-sweep", include_str!("../../../scenarios/rate-sweep.toml")),
    ("concurrency-sweep", include_str!("../../../scenarios/concurrency-sweep.toml")),
    ("amqp", include_str!("../../../scenarios/amqp.toml")),
    ("containers", include_str!("../../../scenarios/containers.toml")),
];

/// What is measured, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The name, as in the folder of results.
    pub name: String,
    /// The question that it answers.
    pub question: String,
    /// How many times every trial is made.
    pub blocks: NonZeroU32,
    /// How long calls are made before they count.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub warmup: Duration,
    /// How long they count.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub measure: Duration,
    /// How long one call may take.
    #[serde(with = "duration", default = "usual_timeout")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// The stacks. The floors `inproc` and `tcp` are measured whether they stand here or not.
    pub stacks: Vec<String>,
    /// Whether the floors are measured. Only a study of the method itself has no use for them.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub floors: bool,
    /// Pairs to be compared closely: within a block they stand next to each other in the order A B B A. A stack paired
    /// with itself is an A/A pair: what tells it from itself is noise. A stack may be in one pair.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<[String; 2]>,
    /// What is measured of each of them.
    #[serde(rename = "measurement", default, skip_serializing_if = "Vec::is_empty")]
    pub measurements: Vec<Measurement>,
    /// What is searched for of each of them, after the blocks.
    #[serde(rename = "search", default, skip_serializing_if = "Vec::is_empty")]
    pub searches: Vec<Search>,
}

/// The search for the highest rate of an open loop at which 99 of 100 calls are answered in time. The same for every
/// stack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// A word for tables and figures.
    pub name: String,
    /// What is called.
    pub operation: Operation,
    /// How calls are spread over time.
    pub arrivals: Arrivals,
    /// Within which time from its slot a call must be answered.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub p99: Duration,
    /// Where client and server run.
    pub placement: Placement,
    /// Over how many connections the calls go.
    pub connections: NonZeroU32,
    /// Whether cores that would idle are kept awake; only ever in `split`.
    #[serde(default = "yes")]
    pub warm: bool,
}

impl Search {
    /// The measurement of one rate.
    #[must_use]
    pub fn at(&self, rate: Rate) -> Measurement {
        Measurement {
            name: self.name.clone(),
            operation: self.operation,
            load: Load::Open(rate, self.arrivals),
            placement: self.placement,
            connections: Some(self.connections),
            warm: self.warm,
        }
    }
}

/// One figure of a scenario: an operation under a load in a placement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// A word for tables and figures.
    pub name: String,
    /// What is called.
    pub operation: Operation,
    /// How calls follow each other.
    pub load: Load,
    /// Where client and server run.
    pub placement: Placement,
    /// Over how many connections the callers go; one each where it is not given. Protocols that allow only one call
    /// in flight on a connection have one each in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<NonZeroU32>,
    /// Whether cores that would idle are kept awake; only ever in `split`.
    #[serde(default = "yes")]
    pub warm: bool,
}

fn usual_timeout() -> Duration {
    Duration::from_secs(5)
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_yes(flag: &bool) -> bool {
    *flag
}

/// Durations as people write them: `250ms`, `1.5s` is `1s 500ms`.
mod duration {
    use super::{Deserialize, Deserializer, Duration, Serializer};
    use serde::de::Error;

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*value))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text)
            .map_err(|error| D::Error::custom(format!("expected a duration such as \"250ms\": {error}")))
    }
}

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Neither a built-in scenario nor a file.
    #[error("unknown scenario `{name}`; the scenarios are {known}, or give the path of a .toml file")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The valid names.
        known: String,
    },
    /// The file cannot be read.
    #[error("cannot read the scenario {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is no scenario.
    #[error("{origin}:{line}:{column}: {message}")]
    Invalid {
        /// The file, or the name of a built-in scenario.
        origin: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What was expected.
        message: String,
    },
}

impl Scenario {
    /// The built-in scenario of that name, or the one in the file at that path.
    ///
    /// # Errors
    /// [`ScenarioError`].
    pub fn load(name_or_path: &str) -> Result<Self, ScenarioError> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == name_or_path) {
            return Self::parse(name, text);
        }
        let path = Path::new(name_or_path);
        if path.extension().is_none_or(|extension| extension != "toml") && !path.exists() {
            let known = BUILT_IN.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            return Err(ScenarioError::Unknown { name: name_or_path.to_owned(), known });
        }
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(name_or_path, &text)
    }

    /// Reads a scenario; `origin` names it in messages.
    ///
    /// # Errors
    /// [`ScenarioError::Invalid`] with the place and what was expected there.
    pub fn parse(origin: &str, text: &str) -> Result<Self, ScenarioError> {
        let invalid = |at: usize, message: String| {
            let before = text.get(..at).unwrap_or_default();
            ScenarioError::Invalid {
                origin: origin.to_owned(),
                line: before.matches('\n').count() + 1,
                column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
                message,
            }
        };
        let scenario: Scenario = toml::from_str(text).map_err(|error| {
            invalid(error.span().map_or(0, |span| span.start), error.message().to_owned())
        })?;
        for name in scenario.stacks.iter().chain(scenario.pairs.iter().flatten()) {
            if let Err(error) = Stack::named(name) {
                let at = text.find(&format!("\"{name}\"")).unwrap_or(0);
                return Err(invalid(at, error.to_string()));
            }
        }
        Ok(scenario)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_scenarios_are_valid_and_named_as_they_are_called() {
        for (name, _) in BUILT_IN {
            let scenario = Scenario::load(name).unwrap();
            assert_eq!(scenario.name, *name);
            Plan::new(&scenario, &[0, 1]).unwrap();
        }
    }

    #[test]
    fn a_scenario_survives_being_written() {
        let scenario = Scenario::load("quick").unwrap();
        let text = toml::to_string(&scenario).unwrap();
        assert_eq!(Scenario::parse("copy", &text).unwrap(), scenario);
    }

    #[test]
    fn mistakes_are_reported_with_file_line_and_what_was_expected() {
        let good = BUILT_IN[0].1;
        for (from, to, expected) in [
            ("blocks =", "bloks =", "unknown field `bloks`"),
            ("load = \"closed:1\"", "load = \"closed:none\"", "closed:CALLERS"),
            ("placement = \"shared\"", "placement = \"here\"", "`split`, `shared`, `free`"),
            ("warmup = \"", "warmup = \"x", "expected a duration"),
            ("\"rest-hyper\"", "\"rest-hipper\"", "the stacks are inproc"),
        ] {
            let broken = good.replacen(from, to, 1);
            assert_ne!(broken, good, "the scenario has no `{from}`");
            let error = Scenario::parse("mine.toml", &broken).unwrap_err();
            let line = broken.lines().position(|line| line.contains(to)).unwrap() + 1;
            let text = error.to_string();
            assert!(text.starts_with(&format!("mine.toml:{line}:")), "{text}");
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn an_unknown_scenario_is_answered_with_the_known_ones() {
        let error = Scenario::load("qick").unwrap_err().to_string();
        assert!(error.contains("qick") && error.contains("quick, standard"), "{error}");
        assert!(matches!(Scenario::load("/nowhere/x.toml"), Err(ScenarioError::Unreadable { .. })));
    }
}
