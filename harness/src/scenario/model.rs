//! The keys of a scenario.

use std::num::NonZeroU32;
use std::time::Duration;

use calculator::conformance::Numbers;
use calculator::{Executor, Work};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::claim::Claim;
use super::codec::CodecMeasurement;
use super::servers::{SlowServers, is_one, one};
use super::slo::Slo;
use super::timeline::Timeline;
use super::topology::Topology;
use super::{count, duration};
use crate::deploy::Placement;
use crate::load::{Arrivals, ConnectionUse, Load, Operation, OwnOperation, OwnOperations, Rate};
use crate::stacks::{EVENT_FLOOR, Exchange, NETWORK_FLOOR, OptionValues, Way, base_name, text};

/// What is measured, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The name of the scenario. It is part of the name of the results folder.
    #[schemars(example = &"quick")]
    pub name: String,
    /// The question that the scenario answers.
    #[schemars(example = &"What does one call cost in each protocol?")]
    pub question: String,
    /// The number of blocks; each block contains every trial once. A statement takes at least 8 blocks for one pair of stacks,
    /// and at least 14 for a table of ten stacks.
    #[serde(deserialize_with = "count::deserialize")]
    #[schemars(example = 30)]
    pub blocks: NonZeroU32,
    /// The minimum length of the warm-up, whose calls do not count. If latencies still change, the warm-up is extended, up
    /// to three times this. At most 600 s.
    #[serde(with = "duration")]
    #[schemars(with = "String", example = &"100ms")]
    pub warmup: Duration,
    /// The length of the measured window of a trial: 20 ms to 600 s.
    #[serde(with = "duration")]
    #[schemars(with = "String", example = &"300ms")]
    pub measure: Duration,
    /// The deadline of a single call: up to 600 s.
    #[serde(with = "duration", default = "default_timeout")]
    #[schemars(with = "String", example = &"5s")]
    pub timeout: Duration,
    /// How numbers in answers are compared: `exact`, where 5 and 5.0 differ, or `any`, by value, for servers in languages
    /// with one type of numbers.
    #[serde(default, skip_serializing_if = "is_exact")]
    #[schemars(with = "String", example = &"any", extend("default" = "exact"))]
    pub numbers: Numbers,
    /// How to treat a trial that contention for its cores has made unusable, by other processes, the hypervisor or a CPU
    /// quota: `reject` makes it invalid; `label` keeps it, with the label `starved`, for tests on machines that are not
    /// quiet.
    #[serde(default, skip_serializing_if = "is_reject")]
    #[schemars(with = "String", example = &"label", extend("default" = "reject"))]
    pub contention: Contention,
    /// The stacks to measure; `rpcbench list` prints their names. `STACK+TRANSPORT` is STACK over another transport than TCP.
    /// `STACK@LABEL` is a variant of STACK, whose server is already running elsewhere. The floors `inproc`, `tcp` and `tcp-async`
    /// need not be listed.
    #[schemars(example = ["rest", "jsonrpc", "zerorpc"])]
    pub stacks: Vec<String>,
    /// Whether the floors are measured too: `inproc` with one caller, `tcp`, and with several connections `tcp-async`.
    /// `false` is for tests of the method, and for claims that are not about floors.
    #[serde(default = "default_true", skip_serializing_if = "is_true")]
    #[schemars(example = true, extend("default" = true))]
    pub floors: bool,
    /// Pairs of stacks to compare closely: in each block the two are measured next to each other, in the order A B B A. A
    /// stack paired with itself is an A/A pair, which shows the noise. A stack may be in one pair only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = [["rest", "jsonrpc"], ["zerorpc", "zerorpc"]])]
    pub pairs: Vec<[String; 2]>,
    /// Service level objectives that every stack except the floors must keep: `FIGURE<LIMIT` or `NAME.FIGURE<LIMIT`.
    /// NAME is a measurement, a timeline with stages, each of which is judged, or an operation, which may be part of a mix.
    /// `<=`, `>` and `>=` are possible, too. The
    /// figures are p50, p90, p95, p99, p99.9 and max (response times), error_rate (a share of the calls) and rate
    /// (correct answers per second). If one is broken, `rpcbench run` ends with exit code 1.
    #[serde(rename = "slo", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>", example = ["get_user.p99<20ms", "error_rate<0.1%"])]
    pub slos: Vec<Slo>,
    /// Other scenarios, whose measurements, codecs, timelines, topologies and claims become part of this one: names of built-in
    /// scenarios, or paths of files, relative to this file. Their names get a prefix, such as `overhead: latency`. They keep their
    /// stacks. Their blocks, warm-up and window are limited to the `blocks`, `warmup` and `measure` of this scenario, except a
    /// warm-up and a window that a measurement or a codec itself states, and the length of a timeline. `timeout`, `numbers` and
    /// `contention` must be the same. A scenario with `pairs` or searches cannot be included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["overhead", "mine.toml"])]
    pub include: Vec<String>,
    /// Calls of your own service, each an `[[operation]]` table. Measurements, searches and timelines name them as their `operation`.
    /// The floors do not have them, and are not measured with them.
    #[serde(rename = "operation", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = serde_json::json!([{ "name": "get_user", "params": [7] }]))]
    pub operations: Vec<OwnOperation>,
    /// The same, checked, and with their files read. Empty in a scenario that was not read from a file.
    #[serde(skip)]
    pub own: OwnOperations,
    /// The measurements that are made of each stack, each a `[[measurement]]` table.
    #[serde(rename = "measurement", default, skip_serializing_if = "Vec::is_empty")]
    pub measurements: Vec<Measurement>,
    /// The searches that are made for each stack after the blocks, each a `[[search]]` table.
    #[serde(rename = "search", default, skip_serializing_if = "Vec::is_empty")]
    pub searches: Vec<Search>,
    /// The codecs that are compared in each block, each a `[[codec]]` table.
    #[serde(rename = "codec", default, skip_serializing_if = "Vec::is_empty")]
    pub codecs: Vec<CodecMeasurement>,
    /// The claims on which the report gives a verdict, each a `[[claim]]` table.
    #[serde(rename = "claim", default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claim>,
    /// The timelines that are made of each stack after the searches, each a `[[timeline]]` table.
    #[serde(rename = "timeline", default, skip_serializing_if = "Vec::is_empty")]
    pub timelines: Vec<Timeline>,
    /// The topologies that are built of each stack after the timelines, each a `[[topology]]` table.
    #[serde(rename = "topology", default, skip_serializing_if = "Vec::is_empty")]
    pub topologies: Vec<Topology>,
}

