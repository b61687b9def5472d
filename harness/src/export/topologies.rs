//! Comma-separated values (RFC 4180): a row for each topology of each stack in each block, as the record has them.

use super::csv::rows;
use super::{ExportError, Format};
use crate::record::{MemoryChange, Record, TopologyResult};

pub(super) struct Topologies;

/// A column: its name, with the unit, and the cell of a topology. A figure that was not observed is empty.
type Column = (&'static str, fn(&Record, &TopologyResult) -> String);

const COLUMNS: [Column; 22] = [
    ("run", |record, _| record.id.clone()),
    ("started", |record, _| record.started.clone()),
    ("scenario", |record, _| record.scenario.name.clone()),
    ("topology", |_, result| result.topology.clone()),
    ("stack", |_, result| result.stack.clone()),
    ("clients", |_, result| result.clients.to_string()),
    ("servers", |_, result| result.servers.to_string()),
    ("block", |_, result| result.block.to_string()),
    ("status", |_, result| format!("{:?}", result.status).to_lowercase()),
    ("complaint", |_, result| result.complaint.clone().unwrap_or_default()),
    ("at_seconds", |_, result| result.at_seconds.to_string()),
    ("connections", |_, result| number(result.connections)),
    ("set_up_ns", |_, result| number(result.setup_ns)),
    ("started_calls", |_, result| result.counts.started.to_string()),
    ("right", |_, result| result.counts.right.to_string()),
    ("failed", |_, result| result.counts.errors().to_string()),
    ("client_rss_before_bytes", |_, result| memory(result.client_memory, |memory| memory.before)),
    ("client_rss_after_bytes", |_, result| memory(result.client_memory, |memory| memory.after)),
    ("server_rss_before_bytes", |_, result| memory(result.server_memory, |memory| memory.before)),
    ("server_rss_after_bytes", |_, result| memory(result.server_memory, |memory| memory.after)),
    ("broker_rss_before_bytes", |_, result| memory(result.broker_memory, |memory| memory.before)),
    ("broker_rss_after_bytes", |_, result| memory(result.broker_memory, |memory| memory.after)),
];

fn number(number: Option<u64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

fn memory(change: Option<MemoryChange>, of: fn(MemoryChange) -> u64) -> String {
    number(change.map(of))
}

impl Format for Topologies {
    fn export(&self, record: &Record) -> Result<String, ExportError> {
        if record.topologies.is_empty() {
            return Err(ExportError::Nothing("topology"));
        }
        rows(COLUMNS.map(|(name, _)| name), &record.topologies, |result| {
            COLUMNS.map(|(_, cell)| cell(record, result))
        })
    }
}
