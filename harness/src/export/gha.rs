//! The custom formats of github-action-benchmark: <https://github.com/benchmark-action/github-action-benchmark>.

use serde_json::Value;

use super::metrics::{benchmarks, metrics};
use super::{ExportError, Format, json};
use crate::record::Record;
use crate::report::Summary;

/// A file of the action holds metrics of one direction.
pub(super) struct Gha {
    pub bigger_is_better: bool,
}

impl Format for Gha {
    fn export(&self, record: &Record) -> Result<String, ExportError> {
        let summary = Summary::new(record)?;
        let revision = record.tool.build.revision();
        let mut entries: Vec<Value> = Vec::new();
        for (name, stack) in benchmarks(&summary) {
            for metric in
                metrics(stack).iter().filter(|metric| metric.bigger_is_better == self.bigger_is_better)
            {
                let mut entry = serde_json::json!({
                    "name": format!("{name}/{}", metric.slug),
                    "unit": metric.unit,
                    "value": metric.value,
                    "extra": format!("run {}{}", record.id, revision.as_ref().map_or_else(String::new, |r| format!(", {r}"))),
                });
                if let Some((low, high)) = metric.range {
                    entry["range"] = format!("{low:.0} to {high:.0}").into();
                }
                entries.push(entry);
            }
        }
        if entries.is_empty() {
            return Err(ExportError::Nothing("valid trial"));
        }
        json(&entries)
    }
}
