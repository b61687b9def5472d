//! Figures as SVG, drawn from a summary: a file for each kind.

mod axis;
mod bytes;
mod call_time;
mod canvas;
mod capacity;
mod chart;
mod claim;
mod codecs;
mod cpu;
mod curves;
mod dots;
mod figure;
mod latency;
mod noise;
mod offered_load;
mod panels;
mod percentiles;
mod ratios;
mod rows;
mod servers;
mod stability;
mod style;
mod sweep;
mod throughput;
mod timeline;
mod topology;

use super::call_time::CallTimes;
use super::capacity::capacities;
use super::names::Names;
use super::summary::{MeasurementSummary, Summary};
use super::timelines::timelines;
use crate::deploy::Placement;
use crate::load::Operation;
use crate::record::Record;

pub(super) use canvas::PlotError;
pub(super) use chart::chart;
pub(super) use dots::dots;
pub(super) use figure::Figure;
pub(super) use panels::Multiples;
pub(super) use ratios::ratios;
pub(super) use style::{dark_rules, swatch};

/// The figures of a record.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    /// The figures of each measurement, in the order of the summary.
    pub measurements: Vec<Vec<Figure>>,
    /// The latency percentiles of each measurement; absent where there were too few calls.
    pub latencies: Vec<Option<Multiples>>,
    /// The claims of the scenario, a figure for each.
    pub claims: Vec<Figure>,
    /// The highest rates that were found, a figure for each search.
    pub capacities: Vec<Figure>,
    /// The timelines, a figure each.
    pub timelines: Vec<Figure>,
    /// The topologies, a figure for each group of them.
    pub topologies: Vec<Figure>,
    /// Figures across measurements that differ only in their load.
    pub sweeps: Vec<Figure>,
    /// Response time against offered load, a figure for each sweep.
    pub offered_loads: Vec<Multiples>,
    /// Bytes on the wire, a figure for each operation.
    pub bytes: Vec<Figure>,
    /// The codecs, a figure for each measurement of them.
    pub codecs: Vec<Figure>,
    /// Where the time of a call goes.
    pub call_time: Option<Multiples>,
    /// Every stack in every block.
    pub stability: Option<Multiples>,
    /// Differences next to the noise.
    pub noise: Option<Multiples>,
}

impl Figures {
    /// Draws all figures.
    pub(super) fn new(record: &Record, summary: &Summary) -> Result<Self, PlotError> {
        let mut names = Names::default();
        let (mut measurements, mut latencies) = (Vec::new(), Vec::new());
        for measurement in &summary.measurements {
            let name = names.unique(&measurement.measurement.name);
            measurements.push(of_measurement(measurement, &name)?);
            latencies.push(percentiles::figure(measurement, format!("{name}-percentiles"))?);
        }
        let mut operations: Vec<Operation> = Vec::new();
        for wire in &record.wire {
            if !operations.contains(&wire.operation) {
                operations.push(wire.operation);
            }
        }
        let mut bytes = Vec::new();
        for operation in operations {
            bytes.push(bytes::figure(record, operation, names.unique(&format!("bytes {operation}")))?);
        }
        let sweeps = sweep::figures(summary, |name| names.unique(name))?;
        let offered_loads = offered_load::figures(summary, |name| names.unique(name))?;
        let mut searches = Vec::new();
        for found in capacities(record) {
            let name = names.unique(&format!("search {}", found.search.name));
            searches.push(capacity::figure(record, &found, name)?);
        }
        let mut claims = Vec::new();
        for judged in &summary.claims {
            let name = names.unique(&format!("claim {}", judged.name));
            claims.push(claim::figure(record, judged, name)?);
        }
        let mut codecs = Vec::new();
        for measured in super::codecs::all(record) {
            let name = names.unique(&format!("codec {}", measured.measurement.name));
            codecs.push(codecs::figure(&measured, name)?);
        }
        let mut over_time = Vec::new();
        for timeline in timelines(record) {
            let name = names.unique(&format!("timeline {}", timeline.timeline.name));
            over_time.push(timeline::figure(&timeline, name)?);
        }
        let mut topologies = Vec::new();
        for group in super::topologies::all(record) {
            let name = names.unique(&format!("topology {}", group.name()));
            topologies.push(topology::figure(&group, name)?);
        }
        let call_time = match CallTimes::of(record, summary) {
            Some(times) => call_time::figure(&times, names.unique("call time"))?,
            None => None,
        };
        Ok(Figures {
            measurements,
            latencies,
            claims,
            capacities: searches,
            timelines: over_time,
            topologies,
            sweeps,
            offered_loads,
            bytes,
            codecs,
            call_time,
            stability: stability::figure(&super::stability::all(record, summary), names.unique("stability"))?,
            noise: noise::figure(&summary.measurements, names.unique("noise"))?,
        })
    }

    /// Every figure.
    pub(super) fn all(&self) -> impl Iterator<Item = &Figure> {
        self.claims
            .iter()
            .chain(&self.capacities)
            .chain(&self.timelines)
            .chain(&self.topologies)
            .chain(&self.sweeps)
            .chain(self.measurements.iter().flatten())
            .chain(&self.bytes)
            .chain(&self.codecs)
            .chain(self.multiples().map(|multiples| &multiples.figure))
    }
    /// The figures that consist of panels.
    fn multiples(&self) -> impl Iterator<Item = &Multiples> {
        let Figures { latencies, offered_loads, call_time, stability, noise, .. } = self;
        latencies.iter().flatten().chain(offered_loads).chain(call_time).chain(stability).chain(noise)
    }
}

fn of_measurement(summary: &MeasurementSummary, name: &str) -> Result<Vec<Figure>, PlotError> {
    let one_caller = summary.measurement.load.is_for_latency();
    let mut figures = Vec::new();
    if one_caller {
        figures.push(latency::figure(summary, format!("{name}-p50"))?);
    } else {
        figures.push(throughput::figure(summary, format!("{name}-calls"))?);
    }
    // With one caller on two cores, most of a latency is not CPU time but waiting for the other core.
    if !one_caller || summary.measurement.placement == Placement::Shared {
        figures.extend(cpu::figure(summary, format!("{name}-cpu"))?);
    }
    figures.extend(servers::figure(summary, format!("{name}-servers"))?);
    Ok(figures)
}
