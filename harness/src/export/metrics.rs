//! The metrics of a stack in a measurement, for formats that hold a few numbers for each benchmark.

use crate::report::{MeasurementSummary, Spread, StackSummary, Summary};

/// A metric over the blocks of a run.
pub(super) struct Metric {
    /// The name, in lower case with hyphens.
    pub slug: &'static str,
    /// The unit.
    pub unit: &'static str,
    /// Whether more is better.
    pub bigger_is_better: bool,
    /// The median of the blocks.
    pub value: f64,
    /// The smallest and the largest block, where there are several.
    pub range: Option<(f64, f64)>,
}

/// Each stack of each measurement, with the name of the benchmark: `MEASUREMENT/STACK`.
pub(super) fn benchmarks(summary: &Summary) -> impl Iterator<Item = (String, &StackSummary)> {
    let of = |summary: &'_ MeasurementSummary, stack: &StackSummary| {
        format!("{}/{}", summary.measurement.name, stack.stack)
    };
    summary.measurements.iter().flat_map(move |measurement| {
        measurement.stacks.iter().map(move |stack| (of(measurement, stack), stack))
    })
}

/// The metrics of `stack`, as far as they were observed. Only valid trials count.
pub(super) fn metrics(stack: &StackSummary) -> Vec<Metric> {
    let metric = |slug, unit, bigger_is_better, spread: Option<Spread>| {
        let spread = spread?;
        Some(Metric { slug, unit, bigger_is_better, value: spread.median, range: spread.range() })
    };
    let cost = |slug, unit, value: Option<f64>| {
        Some(Metric { slug, unit, bigger_is_better: false, value: value?, range: None })
    };
    let capacity = stack.capacity.as_ref().filter(|capacity| capacity.is_exact());
    let bytes = stack.wire.as_ref().map(|wire| wire.per_call.up + wire.per_call.down);
    [
        metric("latency", "ns", false, stack.p50),
        metric("latency-p99", "ns", false, stack.p99),
        metric("throughput", "calls/s", true, stack.throughput),
        metric("capacity", "calls/s per core", true, capacity.and_then(|capacity| capacity.per_core)),
        cost("client-cpu", "ns/call", stack.cpu.client),
        cost("server-cpu", "ns/call", stack.cpu.server),
        cost("broker-cpu", "ns/call", stack.cpu.broker),
        cost("bytes", "bytes/call", bytes),
    ]
    .into_iter()
    .flatten()
    .collect()
}
