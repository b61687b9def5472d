//! The claims of a scenario: statements that a run judges by its figures.

use codecs::Format;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A statement about the protocols, on which the report gives a verdict. It holds if each of its conditions is true,
/// does not hold if each is false, and holds in part if some are true and some are false. Otherwise the verdict is
/// *cannot tell*.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// A short name, different from those of the other claims.
    #[schemars(example = &"http-carries-more")]
    pub name: String,
    /// The statement, in a sentence.
    #[schemars(example = &"HTTP carries more than RPC, so RPC performs better.")]
    pub statement: String,
    /// The conditions, each a `[[claim.condition]]` table.
    #[serde(rename = "condition")]
    pub conditions: Vec<Condition>,
}

/// A condition of a claim: a figure of a stack in a measurement, or of a format in a `[[codec]]`, or its ratio to another one, with a
/// threshold. It takes one of `at_least` and `at_most`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// What it means if the condition is true, as a part of a sentence.
    #[schemars(example = &"a call of XML-RPC takes more bytes than one of zerorpc")]
    pub name: String,
    /// The name of the measurement, or of the timeline, the topology or the `[[codec]]` for a figure of one.
    #[schemars(example = &"latency")]
    pub measurement: String,
    /// The stack, one of the measurement. A figure of codecs takes a `format` instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"xmlrpc")]
    pub stack: Option<String>,
    /// For a figure of codecs: the format, one of those of the `[[codec]]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"protobuf")]
    pub format: Option<Format>,
    /// The figure.
    #[schemars(example = &"bytes")]
    pub figure: ClaimFigure,
    /// The lower limit: the condition is true at this value and above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = 1.5)]
    pub at_least: Option<f64>,
    /// The upper limit: the condition is true at this value and below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = 0.7)]
    pub at_most: Option<f64>,
    /// The reason for this threshold.
    #[schemars(example = &"Half as much again is more than any choice of headers explains.")]
    pub reason: String,
    /// The condition is about the ratio to the same figure of another stack or format, or in another measurement:
    /// `{ stack = "zerorpc" }`, `{ format = "json" }`, `{ measurement = "one caller" }`, or one of the first two with the last.
    /// Without this key it is about the figure itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Over", example = serde_json::json!({ "stack": "zerorpc" }))]
    pub over: Option<Over>,
}

/// The other side of a ratio. A key that is left out has the value of the condition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Over {
    /// The name of the measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"one caller")]
    pub measurement: Option<String>,
    /// The stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"zerorpc")]
    pub stack: Option<String>,
    /// The format, for a figure of codecs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"json")]
    pub format: Option<Format>,
}

/// What a figure is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// The stack of this name.
    Stack(&'a str),
    /// A format of codecs.
    Format(Format),
}

impl<'a> Subject<'a> {
    /// The name of the stack or of the format.
    #[must_use]
    pub fn name(self) -> &'a str {
        match self {
            Subject::Stack(name) => name,
            Subject::Format(format) => format.name(),
        }
    }
}

