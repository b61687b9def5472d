//! The stages of a timeline: a load that changes over time, in steps and ramps.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use calculator::parse_duration;
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::duration;
use crate::load::{Ramp, Rate};

/// The permitted length of a stage.
const LENGTH_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);
/// The largest number of stages of a timeline.
pub(super) const MAX_STAGES: usize = 100;

/// A stage of a timeline: calls at a rate that changes evenly, or stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Calls per second at its beginning: 0 to 1000000. By default those at the end of the stage before; in the first stage, those
    /// of `to`.
    #[serde(default, deserialize_with = "optional_rate", skip_serializing_if = "Option::is_none")]
    #[schemars(example = 100)]
    pub from: Option<u32>,
    /// Calls per second at its end: 0 to 1000000.
    #[serde(deserialize_with = "rate")]
    #[schemars(example = 1000)]
    pub to: u32,
    /// How long it takes: 1 s to 600 s.
    #[serde(serialize_with = "duration::serialize", deserialize_with = "length")]
    #[schemars(with = "String", example = &"30s")]
    pub over: Duration,
}

/// Why a text is not a [`Stage`].
#[derive(Debug, thiserror::Error)]
#[error("`{text}`: {reason}; expected RATE:TIME or FROM..TO:TIME, for example 100..1000:30s")]
pub struct StageParseError {
    text: String,
    reason: String,
}

/// The stages as parts of a schedule.
pub(super) fn ramps(stages: &[Stage]) -> Vec<Ramp> {
    let mut before = None;
    let ramp = |stage: &Stage| {
        let from = stage.from.or(before).unwrap_or(stage.to);
        before = Some(stage.to);
        Ramp { from, to: stage.to, length: stage.over }
    };
    stages.iter().map(ramp).collect()
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = i64::deserialize(deserializer)?;
    checked_rate(number).map_err(D::Error::custom)
}

/// The same for a key that may be absent.
fn optional_rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    rate(deserializer).map(Some)
}

fn checked_rate(number: i64) -> Result<u32, String> {
    let rate = u32::try_from(number).ok().filter(|rate| *rate == 0 || Rate::new(*rate).is_some());
    rate.ok_or_else(|| format!("expected a rate of 0 to 1000000 calls a second, not {number}"))
}

fn length<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_length(&text).map_err(D::Error::custom)
}

fn parse_length(text: &str) -> Result<Duration, String> {
    let length = parse_duration(text).map_err(|error| error.to_string())?;
    let usual = humantime::format_duration(length).to_string();
    let numbers = |text: &str| {
        let parts = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect::<Vec<_>>()
    };
    // `1m 90s` is more likely a mistake than two and a half minutes.
    if numbers(text).len() > 1 && !text.contains('.') && numbers(text) != numbers(&usual) {
        return Err(format!("the units of `{text}` overlap; write {usual}"));
    }
    if !LENGTH_RANGE.contains(&length) {
        return Err(format!("a stage takes 1s to 600s, not {usual}"));
    }
    Ok(length)
}

impl FromStr for Stage {
    type Err = StageParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |reason: &str| StageParseError { text: text.to_owned(), reason: reason.to_owned() };
        let rate = |text: &str| {
            let number = text.trim().parse::<i64>().map_err(|_| format!("`{text}` is not a whole number"));
            number.and_then(checked_rate).map_err(|reason| refused(&reason))
        };
        let (rates, time) = text.split_once(':').ok_or_else(|| refused("it has no time"))?;
        let over = parse_length(time).map_err(|reason| refused(&reason))?;
        let (from, to) = match rates.split_once("..") {
            Some((from, to)) => (rate(from)?, rate(to)?),
            None => (rate(rates)?, rate(rates)?),
        };
        Ok(Stage { from: Some(from), to, over })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from =
            self.from.filter(|from| *from != self.to).map_or_else(String::new, |from| format!("{from}.."));
        write!(f, "{from}{}:{}", self.to, humantime::format_duration(self.over))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_begins_where_the_one_before_has_ended() {
        let stages: Vec<Stage> =
            ["100:10s", "500..50:20s"].iter().map(|text| text.parse().unwrap()).collect();
        let implied = Stage { from: None, ..stages[0] };
        let found = ramps(&[implied, stages[1], implied]);
        let rates: Vec<_> = found.iter().map(|ramp| (ramp.from, ramp.to, ramp.length.as_secs())).collect();
        assert_eq!(rates, [(100, 100, 10), (500, 50, 20), (50, 100, 10)]);
        assert_eq!(stages.iter().map(ToString::to_string).collect::<Vec<_>>(), ["100:10s", "500..50:20s"]);
    }

    #[test]
    fn what_is_no_stage_is_refused_with_the_reason() {
        for (text, expected) in [
            ("100", "it has no time"),
            ("100:0s", "a stage takes 1s to 600s, not 0s"),
            ("100:11m", "a stage takes 1s to 600s, not 11m"),
            ("100:1m 90s", "the units of `1m 90s` overlap; write 2m 30s"),
            ("100:10s 10s", "overlap; write 20s"),
            ("100:30s 1m", "overlap; write 1m 30s"),
            ("100:x", "expected"),
            ("1000000000:10s", "0 to 1000000 calls a second, not 1000000000"),
            ("-1..5:10s", "0 to 1000000 calls a second, not -1"),
            ("1e3:10s", "`1e3` is not a whole number"),
            ("1..x:10s", "`x` is not a whole number"),
            ("", "it has no time"),
        ] {
            let error = text.parse::<Stage>().unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("FROM..TO:TIME"), "{text}: {error}");
        }
        for text in ["1:1m 30s", "0..1000000:600s", "5:1min 30sec", "5:1.5m"] {
            text.parse::<Stage>().unwrap();
        }
    }
}
