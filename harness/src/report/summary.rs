//! What a record says, summed up for tables and plots: a row per stack and measurement.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::load::{Load, Operation};
use crate::observe::Counts;
use crate::record::{HistogramError, Label, Record, StackFacts, StartSpread, Status, Trial, Used, Wire};
use crate::scenario::Measurement;
use crate::stacks::{ProtocolRef, Role, at_the_place_of, base_name};
use crate::stats::{BLOCKS_FOR_A_VERDICT, Interval, median, new_histogram, range};

use super::text;
use super::verdict::{ByBlock, Resolution, name_ties, ratio};
use super::ways::Way;

/// The stack that latencies are held against.
pub(super) const FLOOR: &str = "tcp";

/// A record, summed up.
#[derive(Debug)]
pub struct Summary {
    /// A table for each measurement of the scenario that has a trial.
    pub tables: Vec<Table>,
    /// What a reader must know before anything else.
    pub warnings: Vec<String>,
}

/// One measurement: its rows in the order of what it measures, floors first.
#[derive(Debug)]
pub struct Table {
    /// What was measured.
    pub measurement: Measurement,
    /// A row per stack.
    pub rows: Vec<Row>,
    /// The stacks that would stand here and do not.
    pub absent: Vec<Absent>,
    /// What it can say of the differences in it.
    pub resolution: Resolution,
    /// The A/A pairs in it: a stack against itself.
    pub noise: Vec<Noise>,
    /// Stacks that were reached in two ways.
    pub ways: Vec<Way>,
}

/// What told a stack from itself: nothing but noise.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    /// The stack.
    pub stack: String,
    /// The ratio of its two halves; `None` where there are too few blocks.
    pub ratio: Option<Interval>,
}

/// A stack that a measurement has no trial of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// The stack.
    pub stack: String,
    /// Why.
    pub reason: String,
}

/// One stack in one measurement.
#[derive(Debug)]
pub struct Row {
    /// The stack.
    pub stack: String,
    /// Its protocol.
    pub protocol: ProtocolRef,
    /// What it is for.
    pub role: Role,
    /// What was called; the floors add whatever the measurement calls.
    pub operation: Operation,
    /// Over how many connections the callers went.
    pub connections: u32,
    /// Whether its server was already running, on cores that are not the placement's or that nobody knows.
    pub is_elsewhere: bool,
    /// How many trials count.
    pub valid: usize,
    /// How many do not, and why the first of them does not.
    pub not_valid: Option<(usize, String)>,
    /// Median latency of a block, in nanoseconds.
    pub p50: Option<Spread>,
    /// 99th percentile of a block, in nanoseconds.
    pub p99: Option<Spread>,
    /// 99.9th percentile of a block, in nanoseconds.
    pub p999: Option<Spread>,
    /// Median service time of a block in nanoseconds; only of an open loop, whose latencies run from the slot.
    pub service_p50: Option<Spread>,
    /// The generator's schedule lag at the 99th percentile of a block, in nanoseconds; only of an open loop.
    pub late_p99: Option<Spread>,
    /// Median latency as a multiple of the `tcp` floor's in the same block.
    pub times_tcp: Option<Spread>,
    /// Median latency as a multiple of that of the protocol's own floor in the same block; only of AMQP's and zerorpc's
    /// stacks.
    pub times_bare: Option<Spread>,
    /// Right answers per second.
    pub throughput: Option<Spread>,
    /// CPU time per right answer in nanoseconds, of client, server and broker.
    pub cpu: Cpu,
    /// Bytes on the wire.
    pub wire: Option<Wire>,
    /// What became of the calls of all its trials, the invalid ones included.
    pub counts: Counts,
    /// What a reader must know to read it rightly.
    pub labels: Vec<Label>,
    /// Latencies of all trials that count.
    pub latency: Histogram<u64>,
    /// Calls of those trials without the right answer: later than every latency.
    pub missing: u64,
    /// Each block's figure by which the table is ranked: median latency in nanoseconds for one caller, calls per
    /// second for several.
    pub figure_by_block: ByBlock,
    /// Letters: stacks with one in common could not be told apart. Absent where there is no verdict.
    pub ties: Option<String>,
}

/// A figure over the blocks of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The median of the blocks.
    pub median: f64,
    /// The least block.
    pub least: f64,
    /// The greatest block.
    pub most: f64,
}