/// What becomes of trials whose figures are not those of the stack, because its processes were kept from running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Contention {
    /// They are invalid.
    #[default]
    Reject,
    /// They count, with a label.
    Label,
}

/// One measurement of each stack: an operation under a load in a placement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// A short name for tables and figures, different from those of the other measurements.
    #[schemars(example = &"throughput")]
    pub name: String,
    /// The operation to call: `add`, `multiply`, `subtract`, `divide`, `hello`, or `echo` with the size of its payload, up
    /// to `echo:1MiB`. `echo:nova` calls with documents of many sizes, distributed as those of the messages of OpenStack's
    /// services. `dependent` is six calls of which some need the results of others, one after another;
    /// `dependent:concurrent` and `dependent:batched` make those that need none at the same time, or in one message.
    /// `stream:1000` is a call of gRPC or zerorpc whose result is a stream of 1,000 items. Or the name of an `[[operation]]` of the
    /// scenario, or `mix` for all of them.
    #[schemars(example = &"echo:10KiB")]
    pub operation: Operation,
    /// How clients send. Only calls have an answer. For other ways, the latency is the time until the client may
    /// continue, and each receiver counts its messages. A stack that cannot send in this way is not measured.
    #[serde(default, skip_serializing_if = "is_call")]
    #[schemars(example = &"cast", extend("default" = "call"))]
    pub way: Way,
    /// The load: `closed:CALLERS` for a closed loop with 1 to 10000 callers, `open:RATE:constant` or
    /// `open:RATE:poisson` for an open loop with 1 to 1000000 calls per second at even or random intervals.
    #[schemars(example = &"closed:32")]
    pub load: Load,
    /// Which cores client and server use.
    #[schemars(example = &"split")]
    pub placement: Placement,
    /// The number of connections, up to 10000. By default a closed loop has one per caller and an open loop 16. A protocol
    /// that allows only one call at a time per connection always has one per caller.
    #[serde(default, deserialize_with = "count::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(example = 4)]
    pub connections: Option<NonZeroU32>,
    /// Whether calls go over connections that stay open, or each over a new one. With `per-call`, leave `connections` out.
    #[serde(default, skip_serializing_if = "ConnectionUse::is_kept")]
    #[schemars(example = &"per-call", extend("default" = "kept"))]
    pub connection: ConnectionUse,
    /// Whether idle cores are kept awake. Only has an effect in placement `split`.
    #[serde(default = "default_true")]
    #[schemars(example = false)]
    pub warm: bool,
    /// The maximum length of a slice: 10 ms to 600 s. Choose several times the time of a call under this load. All servers of
    /// the measurement then run at the same time, and their trials are measured in turn, one slice each, until each window
    /// is complete. A change in the machine's speed then affects all stacks alike. Without this key, each trial is measured
    /// in one piece. So are open loops, the load of several agents, and every trial of a run with a server that is already
    /// running.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"20ms")]
    pub slice: Option<Duration>,
    /// Only these of the scenario's stacks. By default all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["xmlrpc", "zerorpc"])]
    pub stacks: Vec<String>,
    /// Whether the floors are measured too. By default as the scenario says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = false)]
    pub floors: Option<bool>,
    /// The number of blocks, if it is smaller than the scenario's: the measurement then takes part in the first blocks only.
    #[serde(default, deserialize_with = "count::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(example = 12)]
    pub blocks: Option<NonZeroU32>,
    /// The minimum length of the warm-up, instead of the scenario's.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"200ms")]
    pub warmup: Option<Duration>,
    /// The length of the measured window of a trial, instead of the scenario's.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"600ms")]
    pub measure: Option<Duration>,
    /// How servers run handlers: `blocking` (one at a time), `threads:N` or `async`; without this key, as `--executor` says. A
    /// stack whose server has a fixed one is not measured: reference servers, and the floors `inproc` and `tcp`.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"threads:4")]
    pub executor: Option<Executor>,
    /// What each handler does before it answers: `sleep:TIME` (it waits without using the CPU) or `compute:TIME` (it uses this
    /// much CPU time), up to 10 s. Choose a window with room for many calls, and no `slice` if a call takes milliseconds.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"sleep:5ms")]
    pub work: Option<Work>,
    /// The number of servers of each stack: 1 to 32. Behind a broker they serve the same topic. Without a broker the clients
    /// know the addresses of all, and connect to each in turn. The report then shows the share of the calls that each server
    /// executed. With several servers a measurement takes no `slice`.
    #[serde(default = "one", deserialize_with = "count::deserialize", skip_serializing_if = "is_one")]
    #[schemars(example = 4, extend("default" = 1))]
    pub servers: NonZeroU32,
    /// Servers whose handlers do other work than those of the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SlowServers", example = serde_json::json!({ "servers": 1, "work": "sleep:20ms" }))]
    pub slow: Option<SlowServers>,
    /// The exchange of the broker through which calls go, with its bindings, instead of the default one. It is declared for each
    /// trial. A stack whose client does not choose its exchange is not measured; `amqp-bare` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Exchange", example = serde_json::json!({ "kind": "topic", "bindings": 1000 }))]
    pub exchange: Option<Exchange>,
    /// Options of the servers that are specific to their protocol, named as on the command line of `rpcbench serve`. A
    /// stack whose server lacks one of them is not measured. The topic of AMQP is always that of the run.
    #[serde(default, skip_serializing_if = "OptionValues::is_empty")]
    #[schemars(example = serde_json::json!({ "prefetch": 1, "ack": "after" }))]
    pub options: OptionValues,
}