/// A figure of a stack in a measurement, a timeline or a topology, or of a format in a `[[codec]]`. Times are in microseconds where
/// the name says nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ClaimFigure {
    /// The median latency.
    #[serde(rename = "latency-p50")]
    MedianLatency,
    /// The 90th percentile of the latency.
    #[serde(rename = "latency-p90")]
    P90Latency,
    /// The 99th percentile of the latency.
    #[serde(rename = "latency-p99")]
    P99Latency,
    /// Correct answers per second.
    #[serde(rename = "calls-per-second")]
    CallsPerSecond,
    /// CPU time of the client per correct answer.
    #[serde(rename = "client-cpu")]
    ClientCpu,
    /// CPU time of the server, and of the broker where there is one, per correct answer.
    #[serde(rename = "server-cpu")]
    ServerCpu,
    /// CPU time of the broker per correct answer.
    #[serde(rename = "broker-cpu")]
    BrokerCpu,
    /// CPU time of all processes per correct answer.
    #[serde(rename = "cpu")]
    Cpu,
    /// Bytes of a call in both directions on all of its connections: through a broker on those of the client and of the
    /// server. If each call opens a connection, the bytes of opening it are included. Bytes are counted exactly, so the
    /// condition needs no interval.
    #[serde(rename = "bytes")]
    Bytes,
    /// Of a timeline: the calls that got no correct answer. The condition is judged by the smallest and the largest block.
    #[serde(rename = "lost")]
    Lost,
    /// Of a timeline: the calls that ended with an error, other than a timeout.
    #[serde(rename = "failed")]
    Failed,
    /// Of a timeline: the calls that were scheduled while no server or no broker ran, and answered after it was started again.
    #[serde(rename = "late")]
    Late,
    /// Of a timeline: the recovery time in milliseconds, from the beginning of the last start until calls were answered as before.
    #[serde(rename = "level-again-ms")]
    LevelAgain,
    /// Of a topology: the open TCP connections. Such a figure decides by its smallest and its largest block.
    #[serde(rename = "sockets")]
    Sockets,
    /// Of a topology: the time in milliseconds from the first connect to the last answer of the first calls. It needs at least two blocks.
    #[serde(rename = "set-up-ms")]
    SetUp,
    /// Of a topology: the growth of the memory of clients and servers, plus all memory of the broker if there is one, in MiB. It
    /// takes two blocks.
    #[serde(rename = "memory")]
    Memory,
    /// Of a timeline: the right answers per second that arrived in its last second.
    #[serde(rename = "answers-at-end")]
    AnswersAtEnd,
    /// Of a timeline: the right answers per second that arrived in its last second, as a multiple of those before the first
    /// event.
    #[serde(rename = "answer-gain")]
    AnswerGain,
    /// Of a timeline: the longest response time in milliseconds of the calls of its last second.
    #[serde(rename = "slowest-at-end-ms")]
    SlowestAtEnd,
    /// Of a timeline: the share of the calls that the added servers executed, in percent.
    #[serde(rename = "added-share")]
    AddedShare,
    /// Of a measurement with several servers: the share of the calls that the server with the most of them executed, in percent.
    #[serde(rename = "busiest-share")]
    BusiestShare,
    /// Of a measurement with several servers: the share of the calls that the server with the fewest of them executed, in
    /// percent.
    #[serde(rename = "least-busy-share")]
    LeastBusyShare,
    /// Of a measurement whose messages have no answer: the mean number of receivers of a message. Messages of the
    /// warm-up are included.
    #[serde(rename = "deliveries")]
    Deliveries,
    /// Of codecs: the length of the encoded call and of the encoded result, together. It is the same in every run, so the condition
    /// needs no interval.
    #[serde(rename = "encoded-bytes")]
    EncodedBytes,
    /// Of codecs: the time to encode a call and its result.
    #[serde(rename = "encode-time")]
    EncodeTime,
    /// Of codecs: the time to decode a call and its result.
    #[serde(rename = "decode-time")]
    DecodeTime,
    /// Of codecs: the time to encode and to decode a call and its result.
    #[serde(rename = "codec-time")]
    CodecTime,
}

impl ClaimFigure {
    /// Whether it is counted, and needs no interval that is only probably right.
    #[must_use]
    pub fn is_counted(self) -> bool {
        matches!(self, ClaimFigure::Bytes | ClaimFigure::EncodedBytes)
            || self.is_of_timeline()
            || self.is_of_topology()
    }

    /// The smallest number of blocks with which a figure is decided that needs no interval: times and memory of a topology are
    /// not the same in each.
    #[must_use]
    pub fn min_blocks(self) -> usize {
        if matches!(self, ClaimFigure::SetUp | ClaimFigure::Memory) { 2 } else { 1 }
    }

    /// Whether it is a figure of a topology, not of a measurement.
    #[must_use]
    pub fn is_of_topology(self) -> bool {
        matches!(self, ClaimFigure::Sockets | ClaimFigure::SetUp | ClaimFigure::Memory)
    }

    /// Whether it is a figure of a timeline, not of a measurement.
    #[must_use]
    pub fn is_of_timeline(self) -> bool {
        use ClaimFigure::{
            AddedShare, AnswerGain, AnswersAtEnd, Failed, Late, LevelAgain, Lost, SlowestAtEnd,
        };
        matches!(
            self,
            Lost | Failed | Late | LevelAgain | AnswersAtEnd | AnswerGain | SlowestAtEnd | AddedShare
        )
    }

    /// Whether it is a figure of a format in a `[[codec]]`, not of a stack in a measurement.
    #[must_use]
    pub fn is_of_codec(self) -> bool {
        use ClaimFigure::{CodecTime, DecodeTime, EncodeTime, EncodedBytes};
        matches!(self, EncodedBytes | EncodeTime | DecodeTime | CodecTime)
    }

    /// The quantile of the latency that it is, where that takes many calls.
    #[must_use]
    pub fn quantile(self) -> Option<f64> {
        match self {
            ClaimFigure::P90Latency => Some(0.9),
            ClaimFigure::P99Latency => Some(0.99),
            _ => None,
        }
    }

    /// Whether it is a figure of a measurement with several servers that report their calls.
    pub(super) fn is_of_servers(self) -> bool {
        matches!(self, ClaimFigure::BusiestShare | ClaimFigure::LeastBusyShare)
    }

