//! How long codecs take, and how long their messages are.

use codecs::Format;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::contention::taken;
use super::{AuditCheck, CheckName, Status};
use crate::load::Operation;
use crate::scenario::Contention;

/// The codec of a format in a block: what it takes to encode and to decode the call and the result of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodecTrial {
    /// The block it belongs to, from 0.
    pub block: u32,
    /// The `[[codec]]` of the scenario that it belongs to.
    pub measurement: String,
    /// The operation whose call and result are encoded.
    pub operation: Operation,
    /// The format.
    #[schemars(with = "String")]
    pub format: Format,
    /// The length of the encoded call in bytes.
    pub call_bytes: u64,
    /// The length of the encoded result in bytes.
    pub result_bytes: u64,
    /// How long encoding takes; absent where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode: Option<CodecTime>,
    /// How long decoding takes; absent where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode: Option<CodecTime>,
    /// The core on which it ran; absent where it was free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core: Option<usize>,
    /// The time that the hypervisor kept from the core, as a share of the time that all formats of the block took; absent where
    /// the system does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stolen: Option<f64>,
    /// The CPU time that other processes used on the core, as such a share, estimated rather too low than too high; absent
    /// where the system does not report it, or the time is too short for the resolution of the system's counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<f64>,
    /// Whether the figures count.
    pub status: Status,
    /// The checks of the audit.
    pub audit: Vec<AuditCheck>,
}

/// How long it takes to encode, or to decode, a call and its result.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodecTime {
    /// Nanoseconds for a call and its result: the median of the slices.
    pub ns: f64,
    /// The number of slices.
    pub slices: u64,
    /// How many times the call and the result were encoded or decoded in all slices.
    pub times: u64,
}

impl CodecTrial {
    /// The length of both messages in bytes.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn bytes(&self) -> f64 {
        (self.call_bytes + self.result_bytes) as f64
    }

    /// The time to encode and to decode both messages in nanoseconds; `None` if one of them was not measured.
    #[must_use]
    pub fn encode_and_decode_ns(&self) -> Option<f64> {
        Some(self.encode?.ns + self.decode?.ns)
    }

    /// The check that failed, in words.
    #[must_use]
    pub fn complaint(&self) -> Option<&str> {
        self.audit.iter().find(|check| !check.passed).map(|check| check.detail.as_str())
    }

    /// Marks it as failed, for this reason.
    pub fn fail(&mut self, reason: String) {
        self.status = Status::Failed;
        self.audit = vec![AuditCheck::new(CheckName::Completed, false, || reason)];
    }

    /// Decides whether it counts: whether others left the core to it, unless contention is only labelled.
    pub fn audit(&mut self, contention: Contention) {
        if self.status == Status::Failed || contention == Contention::Label {
            return;
        }
        let reason = taken("the codec's core", self.others, self.stolen);
        let passed = reason.is_none();
        self.status = if passed { Status::Valid } else { Status::Invalid };
        self.audit = vec![AuditCheck::new(CheckName::Contention, passed, || reason.unwrap_or_default())];
    }
}

#[cfg(test)]
pub(crate) fn sample(format: Format, block: u32, ns: f64) -> CodecTrial {
    let time = |ns| Some(CodecTime { ns, slices: 10, times: 1_000 });
    CodecTrial {
        block,
        measurement: "call".to_owned(),
        operation: Operation::ADD,
        format,
        call_bytes: 20,
        result_bytes: 10,
        encode: time(ns),
        decode: time(3.0 * ns),
        core: Some(1),
        stolen: Some(0.0),
        others: Some(0.0),
        status: Status::Valid,
        audit: vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_whose_core_others_used_does_not_count_unless_the_scenario_says_so() {
        let audited = |others, contention| {
            let mut trial = CodecTrial { others, ..sample(Format::Json, 0, 100.0) };
            trial.audit(contention);
            (trial.status, trial.complaint().map(str::to_owned))
        };
        assert_eq!(audited(Some(0.1), Contention::Reject), (Status::Valid, None));
        assert_eq!(audited(None, Contention::Reject), (Status::Valid, None));
        let complaint = "other processes used 30 % of the time of the codec's core".to_owned();
        assert_eq!(audited(Some(0.3), Contention::Reject), (Status::Invalid, Some(complaint)));
        assert_eq!(audited(Some(0.3), Contention::Label), (Status::Valid, None));
        let mut failed = sample(Format::Json, 0, 100.0);
        failed.fail("why".to_owned());
        failed.audit(Contention::Reject);
        assert_eq!((failed.status, failed.complaint()), (Status::Failed, Some("why")));
    }
}