impl Spread {
    /// Over `values`, leaving out what is no number: a ratio to nothing.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let finite: Vec<_> = values.iter().copied().filter(|value| value.is_finite()).collect();
        let (least, most) = range(&finite)?;
        Some(Spread { median: median(&finite)?, least, most })
    }
}

impl Spread {
    /// The same spread in another unit.
    #[must_use]
    pub fn map(self, convert: impl Fn(f64) -> f64) -> Self {
        Spread { median: convert(self.median), least: convert(self.least), most: convert(self.most) }
    }
}

/// CPU time per right answer, in nanoseconds: the median of the blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cpu {
    /// Of the client's process.
    pub client: Option<f64>,
    /// Of the server's process.
    pub server: Option<f64>,
    /// Of the broker's process.
    pub broker: Option<f64>,
}

impl Summary {
    /// Sums up `record`.
    ///
    /// # Errors
    /// When a histogram in it cannot be read.
    pub fn new(record: &Record) -> Result<Self, HistogramError> {
        let mut tables = Vec::new();
        for measurement in &record.scenario.measurements {
            let (twins, of_measurement): (Vec<_>, Vec<_>) = record
                .trials
                .iter()
                .filter(|trial| trial.measurement == measurement.name)
                .partition(|trial| trial.twin);
            let of_stack = |name: &str| -> Vec<&Trial> {
                of_measurement.iter().copied().filter(|trial| trial.stack == name).collect()
            };
            let figure = if measurement.load.is_for_latency() { p50 } else { throughput };
            let mut rows = Vec::new();
            for facts in &record.stacks {
                let trials = of_stack(&facts.name);
                if let Some(first) = trials.first() {
                    // What is reached another way is held against the floor that is reached so.
                    let of_floor =
                        |floor: &str| by_block(&of_stack(&at_the_place_of(floor, &facts.name)), p50);
                    let floor = of_floor(FLOOR);
                    let bare = facts.protocol.own_floor().filter(|bare| *bare != base_name(&facts.name));
                    let bare = bare.map(of_floor);
                    let mut row = Row::new(facts, first, &trials, &floor, bare.as_ref())?;
                    if facts.target.is_some() && trials.iter().any(|trial| !trial.server_placed) {
                        // It runs elsewhere, or nobody knows where, and nothing is compared across placements.
                        row.is_elsewhere = true;
                        row.times_tcp = None;
                        row.times_bare = None;
                    }
                    row.wire = wire_of(record, first);
                    row.figure_by_block = by_block(&trials, figure);
                    rows.push(row);
                }
            }
            rows.sort_by(|a, b| order(measurement, a, b));
            if !rows.is_empty() {
                let absent = absent(record, measurement, &rows);
                let resolution = name_ties(&mut rows);
                let noise = noise(&twins, &rows, figure);
                let ways = Way::of(&rows);
                tables.push(Table {
                    measurement: measurement.clone(),
                    rows,
                    absent,
                    resolution,
                    noise,
                    ways,
                });
            }
        }
        let mut warnings = warnings(record);
        for table in &tables {
            for noise in table.noise.iter().filter(|n| n.ratio.is_some_and(|ratio| !ratio.contains_one())) {
                warnings.insert(0, format!(
                    "{}: {} was told from itself: something other than the stacks made a difference in this run, and \
                     its verdicts cannot be trusted",
                    table.measurement.name, noise.stack
                ));
            }
        }
        Ok(Summary { tables, warnings })
    }
}

/// The stacks that were skipped, and those that an interrupted run did not come to.
fn absent(record: &Record, measurement: &Measurement, rows: &[Row]) -> Vec<Absent> {
    let skipped = record
        .skipped
        .iter()
        .map(|skipped| Absent { stack: skipped.stack.clone(), reason: skipped.reason.clone() });
    let not_reached = record.stacks.iter().filter(|facts| {
        // A function call is measured with one caller only.
        let expected = !facts.protocol.is_in_process() || measurement.load == Load::ONE_CALLER;
        record.interrupted && expected && rows.iter().all(|row| row.stack != facts.name)
    });
    let reason = "the run was interrupted before";
    skipped
        .chain(not_reached.map(|facts| Absent { stack: facts.name.clone(), reason: reason.to_owned() }))
        .collect()
}