/// One search for each stack: the highest rate of an open loop at which 99 of 100 calls are answered in time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// A short name for tables and figures.
    #[schemars(example = &"capacity")]
    pub name: String,
    /// The operation to call, as in a measurement.
    #[schemars(example = &"add")]
    pub operation: Operation,
    /// The arrivals of the calls.
    #[schemars(example = &"poisson")]
    pub arrivals: Arrivals,
    /// The limit of the 99th percentile of the response times: 10 µs to 60 s. A rate is sustained if it stays within the
    /// limit.
    #[serde(with = "duration")]
    #[schemars(with = "String", example = &"5ms")]
    pub p99: Duration,
    /// Which cores client and server use.
    #[schemars(example = &"split")]
    pub placement: Placement,
    /// The number of connections, up to 10000.
    #[serde(deserialize_with = "count::deserialize")]
    #[schemars(example = 32)]
    pub connections: NonZeroU32,
    /// Whether idle cores are kept awake. Only has an effect in placement `split`.
    #[serde(default = "default_true")]
    #[schemars(example = false)]
    pub warm: bool,
}

/// The number of connections of an open loop that gives none: enough that no stack is limited by them.
const DEFAULT_OPEN_CONNECTIONS: NonZeroU32 = NonZeroU32::new(16).unwrap();

