//! The figures of topologies, for claims.

use crate::record::{Record, Status, TopologyResult};
use crate::scenario::ClaimFigure;
use crate::stats::ByBlock;

const NANOS_PER_MILLI: f64 = 1e6;
const BYTES_PER_MIB: f64 = 1_048_576.0;

/// `figure` of `stack` in `topology`, in each block in which it counts.
///
/// # Errors
/// Why `record` has no such figure, as a sentence without a full stop.
pub(super) fn of_topology(
    record: &Record,
    topology: &str,
    stack: &str,
    figure: ClaimFigure,
) -> Result<ByBlock, String> {
    let all = record.topologies.iter();
    let results: Vec<_> = all.filter(|result| result.topology == topology && result.stack == stack).collect();
    let valid: Vec<_> = results.iter().filter(|result| result.status == Status::Valid).collect();
    if valid.is_empty() {
        let reason = results.iter().find_map(|result| result.complaint.as_deref());
        let reason = reason.map_or_else(String::new, |reason| {
            // It may end with a server's log of several lines.
            format!(": {}", reason.split_whitespace().collect::<Vec<_>>().join(" "))
        });
        return Err(format!("{stack} has no valid block of the topology `{topology}`{reason}"));
    }
    let facts = record.stacks.iter().find(|facts| facts.name == stack);
    let is_brokered = facts.is_some_and(|facts| facts.protocol.needs_broker());
    let value = |result: &TopologyResult| value(result, is_brokered, figure);
    let values: ByBlock = valid.iter().filter_map(|result| Some((result.block, value(result)?))).collect();
    if values.is_empty() {
        return Err(format!("the {} of {stack} was not observable", figure.title()));
    }
    Ok(values)
}

/// `figure` of `result`, the result of a stack that `is_brokered` or not; `None` where it was not observed.
#[allow(clippy::cast_precision_loss)]
fn value(result: &TopologyResult, is_brokered: bool, figure: ClaimFigure) -> Option<f64> {
    match figure {
        ClaimFigure::Sockets => Some(result.connections? as f64),
        ClaimFigure::SetUp => Some(result.setup_ns? as f64 / NANOS_PER_MILLI),
        ClaimFigure::Memory => Some(result.memory_bytes(is_brokered)? as f64 / BYTES_PER_MIB),
        _ => None,
    }
}