/// Floors first; then what is better first: fewer nanoseconds for one caller, more answers for several.
fn order(measurement: &Measurement, a: &Row, b: &Row) -> Ordering {
    let floors = b.protocol.is_floor().cmp(&a.protocol.is_floor());
    let p50 = |row: &Row| row.p50.map_or(f64::INFINITY, |p50| p50.median);
    let throughput = |row: &Row| row.throughput.map_or(0.0, |throughput| throughput.median);
    floors.then_with(|| {
        if measurement.load.is_for_latency() {
            p50(a).total_cmp(&p50(b))
        } else {
            throughput(b).total_cmp(&throughput(a))
        }
    })
}

fn is_valid(trial: &Trial) -> bool {
    trial.status == Status::Valid
}

#[allow(clippy::cast_precision_loss)]
fn p50(trial: &Trial) -> Option<f64> {
    trial.latency.as_ref()?.p50.map(|nanos| nanos as f64)
}

fn throughput(trial: &Trial) -> Option<f64> {
    Some(trial.throughput)
}

/// A figure of each block in which a trial counts; the geometric mean where several do, and infinite where the figure
/// falls among calls without an answer.
#[allow(clippy::cast_precision_loss)]
fn by_block(trials: &[&Trial], figure: fn(&Trial) -> Option<f64>) -> ByBlock {
    let mut logs: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for trial in trials.iter().filter(|trial| is_valid(trial)) {
        let figure = figure(trial).unwrap_or(f64::INFINITY);
        logs.entry(trial.block).or_default().push(figure.ln());
    }
    let mean = |logs: Vec<f64>| (logs.iter().sum::<f64>() / logs.len() as f64).exp();
    logs.into_iter().map(|(block, logs)| (block, mean(logs))).collect()
}

fn noise(twins: &[&Trial], rows: &[Row], figure: fn(&Trial) -> Option<f64>) -> Vec<Noise> {
    let of_row = |row: &Row| {
        let twin: Vec<_> = twins.iter().copied().filter(|twin| twin.stack == row.stack).collect();
        let ratio = || ratio(&row.figure_by_block, &by_block(&twin, figure));
        (!twin.is_empty()).then(|| Noise { stack: row.stack.clone(), ratio: ratio() })
    };
    rows.iter().filter_map(of_row).collect()
}

fn wire_of(record: &Record, trial: &Trial) -> Option<Wire> {
    record.wire.iter().find(|wire| wire.stack == trial.stack && wire.operation == trial.operation).cloned()
}

impl Row {
    /// Whether the client saturated first, so that the figures say nothing about how fast the server could be.
    #[must_use]
    pub fn is_client_bound(&self) -> bool {
        self.labels.contains(&Label::ClientBound)
    }

    #[allow(clippy::cast_precision_loss)]
    fn new(
        facts: &StackFacts,
        first: &Trial,
        trials: &[&Trial],
        floor: &ByBlock,
        bare: Option<&ByBlock>,
    ) -> Result<Self, HistogramError> {
        let valid: Vec<_> = trials.iter().copied().filter(|trial| is_valid(trial)).collect();
        // A quantile that falls among calls without an answer is later than any figure. A block must not drop out of a
        // median because of that: then there is no figure at all.
        let quantile = |of: fn(&Trial) -> Option<f64>| {
            let all: Option<Vec<f64>> = valid.iter().map(|trial| of(trial)).collect();
            Spread::of(&all.unwrap_or_default())
        };
        let spread = |of: &dyn Fn(&Trial) -> Option<f64>| {
            Spread::of(&valid.iter().filter_map(|trial| of(trial)).collect::<Vec<_>>())
        };
        let median = quantile(p50);
        let ratio = |to: &ByBlock| median.and(spread(&|trial| Some(p50(trial)? / to.get(&trial.block)?)));
        let per_call = |of: &dyn Fn(&Trial) -> Option<Used>| {
            spread(&|trial| Some(of(trial)?.cpu_ns as f64 / trial.counts.right as f64)).map(|s| s.median)
        };
        let mut counts = Counts::default();
        for trial in trials {
            counts.merge(&trial.counts);
        }
        let mut latency = new_histogram();
        for trial in &valid {
            if let Some(of_trial) = &trial.latency {
                // All histograms of a record have the same bounds.
                let _ = latency.add(of_trial.histogram()?);
            }
        }
        let complaint = trials.iter().find(|trial| !is_valid(trial)).and_then(|trial| trial.complaint());
        Ok(Row {
            stack: first.stack.clone(),
            protocol: facts.protocol,
            role: facts.role,
            operation: first.operation,
            connections: first.connections,
            is_elsewhere: false,
            valid: valid.len(),
            not_valid: complaint.map(|complaint| (trials.len() - valid.len(), complaint.to_owned())),
            p50: median,
            p99: quantile(|trial| trial.latency.as_ref()?.p99.map(|nanos| nanos as f64)),
            p999: quantile(|trial| trial.latency.as_ref()?.p999.map(|nanos| nanos as f64)),
            service_p50: quantile(|trial| trial.service.as_ref()?.p50.map(|nanos| nanos as f64)),
            late_p99: quantile(|trial| trial.schedule_lag.as_ref()?.p99.map(|nanos| nanos as f64)),
            times_tcp: ratio(floor),
            times_bare: bare.and_then(ratio),
            throughput: spread(&|trial| Some(trial.throughput)),
            cpu: Cpu {
                client: per_call(&|trial| trial.client),
                server: per_call(&|trial| trial.server),
                broker: per_call(&|trial| trial.broker),
            },
            wire: None,
            counts,
            labels: labels(trials),
            latency,
            missing: valid.iter().map(|trial| trial.counts.not_right()).sum(),
            figure_by_block: ByBlock::new(),
            ties: None,
        })
    }
}