/// The floor of trials with this number of connections: with several, one that has an event loop, not a thread for each.
#[must_use]
pub fn floor_for(connections: NonZeroU32) -> &'static str {
    if connections > NonZeroU32::MIN { EVENT_FLOOR } else { NETWORK_FLOOR }
}

impl Scenario {
    /// Measures only `stacks`. Measurements that have none of them are left out.
    pub fn restrict_to(&mut self, stacks: &[String]) {
        self.stacks = stacks.to_vec();
        // Whether one that lists `own` has a stack.
        let restrict = |own: &mut Vec<String>| {
            let has_all = own.is_empty();
            own.retain(|stack| stacks.contains(stack));
            has_all || !own.is_empty()
        };
        self.measurements.retain_mut(|measurement| restrict(&mut measurement.stacks));
        self.timelines.retain_mut(|timeline| restrict(&mut timeline.stacks));
        self.topologies.retain_mut(|topology| restrict(&mut topology.stacks));
    }

    /// Whether everything that it measures is an operation of one's own, so that no calculator is needed.
    #[must_use]
    pub fn has_only_own(&self) -> bool {
        let of_measurements = self.measurements.iter().map(|measurement| measurement.operation);
        let of_searches = self.searches.iter().map(|search| search.operation);
        let of_timelines = self.timelines.iter().map(|timeline| timeline.operation);
        let mut all = of_measurements.chain(of_searches).chain(of_timelines);
        let is_own = all.all(|operation| operation.own_name().is_some());
        is_own && !self.own.is_empty() && self.topologies.is_empty() && self.codecs.is_empty()
    }

    /// Measures only the servers of `targets`, which are already running, instead of starting others: those of operations of one's
    /// own have none. Two of the same stack become a pair, and are measured next to each other in each block.
    pub fn measure_targets<'a>(&mut self, targets: impl Iterator<Item = &'a str> + Clone) {
        self.floors = false;
        self.stacks.retain(|stack| targets.clone().any(|target| target == stack));
        for target in targets.clone() {
            if self.stacks.iter().all(|stack| stack != target) {
                self.stacks.push(target.to_owned());
            }
        }
        let stacks = &self.stacks;
        self.pairs.retain(|pair| pair.iter().all(|paired| stacks.contains(paired)));
        for stack in stacks {
            let same: Vec<_> = stacks.iter().filter(|other| base_name(other) == base_name(stack)).collect();
            let is_paired = self.pairs.iter().flatten().any(|paired| same.contains(&paired));
            if let [one, other] = same.as_slice()
                && !is_paired
            {
                self.pairs.push([(*one).clone(), (*other).clone()]);
            }
        }
    }

    /// This scenario without slices.
    #[must_use]
    pub fn in_one_piece(&self) -> Self {
        let mut whole = self.clone();
        whole.measurements.iter_mut().for_each(|measurement| measurement.slice = None);
        whole
    }
}

