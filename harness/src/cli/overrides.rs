//! The options that change a scenario, shared by `run` and `agent`.

use std::num::NonZeroU32;
use std::time::Duration;

use calculator::conformance::Numbers;

use super::Failure;
use crate::deploy::Placement;
use crate::load::{Load, Operation};
use crate::scenario::{Contention, Measurement, Scenario};
use crate::stacks::parse_size;

/// Settings that replace those of the scenario.
#[derive(clap::Args)]
pub(super) struct Overrides {
    /// Call these operations instead of the scenario's: operations of the calculator, names of `[[operation]]` tables, or mix for
    /// all of these tables
    #[arg(long = "operation", value_name = "add,echo", value_delimiter = ',', value_parser = Operation::named)]
    operations: Vec<Operation>,
    /// Use these loads instead of the scenario's: closed loops with a number of callers, or open loops with a rate in calls
    /// per second
    #[arg(long = "load", value_name = "closed:32,open:5000:poisson", value_delimiter = ',')]
    loads: Vec<Load>,
    /// Call echo with a payload of this size, for example 10KiB
    #[arg(long, value_name = "SIZE", value_parser = payload)]
    payload: Option<u64>,
    /// The number of connections. In a closed loop it has no effect on protocols that allow only one call at a time per
    /// connection: these have one connection per caller
    #[arg(long, value_name = "N", value_parser = connections)]
    connections: Option<NonZeroU32>,
    /// The number of blocks; each block contains every trial once
    #[arg(long, value_name = "N", value_parser = blocks)]
    blocks: Option<NonZeroU32>,
    /// The length of each trial's measured window: 20ms to 600s. A number without a unit is in seconds
    #[arg(long, value_name = "TIME", value_parser = calculator::parse_duration)]
    seconds: Option<Duration>,
    /// How numbers in answers are compared: exact (5 and 5.0 differ) or any (by value, for servers in languages with one
    /// type of numbers, such as JavaScript, Lua and PHP). The record has this setting
    #[arg(long, value_name = "exact|any", value_parser = parse_numbers)]
    numbers: Option<Numbers>,
    /// How to treat a trial that contention for its cores has made unusable, by other processes, the hypervisor or a CPU
    /// quota: reject (it is invalid) or label (it counts, with a label). The record has this setting
    #[arg(long, value_name = "reject|label", env = CONTENTION_VARIABLE, hide_env = true, hide_possible_values = true)]
    contention: Option<Contention>,
}

/// The environment variable that sets `--contention`, for whole test suites on machines that are not quiet.
const CONTENTION_VARIABLE: &str = "RPCBENCH_CONTENTION";

/// Parses a value of `--numbers`.
pub(super) fn parse_numbers(text: &str) -> Result<Numbers, String> {
    match text {
        "exact" => Ok(Numbers::Exact),
        "any" => Ok(Numbers::Any),
        _ => Err("expected exact or any".to_owned()),
    }
}

fn blocks(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| format!("expected a number of blocks from 1 to {}", u32::MAX))
}

fn connections(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| "expected 1 to 10000 connections".to_owned())
}

fn payload(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text).ok_or("expected a size, for example 1KiB")?;
    Operation::ADD
        .with_payload(bytes)
        .map(|_| bytes)
        .map_err(|_| "expected a size from 1B to 1MiB".to_owned())
}

impl Overrides {
    /// The number of blocks, if one is given.
    pub(super) fn blocks(&self) -> Option<NonZeroU32> {
        self.blocks
    }

