//! The record: the one JSON file of a run. Everything printed, plotted, exported or gated is derived from it.

mod agents;
mod audit;
mod by_block;
mod capture;
mod check;
mod codec;
mod contention;
mod counts;
mod deliveries;
mod fairness;
mod file;
mod histogram;
mod judgement;
mod operations;
mod provenance;
#[cfg(test)]
mod sample;
mod search;
mod servers;
mod slices;
mod timeline;
mod topology;
mod utilisation;
mod verification;
mod wire;

pub use agents::{Agent, AgentPart, ClockOffset, ReferenceClock, StartSpread};
pub use audit::audit;
pub use by_block::by_block;
pub use capture::{CapturedCall, CapturedHop};
pub use check::{Check, CheckFailure, CheckLevel};
#[cfg(test)]
pub(crate) use codec::sample as codec_sample;
pub use codec::{CodecTime, CodecTrial};
pub use contention::{MAX_TAKEN_SHARE, MAX_UNDISTURBED_SHARE};
pub use counts::CallCounts;
pub use deliveries::{Deliveries, WireOfWay};
pub use fairness::{BrokerTerms, Fairness, Library, Process, SocketFacts, TlsFacts};
pub use file::{RECORD_FILE, RecordError, prepare_folder, read, read_from_log, write_atomically};
pub use histogram::{HistogramError, Latency};
pub use judgement::{AuditCheck, CheckName, Label, Status};
pub use operations::{OperationPart, merge_parts};
pub use provenance::Build;
pub use search::{Limit, Probe, SearchResult};
pub use servers::ServerCalls;
pub use slices::{Levels, Slices};
pub use timeline::{
    BIN_LENGTH, EventTimes, Outage, StageResult, TimelineBin, TimelineInterval, TimelineObservation,
    TimelineResult,
};
#[cfg(test)]
pub(crate) use topology::topology_sample;

/// A run of `standard` by an older version, of ten blocks: for tests that need a real record and not a recent one. An
/// unoptimised build reads a record of thirty blocks in slices five times as long.
#[cfg(test)]
pub(crate) const TEN_BLOCKS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/records/ten-blocks/record.json");
pub use topology::{MemoryChange, TopologyObservation, TopologyResult};
pub use utilisation::Serving;
pub use wire::{CountedBy, Hop, Parts, Party, Wire};

use calculator::{Executor, Work};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::deploy::{Cores, Placement};
use crate::load::{ConnectionUse, Load, Operation};
use crate::observe::{Counts, InFlightMean};
use crate::scenario::{Scenario, TrialSpec};
use crate::stacks::{CertificateCheck, ProtocolRef, Role, Stack, Way, text, transport_of};
use crate::sys::{Machine, Usage};

/// The version of the record's schema. It grows by one when a reader of the last version would misread a record.
pub const SCHEMA: u32 = 1;

/// The record of a run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "rpcbench record")]
pub struct Record {
    /// The version of this schema.
    pub schema: u32,
    /// The id of the run: eight hexadecimal digits.
    pub id: String,
    /// When the run began: RFC 3339, UTC.
    pub started: String,
    /// The duration of the run in seconds.
    pub seconds: f64,
    /// Whether the run was ended before its last block.
    pub interrupted: bool,
    /// The program that measured.
    pub tool: Tool,
    /// The machine it ran on; of several agents the first one's.
    pub machine: Machine,
    /// The load generators, where there were several on the same servers; empty where the run was one program's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Agent>,
    /// What was measured, with every setting in force.
    pub scenario: Scenario,
    /// The seed of the arguments and of the order of the trials.
    pub seed: u64,
    /// The stacks that were measured.
    pub stacks: Vec<StackFacts>,
    /// The stacks that were skipped, and why.
    pub skipped: Vec<Skipped>,
    /// How each stack did in the conformance table, before it was measured.
    pub checks: Vec<Check>,
    /// Bytes on the wire, counted outside the trials.
    pub wire: Vec<Wire>,
    /// Bytes on the wire of what is sent in other ways than calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wire_of_ways: Vec<WireOfWay>,
    /// Instructions and allocations of a call at the server, counted outside the trials, if that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<CallCounts>,
    /// The bytes of one call of `add` of each stack whose server the run started; empty where they were not captured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub captures: Vec<CapturedCall>,
    /// The actual options of each stack's sockets.
    #[serde(default)]
    pub sockets: Vec<SocketFacts>,
    /// What else each stack ran with.
    #[serde(default)]
    pub fairness: Vec<Fairness>,
    /// The trials in the order in which they ran.
    pub trials: Vec<Trial>,
    /// The searches in the order in which they ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub searches: Vec<SearchResult>,
    /// How long the codecs of the scenario took, in the order in which they ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codecs: Vec<CodecTrial>,
    /// The timelines in the order in which they ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timelines: Vec<TimelineResult>,
    /// The topologies in the order in which they were built.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topologies: Vec<TopologyResult>,
}