/// The labels of at least half of the trials, so that one trial on the edge does not speak for the others; and `errors`
/// wherever there was one.
fn labels(trials: &[&Trial]) -> Vec<Label> {
    let mut counted: BTreeMap<Label, usize> = BTreeMap::new();
    for label in trials.iter().flat_map(|trial| &trial.labels) {
        *counted.entry(*label).or_default() += 1;
    }
    let weighty = |(label, count): &(Label, usize)| *label == Label::Errors || 2 * count >= trials.len();
    counted.into_iter().filter(weighty).map(|(label, _)| label).collect()
}

/// What there is to know of the load generators, where there were several.
fn agents(record: &Record) -> Option<String> {
    match (record.agents.as_slice(), StartSpread::of(record)) {
        ([only], _) if only.of > 1 => Some(format!(
            "this is the part of agent {} of {} alone: `rpcbench merge` puts the parts together",
            only.number, only.of
        )),
        (agents, spread) => spread.map(|spread| format!("{} agents: {}", agents.len(), spread.sentence())),
    }
}

fn warnings(record: &Record) -> Vec<String> {
    let mut warnings = Vec::new();
    if !record.tool.optimised {
        warnings.push("measured with a build without optimisations: the figures mean nothing".to_owned());
    }
    if !record.tool.full_observation {
        warnings.push(
            "this system cannot pin processes or count bytes: placements are wishes, and what stands empty is not \
             observable"
                .to_owned(),
        );
    }
    if record.interrupted {
        warnings.push(format!("interrupted: {} trials were made", record.trials.len()));
    }
    warnings.extend(agents(record));
    for measurement in &record.scenario.measurements {
        if record.trials.iter().all(|trial| trial.measurement != measurement.name) {
            warnings.push(format!("{} has no trial", measurement.name));
        }
    }
    for skipped in &record.skipped {
        warnings.push(format!("{} was not measured: {}", skipped.stack, skipped.reason));
    }
    for (what, status) in [("invalid", Status::Invalid), ("failed", Status::Failed)] {
        let trials: Vec<_> = record.trials.iter().filter(|trial| trial.status == status).collect();
        if let Some(first) = trials.first() {
            warnings.push(format!(
                "{} of {} trials {what} and left out, the first: {} ({}): {}",
                trials.len(),
                record.trials.len(),
                first.stack,
                first.measurement,
                first.complaint().unwrap_or("no reason recorded")
            ));
        }
    }
    let has_blocks = !record.scenario.measurements.is_empty();
    if has_blocks && (record.scenario.blocks.get() as usize) < BLOCKS_FOR_A_VERDICT {
        warnings.push(format!(
            "{}: enough for the order of magnitude, too few for a verdict on small differences \
             ({BLOCKS_FOR_A_VERDICT} or more)",
            text::blocks(record)
        ));
    }
    warnings.push("all figures are without TLS".to_owned());
    warnings
}