    /// The scenario as the options change it: of `stacks`, where there are any, in `placement`, where it is given, and
    /// with cores kept awake only where `warm` allows it.
    pub(super) fn apply(
        &self,
        mut scenario: Scenario,
        stacks: &[String],
        placement: Option<Placement>,
        warm: bool,
    ) -> Result<Scenario, Failure> {
        if !stacks.is_empty() {
            scenario.restrict_to(stacks);
        }
        if let Some(blocks) = self.blocks {
            scenario.blocks = blocks;
            scenario.measurements.iter_mut().for_each(|measurement| measurement.blocks = None);
            scenario.codecs.iter_mut().for_each(|codecs| codecs.blocks = None);
        }
        if let Some(seconds) = self.seconds {
            scenario.measure = seconds;
            scenario.measurements.iter_mut().for_each(|measurement| measurement.measure = None);
            scenario.codecs.iter_mut().for_each(|codecs| codecs.measure = None);
        }
        scenario.numbers = self.numbers.unwrap_or(scenario.numbers);
        scenario.contention = self.contention.unwrap_or(scenario.contention);
        for measurement in &mut scenario.measurements {
            measurement.placement = placement.unwrap_or(measurement.placement);
            measurement.connections = self.connections.or(measurement.connections);
            measurement.warm &= warm;
        }
        if !self.loads.is_empty() {
            // Searches and timelines determine their loads, and topologies have none.
            scenario.searches.clear();
            scenario.timelines.clear();
            scenario.topologies.clear();
        }
        for search in &mut scenario.searches {
            search.placement = placement.unwrap_or(search.placement);
            search.connections = self.connections.unwrap_or(search.connections);
            search.operation = self.operations.first().copied().unwrap_or(search.operation);
            search.warm &= warm;
            if let Some(bytes) = self.payload {
                search.operation = search.operation.with_payload(bytes).map_err(Failure::usage)?;
            }
        }
        for timeline in &mut scenario.timelines {
            timeline.blocks = self.blocks.or(timeline.blocks);
            timeline.placement = placement.unwrap_or(timeline.placement);
            timeline.connections = self.connections.or(timeline.connections);
            timeline.operation = self.operations.first().copied().unwrap_or(timeline.operation);
            timeline.warm &= warm;
            if let Some(bytes) = self.payload {
                timeline.operation = timeline.operation.with_payload(bytes).map_err(Failure::usage)?;
            }
        }
        for topology in &mut scenario.topologies {
            topology.blocks = self.blocks.or(topology.blocks);
            topology.placement = placement.unwrap_or(topology.placement);
            topology.operation = self.operations.first().copied().unwrap_or(topology.operation);
            if let Some(bytes) = self.payload {
                topology.operation = topology.operation.with_payload(bytes).map_err(Failure::usage)?;
            }
        }
        replace(&mut scenario, &self.loads, |measurement, load| measurement.load = load);
        replace(&mut scenario, &self.operations, |measurement, operation| measurement.operation = operation);
        if let Some(bytes) = self.payload {
            for measurement in &mut scenario.measurements {
                measurement.operation = measurement.operation.with_payload(bytes).map_err(Failure::usage)?;
                measurement.name = name_of(measurement);
            }
        }
        scenario.measurements = distinct(scenario.measurements);
        if let Some(message) = scenario.unknown_operation() {
            return Err(Failure::usage(message));
        }
        Ok(scenario)
    }
}

/// `measurements` without those that have become the same as another, and with unique names. The slices of one that stands for
/// several are long enough for each of them.
fn distinct(measurements: Vec<Measurement>) -> Vec<Measurement> {
    let mut different: Vec<Measurement> = Vec::new();
    for mut measurement in measurements {
        let slice = measurement.slice;
        let is_same = |other: &&mut Measurement| {
            Measurement { name: measurement.name.clone(), slice, ..(*other).clone() } == measurement
        };
        if let Some(other) = different.iter_mut().find(is_same) {
            other.slice = other.slice.zip(slice).map(|(a, b)| a.max(b));
            continue;
        }
        // Of other stacks, or in other blocks.
        let (name, mut number) = (measurement.name.clone(), 1);
        while different.iter().any(|other| other.name == measurement.name) {
            number += 1;
            measurement.name = format!("{name} ({number})");
        }
        different.push(measurement);
    }
    different
}

/// The name of a measurement that options have changed.
fn name_of(measurement: &Measurement) -> String {
    let Measurement { operation, load, placement, connection, .. } = measurement;
    let connection = if connection.is_kept() { String::new() } else { format!(" {connection}") };
    format!("{operation} {load} {placement}{connection}{}", measurement.handlers())
}

/// Repeats each measurement for each of `values`, named after the value; without values, leaves the measurements as they
/// are.
fn replace<T: Copy + std::fmt::Display>(
    scenario: &mut Scenario,
    values: &[T],
    set: impl Fn(&mut Measurement, T),
) {
    if values.is_empty() {
        return;
    }
    let measurements = std::mem::take(&mut scenario.measurements);
    for measurement in measurements {
        for value in values {
            let mut changed = measurement.clone();
            set(&mut changed, *value);
            changed.name = name_of(&changed);
            scenario.measurements.push(changed);
        }
    }
}