impl Record {
    /// Whether nothing was measured yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Record { trials, searches, timelines, topologies, codecs, .. } = self;
        let is_without_trials = trials.is_empty() && searches.is_empty() && codecs.is_empty();
        is_without_trials && timelines.is_empty() && topologies.is_empty()
    }
}

/// The program that measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// The version of the program.
    pub version: String,
    /// Whether it was built with optimisations; figures of a build without them are meaningless.
    pub optimised: bool,
    /// Whether this build can pin processes, read the kernel's byte counts and the clocks of other processes.
    pub full_observation: bool,
    /// What it was built from; empty in records of older versions.
    #[serde(default)]
    pub build: Build,
}

/// Facts about a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StackFacts {
    /// The name.
    pub name: String,
    /// The protocol it speaks.
    #[schemars(with = "String")]
    pub protocol: ProtocolRef,
    /// The client's library.
    pub client: String,
    /// The server's library.
    pub server: String,
    /// The role of the stack in the comparison.
    pub role: Role,
    /// How the server runs handlers.
    pub executor: String,
    /// The URL of a server that was already running; absent where the run started its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How the certificate of that server, or of the broker before it, was checked; absent where it was called without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateCheck>,
}

impl StackFacts {
    /// The facts of `stack`, served by `executor` or already running at `target`.
    #[must_use]
    pub fn new(stack: &Stack, executor: String, target: Option<String>) -> Self {
        StackFacts {
            name: stack.name.to_owned(),
            protocol: stack.protocol,
            client: stack.client.name.to_owned(),
            server: if target.is_some() { "not observable".to_owned() } else { stack.server.name.to_owned() },
            role: stack.role,
            executor,
            target,
            certificate: None,
        }
    }

    /// Whether its calls are over TLS: to a server that was already running, or over such a [transport](crate::stacks::Transport).
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.certificate.is_some() || transport_of(&self.name).has_tls()
    }

    /// Whether the server was already running, on cores that are unknown or do not fit the placement in one of `trials`, which
    /// are trials of this stack. Nothing is compared across placements, so not with such a server either.
    #[must_use]
    pub fn is_unplaced<'a>(&self, trials: impl IntoIterator<Item = &'a Trial>) -> bool {
        self.target.is_some() && trials.into_iter().any(|trial| !trial.server_placed)
    }
}

