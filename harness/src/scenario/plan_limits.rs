//! What a scenario may ask for, and why one cannot be carried out.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::codec::{CodecMeasurement, CodecPlanError};
use super::model::{Measurement, Scenario};
use super::servers::MAX_SERVERS;
use super::timeline::TimelineError;
use super::topology::TopologyError;
use crate::deploy::NotEnoughCores;
use crate::stacks::UnknownStack;

/// The longest time of a scenario.
const MAX_TIME: Duration = Duration::from_secs(600);
/// How long a trial may be measured.
const MEASURE_RANGE: RangeInclusive<Duration> = Duration::from_millis(20)..=MAX_TIME;
/// The permitted length of a slice. The minimum is much longer than the readings at its ends take.
const SLICE_RANGE: RangeInclusive<Duration> = Duration::from_millis(10)..=MAX_TIME;
/// The p99 that a search may ask for.
const SEARCH_LIMIT_RANGE: RangeInclusive<Duration> = Duration::from_micros(10)..=Duration::from_secs(60);
/// The largest number of connections of a trial.
const MAX_CONNECTIONS: NonZeroU32 = NonZeroU32::new(10_000).unwrap();

/// The largest number of bindings of an exchange.
const MAX_BINDINGS: NonZeroU32 = NonZeroU32::new(10_000).unwrap();

/// Why a scenario cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The scenario names a stack that does not exist.
    #[error(transparent)]
    Stack(#[from] UnknownStack),
    /// A placement needs more cores than there are.
    #[error(transparent)]
    Cores(#[from] NotEnoughCores),
    /// The length of the window is out of range.
    #[error("a trial is measured for 20ms to 600s")]
    Measure,
    /// The length of a slice is out of range.
    #[error("a slice takes 10ms to 600s")]
    Slice,
    /// The warm-up is too long.
    #[error("a warm-up takes at most 600s")]
    Warmup,
    /// The timeout of calls is out of range.
    #[error("a call may take 1ms to 600s")]
    Timeout,
    /// The scenario has neither a measurement nor a search nor a timeline nor a topology nor codecs.
    #[error(
        "the scenario has no [[measurement]], no [[search]], no [[timeline]], no [[topology]] and no [[codec]]: there is \
         nothing to measure"
    )]
    Nothing,
    /// Codecs cannot be measured.
    #[error(transparent)]
    Codec(#[from] CodecPlanError),
    /// A timeline cannot be carried out.
    #[error(transparent)]
    Timeline(#[from] TimelineError),
    /// A topology cannot be built.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A number of servers is out of range.
    #[error("a measurement has 1 to {MAX_SERVERS} servers")]
    Servers,
    /// There are fewer servers than slow ones.
    #[error("the measurement `{0}` has fewer servers than slow ones")]
    SlowServers(String),
    /// The number of bindings is out of range.
    #[error("an exchange has 1 to {MAX_BINDINGS} bindings")]
    Bindings,
    /// Several servers in turn with those of other stacks.
    #[error("the measurement `{0}` has several servers, and takes no slice")]
    SlicedServers(String),
    /// A number of connections is out of range.
    #[error("calls go over 1 to 10000 connections")]
    Connections,
    /// A number of connections is given where each call opens one.
    #[error("the measurement `{0}` opens a connection for each call; leave the number of connections out")]
    ConnectionsPerCall(String),
    /// Each call opens a connection, where only connections that stay open will do.
    #[error(
        "the measurement `{0}` opens a connection for each call: it has one server, no exchange, and makes calls that are answered"
    )]
    OnlyCallsPerCall(String),
    /// The limit of a search is out of range.
    #[error("the p99 of a search lies between 10us and 60s")]
    SearchLimit,
    /// A stack is in two pairs.
    #[error("the stack {0} is in two pairs: it cannot be paired")]
    InTwoPairs(&'static str),
    /// A floor is in a pair.
    #[error("the stack {0} is a floor: it cannot be paired")]
    PairedFloor(&'static str),
}

/// Checks that every number of the scenario is in range.
pub(super) fn check_ranges(scenario: &Scenario) -> Result<(), PlanError> {
    let Scenario { measure, warmup, timeout, measurements, searches, timelines, codecs, .. } = scenario;
    let windows = std::iter::once(measure).chain(measurements.iter().filter_map(|m| m.measure.as_ref()));
    let mut windows = windows.chain(codecs.iter().filter_map(|codecs| codecs.measure.as_ref()));
    let warmups = std::iter::once(warmup).chain(measurements.iter().filter_map(|m| m.warmup.as_ref()));
    let mut warmups = warmups.chain(codecs.iter().filter_map(|codecs| codecs.warmup.as_ref()));
    let mut slices = measurements.iter().filter_map(|measurement| measurement.slice);
    let connections = measurements.iter().filter_map(|measurement| measurement.connections);
    let connections = connections.chain(timelines.iter().filter_map(|timeline| timeline.connections));
    let mut connections = connections.chain(searches.iter().map(|search| search.connections));
    let per_call = |it: &&Measurement| !it.connection.is_kept() && it.connections.is_some();
    if windows.any(|measure| !MEASURE_RANGE.contains(measure)) {
        Err(PlanError::Measure)
    } else if slices.any(|slice| !SLICE_RANGE.contains(&slice)) {
        Err(PlanError::Slice)
    } else if warmups.any(|warmup| *warmup > MAX_TIME) {
        Err(PlanError::Warmup)
    } else if timeout.is_zero() || *timeout > MAX_TIME {
        Err(PlanError::Timeout)
    } else if measurements.is_empty()
        && searches.is_empty()
        && timelines.is_empty()
        && scenario.topologies.is_empty()
        && codecs.is_empty()
    {
        Err(PlanError::Nothing)
    } else if connections.any(|connections| connections > MAX_CONNECTIONS) {
        Err(PlanError::Connections)
    } else if let Some(measurement) = measurements.iter().find(per_call) {
        Err(PlanError::ConnectionsPerCall(measurement.name.clone()))
    } else if searches.iter().any(|search| !SEARCH_LIMIT_RANGE.contains(&search.p99)) {
        Err(PlanError::SearchLimit)
    } else {
        measurements.iter().try_for_each(check_servers)?;
        codecs.iter().try_for_each(CodecMeasurement::check).map_err(PlanError::from)
    }
}

/// Checks the numbers of the servers and of the bindings of `measurement`.
fn check_servers(measurement: &Measurement) -> Result<(), PlanError> {
    let Measurement { servers, slow, slice, name, exchange, connection, way, .. } = measurement;
    let is_plain = *servers == NonZeroU32::MIN && exchange.is_none() && way.is_call();
    if !connection.is_kept() && !is_plain {
        Err(PlanError::OnlyCallsPerCall(name.clone()))
    } else if *servers > MAX_SERVERS {
        Err(PlanError::Servers)
    } else if slow.is_some_and(|slow| slow.servers > *servers) {
        Err(PlanError::SlowServers(name.clone()))
    } else if exchange.is_some_and(|exchange| exchange.bindings > MAX_BINDINGS) {
        Err(PlanError::Bindings)
    } else if *servers > NonZeroU32::MIN && slice.is_some() {
        Err(PlanError::SlicedServers(name.clone()))
    } else {
        Ok(())
    }
}