impl Measurement {
    /// A measurement with the default of every key that is not required.
    #[must_use]
    pub fn new(name: String, operation: Operation, load: Load, placement: Placement) -> Self {
        Measurement {
            name,
            operation,
            way: Way::Call,
            load,
            placement,
            connections: None,
            connection: ConnectionUse::Kept,
            warm: true,
            slice: None,
            stacks: vec![],
            floors: None,
            blocks: None,
            warmup: None,
            measure: None,
            executor: None,
            work: None,
            servers: one(),
            slow: None,
            exchange: None,
            options: OptionValues::default(),
        }
    }

    /// The maximum length of a slice; `None` if its trials are measured in one piece, as under the load of an open loop.
    #[must_use]
    pub fn slice_of_load(&self) -> Option<Duration> {
        self.slice.filter(|_| self.load.callers().is_some())
    }

    /// The number of slices of a trial with a window of `measure`: 1 if it is measured in one piece.
    #[must_use]
    pub fn slices(&self, measure: Duration) -> u32 {
        let Some(slice) = self.slice_of_load() else { return 1 };
        let slices = measure.as_nanos().div_ceil(slice.as_nanos().max(1));
        u32::try_from(slices).unwrap_or(u32::MAX)
    }

    /// What this measurement sets beside the load: how clients send, the exchange, the number of servers, how handlers run and
    /// what they do, as in `, 4 servers, executor blocking, work sleep:5ms`.
    #[must_use]
    pub fn handlers(&self) -> String {
        let way = (!self.way.is_call()).then(|| format!(", {}", self.way));
        let servers = (!is_one(&self.servers)).then(|| format!(", {} servers", self.servers));
        let executor = self.executor.map(|executor| format!(", executor {executor}"));
        let work = self.work.map(|work| format!(", work {work}"));
        let slow = self
            .slow
            .map(|slow| format!(", of {} server{} {}", slow.servers, plural(slow.servers), slow.work));
        let options = (!self.options.is_empty()).then(|| format!(", {}", self.options));
        let exchange = self.exchange.map(|exchange| format!(", {exchange}"));
        [way, exchange, servers, executor, work, slow, options].into_iter().flatten().collect()
    }

    /// The number of connections of a stack that has at most one call at a time on each.
    #[must_use]
    pub fn max_connections(&self) -> NonZeroU32 {
        match self.load {
            Load::Closed(callers) => callers,
            Load::Open(..) => self.connections.unwrap_or(DEFAULT_OPEN_CONNECTIONS),
        }
    }
}

impl Timeline {
    /// The measurement with the same calls.
    #[must_use]
    pub fn measurement(&self) -> Measurement {
        Measurement {
            connections: self.connections,
            warm: self.warm,
            stacks: self.stacks.clone(),
            measure: Some(self.length()),
            executor: self.executor,
            work: self.work,
            options: self.options.clone(),
            ..Measurement::new(self.name.clone(), self.operation, self.open_load(), self.placement)
        }
    }
}

impl Search {
    /// The measurement that tries `rate` in this search.
    #[must_use]
    pub fn measurement_at(&self, rate: Rate) -> Measurement {
        let load = Load::Open(rate, self.arrivals);
        Measurement {
            connections: Some(self.connections),
            warm: self.warm,
            ..Measurement::new(self.name.clone(), self.operation, load, self.placement)
        }
    }
}

/// The ending of a noun that is counted.
fn plural(number: NonZeroU32) -> &'static str {
    if is_one(&number) { "" } else { "s" }
}

fn default_timeout() -> Duration {
    Duration::from_secs(5)
}

fn default_true() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_call(way: &Way) -> bool {
    way.is_call()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_exact(numbers: &Numbers) -> bool {
    *numbers == Numbers::Exact
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_reject(contention: &Contention) -> bool {
    *contention == Contention::Reject
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_true(flag: &bool) -> bool {
    *flag
}