    /// Whether it is a share in percent, or a multiple.
    #[must_use]
    pub fn is_relative(self) -> bool {
        use ClaimFigure::{AddedShare, AnswerGain, Deliveries};
        self.is_of_servers() || matches!(self, AddedShare | AnswerGain | Deliveries)
    }

    /// Whether only a stack with a server process has it.
    pub(super) fn needs_server(self) -> bool {
        matches!(self, ClaimFigure::Bytes | ClaimFigure::ServerCpu)
    }

    /// What the figure is, in words.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            ClaimFigure::MedianLatency => "median latency",
            ClaimFigure::P90Latency => "p90 latency",
            ClaimFigure::P99Latency => "p99 latency",
            ClaimFigure::CallsPerSecond => "calls per second",
            ClaimFigure::ClientCpu => "CPU time of the client",
            ClaimFigure::ServerCpu => "CPU time of the server",
            ClaimFigure::BrokerCpu => "CPU time of the broker",
            ClaimFigure::Cpu => "CPU time of all processes",
            ClaimFigure::Bytes => "bytes",
            ClaimFigure::Lost => "calls lost",
            ClaimFigure::Failed => "calls failed",
            ClaimFigure::Late => "calls late",
            ClaimFigure::LevelAgain => "recovery time",
            ClaimFigure::Sockets => "connections",
            ClaimFigure::SetUp => "set-up time",
            ClaimFigure::Memory => "memory",
            ClaimFigure::AnswersAtEnd => "answers at the end",
            ClaimFigure::AnswerGain => "answers at the end ÷ before",
            ClaimFigure::SlowestAtEnd => "slowest call at the end",
            ClaimFigure::AddedShare => "share of added servers",
            ClaimFigure::BusiestShare => "share of the busiest server",
            ClaimFigure::LeastBusyShare => "share of the least busy server",
            ClaimFigure::Deliveries => "receivers of a message",
            ClaimFigure::EncodedBytes => "encoded length",
            ClaimFigure::EncodeTime => "encoding time",
            ClaimFigure::DecodeTime => "decoding time",
            ClaimFigure::CodecTime => "encoding and decoding time",
        }
    }

    /// The unit of the figure; empty for connections, whose title says it.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            ClaimFigure::CallsPerSecond => "calls/s",
            ClaimFigure::Bytes | ClaimFigure::EncodedBytes => "bytes",
            ClaimFigure::Lost | ClaimFigure::Failed | ClaimFigure::Late => "calls",
            ClaimFigure::LevelAgain | ClaimFigure::SlowestAtEnd | ClaimFigure::SetUp => "ms",
            ClaimFigure::AnswersAtEnd => "answers/s",
            ClaimFigure::AnswerGain => "×",
            ClaimFigure::Deliveries => "receivers",
            ClaimFigure::AddedShare | ClaimFigure::BusiestShare | ClaimFigure::LeastBusyShare => "%",
            ClaimFigure::Sockets => "",
            ClaimFigure::Memory => "MiB",
            _ => "µs",
        }
    }
}

/// The limit of a condition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// True from this value on.
    AtLeast(f64),
    /// True up to this value.
    AtMost(f64),
}

impl Threshold {
    /// The limit.
    #[must_use]
    pub fn value(self) -> f64 {
        match self {
            Threshold::AtLeast(value) | Threshold::AtMost(value) => value,
        }
    }
}

impl Condition {
    /// The threshold; `None` unless there is exactly one.
    #[must_use]
    pub fn threshold(&self) -> Option<Threshold> {
        match (self.at_least, self.at_most) {
            (Some(value), None) => Some(Threshold::AtLeast(value)),
            (None, Some(value)) => Some(Threshold::AtMost(value)),
            _ => None,
        }
    }

    /// What its figure is of; `None` if it does not say so, as no scenario that was checked does.
    #[must_use]
    pub fn subject(&self) -> Option<Subject<'_>> {
        if self.figure.is_of_codec() {
            self.format.map(Subject::Format)
        } else {
            self.stack.as_deref().map(Subject::Stack)
        }
    }

    /// The measurement and the stack or format that the figure is compared with; `None` if it is not a ratio.
    #[must_use]
    pub fn compared_with(&self) -> Option<(&str, Subject<'_>)> {
        let over = self.over.as_ref()?;
        let measurement = over.measurement.as_ref().unwrap_or(&self.measurement);
        let subject = match self.subject()? {
            Subject::Stack(own) => Subject::Stack(over.stack.as_deref().unwrap_or(own)),
            Subject::Format(own) => Subject::Format(over.format.unwrap_or(own)),
        };
        Some((measurement, subject))
    }
}