/// A stack that was not measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// The stack.
    pub stack: String,
    /// Why, and what to do about it.
    pub reason: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_call(way: &Way) -> bool {
    way.is_call()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// A trial: its settings and its figures.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The block it belongs to, from 0.
    pub block: u32,
    /// The position of the trial in its block, from 0. For trials that take turns it is only a number.
    pub position: u32,
    /// The measurement of the scenario that it belongs to.
    pub measurement: String,
    /// The stack.
    pub stack: String,
    /// Whether this is the second half of an A/A pair, which measures the noise.
    #[serde(default)]
    pub twin: bool,
    /// What was called.
    pub operation: Operation,
    /// The way in which the client sent. Where that is not a call, a right answer means that the message was confirmed or
    /// written, and a latency is the time until then.
    #[serde(default, skip_serializing_if = "is_call")]
    pub way: Way,
    /// How calls followed each other.
    pub load: Load,
    /// The number of connections; where each call opened one, the number of callers of a closed loop.
    pub connections: u32,
    /// Whether connections stayed open, or each call opened one.
    #[serde(default, skip_serializing_if = "ConnectionUse::is_kept")]
    pub connection: ConnectionUse,
    /// Where client and server ran.
    pub placement: Placement,
    /// The cores they ran on; empty where they were free.
    pub cores: Cores,
    /// Whether the server ran where the placement puts it. A server that was already running reports its cores itself.
    #[serde(default)]
    pub server_placed: bool,
    /// Whether cores that would idle were kept awake until the end of the trial.
    pub warm: bool,
    /// How the server ran handlers, if the measurement set it; otherwise the facts about the stack have it.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub executor: Option<Executor>,
    /// What handlers did before they answered, if the measurement set it: `sleep:TIME` or `compute:TIME`.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub work: Option<Work>,
    /// The start of the trial in seconds since the start of the run. Of a trial in slices, when the first one was measured;
    /// the slices of others lie between its own.
    pub at_seconds: f64,
    /// The length of the measured window in seconds; of a trial in slices, the sum of theirs.
    pub measured_seconds: f64,
    /// The outcomes of the calls.
    pub counts: Counts,
    /// How long the calls took; absent if no call got a correct answer. In an open loop this is response time: from the
    /// scheduled send time, even if the call was sent later.
    pub latency: Option<Latency>,
    /// Service time, in an open loop: from the send on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Latency>,
    /// The schedule lag of an open loop: from the scheduled send time, or from when a connection was free, to the send.
    #[serde(default, alias = "lateness", skip_serializing_if = "Option::is_none")]
    pub schedule_lag: Option<Latency>,
    /// Calls sent per second in an open loop, to compare with the rate of the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_per_second: Option<f64>,
    /// Only for the floors, before an open loop: correct answers per second of a closed loop with a caller for each
    /// connection. It is the rate that the generator reaches where the server does next to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_limit: Option<f64>,
    /// The figures of each slice of a trial in slices; absent for one in one piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slices: Option<Slices>,
    /// The number of calls in flight, sampled at random moments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<InFlightMean>,
    /// Correct answers per second.
    pub throughput: f64,
    /// What the client's process used while calls counted; absent where it is not observable.
    pub client: Option<Used>,
    /// What the server's process used; absent where it is not observable. Of several servers, all of them together.
    pub server: Option<Used>,
    /// What the broker's process used; absent where there is none, or it is not observable.
    pub broker: Option<Used>,
    /// The time that the hypervisor kept from the machine's cores while calls counted, as a share of the time of the
    /// cores in use; absent where the system does not report it. For trials that take turns: from before the first turn to
    /// after the last, the same value for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stolen: Option<f64>,
    /// The CPU time that processes outside of the trial used on its cores while calls counted, as a share of the time of
    /// those cores, estimated rather too low than too high. Absent where a part of the trial was already running, the window
    /// is too short for the resolution of the system's counters, or the system does not report them. For trials that take
    /// turns, over the same time as `stolen`; the processes of the other trials do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<f64>,
    /// Whether the processes of the trial never leave their one core idle, unless something keeps them from running: a closed
    /// loop on one core, with a server that this run started without options.
    #[serde(default, skip_serializing_if = "is_false")]
    pub never_idle: bool,
    /// Whether the trial counts.
    pub status: Status,
    /// The checks of the audit.
    pub audit: Vec<AuditCheck>,
    /// What a reader must know to interpret the figures.
    pub labels: Vec<Label>,
    /// The calls that each of several servers executed while calls counted; empty for a single server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ServerCalls>,
    /// Where the messages arrived that have no answer; absent for calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliveries: Option<Deliveries>,
    /// The calls of each operation of a mix; empty where all calls were of one operation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationPart>,
    /// Each agent's part, if the load came from several agents; all other figures are then the totals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentPart>,
}

/// What a process used while calls counted. Of trials in slices, context switches, `run_queue_ns` and `throttled_ns` include
/// the warm-up before each slice but the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Used {
    /// CPU time in nanoseconds, user and system.
    pub cpu_ns: u64,
    /// CPU time as a share of one core; of several processes that of the busiest.
    pub utilisation: f64,
    /// Times a thread waited.
    pub voluntary_switches: u64,
    /// Number of times that a thread had to give up its core to another.
    pub involuntary_switches: u64,
    /// Peak resident memory in bytes, from the warm-up on; of several processes the largest. In a client whose trials take
    /// turns, and in a broker, that of all these trials.
    pub peak_rss: u64,
    /// Time that threads were ready to run and waited for a core, in nanoseconds; of the client, only the threads that make
    /// the calls. Threads that ended meanwhile may be missing. Absent where the system does not report it, and of processes
    /// with more than 256 threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_queue_ns: Option<u64>,
    /// Time during which the CPU quota of a control group of the process was used up, in nanoseconds, summed over the cores;
    /// of several processes that of the one with the longest. Absent where the system does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled_ns: Option<u64>,
}

