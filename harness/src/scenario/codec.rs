//! Codecs in a scenario: formats whose encoding and decoding is measured without sockets.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use codecs::{Exchange, Format};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{count, duration};
use crate::load::Operation;

/// The permitted length of a slice. The clock takes much less than the minimum.
const SLICE_RANGE: RangeInclusive<Duration> = Duration::from_micros(100)..=Duration::from_secs(1);

/// Why codecs cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum CodecPlanError {
    /// There are no formats, or one of them twice.
    #[error("a [[codec]] has at least one format, and each format once")]
    Formats,
    /// The length of a slice is out of range.
    #[error("a slice of a [[codec]] takes 100us to 1s")]
    Slice,
    /// There are no structs for the messages of the operation.
    #[error("a [[codec]] encodes an operation with numbers, or echo:SIZE, not `{0}`")]
    Operation(Operation),
}

/// One measurement of codecs: in each block the call and the result of an operation are encoded and decoded in several
/// formats, in one process on one core, without sockets. The window of each, `measure`, is divided into slices in which the
/// formats take turns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodecMeasurement {
    /// A short name for tables and figures, different from those of the other codecs.
    #[schemars(example = &"document of 1 KiB")]
    pub name: String,
    /// The operation whose call and result are the messages: one with numbers, or `echo` with the size of its payload.
    #[schemars(example = &"echo:1KiB")]
    pub operation: Operation,
    /// The formats: `json`, `json-untyped`, `xml`, `hessian`, `protobuf`, `thrift-binary`, `thrift-compact`, `msgpack`,
    /// `msgpack-untyped`, `text` and `raw`. By default all of them.
    #[serde(default = "all_formats")]
    #[schemars(with = "Vec<String>", example = ["json", "protobuf"])]
    pub formats: Vec<Format>,
    /// The length of a slice: 100 µs to 1 s. It contains at least one call.
    #[serde(default = "default_slice", with = "duration")]
    #[schemars(with = "String", example = &"1ms")]
    pub slice: Duration,
    /// The number of blocks, if it is smaller than the scenario's: the codecs are then measured in the first blocks only.
    #[serde(default, deserialize_with = "count::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(example = 12)]
    pub blocks: Option<NonZeroU32>,
    /// The length of the warm-up of each format, instead of the scenario's.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"20ms")]
    pub warmup: Option<Duration>,
    /// How long each format is encoded, and how long it is decoded, instead of the scenario's window.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"60ms")]
    pub measure: Option<Duration>,
}

impl CodecMeasurement {
    /// The call that is encoded, and its result: the same in every run, so that every run has messages of the same length.
    #[must_use]
    pub fn exchange(&self) -> Option<Exchange> {
        const SEED: u64 = 1;
        let prepared = self.operation.example(SEED)?;
        Exchange::new(prepared.call, prepared.expected.value()?.clone())
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// [`CodecPlanError`].
    pub(super) fn check(&self) -> Result<(), CodecPlanError> {
        let different: BTreeSet<_> = self.formats.iter().collect();
        if self.formats.is_empty() || different.len() < self.formats.len() {
            Err(CodecPlanError::Formats)
        } else if !SLICE_RANGE.contains(&self.slice) {
            Err(CodecPlanError::Slice)
        } else if self.exchange().is_none() {
            Err(CodecPlanError::Operation(self.operation))
        } else {
            Ok(())
        }
    }
}

fn all_formats() -> Vec<Format> {
    Format::ALL.to_vec()
}

fn default_slice() -> Duration {
    Duration::from_millis(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Plan, Scenario};

    fn scenario(change: &str) -> Scenario {
        let text = format!(
            "name = \"n\"\nquestion = \"q\"\nblocks = 1\nwarmup = \"0s\"\nmeasure = \"20ms\"\nstacks = []\n\
             [[codec]]\nname = \"c\"\n{change}"
        );
        Scenario::parse("test", &text).unwrap()
    }

    fn refusal(change: &str) -> String {
        let planned = Plan::new(&scenario(change), &[0, 1]);
        planned.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn codecs_alone_make_a_scenario_with_all_formats() {
        let scenario = scenario("operation = \"add\"");
        assert_eq!(refusal("operation = \"add\""), "");
        assert_eq!(scenario.codecs[0].formats, Format::ALL);
        assert_eq!(scenario.codecs[0].slice, Duration::from_millis(1));
        let again: Scenario = toml::from_str(&toml::to_string(&scenario).unwrap()).unwrap();
        assert_eq!(again, scenario);
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        for (change, expected) in [
            ("operation = \"hello\"", "not `hello`"),
            ("operation = \"add\"\nslice = \"50us\"", "100us to 1s"),
            ("operation = \"add\"\nformats = []", "at least one format"),
            ("operation = \"add\"\nformats = [\"xml\", \"json\", \"xml\"]", "each format once"),
        ] {
            let refusal = refusal(change);
            assert!(refusal.contains(expected), "{change}: {refusal}");
        }
        let text = "name = \"n\"\n[[codec]]\nname = \"c\"\noperation = \"add\"\nformats = [\"protobfu\"]";
        let error = Scenario::parse("test", text).unwrap_err().to_string();
        assert!(error.contains("did you mean `protobuf`?"), "{error}");
    }

    #[test]
    fn the_messages_are_the_same_in_every_run() {
        let sizes = |operation: &str| {
            let exchange = scenario(&format!("operation = \"{operation}\"")).codecs[0].exchange().unwrap();
            Format::Raw.codec(&exchange).unwrap().sizes()
        };
        assert_eq!(sizes("add"), [17, 8]);
        let [call, result] = sizes("echo:10KiB");
        assert_eq!(call, result + 1);
        assert_eq!(sizes("echo:10KiB"), [call, result]);
    }
}