impl Used {
    /// The resources used between two readings, `seconds` apart.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn between(before: Usage, after: Usage, seconds: f64) -> Self {
        let cpu_ns = after.cpu_ns.saturating_sub(before.cpu_ns);
        let difference =
            |before: Option<u64>, after: Option<u64>| Some(after?.saturating_sub(before.unwrap_or_default()));
        Used {
            cpu_ns,
            // A trial that failed at once may have a length of zero, and JSON cannot represent the resulting quotient.
            utilisation: if seconds > 0.0 { cpu_ns as f64 / 1e9 / seconds } else { 0.0 },
            voluntary_switches: after.voluntary_switches.saturating_sub(before.voluntary_switches),
            involuntary_switches: after.involuntary_switches.saturating_sub(before.involuntary_switches),
            peak_rss: after.peak_rss,
            run_queue_ns: difference(before.run_queue_ns, after.run_queue_ns),
            // A group may have got its first quota meanwhile, and then had no such counter before.
            throttled_ns: difference(before.throttled_ns, after.throttled_ns),
        }
    }

    /// What was used in two windows, this one of `seconds` and `other` of `other_seconds`.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn then(self, seconds: f64, other: Used, other_seconds: f64) -> Self {
        let cpu_ns = self.cpu_ns + other.cpu_ns;
        let all = seconds + other_seconds;
        let sum = |a: Option<u64>, b: Option<u64>| Some(a? + b?);
        Used {
            cpu_ns,
            utilisation: if all > 0.0 { cpu_ns as f64 / 1e9 / all } else { 0.0 },
            voluntary_switches: self.voluntary_switches + other.voluntary_switches,
            involuntary_switches: self.involuntary_switches + other.involuntary_switches,
            peak_rss: self.peak_rss.max(other.peak_rss),
            run_queue_ns: sum(self.run_queue_ns, other.run_queue_ns),
            throttled_ns: sum(self.throttled_ns, other.throttled_ns),
        }
    }
}

impl Trial {
    /// The trial that `spec` describes at `position` of `block`, both from 0, with nothing measured yet.
    #[must_use]
    pub fn new(spec: &TrialSpec, block: u32, position: u32) -> Self {
        Trial {
            block,
            position,
            measurement: spec.measurement.clone(),
            stack: spec.stack.name.to_owned(),
            twin: spec.twin,
            operation: spec.operation,
            way: spec.way,
            load: spec.load,
            connections: spec.connections.get(),
            connection: spec.connection,
            placement: spec.placement,
            cores: spec.cores.clone(),
            server_placed: true,
            warm: false,
            executor: spec.executor,
            work: spec.work,
            at_seconds: 0.0,
            measured_seconds: 0.0,
            counts: Counts::default(),
            latency: None,
            service: None,
            schedule_lag: None,
            sent_per_second: None,
            generator_limit: None,
            slices: None,
            in_flight: None,
            throughput: 0.0,
            client: None,
            server: None,
            broker: None,
            stolen: None,
            others: None,
            never_idle: false,
            status: Status::Valid,
            audit: vec![],
            labels: vec![],
            servers: vec![],
            deliveries: None,
            operations: vec![],
            agents: vec![],
        }
    }

    /// The duration of the longest call, from the time it was sent.
    #[must_use]
    pub fn longest_call(&self) -> std::time::Duration {
        let longest = self.service.as_ref().or(self.latency.as_ref()).map_or(0, |latency| latency.max);
        std::time::Duration::from_nanos(longest)
    }

    /// The check that failed first, in words; for a trial that failed, why.
    #[must_use]
    pub fn complaint(&self) -> Option<&str> {
        self.audit.iter().find(|check| !check.passed).map(|check| check.detail.as_str())
    }
}

/// The JSON Schema of the record, as it is published in `results/record.schema.json`.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Record).to_value()
}
